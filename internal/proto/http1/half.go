package http1

import (
	"bytes"

	"gortap/internal/proto"
)

// state is where in its stream a side is.
type state uint8

const (
	atStart     state = iota // between messages: empty lines, then a start line
	inFields                 // after a start line
	inFixed                  // in a body, remain bytes to go
	inChunkSize              // in the digits of a chunk size
	inChunkExt               // after them, up to the line's end
	inChunkData              // in a chunk, remain bytes to go
	inChunkEnd               // at the line end after a chunk
	inChunkLF                // after its CR
	inTrailers               // after the last chunk
	untilClose               // in a body that the connection's end delimits
	seeking                  // the place is not known: looking for a start line
	onHold                   // after CONNECT or an upgrade request, until it is answered
	ended                    // after FIN
)

// half reads what one side sends.
type half struct {
	p     *parser
	side  proto.Side
	state state
	// x is whose message is being read: a request from its start line on, a
	// response from the end of its head on. While seeking, it is whose bytes
	// these are, nil for nobody's.
	x  *exchange
	ts int64 // time of the bytes at hand

	line    []byte // the line at hand, where it began in an earlier delivery
	cut     bool   // the line was longer than the limit, its rest was dropped
	raw     []byte // the head at hand, for the observer if there is one
	direct  []byte // the delivery from where that head begins in it: until its end, raw is not needed
	held    []byte // what came while on hold, since heldNs
	pending int64  // bytes read but not credited yet: of a head, or of what may be one
	due     int64  // bytes of x not told to the sink yet
	stray   int64  // bytes of nobody not told yet, for reason strayWhy

	strayWhy proto.Reason
	heldNs   int64
	head     head
	remain   int64 // of the body or chunk
	digits   int   // of the chunk size so far

	seekWhy proto.Reason
	lineAt  uint64 // seeking: answers when line began
	fresh   bool   // seeking: a message may start here
	newTurn bool   // seeking: it may because the other side sent last
	noHead  bool   // seeking: where x's head ends is not known, nor so what is body
	chunked bool   // seeking: x's body is chunked, its terminator can show
	tail    tail
}

// step reads some of b and returns how much. It reads nothing only when it
// changes state.
func (h *half) step(b []byte) int {
	switch h.state {
	case atStart:
		return h.readStart(b)
	case inFields:
		return h.readFields(b)
	case inFixed, inChunkData:
		return h.readFixed(b)
	case inChunkSize:
		return h.readChunkSize(b)
	case inChunkExt:
		return h.readChunkExt(b)
	case inChunkEnd, inChunkLF:
		return h.readChunkEnd(b)
	case inTrailers:
		return h.readTrailers(b)
	case untilClose:
		h.body(b)
		return len(b)
	case seeking:
		return h.readSeeking(b)
	case onHold:
		return h.readHeld(b)
	default:
		h.drop(int64(len(b)), proto.AfterMessage)
		return len(b)
	}
}

// readLine takes b up to and with the next LF and returns the line without its
// end, how many bytes of b it took, and whether the line is whole. A line
// within b is returned in place; one that began earlier is in h.line, which
// the caller empties once done with it.
func (h *half) readLine(b []byte) (line []byte, n int, whole bool) {
	i := bytes.IndexByte(b, '\n')
	if i >= 0 && len(h.line) == 0 && i <= h.p.f.limits.Head {
		h.cut = false
		return trimCR(b[:i]), i + 1, true
	}
	part := b
	if i >= 0 {
		part = b[:i]
	}
	if len(h.line) == 0 {
		h.cut = false
	}
	room := h.p.f.limits.Head - len(h.line)
	if len(part) > room {
		h.cut = true
		part = part[:room]
	}
	h.line = append(h.line, part...)
	if i < 0 {
		return nil, len(b), false
	}
	if h.cut {
		return h.line, i + 1, true
	}
	return trimCR(h.line), i + 1, true
}

func trimCR(b []byte) []byte {
	if n := len(b); n > 0 && b[n-1] == '\r' {
		return b[:n-1]
	}
	return b
}

// keep counts b to the head, or what may be one, without crediting it yet.
func (h *half) keep(b []byte) {
	h.pending += int64(len(b))
	if h.p.obs != nil && h.direct == nil {
		h.store(b)
	}
}

