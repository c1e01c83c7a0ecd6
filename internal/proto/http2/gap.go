package http2

import (
	"gortap/internal/flow"
	"gortap/internal/proto"
)

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

// gap passes over n bytes. Inside a frame the framing survives; beyond it, the
// next frame header has to be found.
func (h *half) gap(n int64, why flow.Gap, ts int64) {
	for n > 0 {
		k := min(n, int64(h.left))
		switch h.state {
		case inPassed:
			h.passGap(int(k), why, ts)
		case inKept:
			h.keepGap(int(k), why, ts)
		default:
			h.desync(reason(why), ts)
			if why != flow.Lost {
				h.p.unattributed(h.side, n, reason(why))
			}
			return
		}
		n -= k
	}
}

func (h *half) passGap(n int, why flow.Gap, ts int64) {
	h.left -= n
	if why != flow.Lost {
		h.credit(int64(n))
	}
	if st := h.passed.stream; st != nil && h.frame.typ == typeData {
		if why != flow.Skipped {
			st.fault(h.side, reason(why))
		}
		if h.passed.pad < 0 {
			// How much of the frame is padding is not known any more.
			st.fault(h.side, reason(why))
			h.passed.pad = 0
		}
		if body := min(n, h.left+n-h.passed.pad); body > 0 {
			st.missing(h.side, int64(body), ts)
			h.p.publish(st, h.side)
		}
	}
	if h.left == 0 {
		h.endPassed(ts)
	}
}

func (h *half) keepGap(n int, why flow.Gap, ts int64) {
	h.left -= n
	if why != flow.Lost {
		h.owed += int64(n)
	}
	if h.hole == proto.Complete {
		h.hole = reason(why)
	}
	if h.left == 0 {
		h.endKept(nil, ts)
	}
}

// desync gives up the framing of this direction: what lies between here and
// the next frame that is found may have held header blocks, settings, and
// parts of every stream that is open.
func (h *half) desync(why proto.Reason, ts int64) {
	if h.block.open {
		h.endBlock(why, ts)
	}
	passedOver := proto.MidStream
	if why == proto.Malformed {
		passedOver = why
	}
	h.dropUnframed(passedOver)
	h.state, h.search.why = searching, passedOver
	h.forget(why)
	h.p.halves[h.side.Other()].maxFrame = maxFrameLength
	for st := h.p.recent.next; st != &h.p.recent; st = st.next {
		st.missed(h.side, why)
	}
}

// forget drops the header table: blocks were missed.
func (h *half) forget(why proto.Reason) {
	h.hpack.Forget()
	h.missed = why
}

// dropUnframed credits the bytes at hand that make no frame.
func (h *half) dropUnframed(why proto.Reason) {
	n := h.seen
	switch h.state {
	case atPreface:
		if why != proto.Malformed {
			why = proto.H2Connection
		}
	case searching:
		n, why = len(h.search.window), h.search.why
		h.search = search{window: shrunk(h.search.window)}
	}
	h.p.unattributed(h.side, int64(n), why)
	h.seen = 0
}

// abandon ends this direction. Bytes that waited for the rest of their frame or
// header block go to their stream if there is one.
func (h *half) abandon(why proto.Reason) {
	id := h.block.stream
	if h.state == inKept {
		id = h.frame.stream
	}
	owed := h.block.owed + h.owed
	if st := h.p.streams[id]; st != nil && owed > 0 {
		h.p.credit(st, h.side, owed)
	} else {
		h.p.unattributed(h.side, owed, why)
	}
	h.dropUnframed(why)
	h.state, h.left, h.owed = atHeader, 0, 0
	h.block, h.passed, h.kept = block{}, passed{}, nil
}
