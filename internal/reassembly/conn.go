package reassembly

import "gortap/internal/flow"

// conn is an open connection: two directions that wait for each other.
type conn struct {
	Conn
	asm      *Assembler
	receiver Receiver
	halves   [2]half

	active    node[conn] // in Assembler.active
	touchedNs int64      // the clock when it was last moved there
	activeNs  int64      // the clock at the last segment that was more than an ACK
	parked    bool       // one of the halves has a parked SYN
	closed    bool
}

func (c *conn) reach() int64 { return int64(c.asm.cfg.MaxBuffered) }

func (c *conn) other(h *half) *half { return &c.halves[h.dir.Other()] }

// count books a segment as a packet.
func (c *conn) count(s *flow.Segment) {
	if s.NetBytes > 0 {
		d := &c.Dirs[s.Dir]
		d.Packets++
		d.NetBytes += uint64(s.NetBytes)
	}
}

// direct delivers a segment that is next in order without looking further, as
// nearly all are, and reports whether it was one.
func (c *conn) direct(s *flow.Segment) bool {
	h := &c.halves[s.Dir]
	if h.phase != running || s.Seq != h.seq(h.next) || !h.held.empty() ||
		s.Flags.Has(flow.SYN|flow.FIN|flow.RST) || c.blocked(h, ackOf(s)) {
		return false
	}
	if len(s.Data) > 0 {
		c.deliver(h, s.Data, s.TsNs)
	}
	if cut := s.Len - len(s.Data); cut > 0 {
		c.skip(h, int64(cut), s.Cut, s.TsNs)
	}
	if !c.other(h).held.empty() {
		c.settle()
	}
	return true
}

// arrive takes in any segment but a RST. seq is that of the first payload byte.
func (c *conn) arrive(s *flow.Segment, seq uint32) {
	h := &c.halves[s.Dir]
	off, ok := c.place(h, s, seq)
	if !ok {
		why := Implausible
		if c.closed { // what was held led to a RST
			why = AfterClose
		}
		c.drop(h, why, int64(s.Len))
		c.await()
		return
	}
	k := chunk{off: off, end: off + int64(s.Len), data: s.Data, why: s.Cut, ack: ackOf(s), tsNs: s.TsNs}
	end, ends := k.end, s.Flags&(flow.FIN|flow.SYN) == flow.FIN
	c.other(h).learnACK(k.ack)
	if h.unseen.set && off < h.next && (end >= h.next || ends && end == h.next-1) {
		h.unseen.set = false // here it is
		h.next--
	}
	c.trim(h, &k)
	if h.phase == running && k.off == h.next && !c.blocked(h, k.ack) {
		c.pass(h, &k)
	}
	if k.off < k.end {
		again, differ := h.held.insert(k)
		c.countAgain(h, again, differ)
	}
	if ends {
		c.holdFIN(h, end, s)
	}
	c.settle()
}

// place finds the offset of a segment's first byte.
func (c *conn) place(h *half, s *flow.Segment, seq uint32) (off int64, ok bool) {
	if h.phase == holding && h.held.empty() {
		h.base = seq
		return 0, true
	}
	off, ok = h.locate(seq)
	if h.phase == silent {
		if !ok && h.next == h.start { // the ACK that placed it was wrong
			h.beginAt(seq, running)
			return 0, true
		}
		h.phase = running
	}
	if ok || !h.stray.confirmedBy(s, seq) {
		return off, ok
	}
	return c.jump(h, seq)
}

// jump gives up everything between what is known and seq.
func (c *conn) jump(h *half, seq uint32) (off int64, ok bool) {
	for !c.closed && !h.held.empty() {
		c.unblock(h, Jump)
	}
	if c.closed || h.phase != running {
		return 0, false
	}
	c.lose(h, h.next+int64(seq-h.seq(h.next)), Jump, c.LastNs)
	return h.next, true
}

// trim cuts off k what was delivered before, and what cannot exist.
func (c *conn) trim(h *half, k *chunk) {
	if to := max(k.off, h.limit); to < k.end {
		c.drop(h, AfterEnd, k.end-to)
		k.clip(to)
	}
	if h.phase == holding || k.off >= h.next {
		return
	}
	to := min(k.end, h.next)
	early := extent{k.off, h.start}.common(k.off, to)
	late := h.lost.common(k.off, to)
	if early > 0 {
		c.drop(h, BeforeStart, early)
	}
	if late > 0 {
		c.drop(h, Late, late)
	}
	c.countAgain(h, to-k.off-early-late, 0)
	k.advance(to)
}

// pass delivers the start of k without copying it, up to what is held.
func (c *conn) pass(h *half, k *chunk) {
	to := k.end
	if !h.held.empty() {
		to = min(to, h.held.head.off)
	}
	if n := min(to-k.off, int64(len(k.data))); n > 0 {
		c.deliver(h, k.data[:n], k.tsNs)
		k.advance(k.off + n)
	}
	if k.off < to {
		c.skip(h, to-k.off, k.why, k.tsNs)
		k.advance(to)
	}
}

// past returns what to remember of the connection once it has ended.
func (c *conn) past() past {
	p := past{closedNs: c.asm.clockNs}
	for d := range c.halves {
		h := &c.halves[d]
		p.origins[d], p.next[d], p.reset[d] = h.origin(), h.seq(h.next), h.reset
	}
	return p
}
