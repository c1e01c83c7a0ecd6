package account

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"gortap/internal/flow"
	"gortap/internal/proto"
	"gortap/internal/reassembly"
)

func newAccount(t testing.TB, cfg Config, shards int) *Account {
	t.Helper()
	a, err := New(cfg, shards)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// flatten returns every sample of a collector that is not 0, by the name that
// it has in the exposition.
func flatten(t testing.TB, c prometheus.Collector) map[string]float64 {
	t.Helper()
	reg := prometheus.NewPedanticRegistry()
	if err := reg.Register(c); err != nil {
		t.Fatal(err)
	}
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]float64{}
	put := func(name, labels string, v float64) {
		if v != 0 {
			out[name+"{"+labels+"}"] = v
		}
	}
	for _, f := range families {
		for _, m := range f.Metric {
			labels := labelText(m.Label)
			if h := m.Histogram; h != nil {
				put(f.GetName()+"_count", labels, float64(h.GetSampleCount()))
				put(f.GetName()+"_sum", labels, h.GetSampleSum())
				for _, b := range h.Bucket {
					put(f.GetName()+"_bucket", fmt.Sprintf("%s,le=%g", labels, b.GetUpperBound()), float64(b.GetCumulativeCount()))
				}
				continue
			}
			put(f.GetName(), labels, m.GetCounter().GetValue()+m.GetGauge().GetValue())
		}
	}
	return out
}

func labelText(pairs []*dto.LabelPair) string {
	var parts []string
	for _, p := range pairs {
		parts = append(parts, p.GetName()+"="+p.GetValue())
	}
	return strings.Join(parts, ",")
}

// sum adds up the samples of one metric that carry all the labels given.
func sum(metrics map[string]float64, name string, labels ...string) (total float64) {
next:
	for k, v := range metrics {
		if !strings.HasPrefix(k, name+"{") {
			continue
		}
		have := "," + strings.TrimSuffix(strings.TrimPrefix(k, name+"{"), "}") + ","
		for _, l := range labels {
			if !strings.Contains(have, ","+l+",") {
				continue next
			}
		}
		total += v
	}
	return total
}

const (
	req = proto.Client
	res = proto.Server
)

// sim plays the capture, the assembler and the parser of one flow.
type sim struct {
	s      *Shard
	totals flow.Totals
	conn   *proto.Conn
	asm    *reassembly.Conn
	up     flow.Dir // the direction of requests
}

func newSim(s *Shard, client, server string) *sim {
	key, up := flow.NewKey(netip.MustParseAddrPort(client), netip.MustParseAddrPort(server), 0)
	return &sim{s: s, up: up, totals: flow.Totals{Key: key, FirstNs: 1, Opener: up, OpenerKnown: true}}
}

func (f *sim) dir(side proto.Side) flow.Dir {
	if side == req {
		return f.up
	}
	return f.up.Other()
}

func (f *sim) open() *sim {
	f.conn = &proto.Conn{ID: 1, Key: f.totals.Key, Opened: 2, Client: f.up, ClientKnown: true}
	f.asm = &reassembly.Conn{Key: f.totals.Key}
	f.s.Opened(f.conn)
	return f
}

func (f *sim) close() {
	f.s.Closed(f.conn)
	f.conn, f.asm = nil, nil
}

// seen counts bytes in the capture, with 40 bytes of headers.
func (f *sim) seen(side proto.Side, n uint64) {
	d := &f.totals.Dirs[f.dir(side)]
	d.Packets++
	d.Payload += n
	d.Bytes += n + 40
}

// handed counts bytes in the assembler.
func (f *sim) handed(side proto.Side, n uint64) { f.asm.Dirs[f.dir(side)].Delivered += n }

func (f *sim) begin(method, host, target string) *proto.Exchange {
	x := &proto.Exchange{
		Conn: f.conn, Seq: f.conn.Exchanges, Protocol: proto.HTTP11,
		Method: []byte(method), Host: []byte(host), Target: []byte(target),
	}
	f.conn.Exchanges++
	x.Request.Seen = true
	f.s.Begin(x)
	return x
}

// flowing is bytes that are captured, handed over and credited to x.
func (f *sim) flowing(x *proto.Exchange, side proto.Side, n uint64) {
	f.seen(side, n)
	f.handed(side, n)
	f.s.Bytes(x, side, int64(n))
}

// exchange is a complete one that took a duration.
func (f *sim) exchange(method, host, target string, reqBytes, resBytes uint64, ns int64) {
	x := f.begin(method, host, target)
	f.flowing(x, req, reqBytes)
	f.flowing(x, res, resBytes)
	x.Status = 200
	x.Request = proto.Message{FirstNs: 1000, LastNs: 1000, Seen: true}
	x.Response = proto.Message{FirstNs: 1000 + ns, LastNs: 1000 + ns, Seen: true}
	f.s.Done(x)
}

func (f *sim) update() { f.s.Update(&f.totals, f.asm) }

func (f *sim) end() { f.s.End(&f.totals, f.asm) }
