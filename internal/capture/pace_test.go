package capture

import (
	"testing"
	"time"
)

// A shard looks more often the faster its ring fills, and asks to be woken where
// that may change before it looks again.
func TestShardSleepsByTheRateThatItSees(t *testing.T) {
	const size = 8 << 20
	const ms = time.Millisecond
	for _, tc := range []struct {
		name          string
		quiet         int
		elapsed       time.Duration
		read, pending int
		sleep         time.Duration
		fill          int
	}{
		{"more is waiting", 0, ms, 1 << 20, size / 4, 0, size / 4},
		{"as much as it should be", 0, 2 * ms, size / 16, 0, 2 * ms, size / 4},
		{"twice as much", 0, 2 * ms, size / 8, 0, ms, size / 4},
		{"half as much", 0, 2 * ms, size / 32, 0, 4 * ms, size / 4},
		{"a flood", 0, ms, size / 2, 0, minSleep, size / 4},
		{"a trickle", 0, 2 * ms, 500, 0, maxSleep, size / 4},
		{"the first record after a pause", 10, idleSleep, 500, 0, maxSleep, size / 4},
		{"nothing, for the first time", 0, maxSleep, 0, 0, maxSleep, size / 4},
		{"nothing, again", 1, maxSleep, 0, 0, maxSleep, size / 4},
		{"nothing, for long", 2, maxSleep, 0, 0, idleSleep, 1},
		{"a record that is being written", 5, maxSleep, 0, 100, maxSleep, size / 4},
	} {
		p := pace{size: size, quiet: tc.quiet}
		sleep, fill := p.next(tc.elapsed, tc.read, tc.pending)
		if sleep != tc.sleep || fill != tc.fill {
			t.Errorf("%s: sleeps %v or until %d bytes are there, want %v and %d", tc.name, sleep, fill, tc.sleep, tc.fill)
		}
	}
}

// Traffic after a pause ends the idleness.
func TestTrafficEndsIdleness(t *testing.T) {
	p := pace{size: 1 << 20}
	for range quietRounds + 1 {
		p.next(maxSleep, 0, 0)
	}
	if sleep, fill := p.next(maxSleep, 0, 0); sleep != idleSleep || fill != 1 {
		t.Fatalf("sleeps %v until %d after a long pause", sleep, fill)
	}
	p.next(idleSleep, 100, 0)
	if sleep, fill := p.next(maxSleep, 0, 0); sleep != maxSleep || fill == 1 {
		t.Errorf("sleeps %v until %d bytes after a record, want %v", sleep, fill, maxSleep)
	}
}
