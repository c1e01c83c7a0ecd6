package capture

import (
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// sleeper is how a shard waits for its ring: for a time, and less where the ring
// fills up. It lies in the runtime's poller, so that a shard that sleeps takes no
// thread. wake may be called from any goroutine, the rest only from the shard's.
type sleeper struct {
	file   *os.File // of the ring
	raw    syscall.RawConn
	wakeAt *uint64 // the shard's in the map wake_at, shared with the kernel
	roused atomic.Bool
	ready  func(fd uintptr) bool
	napper *napper // nil: short sleeps are in the poller too
}

// newSleeper makes the sleeper of a ring. pending says how many bytes are in it.
func newSleeper(m *ebpf.Map, wakeAt *uint64, pending func() int) (*sleeper, error) {
	// The runtime takes a descriptor that does not block into its poller.
	fd, err := unix.FcntlInt(uintptr(m.FD()), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("duplicate ring: %w", err)
	}
	err = unix.SetNonblock(fd, true)
	s := &sleeper{file: os.NewFile(uintptr(fd), "ring"), wakeAt: wakeAt}
	if err == nil {
		err = s.file.SetReadDeadline(time.Time{}) // what cannot be polled has none
	}
	if err == nil {
		s.raw, err = s.file.SyscallConn()
	}
	if err != nil {
		s.file.Close()
		return nil, fmt.Errorf("poll ring: %w", err)
	}
	s.ready = func(uintptr) bool {
		return s.roused.Load() || pending() >= int(atomic.LoadUint64(s.wakeAt))
	}
	return s, nil
}

// settleTime is far longer than what one CPU wrote takes to be seen by another.
const settleTime = time.Millisecond

// sleep returns after d, or when the ring holds at least fill bytes (more than 0),
// or when somebody calls wake.
//
// The kernel moves the ring's position, then reads the wish. Without a barrier in
// between, which would cost each record, it may miss a wish while we miss the record.
// But then the record is older than the wish, and seen a little later: so a long
// sleep looks once more, with the wish standing, before it relies on being woken.
func (s *sleeper) sleep(d time.Duration, fill int) {
	atomic.StoreUint64(s.wakeAt, uint64(fill))
	switch {
	case d <= maxSleep && s.napper != nil:
		s.nap(d)
	case d <= maxSleep || !s.wait(settleTime):
		s.wait(d)
	}
	atomic.StoreUint64(s.wakeAt, 0)
	s.roused.Store(false)
}

// nap is wait for a time that is short enough for wake to be heard at its end.
func (s *sleeper) nap(d time.Duration) {
	end := time.Now().Add(d)
	for d > 0 && !s.ready(0) {
		s.napper.wait(d)
		d = time.Until(end)
	}
}

// wait looks, waits for d at most, and reports whether there is a reason to get up.
func (s *sleeper) wait(d time.Duration) bool {
	// The errors are that the time is over, and of a file that is closed.
	err := s.file.SetReadDeadline(time.Now().Add(d))
	if err == nil {
		err = s.raw.Read(s.ready)
	}
	return err == nil || s.roused.Load() || errors.Is(err, os.ErrClosed)
}

// wake ends the sleep, or the next one where there is none now.
func (s *sleeper) wake() {
	s.roused.Store(true)
	_ = s.file.SetReadDeadline(time.Unix(1, 0)) // fails on a closed file: nobody sleeps
}

func (s *sleeper) close() error { return errors.Join(s.napper.close(), s.file.Close()) }

// wishes are the shards' words in the map wake_at.
type wishes []byte

func mapWishes(m *ebpf.Map) (wishes, error) {
	b, err := unix.Mmap(m.FD(), 0, int(m.MaxEntries()*m.ValueSize()), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("map wake-ups: %w", err)
	}
	return b, nil
}

func (w wishes) of(shard int) *uint64 { return (*uint64)(unsafe.Pointer(&w[shard*8])) }

func (w wishes) unmap() error {
	if w == nil {
		return nil
	}
	return unix.Munmap(w)
}
