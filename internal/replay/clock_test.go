package replay

import (
	"math"
	"testing"
	"time"
)

const second = int64(time.Second)

// recording returns n instants, gap apart, from a Unix time of today's size.
func recording(n int, gap time.Duration) []int64 {
	const first = 1_790_000_000 * second
	ts := make([]int64, n)
	for i := range ts {
		ts[i] = first + int64(i)*int64(gap)
	}
	return ts
}

func TestScheduleIsExactAtAnyGapAndSpeed(t *testing.T) {
	for _, gap := range []time.Duration{100 * time.Microsecond, 500 * time.Microsecond, 10 * time.Millisecond} {
		for _, speed := range []float64{0.5, 1, 1.0 / 3, 1.25, 2, 7, 100} {
			c := NewClock(Timing{Speed: speed})
			for i, ts := range recording(100000, gap) {
				want := time.Duration(math.Round(float64(i) * float64(gap) / speed))
				if got := c.Due(ts); got != want {
					t.Fatalf("gap %v at speed %v: message %d is due at %v, want %v", gap, speed, i, got, want)
				}
			}
		}
	}
}

func TestInfiniteSpeedNeverWaits(t *testing.T) {
	c := NewClock(Timing{Speed: math.Inf(1)})
	for range 2 {
		for _, ts := range recording(10, time.Hour) {
			if got := c.Due(ts); got != 0 {
				t.Fatalf("due at %v", got)
			}
		}
		c.Again()
	}
}

func TestLongGapsAreShortenedAndNothingElse(t *testing.T) {
	c := NewClock(Timing{Speed: 2, MaxWait: time.Second})
	for _, step := range []struct{ at, due time.Duration }{
		{0, 0},
		{2 * time.Second, time.Second}, // just the limit
		{10 * time.Second, 2 * time.Second},
		{11 * time.Second, 2500 * time.Millisecond},
		{10500 * time.Millisecond, 2250 * time.Millisecond}, // out of order
		{11*time.Second + time.Hour, 3500 * time.Millisecond},
		{11*time.Second + time.Hour + 2, 3500*time.Millisecond + 1},
	} {
		if got := c.Due(7*second + int64(step.at)); got != step.due {
			t.Errorf("at %v: due at %v, want %v", step.at, got, step.due)
		}
	}
}

func TestAnotherPassFollowsOneMeanGapLater(t *testing.T) {
	ts := recording(11, 100*time.Millisecond)
	c := NewClock(Timing{Speed: 2})
	for pass := range 3 {
		for i, at := range ts {
			want := time.Duration(pass*11+i) * 50 * time.Millisecond
			if got := c.Due(at); got != want {
				t.Fatalf("pass %d, message %d: due at %v, want %v", pass, i, got, want)
			}
		}
		c.Again()
	}
}

func TestOneMessageComesOnceASecondInALoop(t *testing.T) {
	c := NewClock(Timing{Speed: 0.5})
	for pass := range 3 {
		if got, want := c.Due(second), time.Duration(pass)*2*time.Second; got != want {
			t.Fatalf("pass %d: due at %v, want %v", pass, got, want)
		}
		c.Again()
	}
}

func TestTimingOutOfRangeIsRefused(t *testing.T) {
	for _, bad := range []Timing{{}, {Speed: -1}, {Speed: math.NaN()}, {Speed: 101}, {Speed: 1, MaxWait: -1}} {
		if bad.Validate() == nil {
			t.Errorf("%+v is accepted", bad)
		}
	}
	for _, good := range []Timing{{Speed: 0.5}, {Speed: 100}, {Speed: 0.333}, {Speed: math.Inf(1)}, {Speed: 1, MaxWait: 1}} {
		if err := good.Validate(); err != nil {
			t.Errorf("%+v: %v", good, err)
		}
	}
}

func TestWindow(t *testing.T) {
	const first = 1_790_000_000 * second
	for _, c := range []struct {
		from, to string
		at       time.Duration
		want     Place
	}{
		{"", "", 0, Inside},
		{"", "", 1000 * time.Hour, Inside},
		{"1m", "", time.Minute - 1, Before},
		{"1m", "", time.Minute, Inside},
		{"", "1m30s", 90*time.Second - 1, Inside},
		{"", "1m30s", 90 * time.Second, After},
		{time.Unix(0, first+5).UTC().Format(time.RFC3339Nano), "", 4, Before},
		{time.Unix(0, first+5).UTC().Format(time.RFC3339Nano), "", 5, Inside},
		{"0s", "0s", 0, After},
	} {
		from, err := ParseInstant(c.from)
		if err != nil {
			t.Fatal(err)
		}
		to, err := ParseInstant(c.to)
		if err != nil {
			t.Fatal(err)
		}
		if got := (Window{from, to}).Place(first, first+int64(c.at)); got != c.want {
			t.Errorf("%q to %q, at %v: %v, want %v", c.from, c.to, c.at, got, c.want)
		}
	}
	for _, bad := range []string{"-1s", "noon", "5", "2026-01-31"} {
		if _, err := ParseInstant(bad); err == nil {
			t.Errorf("%q is accepted", bad)
		}
	}
}
