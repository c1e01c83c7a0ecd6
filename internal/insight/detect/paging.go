package detect

import (
	"gortap/internal/insight"
)

// paging finds clients that walk through pages and get nothing for it: the server
// ignores the parameter, or answers with more each time, or the client never turns the
// page; and walks of very many tiny pages.
type paging struct {
	t     *Thresholds
	walks cache[walk]
	slots[pagingState]
}

// walk is one client's way through the pages of one list.
type walk struct {
	position, answer uint64
	how              evidence // by what answers are compared
	pages            int64    // turned
	same, growing    int64    // in a row
	stuck            int64
	first, last      int64 // sizes, of the growth
	run              int64 // bytes of the row, without the first answer
	bodies           int64
	lastNs           int64
}

type pagingState struct {
	same, growing, stuck wasteCount
	tiny                 wasteCount
	tinyBodies           int64
	name                 string
	how                  evidence
}

// wasteCount sums up one kind of waste of an endpoint.
type wasteCount struct {
	n, bytes int64
	seen     span64
	examples examples
	clients  leaders
}

func (w *wasteCount) add(x *exchange, n, bytes int64) {
	w.n += n
	w.bytes += bytes
	w.seen.see(x.nowNs)
	w.examples.add(x)
	w.clients.add(x.client, x.Client.Addr(), bytes)
}

const (
	maxWalks = 4096
	// A page of less is taken for an empty one: beyond the end every answer is the same.
	emptyPage = 256
	// stuckGapNs is how fast the same page is asked for again by a client that is stuck;
	// who looks at it now and then takes longer.
	stuckGapNs = 1e9
)

func newPaging(t *Thresholds) *paging {
	return &paging{t: t, walks: cache[walk]{size: maxWalks}}
}

func (d *paging) reset() {
	d.walks.reset()
	d.slots.reset()
}

func (d *paging) observe(x *exchange) {
	if x.target.page.name == "" || !x.safe || !x.ok {
		return
	}
	w := d.walks.get(combine(combine(x.client, x.target.list), uint64(x.ep.slot)), x.nowNs)
	answer, how := identity(x)
	if how == bySize {
		return // pages of records of one length have one size
	}
	position := x.target.position
	turned := w.position != position
	if w.pages == 0 && turned {
		*w = walk{position: position, answer: answer, how: how, pages: 1, same: 1, growing: 1, stuck: 1, first: x.ResponseSize, last: x.ResponseSize,
			bodies: x.ResponseSize, lastNs: x.nowNs}
		return
	}
	st := d.at(x.ep.slot)
	st.name, st.how = x.target.page.name, how
	if turned {
		d.turn(x, w, st, answer)
		w.stuck = 1
	} else {
		d.stay(x, w, st, answer)
	}
	w.position, w.answer, w.last, w.lastNs = position, answer, x.ResponseSize, x.nowNs
}

// turn takes another page than the one before.
func (d *paging) turn(x *exchange, w *walk, st *pagingState, answer uint64) {
	w.pages++
	w.bodies += x.ResponseSize
	switch {
	case answer == w.answer && x.ResponseSize >= emptyPage:
		w.same++
		w.growing = 1
		w.run += x.bytes
		d.count(x, &st.same, &w.run, w.same)
	case w.grows(x.ResponseSize):
		w.growing++
		w.same = 1
		w.run += w.last // what the page before had is in this one
		d.count(x, &st.growing, &w.run, w.growing)
	default:
		w.same, w.growing, w.run, w.first = 1, 1, 0, x.ResponseSize
	}
	if w.pages >= d.t.TinyPages && w.bodies < w.pages*d.t.TinyPageBytes {
		n := int64(1)
		if w.pages == d.t.TinyPages {
			n = w.pages
		}
		st.tiny.add(x, n, n*max(0, x.bytes-x.ResponseSize))
		st.tinyBodies += n * x.ResponseSize
	}
}

// grows says whether an answer is the one before and a page more: with each step about
// as much more as the first answer had.
func (w *walk) grows(size int64) bool {
	step := size - w.last
	return step > 0 && 2*step > w.first && step < 2*w.first && size > w.first
}