// store keeps bytes of a head for the observer.
func (h *half) store(b []byte) {
	room := max(h.p.f.limits.Head-len(h.raw), 0)
	h.raw = append(h.raw, b[:min(len(b), room)]...)
}

// kept returns the head at hand.
func (h *half) kept() []byte {
	if h.direct == nil {
		return h.raw
	}
	return h.direct[:min(h.pending, int64(h.p.f.limits.Head))]
}

// forgetHead lets go of the head at hand.
func (h *half) forgetHead() { h.pending, h.raw, h.direct = 0, h.raw[:0], nil }

// msg returns the side's half of x.
func (h *half) msg(x *exchange) *proto.Message {
	if h.side == proto.Client {
		return &x.Request
	}
	return &x.Response
}

// credit counts n wire bytes to the message at hand.
func (h *half) credit(n int64) {
	m := h.msg(h.x)
	m.Wire += n
	m.LastNs = h.ts
	h.due += n
}

// framing credits b as chunk framing.
func (h *half) framing(b []byte) {
	h.credit(int64(len(b)))
	if h.p.obs != nil {
		h.p.obs.Payload(&h.x.Exchange, h.side, proto.Framing, b)
	}
}

// body credits b as content.
func (h *half) body(b []byte) {
	h.credit(int64(len(b)))
	h.msg(h.x).Body += int64(len(b))
	if h.p.obs != nil {
		h.p.obs.Payload(&h.x.Exchange, h.side, proto.Body, b)
	}
}

// drop counts n bytes as nobody's.
func (h *half) drop(n int64, why proto.Reason) {
	if n == 0 {
		return
	}
	if why != h.strayWhy {
		h.flushStray()
	}
	h.stray, h.strayWhy = h.stray+n, why
}

// dropPending gives up on a head.
func (h *half) dropPending(why proto.Reason) {
	h.drop(h.pending, why)
	h.line = h.line[:0]
	h.forgetHead()
}

// flush tells the sink what was counted. It comes at the end of a delivery and
// before anything that the order of calls matters to.
func (h *half) flush() {
	if h.direct != nil { // a head goes on: what there is of it will be gone
		h.store(h.direct[:h.pending])
		h.direct = nil
	}
	if h.due > 0 {
		n := h.due
		h.due = 0
		h.p.sink.Bytes(&h.x.Exchange, h.side, n)
	}
	h.flushStray()
}

func (h *half) flushStray() {
	if h.stray > 0 {
		n := h.stray
		h.stray = 0
		h.p.sink.Unattributed(h.p.conn, h.side, n, h.strayWhy)
	}
}

// end is the end of the side's message.
func (h *half) end() {
	h.flush()
	x := h.x
	h.x, h.state, h.line = nil, atStart, h.line[:0]
	if h.side == proto.Client {
		h.p.requestEnded(x)
	} else {
		h.p.responseEnded(x)
	}
}

// mark gives m its first reason to be incomplete.
func mark(m *proto.Message, why proto.Reason) {
	if m.Incomplete == proto.Complete {
		m.Incomplete = why
	}
}

// finish ends what the side was sending, because it stopped (FIN: Complete) or
// the connection did.
func (h *half) finish(why proto.Reason) {
	cut := why
	if why == proto.Complete {
		cut = proto.Aborted
	}
	switch h.state {
	case atStart:
		h.finishStart(cut)
	case inFields:
		h.commitPartial()
		if h.x == nil { // an interim response
			h.dropPending(proto.NoRequest)
		} else {
			mark(h.msg(h.x), cut)
			h.end()
		}
	case inFixed, inChunkSize, inChunkExt, inChunkData, inChunkEnd, inChunkLF, inTrailers:
		mark(h.msg(h.x), cut)
		h.end()
	case untilClose:
		mark(h.msg(h.x), why)
		h.end()
	case seeking:
		h.finishSeeking(why)
	case onHold:
		h.dropHeld()
	}
}

// finishStart ends a side between messages, where empty lines or a part of a
// start line may have come.
func (h *half) finishStart(cut proto.Reason) {
	if h.pending > 0 && h.answersSimple() {
		h.openSimple()
		h.end()
		return
	}
	if len(h.line) == 0 {
		cut = proto.AfterMessage
	}
	h.dropPending(cut)
}
