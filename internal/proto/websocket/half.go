package websocket

import (
	"encoding/binary"

	"gortap/internal/flow"
	"gortap/internal/proto"
)

// state is what the next byte of a direction belongs to.
type state uint8

const (
	atHeader  state = iota
	inPayload       // of the current frame
	searching       // unknown: the next frame has to be found
)

// half is one direction of a session.
type half struct {
	p       *parser
	side    proto.Side
	message *proto.Message // of the session: all that this side sent
	fault   proto.Reason   // the first thing that makes it incomplete
	closed  bool           // a Close frame was sent: what follows means nothing

	state   state
	partial [maxHeader]byte
	have    int // bytes of partial
	frame   frame
	left    uint64 // payload bytes of the frame still to come
	code    [2]byte

	// One message may be under way, control frames in between (RFC 6455, 5.4).
	open       bool
	compressed bool
	holed      bool  // bytes of it are missing, or too many to hold
	beheaded   bool  // so is its beginning, and nobody knows how much
	size       int64 // of its payload so far

	unmasked []byte // scratch
	deflated []byte // of a compressed message, if it is to be inflated
	search   search
}

func (h *half) credit(n, ts int64) {
	m := h.message
	if m.FirstNs == 0 {
		m.FirstNs = ts
	}
	m.LastNs = ts
	m.Wire += n
	h.p.sink.Bytes(&h.p.x, h.side, n)
}

func (h *half) data(b []byte) {
	for len(b) > 0 && !h.closed {
		switch h.state {
		case atHeader:
			b = h.header(b)
		case inPayload:
			n := int(min(uint64(len(b)), h.left))
			h.payload(b[:n])
			b = b[n:]
		case searching:
			b = h.find(b)
		}
	}
}

// header takes bytes of a frame header; one that came whole is read in place.
func (h *half) header(b []byte) []byte {
	if h.have == 0 && len(b) >= 2 {
		if n := headerLength(b[1]); len(b) >= n {
			h.begin(b[:n])
			return b[n:]
		}
	}
	n := 2
	if h.have >= 2 {
		n = headerLength(h.partial[1])
	}
	k := copy(h.partial[h.have:n], b)
	h.have += k
	if h.have >= 2 && h.have == headerLength(h.partial[1]) {
		n, h.have = h.have, 0
		h.begin(h.partial[:n])
	}
	return b[k:]
}

// begin starts a frame.
func (h *half) begin(header []byte) {
	f := parseFrame(header)
	ok := f.wellFormed(h.side == proto.Client)
	if ok && !f.control() {
		ok = h.open == (f.opcode == opContinuation)
	}
	if !ok {
		h.desync(proto.Malformed)
		return
	}
	if !f.control() && !h.open {
		h.open, h.compressed, h.size, h.holed, h.beheaded = true, f.compressed, 0, false, false
		h.deflated = h.deflated[:0]
	}
	h.frame, h.left, h.state = f, f.length, inPayload
	if f.length == 0 {
		h.end()
	}
}

// payload takes bytes of the current frame.
func (h *half) payload(b []byte) {
	at := h.frame.length - h.left
	h.left -= uint64(len(b))
	switch {
	case h.frame.opcode == opClose:
		for i := range b {
			if k := at + uint64(i); k < uint64(len(h.code)) {
				h.code[k] = b[i] ^ h.frame.key[k] // the key is zero where there is none
			}
		}
	case h.frame.control():
	default:
		h.message.Body += int64(len(b))
		h.size += int64(len(b))
		h.deliver(b, at)
	}
	if h.left == 0 {
		h.end()
	}
}

// deliver hands a message's bytes, unmasked, to those who want them.
func (h *half) deliver(b []byte, at uint64) {
	inflate := h.p.factory.inflater != nil && h.compressed
	if h.p.observer == nil && !inflate {
		return
	}
	if h.frame.masked {
		h.unmasked = append(h.unmasked[:0], b...)
		b = h.unmasked
		for i := range b {
			b[i] ^= h.frame.key[(at+uint64(i))&3]
		}
	}
	if h.p.observer != nil {
		h.p.observer.Payload(&h.p.x, h.side, proto.Body, b)
	}
	if inflate {
		h.holed = h.holed || len(h.deflated)+len(b) > h.p.factory.limit
		if !h.holed {
			h.deflated = append(h.deflated, b...)
		}
	}
}

// end ends a frame, and its message if it is the last one of it.
func (h *half) end() {
	h.state = atHeader
	switch {
	case h.frame.opcode == opClose:
		h.closed = true
		h.p.closed(h.closeCode())
	case h.frame.control():
	case h.frame.fin:
		if h.open = false; !h.beheaded {
			size := h.messageSize()
			h.message.Messages++
			h.message.MessageBytes += size
			h.p.sink.Messages(&h.p.x, h.side, 1, size)
		}
	}
}

func (h *half) messageSize() int64 {
	z := h.p.factory.inflater
	if z == nil || !h.compressed || h.holed {
		return h.size
	}
	if n, ok := z.size(&h.deflated); ok {
		return n
	}
	return h.size
}

func (h *half) closeCode() int {
	if h.frame.length < uint64(len(h.code)) {
		return closedWithoutCode
	}
	return int(binary.BigEndian.Uint16(h.code[:]))
}

// final returns how this direction ended, why being how the connection did. A
// side that stops between messages without a Close frame has sent all it
// wanted if the connection ended in order.
func (h *half) final(why proto.Reason) proto.Reason {
	switch {
	case h.fault != proto.Complete:
		return h.fault
	case h.closed:
		return proto.Complete
	case why != proto.Complete:
		return why
	case h.open || h.have > 0 || h.state == inPayload:
		return proto.Aborted
	}
	return proto.Complete
}

func (h *half) mark(why proto.Reason) {
	if h.fault == proto.Complete {
		h.fault, h.message.Incomplete = why, why
	}
}

// gap passes over n bytes. Inside a frame the framing survives.
func (h *half) gap(n int64, why flow.Gap) {
	if h.closed {
		return
	}
	if h.state == inPayload {
		k := int64(min(uint64(n), h.left))
		h.hole(k, why)
		n -= k
	}
	switch {
	case n == 0:
	case h.state == searching:
		h.search.gap(n)
	default:
		h.desync(reason(why))
		h.search.gap(n)
	}
}

// hole is a gap of known place.
func (h *half) hole(n int64, why flow.Gap) {
	at := h.frame.length - h.left
	h.left -= uint64(n)
	if why != flow.Skipped {
		h.mark(reason(why))
	}
	switch {
	case h.frame.opcode == opClose:
		if at < uint64(len(h.code)) {
			h.closed = true // with a code that was not seen
			return
		}
	case h.frame.control():
	default:
		h.message.Body += n
		h.size += n
		h.holed = true
	}
	if h.left == 0 {
		h.end()
	}
}

func reason(why flow.Gap) proto.Reason {
	switch why {
	case flow.Skipped:
		return proto.SkippedBytes
	case flow.Truncated:
		return proto.Truncated
	default:
		return proto.Lost
	}
}

// desync gives up the framing of this direction. Its messages are not counted
// until frames are found again; the bytes go on being the session's.
func (h *half) desync(why proto.Reason) {
	h.mark(why)
	h.state, h.have, h.open = searching, 0, false
	h.search.reset()
}
