package insight

import (
	"net/netip"
	"slices"
	"strings"
	"time"

	"gortap/internal/proto"
)

// recent are the latest exchanges: a ring of which nothing is written out until
// somebody asks.
type recent struct {
	ring  []brief
	limit int
	seq   uint64 // of the latest
}

// brief is what an Exchange is made of.
type brief struct {
	seq, conn                           uint64
	startNs, endNs                      int64
	client, server                      netip.AddrPort
	protocol                            proto.Protocol
	service, method, path, host, target string
	status, code                        int
	requestBytes, responseBytes         int64
	duration                            time.Duration
	hasCode, complete                   bool
}

// take copies what is needed of o.
func (b *brief) take(o *Observation) {
	b.conn, b.startNs, b.endNs, b.client, b.server, b.protocol = o.Conn, o.StartNs, o.EndNs, o.Client, o.Server, o.Protocol
	b.service, b.method, b.path, b.host, b.target = o.Service, o.Method, o.Path, o.Host, o.Target
	b.status, b.code, b.hasCode, b.complete = o.Status, o.Code, o.HasCode, o.Complete
	b.requestBytes, b.responseBytes, b.duration = o.RequestBytes, o.ResponseBytes, o.Duration
}

func (r *recent) add(o *Observation) {
	r.seq++
	if len(r.ring) < r.limit {
		r.ring = append(r.ring, brief{})
	}
	b := &r.ring[(r.seq-1)%uint64(r.limit)]
	b.take(o)
	b.seq = r.seq
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
		one := &b.recent.ring[(seq-1)%uint64(b.recent.limit)]
		if one.seq != seq {
			break // older ones are gone
		}
		if one.selectedBy(&q) && (search == "" || one.mentions(search)) {
			out = append(out, one.exchange())
		}
	}
	return slices.Clip(out)
}

func (b *brief) selectedBy(q *Query) bool {
	return (q.Service == "" || q.Service == b.service) && (q.Method == "" || q.Method == b.method) && (q.Path == "" || q.Path == b.path) &&
		(q.Client == "" || q.Client == b.client.Addr().String()) &&
		(q.FromNs == 0 || b.endNs >= q.FromNs) && (q.ToNs == 0 || b.endNs < q.ToNs)
}

func (b *brief) mentions(search string) bool {
	return contains(search, b.service, b.method, b.path, b.host, b.target, b.client.Addr().String())
}

// contains says whether one of names has text, which is in lower case, in it.
func contains(text string, names ...string) bool {
	return slices.ContainsFunc(names, func(name string) bool { return strings.Contains(strings.ToLower(name), text) })
}

// Exchange returns o as a line of a list; who knows its Seq has to set it.
func (o *Observation) Exchange() Exchange {
	var b brief
	b.take(o)
	return b.exchange()
}

func (b *brief) exchange() Exchange {
	x := Exchange{
		Seq: b.seq, Time: time.Unix(0, b.startNs).UTC(), Conn: b.conn, Protocol: string(b.protocol),
		Service: b.service, Method: b.method, Path: b.path, Target: b.target, Status: b.status,
		RequestBytes: b.requestBytes, ResponseBytes: b.responseBytes, DurationNs: max(int64(b.duration), -1), Complete: b.complete,
	}
	if b.client.IsValid() {
		x.Client = b.client.String()
	}
	if b.server.IsValid() {
		x.Server = b.server.String()
	}
	if b.hasCode {
		code := b.code
		x.Code = &code
	}
	return x
}
