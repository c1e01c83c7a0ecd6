package process

import (
	"math"
	"strings"
	"testing"
)

func TestParseLimit(t *testing.T) {
	for _, c := range []struct {
		in, base string
		want     Limit
		text     string
	}{
		{"http://x", "http://x", Limit{Connections: 1}, ""},
		{"http://x|10%", "http://x", Limit{Connections: 0.1}, "10%"},
		{"http://x|50", "http://x", Limit{1, 50}, "50"},
		{"http://x|0.5", "http://x", Limit{1, 0.5}, "0.5"},
		{"http://x|200%", "http://x", Limit{Connections: 2}, "200%"},
		{"http://x|x10", "http://x", Limit{Connections: 10}, "1000%"},
		{"http://x|x10|500", "http://x", Limit{10, 500}, "1000%|500"},
		{"http://x|50%|x10", "http://x", Limit{Connections: 5}, "500%"},
	} {
		base, l, err := ParseLimit(c.in)
		if err != nil || base != c.base || math.Abs(l.Connections-c.want.Connections) > 1e-12 || l.PerSecond != c.want.PerSecond {
			t.Errorf("%s: got %q, %+v, %v", c.in, base, l, err)
		}
		if l.String() != c.text {
			t.Errorf("%s: text is %q, want %q", c.in, l, c.text)
		}
	}
}

func TestParseLimitRefusesNonsense(t *testing.T) {
	for _, in := range []string{
		"http://x|", "http://x|0", "http://x|0%", "http://x|-5", "http://x|ten", "http://x|x", "http://x|10%%",
		"http://x|NaN", "http://x|Inf", "http://x|5|6", "http://x|x10001", "http://x|x1000|x1000", "http://x|10s",
	} {
		if _, l, err := ParseLimit(in); err == nil {
			t.Errorf("%s: got %+v", in, l)
		} else if !strings.Contains(err.Error(), "http://x") {
			t.Errorf("%s: error does not name it: %v", in, err)
		}
	}
}

func TestShareIsOfWholeConnectionsAndNests(t *testing.T) {
	shares := []float64{0.01, 0.1, 0.2, 0.5, 0.99, 1, 1.5, 2, 3.25}
	const n = 100000 // connections numbered as the capture does it
	sums := make([]int, len(shares))
	for conn := range uint64(n) {
		before := 0
		for i, s := range shares {
			c := Limit{Connections: s}.Copies(conn)
			if c < before && s-math.Floor(s) != 0 && math.Floor(s) == math.Floor(shares[i-1]) {
				t.Fatalf("connection %d: %d copies at a share of %v, %d at a lower one", conn, c, s, before)
			}
			if c != int(math.Floor(s)) && c != int(math.Ceil(s)) {
				t.Fatalf("share %v: %d copies", s, c)
			}
			before = c
			sums[i] += c
		}
	}
	for i, s := range shares {
		// Five standard deviations of a binomial at most.
		if got := float64(sums[i]) / n; math.Abs(got-s) > 5*0.5/math.Sqrt(n) {
			t.Errorf("share %v: %v of connections", s, got)
		}
	}
}

func TestRateIsNeverExceededInAnyWindow(t *testing.T) {
	for _, c := range []struct {
		rate   float64
		stepNs int64
	}{{50, 1e6}, {50, 20e6}, {1, 3e8}, {0.5, 1e8}, {2.5, 1e7}, {20000, 10000}, {1e6, 100}} {
		r := NewRate(c.rate)
		var starts []int64
		for now := int64(0); len(starts) < 3*r.n; now += c.stepNs {
			if r.Allow(now) {
				starts = append(starts, now)
			}
		}
		window := int64(float64(r.n) / c.rate * 1e9)
		for i := r.n; i < len(starts); i++ {
			if starts[i]-starts[i-r.n] < window {
				t.Fatalf("rate %v: %d starts within %d ns", c.rate, r.n+1, starts[i]-starts[i-r.n])
			}
		}
		// The steps are the only reason to stay below the rate.
		if took := float64(starts[len(starts)-1]); took > 2*(float64(window)+float64(c.stepNs))+float64(int64(r.n)*c.stepNs) {
			t.Errorf("rate %v: %d starts took %v ns", c.rate, len(starts), took)
		}
	}
}

func TestRateLetsABurstThroughOnce(t *testing.T) {
	r := NewRate(50)
	passed := 0
	for range 1000 {
		if r.Allow(7) {
			passed++
		}
	}
	if passed != 50 || r.Allow(7+999_999_999) || !r.Allow(7+1_000_000_000) {
		t.Fatalf("%d of a burst passed", passed)
	}
}
