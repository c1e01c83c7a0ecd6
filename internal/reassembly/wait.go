package reassembly

import "gortap/internal/flow"

// settle delivers what has become possible, keeps the limits, and notes who
// still waits.
func (c *conn) settle() {
	c.pump()
	for i := range c.halves {
		h := &c.halves[i]
		for !c.closed && h.overLimit() {
			c.unblock(h, BufferLimit)
		}
	}
	c.await()
	c.asm.relieve()
}

// overLimit reports whether a direction holds too much. Waiting for a start
// gets a quarter of the room: what is late for it is hardly later than that.
// The span must stay below what locate can tell apart.
func (h *half) overLimit() bool {
	if h.held.empty() {
		return false
	}
	room := h.conn.asm.cfg.MaxBuffered
	if h.phase == holding {
		room /= 4
	}
	return h.held.memory > room || h.held.tail.end-h.held.head.off > maxBack
}

// await enters each direction in the list of those that wait, or takes it out.
// The time runs anew when something was delivered.
func (c *conn) await() {
	if c.closed {
		return
	}
	for i := range c.halves {
		h := &c.halves[i]
		c.Dirs[i].Buffered = h.held.payload
		switch waits := &c.asm.waiting; {
		case h.held.empty():
			waits.remove(&h.waiting)
		case !h.waiting.linked:
			waits.pushBack(&h.waiting)
			h.sinceNs, h.waitNext = c.asm.clockNs, h.next
		case h.next != h.waitNext:
			waits.moveToBack(&h.waiting)
			h.sinceNs, h.waitNext = c.asm.clockNs, h.next
		}
	}
}

// unblock makes the first held piece of h come closer: it gives up what is
// missing before it. Each call makes progress.
func (c *conn) unblock(h *half, cause LossCause) {
	p, o := h.held.head, c.other(h)
	switch {
	case h.phase == holding, p.off <= h.next && o.phase == holding:
		c.beginMidStream()
	case p.off > h.next:
		c.lose(h, p.off, cause, p.tsNs)
	case o.held.empty() || o.held.head.off > o.next:
		to := o.next + int64(p.ack.seq-o.seq(o.next))
		if !o.held.empty() {
			to = min(to, o.held.head.off)
		}
		c.lose(o, to, cause, p.tsNs)
	case o.held.head.tsNs > p.tsNs:
		c.stepAcked(o, p.ack)
	default:
		c.stepAcked(h, o.held.head.ack)
	}
	c.pump()
}

// stepAcked delivers the first bytes of h, as many as the other side says it
// had. It is for two first pieces that acknowledge each other: at least one was
// sent before as well, in a packet that is missing, and that must be the one
// whose copy is the later.
func (c *conn) stepAcked(h *half, by ackMark) {
	p := h.held.head
	if to := h.next + int64(by.seq-h.seq(h.next)); to < p.end {
		h.held.split(p, to)
	}
	c.step(h)
}

// beginMidStream ends the wait for a SYN or for earlier bytes, in both
// directions: each begins with the lowest byte held, and one that was never
// seen where the first ACK puts it. That there were bytes before is no loss.
func (c *conn) beginMidStream() {
	for i := range c.halves {
		h := &c.halves[i]
		switch {
		case h.phase != holding:
		case !h.held.empty():
			h.begin(h.lowest(c.other(h).syn), running)
		case h.ackMin.set:
			h.beginAt(h.ackMin.seq, silent)
		}
	}
}

// flush delivers everything held, giving up all that is missing.
func (c *conn) flush() {
	c.pump() // a RST ends a connection between two pieces that are ready
	for !c.closed {
		a, b := &c.halves[flow.FromA], &c.halves[flow.FromB]
		switch {
		case a.held.empty() && b.held.empty():
			return
		case b.held.empty() || !a.held.empty() && a.held.head.tsNs <= b.held.head.tsNs:
			c.unblock(a, AtClose)
		default:
			c.unblock(b, AtClose)
		}
	}
}
