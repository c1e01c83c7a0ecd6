package capture

import (
	"errors"
	"fmt"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// napper waits for a bell in a system call of its own thread. That takes one thread to be
// woken; Go's poller wakes two and lets a third look for work, 80 us a time where
// other programs keep the CPUs busy. But a goroutine in a system call keeps one of Go's
// processors from the others for up to 10 ms.
type napper struct{ epoll int }

// newNapper returns nil where a filter of system calls does not know epoll_pwait2 (5.11).
func newNapper(bell int) (*napper, error) {
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("create epoll: %w", err)
	}
	// On the edge: what rang once is there until it is silenced.
	event := unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLET}
	if err := unix.EpollCtl(epoll, unix.EPOLL_CTL_ADD, bell, &event); err != nil {
		return nil, errors.Join(fmt.Errorf("poll bell: %w", err), unix.Close(epoll))
	}
	n := &napper{epoll}
	if errno := n.poll(0); errno == unix.ENOSYS || errno == unix.EPERM {
		return nil, n.close()
	}
	return n, nil
}

// wait returns after d, when the bell rings, or at a signal. Each way it can end means
// the same here.
func (n *napper) wait(d time.Duration) { _ = n.poll(d) }

func (n *napper) poll(d time.Duration) unix.Errno {
	var event unix.EpollEvent
	timeout := unix.NsecToTimespec(int64(d))
	// Not in package unix: epoll_wait counts milliseconds.
	_, _, errno := unix.Syscall6(unix.SYS_EPOLL_PWAIT2, uintptr(n.epoll), uintptr(unsafe.Pointer(&event)), 1,
		uintptr(unsafe.Pointer(&timeout)), 0, 0)
	return errno
}

func (n *napper) close() error {
	if n == nil {
		return nil
	}
	return unix.Close(n.epoll)
}
