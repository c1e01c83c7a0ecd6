package detect

import (
	"cmp"
	"net/netip"
	"slices"

	"gortap/internal/insight"
)

// concentration finds services of which a few of many clients take most. A service with
// few clients has always some that take most: it needs TopAmong.
type concentration struct{ t *Thresholds }

func (*concentration) observe(*exchange) {}
func (*concentration) forget(int)        {}
func (*concentration) reset()            {}

func (d *concentration) find(r *report) {
	for _, svc := range r.services.order {
		if !r.matters(svc.bytes) || float64(svc.bytes) < 0.1*float64(r.bytes) {
			continue
		}
		if d.crowd(r, svc, &svc.clients, "addresses", func(a netip.Addr) string { return a.Unmap().String() }, d.t.TopClients) {
			continue // a network of these says no more
		}
		d.crowd(r, svc, &svc.networks, "networks", networkName, 1)
	}
}

// crowd looks at the members of one crowd and says whether a few have most.
func (d *concentration) crowd(r *report, svc *service, c *crowd, what string, name func(netip.Addr) string, most int) bool {
	among := c.distinct()
	if among < d.t.TopAmong {
		return false
	}
	all := slices.Clone(c.order)
	slices.SortFunc(all, func(a, b *member) int {
		return cmp.Or(cmp.Compare(b.bytes-b.doubt, a.bytes-a.doubt), a.addr.Compare(b.addr))
	})
	var sum, requests int64
	var names []string
	var seen span64
	for _, m := range all[:min(most, len(all))] {
		sum += m.bytes - m.doubt
		requests += m.requests
		names = append(names, name(m.addr))
		seen.see(m.seen.first)
		seen.see(m.seen.last)
		if float64(sum) >= d.t.TopShare*float64(svc.bytes) {
			break
		}
	}
	share := float64(sum) / float64(svc.bytes)
	if share < d.t.TopShare {
		return false
	}
	f := draft{bytes: svc.bytes, symptom: true}
	f.ID = string(insight.Concentration) + ":" + what + ":" + svc.name
	f.Kind, f.Severity, f.Service, f.Clients = insight.Concentration, insight.Warning, svc.name, names
	f.First, f.Last = seen.times()
	f.Title = list(names) + " of " + count(int64(among)) + " " + what + " take " + percent(share) + " of " + svc.name + " (" + size(sum) + ")"
	if len(names) == 1 {
		f.Title = names[0] + ", one of " + count(int64(among)) + " " + what + ", takes " + percent(share) + " of " + svc.name + " (" + size(sum) + ")"
	}
	f.evidence("Their bytes", "%s of %s", size(sum), size(svc.bytes))
	f.evidence("Their requests", "%s of %s", count(requests), count(svc.requests))
	f.Remedy = "Ask whose they are (a CDN, a crawler, a partner, one broken installation), and look at what they fetch. A limit for each address keeps one from " +
		"taking all: nginx limit_req_zone $binary_remote_addr and limit_rate, or a quota for each API key."
	r.add(f)
	return true
}
