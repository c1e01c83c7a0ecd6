package prototest

import (
	"context"
	"testing"

	"gortap/internal/flow"
	"gortap/internal/pcapio"
	"gortap/internal/proto"
	"gortap/internal/reassembly"
)

// Connection is one TCP connection of a capture file.
type Connection struct {
	Key    flow.Key
	Client flow.Dir // who opened it; by port where no SYN was seen
	Script Script
}

// Read returns the connections of a capture file.
func Read(t testing.TB, path string) []*Connection {
	t.Helper()
	r, err := pcapio.Open([]string{path}, pcapio.Options{})
	if err != nil {
		t.Fatalf("open capture: %v", err)
	}
	defer r.Close()
	rec := &recorder{}
	rec.assembler = reassembly.New(reassembly.Config{}, rec.open)
	if err := r.Run(context.Background(), rec); err != nil {
		t.Fatalf("read capture: %v", err)
	}
	rec.assembler.Close()
	return rec.conns
}

type recorder struct {
	assembler *reassembly.Assembler
	conns     []*Connection
}

func (r *recorder) Segment(s *flow.Segment) { r.assembler.Segment(s) }
func (r *recorder) Update(*flow.Totals)     {}
func (r *recorder) End(*flow.Totals)        {}
func (r *recorder) Tick(nowNs int64)        { r.assembler.Advance(nowNs) }

func (r *recorder) open(c *reassembly.Conn) reassembly.Receiver {
	conn := &Connection{Key: c.Key}
	r.conns = append(r.conns, conn)
	return &receiver{conn: conn, source: c}
}

// receiver writes the script in directions first: who the client is, is known
// with the first delivery at the latest.
type receiver struct {
	conn   *Connection
	source *reassembly.Conn
	named  bool
}

func (r *receiver) side(d flow.Dir) proto.Side {
	if !r.named {
		r.named = true
		if r.conn.Client = flow.FromB; r.source.OpenerKnown {
			r.conn.Client = r.source.Opener
		}
	}
	if d == r.conn.Client {
		return proto.Client
	}
	return proto.Server
}

func (r *receiver) Data(d flow.Dir, b []byte, _ int64) { r.conn.Script.From(r.side(d), b...) }

func (r *receiver) Gap(d flow.Dir, n int64, why flow.Gap, _ int64) {
	r.conn.Script = append(r.conn.Script, Event{Side: r.side(d), Gap: n, Why: why})
}

func (r *receiver) End(d flow.Dir, _ int64) {
	r.conn.Script = append(r.conn.Script, Event{Side: r.side(d), End: true})
}

func (r *receiver) Close(reassembly.CloseReason, int64) {}

// Conn returns the connection as the reassembler would tell it.
func (c *Connection) Conn() *reassembly.Conn {
	return &reassembly.Conn{ID: 1, Key: c.Key, Opener: c.Client, OpenerKnown: true}
}

// Receive plays the connection to a receiver, closes it in order, and returns
// how many bytes of each side had to be credited.
func (c *Connection) Receive(r reassembly.Receiver) (delivered [2]int64) {
	for i, e := range c.Script {
		d, ts := c.Client, int64(i+1)*1000
		if e.Side == proto.Server {
			d = d.Other()
		}
		switch {
		case e.End:
			r.End(d, ts)
			continue
		case e.Gap > 0:
			r.Gap(d, e.Gap, e.Why, ts)
			if e.Why != flow.Lost {
				delivered[e.Side] += e.Gap
			}
			continue
		}
		r.Data(d, e.Data, ts)
		delivered[e.Side] += int64(len(e.Data))
	}
	r.Close(reassembly.Finished, int64(len(c.Script)+1)*1000)
	return delivered
}
