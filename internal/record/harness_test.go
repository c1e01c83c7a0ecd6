package record

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"gortap/internal/proto"
	"gortap/internal/proto/detect"
	"gortap/internal/proto/http1"
	"gortap/internal/proto/http2"
	"gortap/internal/proto/prototest"
	"gortap/internal/proto/websocket"
)

// sink is what stands between the parsers and a recorder in a shard.
type sink struct {
	*Recorder
	ledger *prototest.Ledger
}

var _ proto.Observer = sink{}

func (s sink) Opened(c *proto.Conn)    { s.ledger.Opened(c) }
func (s sink) Begin(x *proto.Exchange) { s.ledger.Begin(x); s.Recorder.Begin(x) }
func (s sink) Bytes(x *proto.Exchange, d proto.Side, n int64) {
	s.ledger.Bytes(x, d, n)
}
func (s sink) Messages(x *proto.Exchange, d proto.Side, n, size int64) {
	s.ledger.Messages(x, d, n, size)
}
func (s sink) Done(x *proto.Exchange)                   { s.ledger.Done(x); s.Exchange(x) }
func (s sink) Closed(c *proto.Conn)                     { s.ledger.Closed(c); s.Recorder.Closed(c) }
func (s sink) Residual(c *proto.Conn, why proto.Reason) { s.ledger.Residual(c, why) }
func (s sink) Unattributed(c *proto.Conn, d proto.Side, n int64, why proto.Reason) {
	s.ledger.Unattributed(c, d, n, why)
}

// collector keeps what a recorder puts.
type collector struct{ records []*Record }

func (c *collector) put(r *Record) bool {
	c.records = append(c.records, r)
	return true
}

// text renders a record on one line.
func text(r *Record) string {
	kind := map[Kind]string{End: "end", Request: "request", Response: "response", Stream: "stream"}[r.Kind]
	t := fmt.Sprintf("%s %d", kind, r.Seq)
	if r.Pipelined {
		t += " pipelined"
	}
	if r.Kind != End {
		t += fmt.Sprintf(" %q", r.Data)
	}
	return t
}

func (c *collector) String() string {
	var b strings.Builder
	for _, r := range c.records {
		b.WriteString(text(r) + "\n")
	}
	return b.String()
}

func (c *collector) data(k Kind) []byte {
	var b bytes.Buffer
	for _, r := range c.records {
		if r.Kind == k {
			b.Write(r.Data)
		}
	}
	return b.Bytes()
}

func newDetector() *detect.Detector {
	return detect.New([]detect.Protocol{
		{Name: "http/1.1", Detect: http1.Detect, DetectMid: http1.DetectMid, Lines: true,
			New: func() proto.Factory { return http1.NewFactory(http1.Limits{}) }},
		{Name: "h2c", Detect: http2.Detect, DetectMid: http2.DetectMid,
			New: func() proto.Factory { return http2.NewFactory(http2.Options{}) }},
		{Name: "websocket", New: func() proto.Factory { return websocket.NewFactory(websocket.Options{}) }},
	})
}

// played is one connection that a recorder was given.
type played struct {
	collector
	ledger *prototest.Ledger
	stats  RecorderStats
}

// play gives a connection to a recorder of all that is to be had, and checks that
// no message is unaccounted for.
func play(t *testing.T, c *prototest.Connection, o RecorderOptions) *played {
	t.Helper()
	p := &played{ledger: prototest.NewLedger()}
	o.Put = p.put
	o.Needs = Needs{Requests: true, Responses: true}
	r := NewRecorder(o)
	c.Receive(newDetector().Open(c.Conn(), sink{r, p.ledger}, p.ledger))
	r.Close()
	p.stats = r.Stats()
	checkConserved(t, p.stats)
	if r.used != 0 || len(r.open) != 0 || len(r.conns) != 0 || r.going.list.next != &r.going.list {
		t.Errorf("holds %d bytes, %d exchanges, %d connections at the end", r.used, len(r.open), len(r.conns))
	}
	return p
}

func checkConserved(t *testing.T, s RecorderStats) {
	t.Helper()
	sum := s.Done
	for _, d := range s.Dropped {
		sum += d.N
	}
	if sum != s.Taken {
		t.Errorf("taken %d, but done and dropped %d: %+v", s.Taken, sum, s)
	}
}

// cut returns the connection in pieces.
func cut(c *prototest.Connection, size func(left int) int) *prototest.Connection {
	out := *c
	out.Script = nil
	for _, e := range c.Script {
		if len(e.Data) == 0 {
			out.Script = append(out.Script, e)
		}
		for b := e.Data; len(b) > 0; {
			n := size(len(b))
			out.Script.From(e.Side, b[:n]...)
			b = b[n:]
		}
	}
	return &out
}
