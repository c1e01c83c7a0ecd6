package http2

import (
	"encoding/binary"
	"strings"

	"gortap/internal/proto"
	"gortap/internal/proto/http2/hpack"
)

// state is what the next byte of a direction belongs to.
type state uint8

const (
	atHeader  state = iota // a frame header
	atPreface              // the client's preface
	inPassed               // the payload of a frame that is credited as it comes
	inKept                 // the payload of a frame that is needed as a whole
	searching              // unknown: the next frame header has to be found
)

// half is one direction of a connection: a byte machine that cuts it in frames.
type half struct {
	p     *parser
	side  proto.Side
	state state

	seen    int // bytes of the preface, or of the frame header in partial
	partial [headerLength]byte
	frame   frame // the current one
	frameNs int64 // its first byte
	left    int   // payload bytes of it still to come
	// owed is what was delivered of a kept frame, and is credited at its end.
	owed int64
	hole proto.Reason // why a kept frame is not to be read
	kept []byte       // what came of a kept frame whose payload came in pieces

	passed passed
	block  block
	hpack  *hpack.Decoder
	search search

	// maxFrame is the largest frame that this side may send, as far as known.
	maxFrame int
	// missed is why header fields may be unknown; Complete if none is.
	missed proto.Reason
}

// passed says where the bytes of a passing frame go.
type passed struct {
	stream *stream      // nil: to nobody, for the reason why
	why    proto.Reason // meaningful where stream is nil
	pad    int          // padding at the end of DATA; -1 until its length was read
}

func (h *half) init(p *parser, s proto.Side, midStream bool) {
	h.p, h.side, h.maxFrame = p, s, defaultMaxFrame
	h.hpack = hpack.NewDecoder(p.factory.opts.MaxHeaderTable)
	if midStream {
		h.desync(proto.MidStream, 0)
	}
}

func (h *half) data(b []byte, ts int64) {
	for len(b) > 0 {
		switch h.state {
		case atHeader:
			b = h.readHeader(b, ts)
		case inPassed:
			n := min(len(b), h.left)
			h.pass(b[:n], ts)
			b = b[n:]
		case inKept:
			n := min(len(b), h.left)
			h.keep(b[:n], ts)
			b = b[n:]
		case atPreface:
			b = h.readPreface(b, ts)
		case searching:
			b = h.find(b)
		}
	}
}

func (h *half) readPreface(b []byte, ts int64) []byte {
	rest := preface[h.seen:]
	n := min(len(rest), len(b))
	if !strings.HasPrefix(rest, string(b[:n])) {
		h.desync(proto.Malformed, ts)
		return b
	}
	if h.seen += n; h.seen == len(preface) {
		h.p.unattributed(h.side, int64(h.seen), proto.H2Connection)
		h.state, h.seen = atHeader, 0
	}
	return b[n:]
}

func (h *half) readHeader(b []byte, ts int64) []byte {
	if h.seen == 0 {
		h.frameNs = ts
	}
	n, header := headerLength, b
	if h.seen > 0 || len(b) < headerLength {
		n, header = copy(h.partial[h.seen:], b), h.partial[:]
		if h.seen += n; h.seen < headerLength {
			return b[n:]
		}
		h.seen = 0
	}
	f := parseFrame(header)
	if !f.wellFormed() || f.length > h.maxFrame || (f.typ == typePush && h.side == proto.Client) {
		copy(h.partial[:], header)
		h.desync(proto.Malformed, ts)
		h.p.unattributed(h.side, 1, proto.Malformed)
		h.search.window = append(h.search.window, h.partial[1:]...)
		return b[n:]
	}
	h.begin(f, ts)
	return b[n:]
}

