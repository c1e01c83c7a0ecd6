package packet

import (
	"container/list"
	"slices"
	"time"
)

// fragments puts IP datagrams together. Like Linux since 4.19, it ignores a
// fragment that repeats bytes it has, and gives up a datagram whose fragments
// overlap in any other way.
type fragments struct {
	byKey   map[fragmentKey]*list.Element
	order   list.List // of *datagram, oldest first
	limit   int       // bytes
	used    int
	timeout int64 // ns
	pending Count
}

type fragmentKey struct {
	src, dst [16]byte
	id       uint32
	net      network
	proto    byte // 0 for IPv6, where it does not belong to the key
}

// fragment is one piece of a datagram's payload.
type fragment struct {
	proto  byte // what the payload is
	offset int
	more   bool
	data   []byte // captured prefix
	size   int    // bytes on the wire
}

type datagram struct {
	key      fragmentKey
	buf      []byte
	spans    []span // in order, without overlap
	have     int    // sum of the spans
	size     int    // of the whole payload; -1 until the last fragment came
	proto    byte   // of the first fragment
	netBytes int
	owed     Count
	firstNs  int64
}

// span is [from, to) on the wire, captured up to have.
type span struct{ from, have, to int }

const (
	maxPayload = 65535
	// spanCost is what a datagram costs besides its buffer, and what a
	// fragment costs: many tiny ones must count as well.
	spanCost = 256
)

func newFragments(limit int, timeout time.Duration) fragments {
	return fragments{byKey: make(map[fragmentKey]*list.Element), limit: limit, timeout: int64(timeout)}
}

// fragment keeps f. If it completes its datagram, decoding goes on with that.
func (d *Decoder) fragment(f fragment) Reason {
	if f.proto == protoICMP || f.proto == protoICMPv6 { // no need to put them together
		return NotTCP
	}
	if f.size <= 0 || f.offset+f.size > maxPayload || (f.more && f.size%8 != 0) {
		return Malformed
	}
	fs := &d.frags
	el := fs.datagram(d, f.proto)
	g := el.Value.(*datagram)
	g.owed.add(d.owed)
	fs.pending.add(d.owed)
	d.owed = Count{}
	g.netBytes += d.ip.netBytes

	before := cap(g.buf) + len(g.spans)*spanCost
	ok := g.insert(f)
	fs.used += cap(g.buf) + len(g.spans)*spanCost - before
	if !ok {
		d.owed = fs.remove(el)
		return FragmentOverlap
	}
	if g.have != g.size {
		fs.evict(&d.stats)
		return held
	}
	d.owed = fs.remove(el)
	d.ip.netBytes = g.netBytes
	return d.transport(g.proto, g.captured(), g.size)
}

// datagram finds or begins the datagram that the packet in hand belongs to.
func (fs *fragments) datagram(d *Decoder, proto byte) *list.Element {
	k := fragmentKey{src: d.ip.src, dst: d.ip.dst, id: d.ip.id, net: d.net}
	if d.ip.v4 {
		k.proto = proto
	}
	if el, ok := fs.byKey[k]; ok {
		return el
	}
	el := fs.order.PushBack(&datagram{key: k, size: -1, proto: proto, firstNs: d.seg.TsNs})
	fs.byKey[k] = el
	fs.used += spanCost
	return el
}

// insert adds f and reports whether it fits what is there.
func (g *datagram) insert(f fragment) bool {
	end := f.offset + f.size
	if !f.more {
		if g.size >= 0 && g.size != end {
			return false
		}
		g.size = end
	}
	i, _ := slices.BinarySearchFunc(g.spans, f.offset, func(s span, at int) int { return s.to - at - 1 })
	if i < len(g.spans) && g.spans[i].from < end { // s is the first span that ends behind the offset
		s := g.spans[i]
		return s.from <= f.offset && end <= s.to // a repetition
	}
	if n := len(g.spans); g.size >= 0 && (end > g.size || n > 0 && g.spans[n-1].to > g.size) {
		return false
	}
	if f.offset == 0 {
		g.proto = f.proto
	}
	g.spans = slices.Insert(g.spans, i, span{f.offset, f.offset + len(f.data), end})
	g.have += f.size
	if need := f.offset + len(f.data); need > len(g.buf) {
		g.buf = slices.Grow(g.buf, need-len(g.buf))[:need]
	}
	copy(g.buf[f.offset:], f.data)
	return true
}

// captured returns the payload up to the first byte that a snap length cut off.
func (g *datagram) captured() []byte {
	end := 0
	for _, s := range g.spans {
		end = s.have
		if s.have < s.to {
			break
		}
	}
	return g.buf[:end]
}

// remove forgets a datagram and returns the records it stands for.
func (fs *fragments) remove(el *list.Element) Count {
	g := fs.order.Remove(el).(*datagram)
	delete(fs.byKey, g.key)
	fs.used -= cap(g.buf) + (len(g.spans)+1)*spanCost
	fs.pending.sub(g.owed)
	return g.owed
}

func (fs *fragments) evict(s *Stats) {
	for fs.used > fs.limit && fs.order.Len() > 0 {
		s.Dropped[FragmentLimit].add(fs.remove(fs.order.Front()))
	}
}

func (fs *fragments) expire(nowNs int64, s *Stats) {
	for el := fs.order.Front(); el != nil && nowNs-el.Value.(*datagram).firstNs > fs.timeout; el = fs.order.Front() {
		s.Dropped[FragmentTimeout].add(fs.remove(el))
	}
}

func (fs *fragments) flush(s *Stats) {
	for el := fs.order.Front(); el != nil; el = fs.order.Front() {
		s.Dropped[FragmentTimeout].add(fs.remove(el))
	}
}
