package insight

import (
	"slices"
	"strings"
	"time"
)

// recent are the latest exchanges: a ring of which nothing is written out until
// somebody asks.
type recent struct {
	ring  []kept
	limit int
	seq   uint64 // of the latest
}

// kept is what an Exchange is made of.
type kept struct {
	o   Observation
	seq uint64
}

func (r *recent) add(o *Observation) {
	r.seq++
	if len(r.ring) < r.limit {
		r.ring = append(r.ring, kept{})
	}
	k := &r.ring[(r.seq-1)%uint64(r.limit)]
	k.o, k.seq = *o, r.seq
	k.o.Sample, k.o.Head = nil, Head{}
}

// Exchanges returns the latest that q selects, those after seq only, the latest
// first. A Search looks into the targets too.
func (b *Book) Exchanges(q Query, after uint64) []Exchange {
	rows := q.Rows
	if rows <= 0 {
		rows = defaultRows
	}
	search := strings.ToLower(q.Search)
	out := []Exchange{}
	for seq := b.recent.seq; seq > after && len(out) < rows; seq-- {
		k := &b.recent.ring[(seq-1)%uint64(b.recent.limit)]
		if k.seq != seq {
			break // older ones are gone
		}
		if !k.o.selectedBy(&q) || search != "" && !k.o.mentions(search) {
			continue
		}
		out = append(out, k.exchange())
	}
	return slices.Clip(out)
}

func (o *Observation) selectedBy(q *Query) bool {
	return (q.Service == "" || q.Service == o.Service) && (q.Method == "" || q.Method == o.Method) && (q.Path == "" || q.Path == o.Path) &&
		(q.Client == "" || q.Client == o.Client.Addr().String()) &&
		(q.FromNs == 0 || o.EndNs >= q.FromNs) && (q.ToNs == 0 || o.EndNs < q.ToNs)
}

func (o *Observation) mentions(search string) bool {
	return contains(search, o.Service, o.Method, o.Path, o.Host, o.Target, o.Client.Addr().String())
}

// contains says whether one of names has text, which is in lower case, in it.
func contains(text string, names ...string) bool {
	return slices.ContainsFunc(names, func(name string) bool { return strings.Contains(strings.ToLower(name), text) })
}

func (k *kept) exchange() Exchange {
	x := k.o.Exchange()
	x.Seq = k.seq
	return x
}

// Exchange returns o as a line of a list; who knows its Seq has to set it.
func (o *Observation) Exchange() Exchange {
	x := Exchange{
		Time: time.Unix(0, o.StartNs).UTC(), Conn: o.Conn, Protocol: string(o.Protocol),
		Service: o.Service, Method: o.Method, Path: o.Path, Target: o.Target, Status: o.Status,
		RequestBytes: o.RequestBytes, ResponseBytes: o.ResponseBytes, DurationNs: max(int64(o.Duration), -1), Complete: o.Complete,
	}
	if o.Client.IsValid() {
		x.Client = o.Client.String()
	}
	if o.Server.IsValid() {
		x.Server = o.Server.String()
	}
	if o.HasCode {
		code := o.Code
		x.Code = &code
	}
	return x
}
