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

// bell is how the programs wake a shard: a BPF ring buffer, in which nothing ever is but
// what they discard to ring it.
type bell struct {
	m        *ebpf.Map
	consumer []byte // one writable page: our position
	producer []byte // one page: the kernel's
}

func newBell(spec *ebpf.MapSpec) (*bell, error) {
	page := os.Getpagesize()
	spec = spec.Copy()
	spec.MaxEntries = uint32(page)
	m, err := ebpf.NewMap(spec)
	if err != nil {
		return nil, fmt.Errorf("create bell: %w", err)
	}
	b := &bell{m: m}
	b.consumer, err = unix.Mmap(m.FD(), 0, page, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err == nil {
		b.producer, err = unix.Mmap(m.FD(), int64(page), page, unix.PROT_READ, unix.MAP_SHARED)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("map bell: %w", err), b.close())
	}
	return b, nil
}

// silence makes room for it to ring again.
func (b *bell) silence() {
	rung := atomic.LoadUint64((*uint64)(unsafe.Pointer(&b.producer[0])))
	atomic.StoreUint64((*uint64)(unsafe.Pointer(&b.consumer[0])), rung)
}

func (b *bell) close() error {
	var err error
	for _, page := range [][]byte{b.consumer, b.producer} {
		if page != nil {
			err = errors.Join(err, unix.Munmap(page))
		}
	}
	b.consumer, b.producer = nil, nil
	return errors.Join(err, b.m.Close())
}

// bells are one a shard.
type bells []*bell

func (all bells) maps() (maps []*ebpf.Map) {
	for _, b := range all {
		maps = append(maps, b.m)
	}
	return maps
}

func (all bells) close() error {
	var err error
	for _, b := range all {
		err = errors.Join(err, b.close())
	}
	return err
}
