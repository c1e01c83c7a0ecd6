package http1

import (
	"bytes"

	"gortap/internal/proto"
)

// seek leaves the known place in the stream. x is whose message goes on, nil
// where bytes belong to nobody, for reason why. fresh says that the very next
// byte may begin a message.
//
// A message can only be found at the first byte after a gap, at the first byte
// after the other side spoke, and, where atLines, after a line end. Its start line has to be exact. So how the bytes between are split into
// deliveries makes no difference.
func (h *half) seek(x *exchange, why proto.Reason, fresh bool) {
	h.state, h.x, h.seekWhy, h.fresh = seeking, x, why, fresh
	h.newTurn, h.noHead, h.chunked = false, false, false
	h.line = h.line[:0]
}

// turn notes that the other side spoke in between.
func (h *half) turn() {
	if h.state != seeking {
		return
	}
	h.shedPending()
	h.fresh, h.newTurn = true, true
	if h.side == proto.Client && h.x != nil && !h.chunked && h.x.Response.Seen {
		// The request was answered: what its client says now is another.
		h.release()
		h.fresh, h.newTurn = true, true
	}
}

// maxStart is the longest start line, in bytes, that is looked for.
const maxStart = 8 << 10

// mayOpen reports whether a start line here would be the next message's.
func (h *half) mayOpen() bool {
	x := h.x
	return h.side == proto.Client || x == nil || !x.Response.Seen || x.next != nil || h.newTurn
}

// atLines reports whether a message may start after a line end: not within a
// message, unless it is a response that others are to follow.
func (h *half) atLines() bool {
	return h.x == nil || h.side == proto.Server && h.x.next != nil
}

func (h *half) readSeeking(b []byte) int {
	if len(h.line) > 0 || h.fresh && h.mayOpen() {
		return h.tryOpen(b)
	}
	h.fresh = false
	n := len(b)
	if h.atLines() {
		if i := bytes.IndexByte(b, '\n'); i >= 0 {
			n, h.fresh = i+1, true
		}
	}
	h.shed(b[:n])
	return n
}

// tryOpen reads a line that may begin a message.
func (h *half) tryOpen(b []byte) int {
	if len(h.line) == 0 {
		h.beginHead()
		h.lineAt = h.p.answers
	}
	h.fresh = false
	line, n, whole := h.readLine(b)
	h.head.size += int64(n)
	h.keep(b[:n])
	switch {
	case !whole && len(h.line) <= maxStart && h.couldStart(h.line):
		return n
	case whole && len(line) <= maxStart && h.isStart(line):
		h.leave()
		h.open(line)
		h.line = h.line[:0]
		return n
	}
	h.line = h.line[:0]
	h.shedPending()
	h.fresh = whole && h.atLines()
	return n
}

func (h *half) couldStart(b []byte) bool {
	if h.side == proto.Client {
		return couldStartRequest(b)
	}
	return couldStartStatus(b)
}

func (h *half) isStart(line []byte) bool {
	if h.side == proto.Client {
		return isRequestStart(line)
	}
	return isStatusStart(line)
}

// leave ends the message that was going on where another was found. A
// response that had not begun yet goes on with what was found.
func (h *half) leave() {
	switch {
	case h.x == nil:
	case h.side == proto.Server && !h.x.Response.Seen:
		h.flush()
		h.x = nil
	default:
		h.release()
	}
}

// shed counts bytes that begin no message.
func (h *half) shed(b []byte) {
	if h.x == nil {
		h.drop(int64(len(b)), h.seekWhy)
		return
	}
	if h.noHead {
		h.framing(b)
		return
	}
	h.body(b)
}

// shedPending does so with a start line that came to nothing.
func (h *half) shedPending() {
	if h.pending == 0 {
		return
	}
	if h.x == nil {
		h.dropPending(h.seekWhy)
		if h.side == proto.Client { // it may have been a request
			h.p.doubts, h.p.doubtAt = h.seekWhy, max(h.p.doubtAt, h.lineAt)
		}
		return
	}
	h.credit(h.pending)
	part := proto.Framing
	if !h.noHead {
		part = proto.Body
		h.msg(h.x).Body += h.pending
	}
	if h.p.obs != nil {
		h.p.obs.Payload(&h.x.Exchange, h.side, part, h.raw)
	}
	h.pending, h.raw, h.line = 0, h.raw[:0], h.line[:0]
}

// release ends the message that was going on, complete unless it was marked
// already, and keeps seeking.
func (h *half) release() {
	h.flush()
	x := h.x
	h.seek(nil, h.seekWhy, h.fresh)
	if h.side == proto.Client {
		h.p.requestOver(x)
	} else {
		h.p.responseEnded(x)
	}
}

// abandon ends the message at hand, incomplete.
func (h *half) abandon(why proto.Reason) {
	mark(h.msg(h.x), why)
	h.seekWhy = why
	h.release()
}

// finishSeeking ends a side that was lost.
func (h *half) finishSeeking(why proto.Reason) {
	h.shedPending()
	if h.x == nil {
		return
	}
	if why == proto.Complete {
		// Whether the end that came is the message's own is hidden.
		why = proto.SkippedBytes
	}
	mark(h.msg(h.x), why)
	h.release()
}

// blindOwner returns whose chunked message goes on unframed, nil if none does.
func (h *half) blindOwner() *exchange {
	if h.state == seeking && h.chunked {
		return h.x
	}
	return nil
}

// watchEnd looks for the end of a chunked body whose framing a gap hid: the
// capture shows the last bytes of each of the sender's writes. Where another
// response is to follow, it may be that one's.
func (h *half) watchEnd(b []byte) {
	h.tail.add(b)
	if h.tail.terminated() && h.x.next == nil {
		h.shedPending()
		h.end()
	}
}

const terminator = "\r\n0\r\n\r\n"

// tail holds the last bytes since a gap.
type tail struct {
	b [len(terminator)]byte
	n int
}

func (t *tail) add(b []byte) {
	if len(b) >= len(t.b) {
		t.n = copy(t.b[:], b[len(b)-len(t.b):])
		return
	}
	if drop := t.n + len(b) - len(t.b); drop > 0 {
		t.n = copy(t.b[:], t.b[drop:t.n])
	}
	t.n += copy(t.b[t.n:], b)
}

// terminated reports whether the bytes end with a last chunk. The line end
// before it may be in the gap.
func (t *tail) terminated() bool {
	return t.n >= len("0\r\n\r\n") && string(t.b[:t.n]) == terminator[len(terminator)-t.n:]
}
