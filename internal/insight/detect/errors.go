package detect

import (
	"fmt"

	"gortap/internal/insight"
)

// errorStorm finds minutes in which an endpoint mostly fails.
type errorStorm struct {
	t *Thresholds
	slots[errorState]
}

type errorState struct {
	minute         int64
	n, failed      int64 // of the present minute
	failedBytes    int64
	requests, lost int64 // of the bad minutes
	bytes          int64
	status         [4]statusCount
	seen, open     span64
	examples       examples
	clients        leaders
}

type statusCount struct {
	status int
	n      int64
}

func (d *errorStorm) observe(x *exchange) {
	st := d.peek(x.ep.slot)
	if st == nil {
		if !x.failed {
			return // healthy until now: the minute's first exchanges are not missed much
		}
		st = d.at(x.ep.slot)
	}
	if minute := x.nowNs / (60 * secondNs); minute > st.minute {
		d.close(st)
		st.minute = minute
	}
	st.n++
	if !x.failed {
		return
	}
	st.failed++
	st.failedBytes += x.bytes
	st.open.see(x.nowNs)
	st.count(x.Status)
	st.examples.add(x)
	st.clients.add(x.client, x.Client.Addr(), x.bytes)
}

// count keeps the commonest few statuses.
func (st *errorState) count(status int) {
	least := &st.status[0]
	for i := range st.status {
		s := &st.status[i]
		if s.n > 0 && s.status == status {
			s.n++
			return
		}
		if s.n < least.n {
			least = s
		}
	}
	*least = statusCount{status, 1}
}

// close adds the present minute to the storm if it was one.
func (d *errorStorm) close(st *errorState) {
	if d.bad(st) {
		st.requests += st.n
		st.lost += st.failed
		st.bytes += st.failedBytes
		st.seen.see(st.open.first)
		st.seen.see(st.open.last)
	}
	st.n, st.failed, st.failedBytes, st.open = 0, 0, 0, span64{}
}

func (d *errorStorm) bad(st *errorState) bool {
	return st.failed >= d.t.ErrorCount && float64(st.failed) >= d.t.ErrorShare*float64(st.n)
}

func (d *errorStorm) find(r *report) {
	for slot, live := range d.of {
		if live == nil {
			continue
		}
		st := *live
		d.close(&st)
		if st.lost == 0 {
			continue
		}
		e := r.table.slots[slot]
		f := r.on(e, insight.ErrorStorm, st.seen)
		f.Severity = insight.Critical
		most := st.status[0]
		for _, s := range st.status[1:] {
			if s.n > most.n {
				most = s
			}
		}
		what := fmt.Sprintf("status %d", most.status)
		if most.status == 0 {
			what = "no answer"
		} else if most.status < 400 {
			what = "grpc-status that is not 0"
		}
		f.Title = fmt.Sprintf("%s of the requests to %s fail (%s of %s, mostly %s)", percent(float64(st.lost)/float64(st.requests)), e.name(), count(st.lost), count(st.requests), what)
		if text, names := r.phrase(&st.clients, st.bytes); text != "" && len(names) > 0 {
			f.Clients = names
		}
		f.evidence("Bytes of failed exchanges", "%s", size(st.bytes))
		f.Remedy = "Find the cause in the service's log at " + f.First.Format("15:04:05") + " UTC. Until then let clients wait: Retry-After with 429 and 503, exponential backoff " +
			"with jitter, a circuit breaker; and keep error answers short."
		f.Examples, f.Saves = st.examples.of, st.bytes
		r.add(f)
	}
}
