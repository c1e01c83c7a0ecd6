package ring

import (
	"sync/atomic"
	"unsafe"

	"gortap/bpf"
)

// record is what every record begins with.
type record struct {
	size uint32 // a multiple of 8
	kind uint8
	_    [3]uint8
	time uint64
}

// lane is what one CPU wrote of a shard: a chain of chunks.
type lane struct {
	shared *bpf.CaptureLane // the kernel's
	chunk  uint32           // where we read, counted from 1; 0: nowhere yet
	at     uint32           // in that chunk
	read   uint64           // bytes
	seen   uint64           // bytes that were written when we looked
	next   uint64           // the time of the record at read, where read < seen
}

// written returns how many bytes there are, as of now. Set last by the programs, after
// all that it covers.
func (l *lane) written() uint64 { return atomic.LoadUint64(&l.shared.Written) }

// look takes notice of what was written.
func (l *lane) look(r *Ring) {
	seen := l.written()
	if seen == l.seen {
		return
	}
	waiting := l.read < l.seen
	l.seen = seen
	if l.chunk == 0 {
		l.chunk = l.shared.First
	}
	if !waiting {
		l.step(r)
	}
}

// step comes to the next record, over to another chunk where the lane goes on there.
// There is one.
func (l *lane) step(r *Ring) {
	head := l.head(r)
	if head.kind == uint8(bpf.CaptureEventTypeEVENT_JUMP) {
		jump := (*bpf.CaptureJump)(unsafe.Pointer(head))
		old := l.chunk
		l.chunk, l.at = uint32(jump.Chunk), 0
		r.free(old)
		head = l.head(r)
	}
	l.next = head.time // earlier than the one before, where it tells of what was before
}

func (l *lane) head(r *Ring) *record {
	return (*record)(unsafe.Pointer(&r.memory.Chunks[int(l.chunk-1)*r.layout.ChunkBytes+int(l.at)]))
}

// take hands the record over and comes to the next one.
func (l *lane) take(r *Ring, handle func(record []byte)) {
	head := l.head(r)
	n := head.size
	l.read += uint64(n)
	l.at += n
	if l.read < l.seen { // another CPU wrote it: on its way while this one is handled
		prefetch(unsafe.Pointer(l.head(r)))
	}
	handle(unsafe.Slice((*byte)(unsafe.Pointer(head)), n))
	if l.read < l.seen {
		l.step(r)
	}
}
