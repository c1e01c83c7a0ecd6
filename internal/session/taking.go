package session

import "gortap/internal/flow"

// Taking is how far a client that reads slowly has got with the server's bytes.
type Taking struct {
	// Bytes is how many of them it had taken out of its receive buffer; less than 0: it
	// no longer reads slowly.
	Bytes    int64
	Capacity int64 // of the buffer: the largest window so far
	Full     bool  // the buffer was full, and the server had to wait
}

const (
	// fullShift tells from when on a buffer counts as full: with less than an eighth of
	// the largest window left. One of a client that keeps up is never.
	fullShift = 3
	// A client reads slowly until its buffer was not full for so many times its size,
	// and for so long.
	quickBuffers = 8
	quickNs      = 1e9
	// tickShift: there is one event at most in each 4 ms, as the kernel tells no more.
	tickShift = 22
)

// taking follows the window of a client. What the client had taken is the right edge of its
// window less the size of its buffer: all that can be known of it from outside. Bytes
// count from the server's first.
type taking struct {
	offered, both bool // the client offered to scale its windows; so did the server
	scale         uint8
	first         int // Session.Window

	edge, capacity int64
	slow, full     bool
	taken, told    int64
	fullAt, fullNs int64 // taken and time when the buffer was last full
	toldNs         int64
	toldFull       bool
}

// offer takes what the client's SYN says. A buffer that its scale cannot describe at four
// times the size is of a fixed size.
func (t *taking) offer(s *flow.Segment) {
	t.offered, t.scale = s.Scale > 0, max(s.Scale, 1)-1
	if 0xffff<<t.scale <= 4*int(s.Window) {
		t.first = int(s.Window)
	}
}

// acked takes an acknowledgement, and reports whether it is to be told.
func (t *taking) acked(ack int64, s *flow.Segment) bool {
	w, most, tsNs := int64(s.Window), int64(s.WindowMax), s.TsNs
	if t.both {
		w, most = w<<t.scale, most<<t.scale
	}
	t.edge, t.capacity = max(t.edge, ack+w), max(t.capacity, w, most)
	if t.full = t.capacity > 0 && w <= t.capacity>>fullShift; t.full {
		t.slow = true
		t.fullAt, t.fullNs = t.edge-t.capacity, tsNs
	}
	return t.slow && t.advance(t.edge-t.capacity, tsNs) || t.full && !t.toldFull
}

// sent takes how much the server has sent: no more than the window had room for.
func (t *taking) sent(served, tsNs int64) bool {
	return t.advance(served-t.capacity, tsNs)
}

// advance reports whether taken is news.
func (t *taking) advance(taken, tsNs int64) bool {
	t.taken = max(t.taken, taken)
	if !t.full && t.taken-t.fullAt >= quickBuffers*t.capacity && tsNs-t.fullNs >= quickNs {
		t.slow = false
		return true
	}
	return t.taken > t.told && (tsNs>>tickShift != t.toldNs>>tickShift || t.taken-t.told >= t.capacity/2)
}

// tell returns what is to be told.
func (t *taking) tell(tsNs int64) Taking {
	t.told, t.toldNs, t.toldFull = t.taken, tsNs, t.full
	if !t.slow {
		return Taking{Bytes: -1}
	}
	return Taking{Bytes: t.taken, Capacity: t.capacity, Full: t.full}
}

// acknowledge takes what a segment of the client says of the server's bytes.
func (c *conn) acknowledge(s *flow.Segment) {
	if c.answerNs > 0 && s.Ack == c.isn {
		c.rttNs, c.shaken = max(s.TsNs-c.answerNs, 1), true
	}
	c.answerNs = 0
	if !c.told || c.over || c.session.PickedUp { // the scale of its windows is not known
		return
	}
	ack := c.served + int64(int32(s.Ack-(c.isn+uint32(c.served))))
	if c.taking.acked(ack, s) {
		c.tellTaking(s.TsNs)
	}
}

func (c *conn) tellTaking(tsNs int64) {
	c.emit(&Event{Kind: Window, TsNs: tsNs, Taking: c.taking.tell(tsNs)})
}
