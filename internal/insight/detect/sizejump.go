package detect

import (
	"net/http"
	"time"

	"gortap/internal/insight"
)

// sizeJump finds endpoints whose largest answers became much larger than they used to
// be. Its baseline outlives windows and, with the state, restarts.
type sizeJump struct {
	t       *Thresholds
	period  int64 // nanoseconds
	history *history
	slots[sizeState]
}

type sizeState struct {
	base, now sizeHistogram
	limit     int64 // what a size must reach to be above base; 0: base is not known yet
	sinceNs   int64 // when now began
	jumpedNs  int64 // since when now is above base; 0: it is not
	// What was found in this window.
	before, after int64 // p99
	n             int64
	excess        int64
	seen, open    span64
	examples      examples
}

const (
	// baseKeeps is what of the baseline remains when a period is added to it.
	baseKeeps = 0.95
	// settleNs is how long a jump lasts until it is what is usual.
	settleNs = int64(30 * time.Minute)
)

func newSizeJump(t *Thresholds, warmup time.Duration, h *history) *sizeJump {
	return &sizeJump{t: t, period: max(secondNs, int64(warmup)), history: h}
}

func (d *sizeJump) reset() {
	for _, st := range d.of {
		if st != nil {
			st.n, st.excess, st.seen, st.examples = 0, 0, span64{}, examples{}
		}
	}
}

func (d *sizeJump) observe(x *exchange) {
	if !x.ok || x.Method == http.MethodHead || x.Status == 206 {
		return
	}
	st := d.peek(x.ep.slot)
	if st == nil {
		st = d.at(x.ep.slot)
		st.sinceNs = x.nowNs
		if saved := d.history.saved(x.ep); saved != nil {
			st.base = saved.histogram()
			d.bound(st)
		}
	}
	if x.nowNs-st.sinceNs >= d.period && st.now.n >= float64(d.t.SizeSamples) {
		d.close(st, x.nowNs)
	}
	st.now.add(x.ResponseSize)
	st.open.see(x.nowNs)
	if st.limit > 0 && x.ResponseSize >= st.limit {
		st.examples.add(x)
	}
}

// jumped says whether the present sizes are above the baseline. A p99 of few answers is
// one of the largest two: it takes several of them.
func (d *sizeJump) jumped(st *sizeState) bool {
	if st.limit == 0 || st.now.n < float64(d.t.SizeSamples) {
		return false
	}
	return st.now.p99() >= st.limit && st.now.above(st.limit-st.limit/8) >= max(5, 0.02*st.now.n)
}

// bound computes the limit of a baseline.
func (d *sizeJump) bound(st *sizeState) {
	st.limit = 0
	if st.base.n >= float64(d.t.SizeBase) {
		st.limit = int64(d.t.SizeFactor * float64(st.base.p99()))
	}
}

// close ends a period: a usual one becomes part of the baseline.
func (d *sizeJump) close(st *sizeState, nowNs int64) {
	switch {
	case !d.jumped(st):
		st.base.fold(&st.now, baseKeeps)
		st.jumpedNs = 0
	default:
		d.count(st)
		if st.jumpedNs == 0 {
			st.jumpedNs = st.sinceNs
		}
		if nowNs-st.jumpedNs > settleNs {
			st.base, st.jumpedNs = st.now, 0
		}
	}
	d.bound(st)
	st.now, st.sinceNs, st.open = sizeHistogram{}, nowNs, span64{}
}

// count adds the present period to what was found.
func (d *sizeJump) count(st *sizeState) {
	st.before, st.after = st.base.p99(), st.now.p99()
	st.n += int64(st.now.n)
	st.excess += int64(max(0, st.now.sum-st.now.n*st.base.mean()))
	st.seen.see(st.open.first)
	st.seen.see(st.open.last)
}

func (d *sizeJump) find(r *report) {
	for slot, live := range d.of {
		if live == nil {
			continue
		}
		st := *live
		if d.jumped(&st) {
			d.count(&st)
		}
		if st.n == 0 || !r.matters(st.excess) {
			continue
		}
		e := r.table.slots[slot]
		f := r.on(e, insight.SizeJump, st.seen)
		f.symptom = true
		f.Title = "Answers of " + e.name() + " have grown: 99 % were below about " + size(st.before) + ", now below " + size(st.after) + r.who(e)
		f.evidence("Mean before and now", "%s and %s", size(int64(st.base.mean())), size(int64(st.now.mean())))
		f.evidence("Answers since", "%s", count(st.n))
		f.Remedy = "See what changed around " + f.First.Format(time.RFC3339) + ": a deployment of " + e.service + ", a field or an expansion that is new in the answer, a default limit, data " +
			"that grew, or compression that was turned off."
		f.Examples, f.Saves = st.examples.of, st.excess
		r.add(f)
	}
}
