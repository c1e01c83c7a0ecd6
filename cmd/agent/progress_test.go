package main

import (
	"testing"
	"time"
)

func TestProgressBar(t *testing.T) {
	for _, c := range []struct {
		read, total int64
		want        string
	}{
		{0, 2000, "[                                        ]   0 %  0 B of 2.0 kB"},
		{1000, 2000, "[====================                    ]  50 %  1.0 kB of 2.0 kB"},
		{2000, 2000, "[========================================] 100 %  2.0 kB of 2.0 kB"},
		{3000, 2000, "[========================================] 100 %  3.0 kB of 2.0 kB"}, // it grew
		{1500, 0, "1.5 kB read"},
	} {
		if got := progressBar(c.read, c.total); got != c.want {
			t.Errorf("%d of %d:\ngot  %q\nwant %q", c.read, c.total, got, c.want)
		}
	}
}

func TestReplayLine(t *testing.T) {
	s := replayState{sent: 12345, rate: 1000.4, lag: 400 * time.Microsecond, failed: 3, p50: 1200 * time.Microsecond, p99: 8 * time.Millisecond, left: 83 * time.Second}
	if got, want := s.line(), "sent 12,345 (1,000/s)  lag 400µs  failed 3  p50 1.2ms  p99 8ms  left 1m23s"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	s = replayState{left: -1}
	if got, want := s.line(), "sent 0 (0/s)  lag 0s  failed 0"; got != want {
		t.Errorf("at the start: got %q, want %q", got, want)
	}
}
