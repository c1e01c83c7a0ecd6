package http1

import (
	"gortap/internal/flow"
	"gortap/internal/proto"
)

func reasonOf(g flow.Gap) proto.Reason {
	switch g {
	case flow.Skipped:
		return proto.SkippedBytes
	case flow.Truncated:
		return proto.Truncated
	default:
		return proto.Lost
	}
}

// gap passes over n bytes that are not there. Within a body of known length
// the place stays known; beyond it, it depends on what the bytes may have
// been.
func (h *half) gap(n int64, why flow.Gap) {
	if h.state == inFixed || h.state == inChunkData {
		k := min(n, h.remain)
		h.hole(k, why)
		h.advance(k)
		if n -= k; n == 0 {
			return
		}
	}
	switch h.state {
	case untilClose:
		h.hole(n, why)
	case atStart:
		h.gapAtStart(n, why)
	case inFields:
		h.gapInHead(n, why)
	case inChunkSize, inChunkExt, inChunkEnd, inChunkLF, inTrailers:
		h.gapInFraming(n, why)
	case seeking:
		h.gapSeeking(n, why)
	case onHold:
		h.dropHeld()
		h.dropGap(n, why)
		h.seek(nil, reasonOf(why), true)
	case ended:
		h.dropGap(n, why)
	}
	if h.state == seeking {
		h.fresh, h.newTurn = true, false
		h.tail.n = 0
	}
}

// hole is a gap of known place in the message at hand.
func (h *half) hole(n int64, why flow.Gap) {
	m := h.msg(h.x)
	m.Body += n
	if why != flow.Lost {
		h.credit(n)
	}
	if why != flow.Skipped {
		mark(m, reasonOf(why))
	}
}

// dropGap counts a gap as nobody's. Lost bytes are not counted at all.
func (h *half) dropGap(n int64, why flow.Gap) {
	if why != flow.Lost {
		h.drop(n, reasonOf(why))
	}
}

// gapAtStart is a gap between messages, which may hide any number of them.
func (h *half) gapAtStart(n int64, why flow.Gap) {
	if h.answersSimple() {
		h.openSimple()
		h.hole(n, why)
		return
	}
	reason := reasonOf(why)
	if why != flow.Lost && h.openCut() {
		h.gapInHead(n, why)
		return
	}
	h.dropPending(reason)
	if h.side == proto.Client && why == flow.Skipped {
		h.p.copyAll()
	}
	if h.side == proto.Client || h.p.waiting == 0 || h.p.ambiguous(h.p.waiting) {
		h.dropGap(n, why)
		h.adrift(reason, true)
		return
	}
	// Only one request waits, so the gap belongs to its response.
	x := h.p.first
	mark(&x.Response, reason)
	if why == flow.Lost {
		h.seek(nil, reason, true)
		return
	}
	h.seek(x, reason, true)
	h.noHead = true
	h.credit(n)
}

// gapInHead is a gap after a start line: the message is known, its framing is
// not.
func (h *half) gapInHead(n int64, why flow.Gap) {
	h.commitPartial()
	if h.x == nil { // an interim response
		h.gapAtStart(n, why)
		return
	}
	reason := reasonOf(why)
	if why == flow.Lost {
		h.abandon(reason)
		h.adrift(reason, true)
		return
	}
	if why == flow.Skipped {
		// Heads larger than the copy budget would all end like this.
		h.p.copyAll()
	}
	mark(h.msg(h.x), reason)
	h.credit(n)
	h.blind(reason, true)
	h.noHead = true
}

// gapInFraming is a gap between chunks.
func (h *half) gapInFraming(n int64, why flow.Gap) {
	reason := reasonOf(why)
	if why == flow.Lost {
		h.abandon(reason)
		h.adrift(reason, true)
		return
	}
	h.credit(n)
	h.msg(h.x).Body += n
	if why == flow.Truncated {
		mark(h.msg(h.x), reason)
	}
	h.blind(reason, true)
	h.chunked = h.x != nil
}

// openCut begins a request with the part of its start line before a gap: the
// rest of the target is missing, but what was sent where is known. Lost bytes
// may be of any number of messages, so it is not for them.
func (h *half) openCut() bool {
	if h.side == proto.Server || !knownRequest(h.line) {
		return false
	}
	r, ok := parseRequestLine(h.line)
	if !ok || r.version == v09 {
		if r, ok = parseCutRequestLine(h.line); !ok {
			return false
		}
	}
	h.leave()
	h.start(r)
	return true
}

func (h *half) gapSeeking(n int64, why flow.Gap) {
	reason := reasonOf(why)
	if why != flow.Lost && h.newTurn && h.openCut() {
		h.gapInHead(n, why)
		return
	}
	h.shedPending()
	switch {
	case h.x == nil:
		h.dropGap(n, why)
		h.adrift(reason, true)
	case why == flow.Lost:
		h.abandon(reason)
		h.adrift(reason, true)
	default:
		h.credit(n)
		if why == flow.Truncated {
			mark(h.msg(h.x), reason)
		}
		if !h.noHead {
			h.msg(h.x).Body += n
		}
	}
}

// blind goes on with the message at hand though its end will not show. That of
// a request may hide others that its client sent at once; that of a response
// may hide the next, and with two to come the one found may be either.
func (h *half) blind(why proto.Reason, fresh bool) {
	if h.side == proto.Server && h.p.ambiguous(h.p.others(h.x)) {
		h.abandon(why)
		h.adrift(why, fresh)
		return
	}
	h.seek(h.x, why, fresh)
	if h.side == proto.Client {
		h.p.doubt(h.side, why)
	}
}

// adrift is a side of which whole messages may have gone unseen. Bytes belong
// to nobody until the next certain start; what that means for pairing is
// decided here.
func (h *half) adrift(why proto.Reason, fresh bool) {
	h.seek(nil, why, fresh)
	switch {
	case h.side == proto.Client:
		h.p.settleBefore()
		h.p.doubt(h.side, why)
	case h.p.ambiguous(h.p.waiting):
		h.p.doubt(h.side, why)
		h.p.endAll(why)
	}
}
