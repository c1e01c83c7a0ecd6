package http1

import (
	"fmt"
	"testing"

	"gortap/internal/flow"
	"gortap/internal/proto"
	"gortap/internal/proto/prototest"
)

type event = prototest.Event

func c(b string) event { return event{Side: proto.Client, Data: []byte(b)} }
func s(b string) event { return event{Side: proto.Server, Data: []byte(b)} }

func skip(side proto.Side, n int64) event   { return event{Side: side, Gap: n, Why: flow.Skipped} }
func lose(side proto.Side, n int64) event   { return event{Side: side, Gap: n, Why: flow.Lost} }
func snap(side proto.Side, n int64) event   { return event{Side: side, Gap: n, Why: flow.Truncated} }
func fin(side proto.Side) event             { return event{Side: side, End: true} }
func script(e ...event) prototest.Script    { return e }
func conn(f flow.Control) *proto.Conn       { return &proto.Conn{ID: 1, Control: f} }
func testFactory() *Factory                 { return NewFactory(Limits{Head: 2 << 10, Hold: 64, Outstanding: 8}) }
func (h *harness) check(fed [2]int64) error { return h.ledger.Check(fed) }

// String adds what the parser asked for to what the ledger says.
func (h *harness) String() string {
	t := h.ledger.String() + h.switches
	if n := len(h.ledger.Depths); n > 0 && h.gaps {
		t += fmt.Sprintf("depth %d\n", h.ledger.Depths[0])
	}
	return t
}

// harness stands for the dispatcher: it takes the connection when the parser
// gives it away, and counts the rest as a tunnel's.
type harness struct {
	parser   proto.Parser
	ledger   *prototest.Ledger
	conn     *proto.Conn
	switches string
	switched bool
	gaps     bool // there were some: what was asked of the capture matters
	rest     [2][]byte
}

func newHarness(f *Factory, mid bool) *harness {
	h := &harness{ledger: prototest.NewLedger()}
	h.conn = conn(h.ledger)
	h.ledger.Opened(h.conn)
	h.parser = f.New(proto.Env{Conn: h.conn, Sink: h.ledger, Switch: h, MidStream: mid})
	return h
}

func (h *harness) Switch(x *proto.Exchange, to []byte, rest [2][]byte) {
	h.switches += "switch " + string(x.Target) + " to " + string(to) + "\n"
	h.switched, h.rest = true, rest
}

func (h *harness) tunnel(s proto.Side, n int64) {
	if n > 0 {
		h.ledger.Unattributed(h.conn, s, n, proto.Tunnel)
	}
}

func (h *harness) Data(s proto.Side, b []byte, tsNs int64) {
	if h.switched {
		h.tunnel(s, int64(len(b)))
		return
	}
	h.parser.Data(s, b, tsNs)
	if h.switched {
		h.tunnel(proto.Client, int64(len(h.rest[0])))
		h.tunnel(proto.Server, int64(len(h.rest[1])))
	}
}

func (h *harness) Gap(s proto.Side, n int64, why flow.Gap, tsNs int64) {
	h.gaps = true
	switch {
	case !h.switched:
		h.parser.Gap(s, n, why, tsNs)
	case why != flow.Lost:
		h.tunnel(s, n)
	}
}

func (h *harness) End(s proto.Side, tsNs int64) {
	if !h.switched {
		h.parser.End(s, tsNs)
	}
}

func (h *harness) Close(why proto.Reason, tsNs int64) {
	h.parser.Close(why, tsNs)
	h.ledger.Closed(h.conn)
}

// play runs a script and fails the test if the sink's contract is broken.
func play(t *testing.T, f *Factory, mid bool, sc prototest.Script, cut func(int) int, why proto.Reason) *harness {
	t.Helper()
	h := newHarness(f, mid)
	fed := sc.Play(h, cut, why)
	if err := h.check(fed); err != nil {
		t.Errorf("%v\n%s", err, h)
	}
	return h
}

// first returns the connection's first exchange, nil if it had none.
func (h *harness) first() *proto.Exchange {
	for i := range h.ledger.Exchanges {
		if x := &h.ledger.Exchanges[i]; x.Seq == 0 {
			return x
		}
	}
	return nil
}
