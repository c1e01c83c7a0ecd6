package detect

import (
	"bytes"
	"net/http"
	"strings"

	"gortap/internal/insight"
)

// unbounded finds lists without a limit: the same request, answered with more each
// time.
type unbounded struct {
	t *Thresholds
	slots[unboundedState]
}

// unboundedState follows the target that is asked for most (a majority vote).
type unboundedState struct {
	target   uint64
	votes    int
	n        int64
	first    int64 // size of the first answer
	above    int64 // bytes beyond a page
	points   [16]meanPoint
	used     int
	per      int64 // answers to a point; doubles when all points are used
	list     bool
	seen     span64
	examples examples
}

// meanPoint is the mean size of a run of answers.
type meanPoint struct{ n, sum int64 }

// listSteps is how many points a growth needs, and how many of a hundred must not fall.
const (
	listSteps   = 8
	listRising  = 80
	listAnswers = 24
)

func (d *unbounded) observe(x *exchange) {
	if x.Method != http.MethodGet || !x.ok || x.ResponseSize == 0 || x.target.page.name != "" || x.target.page.limited {
		return
	}
	st := d.peek(x.ep.slot)
	if st == nil && x.ResponseSize < d.t.PageBytes/4 || !x.isData() {
		return
	}
	if st == nil {
		st = d.at(x.ep.slot)
	}
	switch {
	case st.target == x.target.hash:
		st.votes++
	case st.votes > 0:
		st.votes--
		return
	default:
		*st = unboundedState{target: x.target.hash, votes: 1, first: x.ResponseSize, per: 1}
	}
	st.n++
	st.add(x.ResponseSize)
	st.above += max(0, x.ResponseSize-d.t.PageBytes)
	st.list = st.list || looksLikeList(x)
	st.seen.see(x.nowNs)
	if st.n == 1 || x.ResponseSize > d.t.PageBytes {
		st.examples.add(x)
	}
}

func looksLikeList(x *exchange) bool {
	if !x.HasHead || strings.Contains(x.Head.ContentType, "csv") || strings.Contains(x.Head.ContentType, "ndjson") {
		return true
	}
	if x.Sample == nil || x.Head.ContentEncoding != "" {
		return strings.Contains(x.Head.ContentType, "json") || strings.Contains(x.Head.ContentType, "xml")
	}
	start := x.Sample[:min(len(x.Sample), 256)]
	return bytes.IndexByte(start, '[') >= 0 || bytes.IndexByte(start, '<') >= 0
}

func (st *unboundedState) add(size int64) {
	if st.used > 0 && st.points[st.used-1].n < st.per {
		st.points[st.used-1].n++
		st.points[st.used-1].sum += size
		return
	}
	if st.used == len(st.points) {
		for i := range st.used / 2 {
			a, b := st.points[2*i], st.points[2*i+1]
			st.points[i] = meanPoint{a.n + b.n, a.sum + b.sum}
		}
		st.used /= 2
		st.per *= 2
	}
	st.points[st.used] = meanPoint{1, size}
	st.used++
}

// grows says how the last sizes compare to the first, and whether they rose steadily.
func (st *unboundedState) grows() (factor float64, steadily bool) {
	rising := 0
	for i := 1; i < st.used; i++ {
		if st.points[i].mean() >= st.points[i-1].mean() {
			rising++
		}
	}
	if st.used < listSteps {
		return 1, false
	}
	return st.points[st.used-1].mean() / st.points[0].mean(), 100*rising >= listRising*(st.used-1)
}

func (p meanPoint) mean() float64 { return float64(p.sum) / float64(p.n) }

func (d *unbounded) find(r *report) {
	for slot, st := range d.of {
		if st == nil || st.n < listAnswers || !st.list || !r.matters(st.above) {
			continue
		}
		factor, steadily := st.grows()
		if !steadily || factor < d.t.ListGrowth {
			continue
		}
		e := r.table.slots[slot]
		f := r.on(e, insight.UnboundedList, st.seen)
		last := int64(st.points[st.used-1].mean())
		f.Title = e.name() + " returns a list without a limit: it grew from " + size(int64(st.points[0].mean())) + " to " + size(last) + " in " +
			span(f.Last.Sub(f.First)) + r.who(e)
		f.evidence("Answers to the same request", "%s", count(st.n))
		f.evidence("Growth", "%s times", round(factor))
		f.evidence("Limit or page parameter", "none in the request")
		f.Remedy = "Page " + e.path + ": a limit with a default and a maximum (limit=100), and a cursor to what follows (after=<last id>), so that an answer's " +
			"size does not depend on how much data there is. Clients that only want news: ?since= or If-None-Match."
		f.Examples, f.Saves = st.examples.of, st.above
		r.add(f)
	}
}
