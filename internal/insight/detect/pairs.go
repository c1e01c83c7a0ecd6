package detect

import (
	"gortap/internal/insight"
)

// pairs finds a service that fetches far more from another one than it gives out
// itself, where that is most of the traffic.
type pairs struct {
	t  *Thresholds
	of map[pairKey]*pair
}

type pairKey struct{ caller, callee string }

type pair struct {
	requests, bytes int64
	from            *service
	seen            span64
	examples        examples
}

// maxPairs bounds the pairs that are told apart.
const maxPairs = 512

func newPairs(t *Thresholds) *pairs { return &pairs{t: t, of: make(map[pairKey]*pair)} }

func (d *pairs) forget(int) {}
func (d *pairs) reset()     { clear(d.of) }

func (d *pairs) observe(x *exchange) {
	if x.caller == nil {
		return
	}
	key := pairKey{x.caller.name, x.svc.name}
	p := d.of[key]
	if p == nil {
		if len(d.of) >= maxPairs {
			return
		}
		p = &pair{from: x.caller}
		d.of[key] = p
	}
	p.requests++
	p.bytes += x.bytes
	p.seen.see(x.nowNs)
	p.examples.add(x)
}

func (d *pairs) find(r *report) {
	for key, p := range d.of {
		share := float64(p.bytes) / float64(max(1, r.bytes))
		if share < d.t.PairShare || float64(p.bytes) < d.t.PairGain*float64(p.from.bytes) || !r.matters(p.bytes) {
			continue
		}
		f := draft{bytes: p.bytes, symptom: true}
		f.ID = string(insight.ServiceShare) + ":" + key.caller + ">" + key.callee
		f.Kind, f.Severity, f.Service, f.Clients = insight.ServiceShare, insight.Info, key.callee, []string{key.caller}
		f.First, f.Last = p.seen.times()
		f.Title = key.caller + " calling " + key.callee + " is " + percent(share) + " of all bytes (" + size(p.bytes) + " in " + count(p.requests) + " requests)"
		f.evidence("What "+key.caller+" itself carries", "%s in %s requests", size(p.from.bytes), count(p.from.requests))
		if p.from.requests > 0 {
			f.evidence("Calls for each of its requests", "%s", round(float64(p.requests)/float64(p.from.requests)))
		}
		f.Remedy = key.caller + " fetches more than it gives out: ask " + key.callee + " for the fields and rows that are needed (fields=, filters, limits), keep what is asked for " +
			"again, and do sums and searches where the data is. The findings on the endpoints of " + key.callee + " say which."
		f.Examples = p.examples.of
		r.add(f)
	}
}
