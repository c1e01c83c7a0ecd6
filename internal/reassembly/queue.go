package reassembly

import "gortap/internal/flow"

// queue holds the pieces of one direction that cannot be delivered yet, by
// offset and without overlap. A list searched from its end suits what happens
// most: a hole, and then everything behind it in order.
type queue struct {
	head, tail *piece
	payload    int // bytes held, those that were cut included
	memory     int // as the pool counts it
	pool       *pool
}

// chunk is a part of a segment on its way into a queue: the bytes [off, end),
// of which data holds the first. The rest were cut.
type chunk struct {
	off, end int64
	data     []byte // borrowed
	why      flow.Gap
	ack      ackMark
	tsNs     int64
}

// advance drops the bytes before to, off <= to <= end.
func (k *chunk) advance(to int64) {
	k.data = k.data[min(to-k.off, int64(len(k.data))):]
	k.off = to
}

// clip drops the bytes from to on, off <= to <= end.
func (k *chunk) clip(to int64) {
	k.data = k.data[:min(to-k.off, int64(len(k.data)))]
	k.end = to
}

func (q *queue) empty() bool { return q.head == nil }

// insert adds what of k is new. The first copy of a byte wins, but any copy
// wins over a cut, and a copy sent earlier lends its mark and time. It returns
// how many bytes were there already, and how many of those differ.
func (q *queue) insert(k chunk) (again, differ int64) {
	n := q.after(k.off)
	for k.off < k.end {
		for n != nil && n.end <= k.off {
			n = n.next
		}
		switch {
		case n == nil || n.off >= k.end:
			q.place(n, &k, k.end)
		case n.off > k.off:
			q.place(n, &k, n.off)
		default:
			to := min(n.end, k.end)
			if n.kind == cut && len(k.data) > 0 {
				to = min(to, k.off+int64(len(k.data)))
			}
			again += to - k.off
			differ += n.differs(&k, to)
			n = q.improve(n, &k, to)
			k.advance(to)
		}
	}
	return again, differ
}

// after returns the first piece that ends behind off.
func (q *queue) after(off int64) *piece {
	var n *piece
	for p := q.tail; p != nil && p.end > off; p = p.prev {
		n = p
	}
	return n
}

// place adds [k.off, to) before n as pieces of its own and advances k.
func (q *queue) place(n *piece, k *chunk, to int64) {
	for k.off < to {
		size := min(int64(len(k.data)), to-k.off, maxPiece)
		p := q.pool.get(int(size))
		p.off, p.end, p.tsNs, p.ack = k.off, k.off+size, k.tsNs, k.ack
		copy(p.buf, k.data)
		if size == 0 {
			p.kind, p.why, p.end = cut, k.why, to
		}
		k.advance(p.end)
		q.link(p, n)
	}
}

// differs counts the bytes of [k.off, to) that p and k both have, unlike.
func (p *piece) differs(k *chunk, to int64) (n int64) {
	if p.kind != data {
		return 0
	}
	have := p.buf[k.off-p.off : to-p.off]
	for i, b := range k.data[:min(len(k.data), len(have))] {
		if b != have[i] {
			n++
		}
	}
	return n
}

// improve gives the part [k.off, to) of n what k knows better, and returns the
// piece that then holds it.
func (q *queue) improve(n *piece, k *chunk, to int64) *piece {
	fills, earlier := n.kind == cut && len(k.data) > 0, k.ack.before(n.ack)
	if !fills && !earlier {
		return n
	}
	if n.off < k.off {
		n = q.split(n, k.off)
	}
	if n.end > to {
		q.split(n, to)
	}
	if earlier {
		n.ack, n.tsNs = k.ack, min(n.tsNs, k.tsNs)
	}
	if !fills {
		return n
	}
	filled := *k
	filled.clip(to)
	filled.ack, filled.tsNs = n.ack, n.tsNs
	before := n.next
	q.remove(n)
	q.place(before, &filled, to)
	if before == nil {
		return q.tail
	}
	return before.prev
}

// split cuts p at off and returns the second part.
func (q *queue) split(p *piece, off int64) *piece {
	size := 0
	if p.kind == data {
		size = int(p.end - off)
	}
	r := q.pool.get(size)
	r.off, r.end, r.tsNs, r.ack, r.kind, r.why = off, p.end, p.tsNs, p.ack, p.kind, p.why
	if p.kind == data {
		copy(r.buf, p.buf[off-p.off:])
		p.buf = p.buf[:off-p.off]
	}
	q.count(p, -1)
	p.end = off
	q.count(p, 1)
	q.link(r, p.next)
	return r
}

// link adds p before n, or last where n is nil.
func (q *queue) link(p, n *piece) {
	p.next = n
	if n == nil {
		p.prev, q.tail = q.tail, p
	} else {
		p.prev, n.prev = n.prev, p
	}
	if p.prev == nil {
		q.head = p
	} else {
		p.prev.next = p
	}
	q.count(p, 1)
}

func (q *queue) count(p *piece, sign int) {
	n := sign * int(p.end-p.off)
	q.payload += n
	q.pool.payload += n
	q.memory += sign * cost(p.class)
}

// unlink takes p out; the caller gives it back to the pool.
func (q *queue) unlink(p *piece) {
	if p.prev == nil {
		q.head = p.next
	} else {
		p.prev.next = p.next
	}
	if p.next == nil {
		q.tail = p.prev
	} else {
		p.next.prev = p.prev
	}
	q.count(p, -1)
}

func (q *queue) remove(p *piece) {
	q.unlink(p)
	q.pool.put(p)
}
