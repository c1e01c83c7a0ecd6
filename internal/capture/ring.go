package capture

import (
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"unsafe"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// Flags in the length word of a record (include/uapi/linux/bpf.h).
const (
	recordBusy    = 1 << 31
	recordDiscard = 1 << 30
	recordHeader  = 8
)

// maxRecord is no less than the largest record that the programs reserve.
const maxRecord = 64 << 10

// ring reads a BPF ring buffer in place, by polling. The kernel maps the data
// twice in a row, so that a record which wraps is in one piece; of the second
// copy only as much is mapped here as one record can need, since every mapped
// page counts as resident.
//
// Not safe for concurrent use.
type ring struct {
	consumer []byte // one writable page: our position
	producer []byte // read-only: the kernel's position, then the data
	data     []byte
	mask     uint64
	pos      uint64
}

func openRing(m *ebpf.Map) (*ring, error) {
	page := os.Getpagesize()
	size := int(m.MaxEntries())
	consumer, err := unix.Mmap(m.FD(), 0, page, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("map ring positions: %w", err)
	}
	wrap := min(size, maxRecord)
	producer, err := unix.Mmap(m.FD(), int64(page), page+size+wrap, unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("map ring of %d bytes: %w", size, err), unix.Munmap(consumer))
	}
	r := &ring{consumer: consumer, producer: producer, data: producer[page:], mask: uint64(size - 1)}
	r.pos = atomic.LoadUint64(r.consumerPos())
	return r, nil
}

func (r *ring) consumerPos() *uint64 { return (*uint64)(unsafe.Pointer(&r.consumer[0])) }
func (r *ring) producerPos() *uint64 { return (*uint64)(unsafe.Pointer(&r.producer[0])) }

// pending returns how many bytes are written and not yet read.
func (r *ring) pending() int { return int(r.written() - r.pos) }

// pendingNow is pending for other goroutines than the reader's.
func (r *ring) pendingNow() int {
	return int(r.written() - atomic.LoadUint64(r.consumerPos()))
}

// written returns the position behind the last record. Any goroutine may call it.
func (r *ring) written() uint64 { return atomic.LoadUint64(r.producerPos()) }

// drain calls handle for each record until the ring is empty or about limit
// bytes are read, and returns how many bytes it read. A record is borrowed until
// handle returns: then the kernel may write over it.
func (r *ring) drain(limit int, handle func(record []byte)) int {
	const releaseEvery = 128 << 10
	start, released := r.pos, r.pos
	end := atomic.LoadUint64(r.producerPos())
	for r.pos < end && r.pos-start < uint64(limit) {
		off := r.pos & r.mask
		// Set last by the producer, with release semantics: what it covers is there.
		head := atomic.LoadUint32((*uint32)(unsafe.Pointer(&r.data[off])))
		if head&recordBusy != 0 {
			break
		}
		n := uint64(head &^ (recordBusy | recordDiscard))
		next := r.pos + (n+recordHeader+7)&^7
		if next < end { // another CPU wrote it: on its way while this one is handled
			prefetch(unsafe.Pointer(&r.data[next&r.mask]))
		}
		if head&recordDiscard == 0 {
			handle(r.data[off+recordHeader : off+recordHeader+n : off+recordHeader+n])
		}
		r.pos = next
		if r.pos-released >= releaseEvery {
			atomic.StoreUint64(r.consumerPos(), r.pos)
			released = r.pos
		}
	}
	atomic.StoreUint64(r.consumerPos(), r.pos)
	return int(r.pos - start)
}

func (r *ring) close() error {
	if r.consumer == nil {
		return nil
	}
	err := errors.Join(unix.Munmap(r.consumer), unix.Munmap(r.producer))
	r.consumer, r.producer, r.data = nil, nil, nil
	return err
}
