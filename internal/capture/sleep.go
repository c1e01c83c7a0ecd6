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
	bell   *bell
	chunk  int      // bytes
	file   *os.File // of the bell
	raw    syscall.RawConn
	wakeAt *uint64 // the shard's in the map wake_at, shared with the kernel
	fill   int     // bytes in the ring that end the sleep
	// pending is how many there are.
	pending func() int
	roused  atomic.Bool
	ready   func(fd uintptr) bool
	napper  *napper // nil: short sleeps are in the poller too
}

// newSleeper makes the sleeper of a shard whose ring has chunks of that size, and pending
// bytes in it.
func newSleeper(b *bell, wakeAt *uint64, chunk int, pending func() int) (*sleeper, error) {
	// The runtime takes a descriptor that does not block into its poller.
	fd, err := unix.FcntlInt(uintptr(b.m.FD()), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("duplicate bell: %w", err)
	}
	err = unix.SetNonblock(fd, true)
	s := &sleeper{bell: b, chunk: chunk, pending: pending, file: os.NewFile(uintptr(fd), "bell"), wakeAt: wakeAt}
	if err == nil {
		err = s.file.SetReadDeadline(time.Time{}) // what cannot be polled has none
	}
	if err == nil {
		s.raw, err = s.file.SyscallConn()
	}
	if err != nil {
		s.file.Close()
		return nil, fmt.Errorf("poll bell: %w", err)
	}
	s.ready = func(uintptr) bool {
		return s.roused.Load() || atomic.LoadUint64(s.wakeAt) == 0 || s.pending() >= s.fill
	}
	return s, nil
}

// settleTime is far longer than what one CPU wrote takes to be seen by another.
const settleTime = time.Millisecond

// sleep returns after d, or when the ring holds at least fill bytes (more than 0),
// or when somebody calls wake.
//
// The kernel publishes the record, then reads the wish. Without a barrier in
// between, which would cost each record, it may miss a wish while we miss the record.
// But then the record is older than the wish, and seen a little later: so a long
// sleep looks once more, with the wish standing, before it relies on being woken.
func (s *sleeper) sleep(d time.Duration, fill int) {
	s.ask(fill)
	switch {
	case d <= maxSleep && s.napper != nil:
		s.nap(d)
	case d <= maxSleep || !s.wait(settleTime):
		s.wait(d)
	}
	atomic.StoreUint64(s.wakeAt, 0)
	s.roused.Store(false)
}

// ask says when to be woken: at the next record, or with about so many bytes. To count
// these would cost each record, so it is by the chunks that are begun. The kernel takes the
// wish back when it has rung.
func (s *sleeper) ask(fill int) {
	s.bell.silence()
	s.fill = fill
	wish := uint64(1)
	if fill > 1 {
		wish += uint64(max(1, fill/s.chunk))
	}
	atomic.StoreUint64(s.wakeAt, wish)
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
