package detect

import (
	"bytes"

	"gortap/internal/flow"
	"gortap/internal/proto"
)

// undecided is what is known of a connection before its protocol is.
type undecided struct {
	side   [2]pending // by flow.Dir
	seen   int64      // bytes delivered
	turns  int        // changes of direction, the first bytes included
	last   flow.Dir
	middle bool // its first bytes were not seen, or a gap came
}

// pending is one direction of an undecided connection.
type pending struct {
	held   []byte // may be the beginning of a message
	heldNs int64
	passed int64 // bytes that are none, told to the sink once it is known whose they are
	// fresh says that a message may begin at the next byte (or at held),
	// atLine that only a line end says so.
	fresh, atLine bool
}

// look reads bytes of an undecided connection.
func (c *conn) look(d flow.Dir, b []byte, tsNs int64) {
	c.believeOpener()
	if c.turns == 0 && !c.source.OpenerKnown {
		c.middle = true
	}
	c.turn(d)
	switch {
	case !c.middle:
		c.lookFirst(d, b, tsNs)
	case c.lookedEnough():
		c.toRaw()
		c.deliver(d, b, tsNs)
	default:
		c.lookMid(d, b, tsNs)
	}
	c.seen += int64(len(b))
}

func (c *conn) lookedEnough() bool {
	return c.turns > maxTurns || c.turns > minTurns && c.seen >= maxTurnBytes || c.seen >= maxBytes
}

// turn notes who speaks. What the same side said before its peer did was no
// beginning of a message after all.
func (c *conn) turn(d flow.Dir) {
	if c.turns > 0 && c.last == d {
		return
	}
	c.last = d
	c.turns++
	p := &c.side[d]
	if c.middle {
		p.pass()
	}
	p.fresh, p.atLine = true, false
}

// pass gives up what is held.
func (p *pending) pass() {
	p.passed += int64(len(p.held))
	p.held = p.held[:0]
}

// hold keeps b until more bytes tell what it is.
func (p *pending) hold(b []byte, tsNs int64) {
	if len(p.held) == 0 {
		p.heldNs = tsNs
	}
	p.held = append(p.held, b...)
}

// lookFirst reads the first bytes of a connection that was seen from its
// beginning. Both sides may have to be held to tell.
func (c *conn) lookFirst(d flow.Dir, b []byte, tsNs int64) {
	for len(b) > 0 && c.parser == nil {
		// One delivery may be more than may be held, and its beginning enough.
		n := min(len(b), maxHeld-len(c.side[d].held))
		if n == 0 {
			c.toRaw()
			break
		}
		c.lookHeld(d, b[:n], tsNs)
		b = b[n:]
	}
	if len(b) > 0 {
		c.deliver(d, b, tsNs)
	}
}

// lookHeld holds b, for which there is room, and looks at all that is held.
func (c *conn) lookHeld(d flow.Dir, b []byte, tsNs int64) {
	p := &c.side[d]
	p.hold(b, tsNs)
	n, more := proxyHeader(p.held)
	p.passed += int64(n)
	p.held = p.held[:copy(p.held, p.held[n:])]
	if more || n > 0 && len(p.held) == 0 {
		return
	}
	switch row, v, sure := c.match(p.held, func(t *Protocol) detector { return t.Detect }); v {
	case proto.No:
		c.toRaw()
	case proto.More:
	default:
		c.decide(row, d, v, sure)
		c.replay(tsNs)
	}
}

// lookMid looks for the beginning of a message in the middle of a connection.
func (c *conn) lookMid(d flow.Dir, b []byte, tsNs int64) {
	p := &c.side[d]
	firstNs, joined := tsNs, len(p.held) > 0
	if joined {
		firstNs = p.heldNs
		p.held = append(p.held, b...)
		b = p.held
	}
	for i := 0; i < len(b); {
		if p.fresh {
			row, v, sure := c.match(b[i:], func(t *Protocol) detector { return t.mid(p.atLine) })
			if v == proto.More && len(b)-i <= maxHeld {
				p.passed += int64(i)
				p.held, p.heldNs = append(p.held[:0], b[i:]...), firstNs
				return
			}
			if v == proto.FromClient || v == proto.FromServer {
				p.passed += int64(i)
				c.side[d.Other()].pass()
				c.decide(row, d, v, sure)
				c.deliver(d, b[i:], firstNs)
				c.tellEnds(tsNs)
				return
			}
		}
		p.fresh = false
		j := bytes.IndexByte(b[i:], '\n')
		if j < 0 {
			break
		}
		i += j + 1
		firstNs = tsNs
		p.fresh, p.atLine = true, true
	}
	p.passed += int64(len(b))
	p.held = p.held[:0]
}

type detector func(b []byte) (proto.Verdict, bool)

// mid returns what to look with in the middle of a connection.
func (t *Protocol) mid(atLine bool) detector {
	if atLine && !t.Lines {
		return nil
	}
	return t.DetectMid
}

// match asks every protocol what b is. More is the answer if any may still
// take it.
func (c *conn) match(b []byte, by func(*Protocol) detector) (row int, v proto.Verdict, sure bool) {
	for i := range c.detector.table {
		detect := by(&c.detector.table[i])
		if detect == nil {
			continue
		}
		switch got, sure := detect(b); got {
		case proto.No:
		case proto.More:
			v = proto.More
		default:
			return i, got, sure
		}
	}
	return 0, v, false
}

// decide gives the connection to a protocol. What came from direction d told so.
func (c *conn) decide(row int, d flow.Dir, v proto.Verdict, sure bool) {
	client := d
	if v == proto.FromServer {
		client = d.Other()
	}
	if sure || !c.conn.ClientKnown {
		// Who sends requests is the client, whoever opened the connection.
		c.conn.Client, c.conn.ClientKnown = client, c.conn.ClientKnown || sure
	}
	c.flushPassed(c.before())
	c.parser = c.detector.factories[row].New(c.env(nil, c.middle))
}

// replay hands what was held to the parser, the side that spoke last at the
// end: it told what the connection is.
func (c *conn) replay(tsNs int64) {
	for _, d := range [2]flow.Dir{c.last.Other(), c.last} {
		p := &c.side[d]
		if len(p.held) > 0 {
			c.deliver(d, p.held, p.heldNs)
		}
	}
	c.tellEnds(tsNs)
}

// toRaw decides that no protocol knows the connection.
func (c *conn) toRaw() {
	c.side[0].pass()
	c.side[1].pass()
	c.flushPassed(proto.NotHTTP)
	c.parser = c.count(proto.NotHTTP)
}

// giveUp ends a connection that never told.
func (c *conn) giveUp() {
	c.believeOpener()
	c.side[0].pass()
	c.side[1].pass()
	c.flushPassed(c.before())
}

// before is the reason of bytes before the first message.
func (c *conn) before() proto.Reason {
	if c.middle {
		return proto.MidStream
	}
	return proto.NotHTTP
}

func (c *conn) flushPassed(why proto.Reason) {
	for d := range c.side {
		p := &c.side[d]
		if p.passed > 0 {
			c.sink.Unattributed(&c.conn, c.conn.Side(flow.Dir(d)), p.passed, why)
			p.passed = 0
		}
	}
}

// passGap is a gap in an undecided connection.
func (c *conn) passGap(d flow.Dir, n int64, why flow.Gap) {
	c.turn(d)
	c.middle = true
	for i := range c.side {
		c.side[i].pass()
	}
	p := &c.side[d]
	if why != flow.Lost {
		p.passed += n
	}
	p.fresh, p.atLine = true, false
}
