package detect

import (
	"gortap/internal/flow"
	"gortap/internal/proto"
	"gortap/internal/reassembly"
)

// conn is one connection: undecided until parser is set.
type conn struct {
	detector *Detector
	source   *reassembly.Conn
	conn     proto.Conn
	sink     proto.Sink
	parser   proto.Parser
	raw      raw
	hash     uint32 // of the key: tells whether it is in the sample

	next  proto.Parser // whom the parser gave the connection to
	rest  [2][]byte    // with these bytes, by Side
	ended [2]bool      // by flow.Dir

	undecided
}

var (
	_ reassembly.Receiver = (*conn)(nil)
	_ proto.Switcher      = (*conn)(nil)
)

// believeOpener takes who sent the SYN for the client.
func (c *conn) believeOpener() {
	if c.source.OpenerKnown {
		c.conn.Client, c.conn.ClientKnown = c.source.Opener, true
	}
}

// Data implements reassembly.Receiver.
func (c *conn) Data(d flow.Dir, b []byte, tsNs int64) {
	if !c.detector.keeps(c.hash) {
		c.leave(tsNs)
	}
	if c.parser == nil {
		c.look(d, b, tsNs)
		return
	}
	c.deliver(d, b, tsNs)
}

// deliver hands bytes to the parser, and on to the next one if it gives the
// connection away.
func (c *conn) deliver(d flow.Dir, b []byte, tsNs int64) {
	c.parser.Data(c.conn.Side(d), b, tsNs)
	for c.next != nil {
		old, rest := c.parser, c.rest
		c.parser, c.next, c.rest = c.next, nil, [2][]byte{}
		for s, b := range rest {
			if len(b) > 0 {
				c.parser.Data(proto.Side(s), b, tsNs)
			}
		}
		c.tellEnds(tsNs)
		old.Close(proto.Complete, tsNs)
	}
}

// tellEnds tells a new parser which sides are over already.
func (c *conn) tellEnds(tsNs int64) {
	for d, over := range c.ended {
		if over {
			c.parser.End(c.conn.Side(flow.Dir(d)), tsNs)
		}
	}
}

// Gap implements reassembly.Receiver.
func (c *conn) Gap(d flow.Dir, n int64, why flow.Gap, tsNs int64) {
	if !c.detector.keeps(c.hash) {
		c.leave(tsNs)
	}
	if c.parser == nil {
		c.passGap(d, n, why)
		return
	}
	c.parser.Gap(c.conn.Side(d), n, why, tsNs)
}

// End implements reassembly.Receiver.
func (c *conn) End(d flow.Dir, tsNs int64) {
	c.ended[d] = true
	if c.parser != nil {
		c.parser.End(c.conn.Side(d), tsNs)
	}
}

// Close implements reassembly.Receiver.
func (c *conn) Close(why reassembly.CloseReason, tsNs int64) {
	if c.parser == nil {
		c.giveUp()
	} else {
		c.parser.Close(reasonOf(why), tsNs)
	}
	c.sink.Closed(&c.conn)
	c.detector.recycle(c)
}

// Switch implements proto.Switcher.
func (c *conn) Switch(x *proto.Exchange, to []byte, rest [2][]byte) {
	c.rest = rest
	for i := range c.detector.table {
		if len(to) > 0 && c.detector.table[i].Name == string(to) {
			c.next = c.detector.factories[i].New(c.env(x, false))
			return
		}
	}
	c.next = c.count(proto.Tunnel)
}

func (c *conn) env(from *proto.Exchange, midStream bool) proto.Env {
	return proto.Env{Conn: &c.conn, Sink: c.sink, Switch: c, From: from, MidStream: midStream}
}

// count returns the parser of bytes that are only counted, and tells the
// capture that it need not copy them.
func (c *conn) count(why proto.Reason) proto.Parser {
	c.raw = raw{conn: &c.conn, sink: c.sink, why: why}
	c.sink.Residual(&c.conn, why)
	c.conn.SetDepth(flow.DepthNone)
	return &c.raw
}

// leave ends the parsing of a connection that is no longer in the sample.
func (c *conn) leave(tsNs int64) {
	switch c.parser {
	case &c.raw: // nobody parses it
		return
	case nil:
		c.giveUp()
	default:
		c.parser.Close(proto.Unsampled, tsNs)
	}
	c.parser = c.count(proto.Unsampled)
}

func reasonOf(why reassembly.CloseReason) proto.Reason {
	switch why {
	case reassembly.Finished:
		return proto.Complete
	case reassembly.Reset:
		return proto.Aborted
	case reassembly.Stopped:
		return proto.Unfinished
	default: // nobody saw how it ended
		return proto.Lost
	}
}
