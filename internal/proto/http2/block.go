package http2

import "gortap/internal/proto"

// block is a header block: the fragments of a HEADERS or PUSH_PROMISE frame
// and of the CONTINUATION frames after it (RFC 9113, 4.3).
type block struct {
	open      bool // more fragments are to come
	typ       uint8
	stream    uint32
	promised  uint32 // of a PUSH_PROMISE; 0 where it was not seen
	endStream bool
	firstNs   int64
	owed      int64        // wire bytes of its frames, not credited yet
	why       proto.Reason // why it cannot be read
	fragments []byte       // those before the last
}

// fragment takes a HEADERS, PUSH_PROMISE or CONTINUATION frame, whose payload
// was not had where hole says why.
func (h *half) fragment(f frame, payload []byte, hole proto.Reason, owed, ts int64) {
	b := &h.block
	switch {
	case f.typ != typeContinuation:
		*b = block{
			open: true, typ: f.typ, stream: f.stream, firstNs: h.frameNs,
			endStream: f.typ == typeHeaders && f.has(flagEndStream), fragments: b.fragments[:0],
		}
	case !b.open:
		// The end of a block whose beginning was missed, or was none.
		why := proto.MidStream
		if h.missed == proto.Complete {
			why = proto.Malformed
		}
		h.forget(why)
		h.p.unattributed(h.side, owed, why)
		return
	}
	b.owed += owed
	var content []byte
	if hole == proto.Complete {
		var ok bool
		if content, ok = f.content(payload); !ok {
			hole = proto.Malformed
		} else if f.typ == typePush {
			b.promised = f.promised(payload)
		}
	}
	if b.why == proto.Complete {
		b.why = hole
	}
	if len(b.fragments) > 0 || !f.has(flagEndHeaders) {
		if b.why == proto.Complete {
			b.fragments = append(b.fragments, content...)
		}
		content = b.fragments
	}
	if f.has(flagEndHeaders) {
		h.readBlock(content, ts)
	}
}

// endBlock ends an open block that will not be whole.
func (h *half) endBlock(why proto.Reason, ts int64) {
	if h.block.why == proto.Complete {
		h.block.why = why
	}
	h.readBlock(nil, ts)
}

// readBlock decodes a block and hands it to its stream.
func (h *half) readBlock(content []byte, ts int64) {
	b, hd := &h.block, &h.p.head
	hd.reset(h.p.observer != nil)
	if b.why == proto.Complete && !hd.read(h.hpack, content) {
		b.why = proto.Malformed
	}
	if b.why != proto.Complete {
		h.forget(b.why)
		hd.reset(false)
		hd.unknown = true
	}
	switch {
	case b.typ == typePush:
		h.p.promise(h, b, hd, ts)
	case h.side == proto.Client:
		h.p.request(h, b, hd, ts)
	default:
		h.p.response(h, b, hd, ts)
	}
	*b = block{fragments: shrunk(b.fragments)}
}
