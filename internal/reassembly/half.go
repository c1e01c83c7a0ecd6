package reassembly

import (
	"math"

	"gortap/internal/flow"
)

// phase says what is known of a direction's place in its stream.
type phase uint8

const (
	holding phase = iota // where it begins is not known; what comes is held
	silent               // never seen: placed where the other side's ACKs say
	running
	ended // FIN delivered
)

// maxBack is how far back a segment is taken for a copy of what was there
// before: no window is larger (RFC 7323, 2.3), and so no retransmission older.
const maxBack = 1 << 30

// half is one direction of a connection. Its stream is counted in 64-bit
// offsets, so that the wrap of sequence numbers concerns locate alone.
type half struct {
	conn  *conn
	dir   flow.Dir
	phase phase
	syn   bool // start was told by a SYN
	reset bool // a RST of this side ended the connection

	base        uint32 // the sequence number of offset 0
	start, next int64  // first byte, and the one to deliver next; once not holding
	limit       int64  // nothing can follow: place of a FIN or RST
	lost        extent // the last hole that was given up
	unseen      unseen
	held        queue
	// ackMin is the lowest ACK that the other side sent while holding.
	ackMin ackMark
	stray  stray
	parked parkedSYN

	waiting  node[half] // in Assembler.waiting while something is held
	sinceNs  int64      // the clock when waiting began
	waitNext int64      // next, then
}

type extent struct{ from, to int64 }

// common returns how many bytes x shares with [from, to).
func (x extent) common(from, to int64) int64 {
	return max(0, min(x.to, to)-max(x.from, from))
}

// unseen is the number before next where it alone is missing: rather a FIN than
// a byte. It is told as lost only when something follows after all.
type unseen struct {
	set   bool
	cause LossCause
}

// parkedSYN is one that does not fit the connection. It may be stray, or open
// the next connection: what follows it tells.
type parkedSYN struct {
	isn    uint32
	set    bool
	answer bool // a SYN-ACK
	tsNs   int64
}

// stray follows segments that lie too far away. One may be anybody's; two in
// a row that fit each other, with nothing from the known place in between, mean
// that it is the capture that lost its place.
type stray struct {
	next uint32
	set  bool
}

// confirmedBy notes s, whose first byte has the number seq, and reports whether
// it continues the stray segment before it. A piece of the same packet does not count.
func (r *stray) confirmedBy(s *flow.Segment, seq uint32) bool {
	continues := r.set && r.next == seq
	r.set, r.next = true, seq+uint32(s.Len)
	return continues && s.NetBytes > 0
}

func (h *half) init(c *conn, d flow.Dir, p *pool) {
	*h = half{conn: c, dir: d, limit: math.MaxInt64, held: queue{pool: p}}
	h.waiting.owner = h
}

// seq returns the sequence number of an offset.
func (h *half) seq(off int64) uint32 { return h.base + uint32(off) }

// begin sets the first byte of the stream.
func (h *half) begin(off int64, p phase) { h.start, h.next, h.phase = off, off, p }

// beginAt begins an empty direction at a sequence number.
func (h *half) beginAt(seq uint32, p phase) {
	h.base = seq
	h.begin(0, p)
}

func (h *half) origin() origin {
	return origin{seq: h.seq(h.start), known: h.phase != holding, exact: h.syn}
}

// span is how far held pieces reach beyond next.
func (h *half) span() int64 {
	if h.held.empty() {
		return 0
	}
	return h.held.tail.end - h.next
}

// locate turns a sequence number into an offset, and reports whether it is
// plausible: at most maxBack before next, or reach beyond all that is known.
// While holding, the held pieces stand for next; there must be one. A place
// that no SYN and no delivered byte vouches for gets no more than reach.
//
// reach is small on purpose. A hole wider than what can be buffered is no
// reordering that could be put right, so nothing is lost by asking for a second
// segment first, and a forged one rarely hits.
func (h *half) locate(seq uint32) (off int64, plausible bool) {
	reach := h.conn.reach()
	ref, back := h.next, int64(maxBack)
	if h.phase == holding || h.phase == silent {
		back = reach
	}
	if h.phase == holding {
		ref = h.held.head.off
	}
	far := ref
	if !h.held.empty() {
		far = max(ref, h.held.tail.end)
	}
	off = ref + int64(int32(seq-h.seq(ref)))
	return off, off >= ref-back && off <= far+reach
}

// fitsSYN reports whether a SYN whose first byte has the number seq can be the
// one that opened this direction.
func (h *half) fitsSYN(seq uint32) bool {
	if h.phase != holding {
		return h.origin().matches(seq, h.conn.reach())
	}
	if h.held.empty() {
		return !h.ackMin.set || int64(h.ackMin.seq-seq) <= h.conn.reach()
	}
	off, ok := h.locate(seq)
	return ok && off <= h.held.head.off
}

// learnACK notes what the other side acknowledged, while that helps to find
// the start.
func (h *half) learnACK(m ackMark) {
	if h.phase == holding && m.set && (!h.ackMin.set || m.before(h.ackMin)) {
		h.ackMin = m
	}
}

// lowest returns the offset to start at: that of the first piece held. Where
// the other side was seen from its SYN on, what it acknowledged first comes
// before anything it can have missed.
func (h *half) lowest(otherFromSYN bool) int64 {
	first := h.held.head.off
	if otherFromSYN && h.ackMin.set {
		if off, ok := h.locate(h.ackMin.seq); ok {
			return min(first, off)
		}
	}
	return first
}
