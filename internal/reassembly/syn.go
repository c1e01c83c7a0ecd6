package reassembly

import "gortap/internal/flow"

// synchronize takes in a SYN and what it carries (RFC 7413).
func (c *conn) synchronize(s *flow.Segment) {
	h := &c.halves[s.Dir]
	seq := s.Seq + 1
	if !h.fitsSYN(seq) || !c.answersOpener(h, s) {
		h.parked = parkedSYN{isn: s.Seq, set: true, answer: s.Flags.Has(flow.ACK), tsNs: s.TsNs}
		c.parked = true
		c.drop(h, Implausible, int64(s.Len))
		return
	}
	c.learnOpener(s.Dir, s.Flags.Has(flow.ACK))
	if h.phase == holding {
		c.beginBySYN(h, seq)
	}
	c.arrive(s, seq)
}

func (c *conn) learnOpener(d flow.Dir, answer bool) {
	if c.OpenerKnown {
		return
	}
	c.Opener, c.OpenerKnown = d, true
	if answer {
		c.Opener = d.Other()
	}
}

func (c *conn) beginBySYN(h *half, seq uint32) {
	h.syn = true
	if h.held.empty() {
		h.beginAt(seq, running)
		return
	}
	off, _ := h.locate(seq)
	h.begin(off, running)
}

// answersOpener reports whether the ACK of a SYN-ACK fits the other direction.
// It need not, where this is the SYN known already.
func (c *conn) answersOpener(h *half, s *flow.Segment) bool {
	o := c.other(h)
	if !s.Flags.Has(flow.ACK) || h.syn || o.phase == holding {
		return true
	}
	_, ok := o.locate(s.Ack)
	return ok
}

// succeeded reports whether s continues a parked SYN, in its direction or by
// acknowledging it: then that SYN opened a new connection.
func (c *conn) succeeded(s *flow.Segment) bool {
	own, answered := &c.halves[s.Dir].parked, &c.halves[s.Dir.Other()].parked
	return own.set && s.Seq == own.isn+1 ||
		answered.set && s.Flags.Has(flow.ACK) && s.Ack == answered.isn+1
}

// replace closes a connection whose four-tuple began a new one, and opens that
// one with the SYNs that were parked.
func (a *Assembler) replace(c *conn) *conn {
	key, tsNs := c.Key, int64(0)
	parked := [2]parkedSYN{c.halves[0].parked, c.halves[1].parked}
	for _, p := range parked {
		if p.set && (tsNs == 0 || p.tsNs < tsNs) {
			tsNs = p.tsNs
		}
	}
	a.close(c, Replaced, tsNs)
	a.lingers.forget(key)
	c = a.openConn(key, tsNs)
	for d, p := range parked {
		if p.set {
			c.learnOpener(flow.Dir(d), p.answer)
			c.beginBySYN(&c.halves[d], p.isn+1)
		}
	}
	return c
}
