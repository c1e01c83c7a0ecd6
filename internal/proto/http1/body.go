package http1

import (
	"bytes"

	"gortap/internal/proto"
)

// endHead decides what follows a head (RFC 9112, 6.3). rest is what was
// delivered after it.
func (h *half) endHead(rest []byte) {
	if h.side == proto.Client {
		h.commit(proto.Head)
		if len(h.head.upgrade) > 0 {
			h.x.upgrade = h.x.copy(h.head.upgrade)
		}
		h.frameRequest()
		return
	}
	if h.head.interim() {
		h.commitInterim()
		return
	}
	h.commit(proto.Head)
	h.frameResponse(rest)
}

// interim reports whether a response is followed by another to the same
// request. 101 is not: what follows it is no HTTP/1.
func (hd *head) interim() bool { return hd.status/100 == 1 && hd.status != 101 }

func (h *half) frameRequest() {
	hd := &h.head
	switch {
	case hd.coded && hd.chunked:
		h.nextChunk()
	case hd.coded, hd.contradicts():
		h.unframed()
	default:
		h.fixed()
	}
}

func (h *half) frameResponse(rest []byte) {
	hd, x := &h.head, h.x
	switch {
	case hd.status == 101, x.connect && hd.status/100 == 2:
		h.handOver(rest)
	case x.head, hd.status == 204, hd.status == 304:
		h.end()
	case hd.coded && hd.chunked:
		h.nextChunk()
	case hd.coded:
		h.state = untilClose
	case hd.contradicts():
		h.unframed()
	case hd.hasLength:
		h.fixed()
	default:
		h.state = untilClose
	}
}

// contradicts reports whether the head gives no usable length though it tries.
func (hd *head) contradicts() bool {
	return hd.badLength || hd.hasLength && !hd.knownLength
}

// unframed is a message whose length nobody can tell: receivers have to reject
// it. All up to the next certain message start counts as its own.
func (h *half) unframed() {
	mark(h.msg(h.x), proto.Malformed)
	h.blind(proto.Malformed, false)
}

// fixed begins a body of Content-Length, where 0 and none are the same.
func (h *half) fixed() {
	h.state, h.remain = inFixed, h.head.length
	if h.remain == 0 {
		h.end()
	}
}

func (h *half) readFixed(b []byte) int {
	n := int(min(int64(len(b)), h.remain))
	h.body(b[:n])
	h.advance(int64(n))
	return n
}

// advance moves on in a body or chunk.
func (h *half) advance(n int64) {
	h.remain -= n
	switch {
	case h.remain > 0:
	case h.state == inChunkData:
		h.state = inChunkEnd
	default:
		h.end()
	}
}

func (h *half) nextChunk() { h.state, h.remain, h.digits = inChunkSize, 0, 0 }

// maxChunk is the largest chunk, in bytes, that can be one.
const maxChunk = 1 << 56

// readChunkSize reads hexadecimal digits; they may be split anywhere.
func (h *half) readChunkSize(b []byte) int {
	for i, c := range b {
		d, ok := hexDigit(c)
		if ok && h.remain <= maxChunk>>4 {
			h.remain = h.remain<<4 | d
			h.digits++
			continue
		}
		if ok || h.digits == 0 || c != '\r' && c != '\n' && c != ';' && !isSpace(c) {
			h.framing(b[:i])
			h.derail()
			return i
		}
		h.framing(b[:i])
		h.state = inChunkExt
		return i
	}
	h.framing(b)
	return len(b)
}

// readChunkExt passes over chunk extensions (RFC 9112, 7.1.1) to the line's
// end.
func (h *half) readChunkExt(b []byte) int {
	i := bytes.IndexByte(b, '\n')
	if i < 0 {
		h.framing(b)
		return len(b)
	}
	h.framing(b[:i+1])
	h.state = inChunkData
	if h.remain == 0 {
		h.state = inTrailers
	}
	return i + 1
}

// readChunkEnd reads the CRLF after a chunk's data, or a bare LF.
func (h *half) readChunkEnd(b []byte) int {
	switch {
	case b[0] == '\r' && h.state == inChunkEnd:
		h.framing(b[:1])
		h.state = inChunkLF
		return 1
	case b[0] == '\n':
		h.framing(b[:1])
		h.nextChunk()
		return 1
	}
	h.derail()
	return 0
}

// readTrailers reads trailer fields (RFC 9112, 7.1.2) and the empty line.
func (h *half) readTrailers(b []byte) int {
	line, n, whole := h.readLine(b)
	h.framing(b[:n])
	if whole {
		last := len(line) == 0
		h.line = h.line[:0]
		if last {
			h.end()
		}
	}
	return n
}

// derail ends a message whose chunking is broken, at the byte that broke it.
func (h *half) derail() {
	h.abandon(proto.Malformed)
	h.adrift(proto.Malformed, false)
}

func hexDigit(c byte) (int64, bool) {
	switch {
	case '0' <= c && c <= '9':
		return int64(c - '0'), true
	case 'a' <= c && c <= 'f':
		return int64(c-'a') + 10, true
	case 'A' <= c && c <= 'F':
		return int64(c-'A') + 10, true
	}
	return 0, false
}
