// Package ring reads what the kernel's programs write for one shard: see
// bpf/include/ring.h for how and why. Records lie where the kernel wrote them, in chunks of
// memory that both map; a lane is the chain of chunks that one CPU fills. The ring
// merges its lanes by time and gives each chunk back once it is read.
package ring

import (
	"math"
	"math/bits"
	"sync/atomic"
	"unsafe"

	"gortap/bpf"
)

// Ring reads a shard. Not safe for concurrent use, but for Pending, Written and Fill.
type Ring struct {
	layout Layout
	memory Memory
	pool   []uint64 // the shard's
	lanes  []lane
	base   int // index of the shard's first chunk
	told   uint64
	read   atomic.Uint64 // bytes of all lanes
}

// New returns the ring of a shard.
func New(l Layout, m Memory, shard int) *Ring {
	r := &Ring{layout: l, memory: m, base: shard * l.Chunks, pool: m.Pool[shard*poolWords:][:poolWords], lanes: make([]lane, l.Lanes)}
	for i := range r.lanes {
		r.lanes[i].shared = (*bpf.CaptureLane)(unsafe.Pointer(&m.Lanes[(shard*l.Lanes+i)*laneSize]))
	}
	return r
}

// Size is how many bytes there is room for.
func (r *Ring) Size() int { return r.layout.Bytes() }

// ChunkBytes is how many of them are in a chunk.
func (r *Ring) ChunkBytes() int { return r.layout.ChunkBytes }

// Written returns how many bytes were ever written. Any goroutine may call it.
func (r *Ring) Written() (n uint64) {
	for i := range r.lanes {
		n += r.lanes[i].written()
	}
	return n
}

// Pending returns how many bytes are written and not yet read. Any goroutine may call it.
func (r *Ring) Pending() int {
	read := r.read.Load() // first: else the difference could be negative
	return int(r.Written() - read)
}

// Fill returns how much of the room that lanes share is taken, 0 to 1: at 1 there is
// room in what the lanes have already. Any goroutine may call it.
func (r *Ring) Fill() float64 {
	free, own := 0, 0
	for i := range r.pool {
		free += bits.OnesCount64(atomic.LoadUint64(&r.pool[i]))
	}
	for i := range r.lanes {
		if r.lanes[i].written() > 0 {
			own++
		}
	}
	return max(0, 1-float64(free)/float64(r.layout.Chunks-own))
}

// Told returns the time up to which all records are read: those of all packets that
// came before it, and what these packets caused.
func (r *Ring) Told() uint64 { return r.told }

// Drain calls handle for the records of all lanes in the order of their times, until
// there are none older than now (CLOCK_MONOTONIC, ns; taken before the call) or about
// limit bytes are read, and returns how many bytes it read. A record is borrowed until
// handle returns.
func (r *Ring) Drain(limit int, now uint64, handle func(record []byte)) int {
	start := r.read.Load()
	read := start
	for i := range r.lanes {
		r.lanes[i].look(r)
	}
	for read-start < uint64(limit) {
		l, until := r.earliest(now)
		if l == nil {
			r.told = now
			break
		}
		r.told = max(r.told, l.next-1) // others may have as much of that moment
		before := l.read
		for l.read < l.seen && l.next <= until && read+l.read-before-start < uint64(limit) {
			l.take(r, handle)
		}
		read += l.read - before
		r.read.Store(read)
	}
	return int(read - start)
}

// earliest returns the lane whose turn it is, and until when; nil: there is none up to now.
func (r *Ring) earliest(now uint64) (first *lane, until uint64) {
	least, second := uint64(math.MaxUint64), now
	for i := range r.lanes {
		l := &r.lanes[i]
		switch {
		case l.read == l.seen:
		case l.next < least:
			second = min(second, least)
			first, least = l, l.next
		default:
			second = min(second, l.next)
		}
	}
	if least > now {
		return nil, 0
	}
	return first, second
}

// free gives a chunk back to the programs. It is counted from 1 over all shards.
func (r *Ring) free(chunk uint32) {
	i := int(chunk) - 1 - r.base
	atomic.OrUint64(&r.pool[i/64], 1<<(i%64))
}
