package ring

import (
	"errors"
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Memory is what the programs and their readers share: the maps of include/ring.h.
type Memory struct {
	Chunks []byte   // written by the programs
	Lanes  []byte   // written by the programs
	Pool   []uint64 // a bit for each free chunk, poolWords a shard
}

// Map maps the three maps of these descriptors, and fills the pool: no program may run
// yet.
func Map(l Layout, chunks, lanes, pool int) (m Memory, err error) {
	if m.Chunks, err = mmap(chunks, l.Shards*l.Bytes(), unix.PROT_READ); err != nil {
		return m, err
	}
	if m.Lanes, err = mmap(lanes, l.Shards*l.Lanes*laneSize, unix.PROT_READ); err != nil {
		err = errors.Join(err, m.Unmap())
		return m, err
	}
	words, err := mmap(pool, l.Shards*poolWords*8, unix.PROT_READ|unix.PROT_WRITE)
	if err != nil {
		err = errors.Join(err, m.Unmap())
		return m, err
	}
	m.Pool = unsafe.Slice((*uint64)(unsafe.Pointer(&words[0])), len(words)/8)
	m.fill(l)
	return m, nil
}

func mmap(fd, size, prot int) ([]byte, error) {
	b, err := unix.Mmap(fd, 0, size, prot, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("map ring of %d bytes: %w", size, err)
	}
	return b, nil
}

// InMemory is a Memory of the process alone, for tests.
func InMemory(l Layout) Memory {
	m := Memory{
		Chunks: make([]byte, l.Shards*l.Bytes()),
		Lanes:  make([]byte, l.Shards*l.Lanes*laneSize),
		Pool:   make([]uint64, l.Shards*poolWords),
	}
	m.fill(l)
	return m
}

// fill says that all chunks are free.
func (m Memory) fill(l Layout) {
	for shard := range l.Shards {
		for i := range l.Chunks {
			m.Pool[shard*poolWords+i/64] |= 1 << (i % 64)
		}
	}
}

// Unmap gives back what Map mapped.
func (m *Memory) Unmap() error {
	var err error
	for _, b := range [][]byte{m.Chunks, m.Lanes, bytesOf(m.Pool)} {
		if b != nil {
			err = errors.Join(err, unix.Munmap(b))
		}
	}
	*m = Memory{}
	return err
}

func bytesOf(words []uint64) []byte {
	if words == nil {
		return nil
	}
	return unsafe.Slice((*byte)(unsafe.Pointer(&words[0])), len(words)*8)
}
