package session

import (
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// discardAtOnce bounds one read. The kernel throws the bytes away: nothing is
	// copied, and no session needs a buffer.
	discardAtOnce = 1 << 20
	// maxMarks bounds what is remembered of when which byte came.
	maxMarks = 64
)

// reader takes what the target answers, beside the writer, so that neither waits for
// the other.
type reader struct {
	wake func() // tells the writer that something came

	mu    sync.Mutex
	now   answered
	marks []answered // since the writer's last act
}

// run reads until the target ends or the connection is closed.
func (r *reader) run(raw syscall.RawConn) {
	for {
		var n uintptr
		var errno syscall.Errno
		err := raw.Read(func(fd uintptr) bool {
			for {
				n, _, errno = unix.Syscall6(unix.SYS_RECVFROM, fd, 0, discardAtOnce, unix.MSG_TRUNC|unix.MSG_DONTWAIT, 0, 0)
				if errno != unix.EINTR {
					return errno != unix.EAGAIN
				}
			}
		})
		if !r.took(int64(n), err != nil || errno != 0) {
			return
		}
	}
}

// took notes n bytes, 0 at the end, and reports whether to go on.
func (r *reader) took(n int64, failed bool) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	defer r.wake()
	r.now.at = time.Now()
	if failed || n == 0 {
		r.now.over, r.now.reset = true, failed
		return false
	}
	r.now.bytes += n
	if len(r.marks) == maxMarks {
		for i := range maxMarks / 2 { // coarser
			r.marks[i] = r.marks[2*i+1]
		}
		r.marks = r.marks[:maxMarks/2]
	}
	r.marks = append(r.marks, r.now)
	return true
}

func (r *reader) look() answered {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.now
}

// when returns when the target had answered so many bytes.
func (r *reader) when(bytes int64) time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, m := range r.marks {
		if m.bytes >= bytes {
			return m.at
		}
	}
	return r.now.at
}

// forget lets the next answer begin, and returns how many bytes came before it.
func (r *reader) forget() int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.marks = r.marks[:0]
	return r.now.bytes
}
