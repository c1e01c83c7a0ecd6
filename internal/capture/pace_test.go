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

// Where sleeping is cheap and much comes, sleeps are shorter.
func TestShardNapsShorter(t *testing.T) {
	p := pace{size: 8 << 20, naps: true}
	for read, want := range map[int]time.Duration{0: maxSleep, 500: maxSleep, napBytes: maxSleep, napBytes + 1: napSleep} {
		if sleep, _ := p.next(maxSleep, read, 0); sleep != want {
			t.Errorf("sleeps %v after %d bytes, want %v", sleep, read, want)
		}
	}
	p.naps = false
	if sleep, _ := p.next(maxSleep, napBytes+1, 0); sleep != maxSleep {
		t.Errorf("sleeps %v where that is dear, want %v", sleep, maxSleep)
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

// seenAfter plays a shard against a clock: records of 500 bytes come every interval,
// and it returns how long one waits at most.
func seenAfter(interval time.Duration) (worst time.Duration) {
	p := pace{size: 8 << 20}
	var now, slept, next time.Duration // next: when the oldest unread record came
	next = interval
	for range 20_000 {
		read := 0
		for ; next <= now; next += interval {
			worst = max(worst, now-next)
			read += 500
		}
		sleep, fill := p.next(slept, read, 0)
		until := now + sleep
		if woken := next + time.Duration((fill-1)/500)*interval; woken < until {
			until = woken
		}
		slept, now = until-now, until
	}
	return worst
}

// However often records come, none waits for longer than maxSleep to be looked at:
// a shard that sleeps longer is woken.
func TestNoRecordWaitsLong(t *testing.T) {
	if maxSleep > 10*time.Millisecond {
		t.Errorf("maxSleep is %v", maxSleep)
	}
	for _, rate := range []int{1, 3, 10, 50, 80, 100, 150, 200, 333, 1000, 10_000, 100_000, 1_000_000} {
		if worst := seenAfter(time.Second / time.Duration(rate)); worst > maxSleep {
			t.Errorf("at %d records a second one waits for %v", rate, worst)
		}
	}
}
