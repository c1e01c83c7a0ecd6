package websocket

import (
	"maps"

	"gortap/internal/proto"
)

// search looks for frames where the framing was lost. A frame header is too
// short to be told from other bytes, but a chain of them is not: each says where
// the next one is. Positions are offsets from where the search began, known
// across gaps too, so the decision depends on the bytes alone.
type search struct {
	pos  uint64 // of tail[0]
	tail []byte // bytes at the end that may be the beginning of a header
	// next has, for each position that a chain expects a header at, the best
	// chain that does.
	next map[uint64]chain
}

// chain is a sequence of plausible frames.
type chain struct {
	bits int // how unlikely it is by chance, as a power of two
	// In a message or between two; what the first frame of the chain follows
	// is not known.
	open, known bool
}

// certain is how many bits it takes: about eight short frames.
const certain = 45

// maxPlausible bounds a frame that a chain goes over, in bytes, and maxChains
// the chains that are followed at once: every chance header is remembered until
// the end of what it would begin.
const (
	maxPlausible = 16 << 20
	maxChains    = 1024
)

func (s *search) reset() {
	*s = search{tail: s.tail[:0], next: make(map[uint64]chain)}
}

// gap goes on after n bytes that are not there.
func (s *search) gap(n int64) {
	s.pos += uint64(len(s.tail)) + uint64(n)
	s.tail = s.tail[:0]
}

// expect notes that a chain has its next header at pos.
func (s *search) expect(pos uint64, c chain, now uint64) {
	if s.next[pos].bits >= c.bits {
		return
	}
	if len(s.next) >= maxChains {
		maps.DeleteFunc(s.next, func(at uint64, _ chain) bool { return at <= now })
	}
	if len(s.next) < maxChains {
		s.next[pos] = c
	}
}

// find looks for frames in the bytes at hand. When it is certain of a chain it
// returns the bytes that follow the chain's last header, whose payload is next.
func (h *half) find(b []byte) []byte {
	s, fromClient := &h.search, h.side == proto.Client
	w := append(s.tail, b...)
	at := 0
	for ; at+2 <= len(w); at++ {
		if !couldBegin(w[at], w[at+1], fromClient) {
			continue
		}
		n := headerLength(w[at+1])
		if at+n > len(w) {
			break
		}
		pos := s.pos + uint64(at)
		f := parseFrame(w[at:])
		c, ok := s.next[pos].extend(&f, fromClient)
		if !ok {
			continue
		}
		if c.bits >= certain {
			h.resume(f, c)
			return w[at+n:]
		}
		s.expect(pos+uint64(n)+f.length, c, pos)
	}
	s.pos += uint64(at)
	s.tail = append(w[:0], w[at:]...)
	return nil
}

// resume goes on in the payload of a frame that was found. A message that began
// before it is not counted.
func (h *half) resume(f frame, c chain) {
	h.search = search{}
	h.frame, h.left, h.state = f, f.length, inPayload
	h.open = c.open || !f.control()
	h.beheaded = h.open && f.opcode != opText && f.opcode != opBinary
	h.compressed, h.size, h.holed, h.deflated = f.compressed, 0, false, h.deflated[:0]
	if f.length == 0 {
		h.end()
	}
}

// extend adds a frame to the chain, or says that it does not fit.
func (c chain) extend(f *frame, fromClient bool) (chain, bool) {
	if !f.wellFormed(fromClient) || f.length > maxPlausible {
		return c, false
	}
	bits := 5 // 14 of 256 first bytes, and the mask bit
	switch {
	case f.length > 1<<16-1:
		bits += 30
	case f.length > maxControl:
		bits += 6
	}
	if f.control() {
		c.bits += bits
		return c, true
	}
	if f.opcode == opContinuation && !f.fin && f.length == 0 {
		return c, false // zeros
	}
	if c.known && c.open != (f.opcode == opContinuation) {
		return c, false
	}
	return chain{bits: c.bits + bits, open: !f.fin, known: true}, true
}
