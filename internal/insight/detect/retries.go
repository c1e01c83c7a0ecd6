package detect

import (
	"gortap/internal/insight"
)

// retries finds clients that repeat a failed request at once, and again.
type retries struct {
	t      *Thresholds
	failed cache[failure]
	slots[retryState]
}

// failure is a request of a client that failed.
type failure struct {
	lastNs int64
	row    int64
}

type retryState struct {
	n, bytes int64
	rows     int64 // requests that were tried again
	gapNs    int64 // sum of the pauses before repetitions
	told     int64 // had a Retry-After that was longer
	longest  int64
	clients  leaders
	seen     span64
	examples examples
}

const maxFailed = 4096

func newRetries(t *Thresholds) *retries {
	return &retries{t: t, failed: cache[failure]{size: maxFailed}}
}

func (d *retries) reset() {
	d.failed.reset()
	d.slots.reset()
}

func (d *retries) observe(x *exchange) {
	if !x.failed {
		return
	}
	key := combine(combine(x.client, x.target.hash), uint64(x.ep.slot))
	if x.HasRequestHash {
		key = combine(key, x.RequestHash)
	}
	f := d.failed.get(key, x.nowNs)
	gap := x.StartNs - f.lastNs
	if f.row > 0 && gap <= int64(d.t.RetryWithin) {
		st := d.at(x.ep.slot)
		if f.row == 1 {
			st.rows++
		}
		f.row++
		st.n++
		st.bytes += x.bytes
		st.gapNs += max(0, gap)
		st.longest = max(st.longest, f.row)
		if x.Head.RetryAfter != "" && x.Head.RetryAfter != "0" {
			st.told++
		}
		st.clients.add(x.client, x.Client.Addr(), x.bytes)
		st.seen.see(x.nowNs)
		st.examples.add(x)
	} else {
		f.row = 1
	}
	f.lastNs = x.nowNs
}

func (d *retries) find(r *report) {
	for slot, st := range d.of {
		// One or two repetitions of a failed request are good manners.
		if st == nil || st.n < d.t.RetryCount || st.n < 3*st.rows {
			continue
		}
		e := r.table.slots[slot]
		f := r.on(e, insight.RetryStorm, st.seen)
		who := ""
		if text, names := r.phrase(&st.clients, st.bytes); text != "" {
			f.Clients, who = names, "; "+text
		}
		f.Title = "Failed requests to " + e.name() + " are repeated " + count(st.n) + " times, " + pause(st.gapNs/st.n) + " after the failure" + who
		f.evidence("Longest row", "%s", count(st.longest))
		f.evidence("Bytes of repetitions", "%s", size(st.bytes))
		if st.told > 0 {
			f.evidence("Answers with Retry-After", "%s", count(st.told))
		}
		f.Remedy = "Retry with exponential backoff and jitter (1 s, 2 s, 4 s, at most 3 times), only what is idempotent, and obey Retry-After; give a budget: no more than " +
			"10 % of requests may be repetitions. On the server, answer 429 or 503 with Retry-After."
		f.Examples, f.Saves = st.examples.of, st.bytes
		r.add(f)
	}
}

func pause(ns int64) string {
	switch {
	case ns < 1e6:
		return "less than 1 ms"
	case ns < 1e9:
		return count(ns/1e6) + " ms"
	}
	return round(float64(ns)/1e9) + " s"
}