// begin starts a frame whose header was read.
func (h *half) begin(f frame, ts int64) {
	if h.block.open && (f.typ != typeContinuation || f.stream != h.block.stream) {
		// Nothing may come between the frames of a block (RFC 9113, 6.10).
		h.endBlock(proto.Malformed, ts)
	}
	h.frame, h.left = f, f.length
	switch f.typ {
	case typeHeaders, typePush, typeContinuation, typeSettings, typeGoAway, typeReset:
		h.state, h.owed, h.hole = inKept, headerLength, proto.Complete
		if f.length+len(h.block.fragments) > h.p.factory.opts.MaxHeaderBlock {
			h.hole = proto.HeadLimit
		}
		if f.length == 0 {
			h.endKept(nil, ts)
		}
		return
	}
	h.state = inPassed
	if h.passed.stream = h.p.stream(f.stream); h.passed.stream == nil {
		h.passed.why = h.p.strayReason(f)
	}
	if f.has(flagPadded) {
		h.passed.pad = -1
	}
	h.credit(headerLength)
	if f.length == 0 {
		h.endPassed(ts)
	}
}

// pass takes bytes of a frame that is credited as it comes.
func (h *half) pass(b []byte, ts int64) {
	h.left -= len(b)
	h.credit(int64(len(b)))
	if h.frame.typ == typeData {
		if h.passed.pad < 0 {
			h.passed.pad = int(b[0])
			b = b[1:]
		}
		if n := min(len(b), h.left+len(b)-h.passed.pad); n > 0 && h.passed.stream != nil {
			h.p.content(h.passed.stream, h, b[:n], ts)
		}
	}
	if h.left == 0 {
		h.endPassed(ts)
	}
}

func (h *half) credit(n int64) {
	if st := h.passed.stream; st != nil {
		h.p.credit(st, h.side, n)
		return
	}
	h.p.unattributed(h.side, n, h.passed.why)
}

func (h *half) endPassed(ts int64) {
	st := h.passed.stream
	h.state, h.passed = atHeader, passed{}
	if h.frame.typ == typeData && st != nil {
		h.p.endData(st, h, ts)
	}
}

// keep takes bytes of a frame that is needed as a whole. One that came in one
// piece is read where it is.
func (h *half) keep(b []byte, ts int64) {
	h.left -= len(b)
	h.owed += int64(len(b))
	if h.left > 0 || len(h.kept) > 0 {
		if h.hole == proto.Complete {
			h.kept = append(h.kept, b...)
		}
		if h.left > 0 {
			return
		}
		b = h.kept
	}
	h.endKept(b, ts)
}

func (h *half) endKept(payload []byte, ts int64) {
	f, hole, owed := h.frame, h.hole, h.owed
	h.state, h.owed, h.hole = atHeader, 0, proto.Complete
	if hole != proto.Complete {
		payload = nil
	}
	switch f.typ {
	case typeSettings:
		h.settings(payload, hole)
		h.p.unattributed(h.side, owed, proto.H2Connection)
	case typeGoAway:
		h.p.unattributed(h.side, owed, proto.H2Connection)
		if hole == proto.Complete {
			h.p.goAway(h.side, binary.BigEndian.Uint32(payload)&^(1<<31))
		}
	case typeReset:
		h.p.reset(h.side, f, owed, ts)
	default:
		h.fragment(f, payload, hole, owed, ts)
	}
	h.kept = shrunk(h.kept)
}

// settings follows what changes the framing (RFC 9113, 6.5.2).
// SETTINGS_HEADER_TABLE_SIZE needs no following: the encoder that makes use of
// it says so in its header blocks (RFC 7541, 4.2).
func (h *half) settings(payload []byte, hole proto.Reason) {
	const maxFrameSize = 0x5
	other := &h.p.halves[h.side.Other()]
	if hole != proto.Complete {
		other.maxFrame = maxFrameLength
		return
	}
	for ; len(payload) >= 6; payload = payload[6:] {
		if binary.BigEndian.Uint16(payload) == maxFrameSize {
			other.maxFrame = max(other.maxFrame, int(min(binary.BigEndian.Uint32(payload[2:]), maxFrameLength)))
		}
	}
}

// shrunk empties a buffer, and lets go of one that grew out of proportion.
func shrunk(b []byte) []byte {
	if cap(b) > 32<<10 {
		return nil
	}
	return b[:0]
}
