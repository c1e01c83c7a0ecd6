package compare

import (
	"math/rand/v2"
	"testing"
	"time"
)

func TestNoiseIsDecidedConservatively(t *testing.T) {
	for name, c := range map[string]struct {
		counts    counts
		exchanges uint64
		want      bool
	}{
		"a clock":                         {counts{both: 100}, 100, true},
		"never in the old version":        {counts{candidate: 100}, 100, false},
		"once is an accident":             {counts{both: 1}, 100, false},
		"once of one":                     {counts{both: 1}, 1, true},
		"seldom on both sides":            {counts{candidate: 6, noise: 5}, 1000, true},
		"seldom before, always now":       {counts{candidate: 95, both: 5}, 100, false},
		"often before, always now":        {counts{candidate: 60, both: 40}, 100, false},
		"a little more than before":       {counts{candidate: 9, noise: 4}, 100, true},
		"many, and a little more":         {counts{candidate: 5100, noise: 5000}, 100000, true},
		"many, and clearly more":          {counts{candidate: 5500, noise: 5000}, 100000, false},
		"less than before":                {counts{candidate: 1, noise: 50}, 100, true},
		"the old version alone, and once": {counts{noise: 1}, 100, false},
	} {
		if got := c.counts.isNoise(c.exchanges); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// measure fills two histograms and returns what is decided about them.
func measure(c LatencyConfig, n int, a, b func() float64) Verdict {
	var l latencies
	for range n {
		l.add([3]int64{int64(a() * 1e6), int64(b() * 1e6), 0})
	}
	return l.result(&c).Verdict
}

func defaultLatency(t *testing.T) LatencyConfig {
	c, err := Config{}.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	return c.Latency
}

func TestHealthyPairsHaveTheSameLatency(t *testing.T) {
	c := defaultLatency(t)
	random := rand.New(rand.NewPCG(7, 8))
	for name, draw := range map[string]func() float64{ // milliseconds
		"steady":       func() float64 { return 50 + random.NormFloat64() },
		"long tail":    func() float64 { return 5 + 100*random.ExpFloat64() },
		"two ways":     func() float64 { return []float64{2, 200}[random.IntN(2)] + random.Float64() },
		"rarely awful": func() float64 { return 1 + 5000*float64(random.IntN(100)/99) },
	} {
		for _, n := range []int{30, 300, 3000} {
			for range 100 {
				if v := measure(c, n, draw, draw); v != Same {
					t.Fatalf("%s, %d samples: %s", name, n, v)
				}
			}
		}
	}
}

func TestLatencyDiffersByMoreThanBothThresholds(t *testing.T) {
	c := defaultLatency(t)
	random := rand.New(rand.NewPCG(7, 8))
	around := func(ms float64) func() float64 { return func() float64 { return ms * (0.95 + 0.1*random.Float64()) } }
	tail := func(share float64, ms float64) func() float64 {
		return func() float64 {
			if random.Float64() < share {
				return ms
			}
			return 10
		}
	}
	for name, x := range map[string]struct {
		a, b func() float64
		n    int
		want Verdict
	}{
		"20 ms more":                  {around(2), around(22), 40, Slower},
		"20 ms less":                  {around(22), around(2), 40, Faster},
		"too few to tell":             {around(2), around(22), 29, TooFew},
		"twice of nothing":            {around(1), around(2), 1000, Same},
		"a little of much":            {around(1000), around(1050), 1000, Same},
		"more than a tenth":           {around(1000), around(1200), 1000, Slower},
		"a tenth of the requests":     {tail(0, 0), tail(0.15, 60), 2000, Slower},
		"a few, and not much":         {tail(0, 0), tail(0.03, 25), 5000, Same},
		"a few, but so much":          {tail(0, 0), tail(0.03, 60), 5000, Slower},
		"too seldom to be told apart": {tail(0, 0), tail(0.03, 60), 60, Same},
	} {
		if got := measure(c, x.n, x.a, x.b); got != x.want {
			t.Errorf("%s: %s, want %s", name, got, x.want)
		}
	}
	c.Off = true
	if got := measure(c, 100, around(2), around(22)); got != Unjudged {
		t.Errorf("switched off: %s", got)
	}
}

func TestReplayIsComparedWithReplayWhereThereIsABaseline(t *testing.T) {
	c := defaultLatency(t)
	var l latencies
	far := int64(50 * time.Millisecond) // of network, which the capture at the server did not see
	for range 100 {
		l.add([3]int64{int64(time.Millisecond), far, far})
	}
	r := l.result(&c)
	if r.Verdict != Same || r.Reference != "baseline" {
		t.Errorf("%s against %s", r.Verdict, r.Reference)
	}
	l.add([3]int64{0, far, 0}) // not known of the other
	l.add([3]int64{far, 0, far})
	l.add([3]int64{0, far, far}) // the baseline serves
	if r := l.result(&c); r.Candidate.Count != 101 || r.Original.Count != 100 {
		t.Errorf("counted %d and %d", r.Candidate.Count, r.Original.Count)
	}
}
