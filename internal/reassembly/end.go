package reassembly

import "gortap/internal/flow"

// holdFIN queues the end of a direction. A FIN before bytes that are known is
// wrong, and so is a second one elsewhere.
func (c *conn) holdFIN(h *half, off int64, s *flow.Segment) {
	switch {
	case off == h.limit: // sent again
		if p := h.held.tail; p != nil && p.kind == fin && ackOf(s).before(p.ack) {
			p.ack, p.tsNs = ackOf(s), min(p.tsNs, s.TsNs)
		}
	case h.limit < off, h.phase != holding && off < h.next, !h.held.empty() && off < h.held.tail.end:
		c.drop(h, Implausible, 0)
	default:
		h.limit = off
		c.holdMark(h, fin, off, s)
	}
}

// holdMark queues a FIN or RST behind everything held.
func (c *conn) holdMark(h *half, k kind, off int64, s *flow.Segment) {
	p := h.held.pool.get(0)
	p.kind, p.off, p.end, p.ack, p.tsNs = k, off, off, ackOf(s), s.TsNs
	h.held.link(p, nil)
}

// reset takes in a RST where it belongs in order. Only a plausible one counts:
// near the known place of its sender, or, from a sender never seen, an answer to
// the other side (RFC 9293, 3.10.7; RFC 5961, 3).
func (c *conn) reset(s *flow.Segment) {
	h := &c.halves[s.Dir]
	if s.Len > 0 {
		c.drop(h, InReset, int64(s.Len))
	}
	off, ok := c.placeReset(h, s)
	if !ok {
		c.drop(h, Implausible, 0)
		return
	}
	if !h.held.empty() {
		off = max(off, h.held.tail.end)
	}
	off = min(off, h.limit) // nothing lies between a FIN and a RST
	h.limit = off
	c.other(h).learnACK(ackOf(s))
	c.holdMark(h, rst, off, s)
	c.settle()
}

func (c *conn) placeReset(h *half, s *flow.Segment) (off int64, ok bool) {
	if h.phase != holding || !h.held.empty() {
		off, ok = h.locate(s.Seq)
		if h.phase == holding {
			return off, ok
		}
		return off, ok && off >= h.next-c.reach()
	}
	o := c.other(h)
	if ack := ackOf(s); ack.set && o.phase != holding {
		off, ok = o.locate(ack.seq)
		ok = ok && off >= o.next-c.reach()
	}
	if m := h.ackMin; m.set && int64(s.Seq-m.seq) <= c.reach() {
		ok = true
	}
	if ok {
		h.beginAt(s.Seq, running)
	}
	return 0, ok
}
