package detect

import (
	"net/http"
	"strconv"
	"strings"

	"gortap/internal/insight"
)

// repeats finds requests that are answered with the same bytes again and again: what
// a cache would save.
type repeats struct {
	t     *Thresholds
	asked cache[asked]
	slots[repeatState]
}

// asked is one request: method, host, target and body.
type asked struct {
	answer   uint64
	how      evidence
	n        int64
	bytes    int64 // of the repetitions that are not yet counted
	windowNs int64
	counted  bool
}

type repeatState struct {
	n, bytes, targets int64
	how               evidence // the weakest
	body              bool     // not GET: the request's body is the question
	cacheControl      string
	maxAge            bool // the answer may be kept, and is fetched anew
	noStore, etag     int64
	asksIfChanged     int64
	authorized        int64
	clients           leaders
	seen              span64
	examples          examples
}

const (
	maxAsked = 16384
	// notModified is about what a 304 costs: what remains of a repetition.
	notModified = 200
)

func newRepeats(t *Thresholds) *repeats { return &repeats{t: t, asked: cache[asked]{size: maxAsked}} }

func (d *repeats) reset() {
	d.asked.reset()
	d.slots.reset()
}

func (d *repeats) observe(x *exchange) {
	if !x.ok || x.ResponseBytes < d.t.RepeatMin || !x.safe && !isQuestion(x) {
		return
	}
	key := combine(x.target.hash, uint64(x.ep.slot))
	if x.HasRequestHash {
		key = combine(key, x.RequestHash)
	}
	a := d.asked.get(key, x.nowNs)
	answer, how := identity(x)
	if a.n == 0 || a.answer != answer || x.nowNs-a.windowNs > int64(d.t.RepeatWithin) {
		*a = asked{answer: answer, how: how, n: 1, windowNs: x.nowNs, counted: a.counted && a.answer == answer}
		return
	}
	a.n++
	a.bytes += max(0, x.ResponseBytes-notModified)
	need := d.t.RepeatCount
	if how == bySize {
		need = d.t.RepeatWeak
	}
	if a.n < need {
		return
	}
	st := d.at(x.ep.slot)
	n := int64(1)
	if a.n == need {
		n = need - 1
		if !a.counted {
			st.targets++
			a.counted = true
		}
	}
	d.count(x, st, how, n, a.bytes)
	a.bytes = 0
}

// isQuestion says whether a request with a body asks for something rather than does
// something: its body is known, and the answer is not a mere receipt.
func isQuestion(x *exchange) bool {
	return x.Method == http.MethodPost && x.HasRequestHash && x.HasResponseHash && x.ResponseSize >= 1024
}

func (d *repeats) count(x *exchange, st *repeatState, how evidence, n, bytes int64) {
	if st.n == 0 || how < st.how {
		st.how = how
	}
	st.n += n
	st.bytes += bytes
	st.body = st.body || !x.safe
	st.clients.add(x.client, x.Client.Addr(), bytes)
	st.seen.see(x.nowNs)
	st.examples.add(x)
	if !x.HasHead {
		return
	}
	h := &x.Head
	st.cacheControl = h.CacheControl
	st.maxAge = st.maxAge || freshFor(h.CacheControl) > 0
	if strings.Contains(h.CacheControl, "no-store") {
		st.noStore += n
	}
	if h.ETag != "" || h.LastModified != "" {
		st.etag += n
	}
	if h.IfNoneMatch != "" || h.IfModifiedSince != "" {
		st.asksIfChanged += n
	}
	if h.Authorized {
		st.authorized += n
	}
}

// freshFor returns how many seconds a client may keep an answer.
func freshFor(cacheControl string) int {
	if cacheControl == "" || strings.Contains(cacheControl, "no-store") || strings.Contains(cacheControl, "no-cache") {
		return 0
	}
	_, after, found := strings.Cut(cacheControl, "max-age=")
	if !found {
		return 0
	}
	end := 0
	for end < len(after) && after[end] >= '0' && after[end] <= '9' {
		end++
	}
	n, _ := strconv.Atoi(after[:end])
	return n
}

func (d *repeats) find(r *report) {
	for slot, st := range d.of {
		if st == nil || !r.matters(st.bytes) {
			continue
		}
		e := r.table.slots[slot]
		f := r.on(e, insight.Repeated, st.seen)
		who := r.who(e)
		if text, names := r.phrase(&st.clients, st.bytes); text != "" {
			f.Clients, who = names, "; "+text
		}
		f.Title = "The same " + plural(st.targets, "request", "requests") + " of " + e.name() + " got the same answer " + count(st.n) + " times more than needed" + d.cause(st) + who
		f.evidence("Repetitions", "%s of %s answers (%s within %s at least)", count(st.n), count(e.requests), count(d.t.RepeatCount), span(d.t.RepeatWithin))
		f.evidence("Bytes of them", "%s", size(st.bytes))
		f.evidence("Answers were compared by", "%s", st.how)
		if st.cacheControl != "" {
			f.evidence("Cache-Control", "%s", st.cacheControl)
		}
		f.Remedy = st.remedy()
		f.Examples, f.Saves = st.examples.of, st.bytes
		r.add(f)
	}
}

func (d *repeats) cause(st *repeatState) string {
	switch {
	case len(st.examples.of) == 0 || st.body:
		return ""
	case st.maxAge:
		return " though its Cache-Control lets clients keep it"
	case st.noStore > 0:
		return ": Cache-Control: no-store forbids to keep it"
	case st.etag > 0 && st.asksIfChanged == 0:
		return ": clients never send back its ETag or Last-Modified"
	case st.etag == 0 && st.cacheControl == "":
		return ": it has neither Cache-Control nor ETag"
	}
	return ""
}

func (st *repeatState) remedy() string {
	scope := "public"
	if 2*st.authorized > st.n {
		scope = "private"
	}
	switch {
	case st.body:
		return "Keep the answer where it is asked for: a cache in the client keyed by the request's body, or a GET with Cache-Control: max-age=60, which shared caches " +
			"understand too."
	case st.maxAge:
		return "The clients ignore Cache-Control: use an HTTP client with a cache, or keep the answer in the program for as long as max-age says; or put a shared " +
			"cache between (nginx proxy_cache, Varnish)."
	case st.noStore > 0:
		return "If the answer holds no secret, replace no-store by Cache-Control: " + scope + ", max-age=60, or by no-cache with an ETag, so that a repetition costs a 304."
	case st.etag > 0 && st.asksIfChanged == 0:
		return "The answers have a validator: let clients keep them and send If-None-Match (or If-Modified-Since), then a repetition costs a 304 of about 200 bytes. " +
			"With Cache-Control: " + scope + ", max-age=60 they need not ask at all."
	}
	return "Say how long an answer may be kept: Cache-Control: " + scope + ", max-age=60 (stale-while-revalidate=60), and add an ETag so that a repetition costs a 304. A caller that " +
		"asks for the same thing within one task should keep it."
}
