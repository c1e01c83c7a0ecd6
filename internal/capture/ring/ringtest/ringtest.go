// Package ringtest plays the kernel's programs: it writes records as bpf/include/ring.h
// says, into memory of the process.
package ringtest

import (
	"encoding/binary"
	"math/bits"
	"unsafe"

	"gortap/bpf"
	"gortap/internal/capture/ring"
)

// Writer writes to the lanes of the first shard.
type Writer struct {
	*ring.Ring
	layout ring.Layout
	memory ring.Memory
}

// New returns a ring of so many lanes and bytes in chunks of 4 KiB.
func New(lanes, bytes int) *Writer {
	const chunk = 4 << 10
	l := ring.Layout{Shards: 1, Lanes: lanes, Chunks: bytes / chunk, ChunkBytes: chunk}
	m := ring.InMemory(l)
	return &Writer{Ring: ring.New(l, m, 0), layout: l, memory: m}
}

// Head is what a record begins with.
func Head(kind uint8, time uint64) []byte {
	b := make([]byte, 16)
	b[4] = kind
	binary.LittleEndian.PutUint64(b[8:], time)
	return b
}

// Write adds a record, which begins with Head or a struct of package bpf, and sets its
// size. It reports whether there was room.
func (w *Writer) Write(lane int, record []byte) bool {
	l := w.lane(lane)
	if (l.Chunk == 0 || w.AtEnd(lane)) && !w.Begin(lane) {
		return false
	}
	size := (len(record) + 7) &^ 7
	at := w.chunk(l.Chunk)[l.At:]
	copy(at, record)
	binary.LittleEndian.PutUint32(at, uint32(size))
	l.At += uint32(size)
	l.Written += uint64(size)
	return true
}

func (w *Writer) lane(i int) *bpf.CaptureLane {
	return (*bpf.CaptureLane)(unsafe.Pointer(&w.memory.Lanes[i*int(unsafe.Sizeof(bpf.CaptureLane{}))]))
}

// AtEnd reports whether a lane's next record begins another chunk.
func (w *Writer) AtEnd(lane int) bool { return int(w.lane(lane).At) > w.layout.Last() }

func (w *Writer) chunk(number uint32) []byte {
	return w.memory.Chunks[int(number-1)*w.layout.ChunkBytes:][:w.layout.ChunkBytes]
}

// Begin gives a lane another chunk, where there is one.
func (w *Writer) Begin(lane int) bool {
	l, next := w.lane(lane), uint32(0)
	for i, word := range w.memory.Pool {
		if word != 0 {
			bit := bits.TrailingZeros64(word)
			w.memory.Pool[i] &^= 1 << bit
			next = uint32(i*64+bit) + 1
			break
		}
	}
	if next == 0 {
		return false
	}
	if l.Chunk == 0 {
		l.First = next
	} else {
		at := w.chunk(l.Chunk)[l.At:]
		copy(at, Head(uint8(bpf.CaptureEventTypeEVENT_JUMP), uint64(next)))
	}
	l.Chunk, l.At = next, 0
	return true
}

// Free returns how many chunks nobody has.
func (w *Writer) Free() (n int) {
	for _, word := range w.memory.Pool {
		n += bits.OnesCount64(word)
	}
	return n
}

// Taken returns how many chunks lanes have, or the reader.
func (w *Writer) Taken() int { return w.layout.Chunks - w.Free() }
