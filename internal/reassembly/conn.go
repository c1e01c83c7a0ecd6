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
	if h.phase != running || s.Seq != h.seq(h.next) || !h.held.empty() || len(s.Data) != s.Len ||
		s.Flags.Has(flow.SYN|flow.FIN|flow.RST) || c.blocked(h, ackOf(s)) {
		return false
	}
	c.deliver(h, s.Data, s.TsNs)
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

// synchronize takes in a SYN and what it carries (RFC 7413).
func (c *conn) synchronize(s *flow.Segment) {
	h := &c.halves[s.Dir]
	seq := s.Seq + 1
	if !h.fitsSYN(seq) || !c.answersOpener(h, s) {
		h.parked = parkedSYN{isn: s.Seq, set: true, tsNs: s.TsNs}
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

func (c *conn) past() past {
	p := past{closedNs: c.asm.clockNs}
	for d := range c.halves {
		h := &c.halves[d]
		p.origins[d], p.next[d], p.reset[d] = h.origin(), h.seq(h.next), h.reset
	}
	return p
}