// count takes a row of useless pages once it is long enough, then each further page.
func (d *paging) count(x *exchange, waste *wasteCount, run *int64, row int64) {
	if row < d.t.PagesSame {
		return
	}
	n := int64(1)
	if row == d.t.PagesSame {
		n = row - 1
	}
	waste.add(x, n, *run)
	*run = 0
}

// stay takes the same page again.
func (d *paging) stay(x *exchange, w *walk, st *pagingState, answer uint64) {
	if answer != w.answer || x.nowNs-w.lastNs > stuckGapNs || x.ResponseSize < emptyPage {
		w.stuck = 1
		return
	}
	w.stuck++
	if w.stuck < d.t.RepeatCount || w.pages > 1 {
		return
	}
	n := int64(1)
	if w.stuck == d.t.RepeatCount {
		n = w.stuck - 1
	}
	st.stuck.add(x, n, n*x.bytes)
}

func (d *paging) find(r *report) {
	for slot, st := range d.of {
		if st == nil {
			continue
		}
		e := r.table.slots[slot]
		worst, title := &st.same, st.name+" parameter is ignored: "+count(st.same.n)+" answers to different pages are the same"
		if st.growing.bytes > worst.bytes {
			worst, title = &st.growing, st.name+" parameter skips nothing: "+count(st.growing.n)+" answers hold all pages before them again"
		}
		if st.stuck.bytes > worst.bytes {
			worst, title = &st.stuck, st.name+" parameter never advances: "+count(st.stuck.n)+" times the same page was fetched again"
		}
		if r.matters(worst.bytes) {
			d.broken(r, e, st, worst, title)
		}
		overhead := st.tiny.bytes - st.tiny.bytes*min(d.t.PageBytes, st.tinyBodies/max(1, st.tiny.n))/d.t.PageBytes
		if st.tiny.n > 0 && r.matters(overhead) {
			d.tiny(r, e, st, overhead)
		}
	}
}

func (d *paging) broken(r *report, e *endpoint, st *pagingState, waste *wasteCount, title string) {
	f := r.on(e, insight.BrokenPaging, waste.seen)
	f.Severity = insight.Critical
	who := r.who(e)
	if text, names := r.phrase(&waste.clients, waste.bytes); text != "" {
		f.Clients, who = names, "; "+text
	}
	f.Title = "The " + title + " (" + e.name() + ", " + size(e.responseBytes/max(1, e.requests)) + " each)" + who
	f.evidence("Useless pages", "%s of %s answers", count(waste.n), count(e.requests))
	f.evidence("Bytes of them", "%s", size(waste.bytes))
	f.evidence("Answers were compared by", "%s", st.how)
	if waste == &st.stuck {
		f.Remedy = "The client must ask for what follows: take the next page's number or cursor from the answer, and stop where there is none. " +
			"On the server, Cache-Control: max-age and ETag make such a loop cheap."
	} else {
		f.Remedy = "Make the server of " + e.path + " read \"" + st.name + "\" (its name, its type, a proxy that drops the query, a cache key without it), and answer 400 to a " +
			"page that it cannot give. A test: page 1 and page 2 differ, and the page after the last is empty. " +
			"The client should stop when a page holds nothing new; until the server is right, limit it by rate."
	}
	f.Examples, f.Saves = waste.examples.of, waste.bytes
	r.add(f)
}

func (d *paging) tiny(r *report, e *endpoint, st *pagingState, overhead int64) {
	mean := st.tinyBodies / st.tiny.n
	f := r.on(e, insight.TinyPages, st.tiny.seen)
	f.Title = e.name() + " is read in " + count(st.tiny.n) + " pages of " + size(mean) + r.who(e)
	f.evidence("Heads and requests around them", "%s", size(st.tiny.bytes))
	f.evidence("Page parameter", "%s", st.name)
	f.Remedy = "Ask for larger pages (limit=500, or what makes about " + size(d.t.PageBytes) + "), and let the server allow them; for a copy of everything, offer an export or a change feed."
	f.Examples, f.Saves = st.tiny.examples.of, overhead
	r.add(f)
}
