package compare

import (
	"math"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

const (
	// Latencies are counted in microseconds with two significant digits: no
	// value is off by more than 1 %, and a histogram takes about 22 kB.
	latencyDigits = 2
	maxLatencyUs  = int64(5 * time.Minute / time.Microsecond)

	// confidence is how many standard errors a quantile's interval has on
	// either side: 99.9 % for each of the two.
	confidence = 3.29
)

// quantiles are shown for each endpoint.
func quantiles() []float64 { return []float64{0.5, 0.9, 0.99, 0.999} }

// judged are the quantiles that are decided on, and how many times the thresholds
// apply to each: accidents on a machine move the tail of a healthy server too.
func judged() map[float64]float64 { return map[float64]float64{0.5: 1, 0.9: 2, 0.99: 4} }

// latencies counts those of one endpoint, by side.
type latencies [3]*hdrhistogram.Histogram

// add counts an exchange of which both latencies are known, so that the two
// histograms stand for the same requests.
func (l *latencies) add(ns [3]int64) {
	reference := ns[original]
	if ns[baseline] > 0 {
		reference = ns[baseline]
	}
	if ns[candidate] <= 0 || reference <= 0 {
		return
	}
	for i, v := range ns {
		if v <= 0 {
			continue
		}
		if l[i] == nil {
			l[i] = hdrhistogram.New(1, maxLatencyUs, latencyDigits)
		}
		_ = l[i].RecordValue(max(min((v+500)/1000, maxLatencyUs), 1)) // it is in range
	}
}

// result describes the latencies, and decides whether they differ. A replay is
// best compared with a replay: where there is a baseline, with that.
func (l *latencies) result(c *LatencyConfig) *Latency {
	if l[candidate] == nil {
		return nil
	}
	r := &Latency{Reference: "original", Verdict: Same, Candidate: summarize(l[candidate]), Original: summarize(l[original]), Baseline: summarize(l[baseline])}
	reference := l[original]
	// A baseline that failed often is none to go by.
	if b := l[baseline]; b != nil && 2*b.TotalCount() >= l[candidate].TotalCount() || reference == nil {
		reference, r.Reference = b, "baseline"
	}
	if n := min(reference.TotalCount(), l[candidate].TotalCount()); n < int64(c.MinSamples) {
		r.Verdict = TooFew
		return r
	}
	if c.Off {
		r.Verdict = Unjudged
		return r
	}
	for _, q := range quantiles() {
		if s := shiftOf(reference, l[candidate], q, c); s != nil {
			r.Shifts = append(r.Shifts, *s)
			if s.Candidate > s.Reference {
				r.Verdict = Slower
			} else if r.Verdict == Same {
				r.Verdict = Faster
			}
		}
	}
	return r
}

// shiftOf reports by how much a quantile moved, or nil where that is within the
// thresholds or may be chance: it is not where the confidence intervals of the two
// quantiles, which assume nothing of the distributions, lie apart.
func shiftOf(a, b *hdrhistogram.Histogram, q float64, c *LatencyConfig) *Shift {
	times, ok := judged()[q]
	if !ok {
		return nil
	}
	lowA, highA, ok := interval(a, q)
	if !ok {
		return nil
	}
	lowB, highB, ok := interval(b, q)
	if !ok || lowB <= highA && lowA <= highB {
		return nil
	}
	from, to := a.ValueAtPercentile(100*q), b.ValueAtPercentile(100*q)
	moved := math.Abs(float64(to - from))
	if moved <= times*float64(c.MinShift)/float64(time.Microsecond) || moved <= times*c.MinRelative*float64(from) {
		return nil
	}
	return &Shift{Quantile: q, Reference: seconds(from), Candidate: seconds(to)}
}

// interval returns what the true quantile lies between, by the ranks that a
// binomial distribution allows for. It reports false where there are too few
// values for that.
func interval(h *hdrhistogram.Histogram, q float64) (low, high int64, ok bool) {
	n := float64(h.TotalCount())
	margin := confidence * math.Sqrt(n*q*(1-q))
	first, last := n*q-margin, n*q+margin+1
	if first < 1 || last > n {
		return 0, 0, false
	}
	return h.ValueAtPercentile(100 * first / n), h.ValueAtPercentile(100 * last / n), true
}

func seconds(us int64) float64 { return float64(us) / 1e6 }

// summarize describes a histogram; nil where there is none.
func summarize(h *hdrhistogram.Histogram) *Summary {
	if h == nil {
		return nil
	}
	s := &Summary{Count: h.TotalCount(), Min: seconds(h.Min()), Mean: h.Mean() / 1e6, Max: seconds(h.Max())}
	for _, q := range quantiles() {
		s.Quantiles = append(s.Quantiles, Quantile{q, seconds(h.ValueAtPercentile(100 * q))})
	}
	for _, q := range curve(h.TotalCount()) {
		s.Curve = append(s.Curve, Quantile{q, seconds(h.ValueAtPercentile(100 * q))})
	}
	return s
}

// curve returns the quantiles that a plot is drawn with: evenly on the scale of
// log(1-q), as far as there are values.
func curve(n int64) []float64 {
	const perDecade = 12
	var qs []float64
	for i := 0; ; i++ {
		rest := math.Pow(10, -float64(i)/perDecade)
		qs = append(qs, 1-rest)
		if rest*float64(n) <= 1 || rest < 1e-4 {
			return qs
		}
	}
}
