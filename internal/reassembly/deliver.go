package reassembly

import "gortap/internal/flow"

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
