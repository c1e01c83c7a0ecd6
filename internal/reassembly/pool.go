package reassembly

import (
	"math/bits"

	"gortap/internal/flow"
)

// kind says what a piece stands for.
type kind uint8

const (
	data kind = iota // bytes, in buf
	cut              // bytes that the capture left out
	fin              // the end of the direction; takes one sequence number
	rst              // the end of the connection
)

// piece is a part of one direction that waits for its turn. Its memory comes
// from a pool, which owns buf.
type piece struct {
	prev, next *piece
	off, end   int64 // offsets in the direction's stream; equal for fin and rst
	tsNs       int64
	buf        []byte
	ack        ackMark
	kind       kind
	why        flow.Gap // of a cut
	class      uint8
}

// ackMark is what the sender of some bytes had acknowledged with them.
type ackMark struct {
	seq uint32
	set bool
}

func ackOf(s *flow.Segment) ackMark { return ackMark{s.Ack, s.Flags.Has(flow.ACK)} }

// before reports whether m asks for less than n: a copy of the same bytes with
// the lower mark is the earlier transmission.
func (m ackMark) before(n ackMark) bool {
	return n.set && (!m.set || int32(m.seq-n.seq) < 0)
}

const (
	minClass     = 256
	numClasses   = 10      // class 0 has no buffer, class n has minClass << (n-1) bytes
	maxPiece     = 1 << 16 // the largest class
	pieceCost    = 128     // what a piece without buffer counts against the limits
	maxIdleBytes = 1 << 20 // of pieces kept for later
)

// pool lends pieces and keeps some of those that come back, by size class:
// under steady reordering nothing is allocated.
type pool struct {
	free       [numClasses]*piece
	idle, used int // bytes, as cost counts them
	payload    int // bytes of payload that the lent pieces stand for
}

func cost(class uint8) int {
	if class == 0 {
		return pieceCost
	}
	return pieceCost + minClass<<(class-1)
}

// get lends a piece with room for n bytes, n <= maxPiece; its buf has length n.
func (p *pool) get(n int) *piece {
	var class uint8
	if n > 0 {
		class = 1 + uint8(bits.Len(uint(n-1)/minClass))
	}
	x := p.free[class]
	if x != nil {
		p.free[class] = x.next
		p.idle -= cost(class)
		*x = piece{buf: x.buf[:n], class: class}
	} else {
		x = &piece{class: class}
		if class > 0 {
			x.buf = make([]byte, n, minClass<<(class-1))
		}
	}
	p.used += cost(class)
	return x
}

// put takes back a piece that is in no queue.
func (p *pool) put(x *piece) {
	c := cost(x.class)
	p.used -= c
	if p.idle+c > maxIdleBytes {
		return
	}
	p.idle += c
	x.prev, x.next = nil, p.free[x.class]
	p.free[x.class] = x
}
