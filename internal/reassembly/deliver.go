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

// pump delivers held pieces of both directions for as long as one is ready.
func (c *conn) pump() {
	for !c.closed {
		h := c.ready()
		if h == nil {
			return
		}
		c.step(h)
	}
}

// ready returns a direction whose first piece may be delivered, or nil. Nobody
// will ever bring the bytes of a silent direction: it is moved on.
func (c *conn) ready() *half {
	for i := range c.halves {
		h := &c.halves[i]
		p := h.held.head
		if p == nil || h.phase == holding || p.off > h.next {
			continue
		}
		if c.blocked(h, p.ack) {
			o := c.other(h)
			if o.phase != silent {
				continue
			}
			c.lose(o, o.next+int64(p.ack.seq-o.seq(o.next)), OneSided, p.tsNs)
		}
		return h
	}
	return nil
}

// blocked reports whether the sender of some bytes of h had acknowledged what
// the other direction has not delivered yet. An ACK that is far off proves nothing.
func (c *conn) blocked(h *half, m ackMark) bool {
	o := c.other(h)
	if !m.set || o.phase == ended {
		return false
	}
	if o.phase == holding {
		return true
	}
	ahead := int64(int32(m.seq - o.seq(o.next)))
	return ahead > 0 && ahead <= o.span()+c.reach()
}

// step delivers the first piece of h.
func (c *conn) step(h *half) {
	p := h.held.head
	h.held.unlink(p)
	switch p.kind {
	case data:
		c.deliver(h, p.buf, p.tsNs)
	case cut:
		c.skip(h, p.end-p.off, p.why, p.tsNs)
	case fin:
		c.end(h, p.tsNs)
	case rst:
		h.reset = true
		c.asm.close(c, Reset, p.tsNs)
	}
	c.asm.pool.put(p)
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

func (c *conn) deliver(h *half, b []byte, tsNs int64) {
	if h.unseen.set {
		c.tellUnseen(h, tsNs)
	}
	n := uint64(len(b))
	h.next += int64(n)
	h.stray.set = false
	c.Dirs[h.dir].Delivered += n
	c.asm.stats.Delivered += n
	c.receiver.Data(h.dir, b, tsNs)
}

// skip tells of bytes that the capture saw but did not copy.
func (c *conn) skip(h *half, n int64, why flow.Gap, tsNs int64) {
	if h.unseen.set {
		c.tellUnseen(h, tsNs)
	}
	h.next += n
	h.stray.set = false
	if why == flow.Truncated {
		c.Dirs[h.dir].Truncated += uint64(n)
		c.asm.stats.Truncated += uint64(n)
	} else {
		why = flow.Skipped
		c.Dirs[h.dir].Skipped += uint64(n)
		c.asm.stats.Skipped += uint64(n)
	}
	c.receiver.Gap(h.dir, n, why, tsNs)
}

// lose gives up the bytes of h before to.
func (c *conn) lose(h *half, to int64, cause LossCause, tsNs int64) {
	if h.unseen.set {
		h.unseen.set = false
		h.next--
	} else if to == h.next+1 {
		h.unseen = unseen{true, cause}
		h.next = to
		return
	}
	c.tellLost(h, to, cause, tsNs)
}

func (c *conn) tellUnseen(h *half, tsNs int64) {
	h.unseen.set = false
	h.next--
	c.tellLost(h, h.next+1, h.unseen.cause, tsNs)
}

func (c *conn) tellLost(h *half, to int64, cause LossCause, tsNs int64) {
	n := to - h.next
	if h.lost.to != h.next {
		h.lost.from = h.next
	}
	h.lost.to = to
	h.next = to
	c.Dirs[h.dir].Lost += uint64(n)
	c.asm.stats.Lost[cause].add(n)
	c.receiver.Gap(h.dir, n, flow.Lost, tsNs)
}

// end tells of a FIN. The number that a FIN takes need not be counted: nothing
// follows it, and nothing waits for a direction that has ended.
func (c *conn) end(h *half, tsNs int64) {
	if h.unseen.set {
		c.tellUnseen(h, tsNs)
	}
	h.phase = ended
	c.receiver.End(h.dir, tsNs)
	if c.other(h).phase == ended {
		c.asm.close(c, Finished, tsNs)
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

func (c *conn) drop(h *half, why DropReason, n int64) {
	c.Dirs[h.dir].Dropped += uint64(n)
	c.asm.stats.Dropped[why].add(n)
}

func (c *conn) countAgain(h *half, again, differ int64) {
	d, st := &c.Dirs[h.dir], &c.asm.stats
	d.Retransmitted += uint64(again)
	d.Conflicts += uint64(differ)
	st.Retransmitted += uint64(again)
	st.Conflicts += uint64(differ)
}
