package session

import (
	"errors"
	"sync"
	"syscall"
	"time"

	"github.com/cespare/xxhash/v2"
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
// the other, and as fast as the client did.
type reader struct {
	wake    func()        // tells the writer that something came
	quit    chan struct{} // closed: nothing more is to be taken
	changed chan struct{} // something was done to pace
	buffers *sync.Pool    // of [digestAtOnce]byte, where sums are made
	held    *[digestAtOnce]byte

	mu    sync.Mutex
	sum   *xxhash.Digest // of what came; nil: it is thrown away unseen
	now   answered
	taken int64      // of now.bytes; the rest is in the socket
	marks []answered // since the writer's last act
	pace  pace
}

func newReader(wake func()) *reader {
	return &reader{wake: wake, quit: make(chan struct{}), changed: make(chan struct{}, 1)}
}

// run reads until the target ends or the connection is closed.
func (r *reader) run(raw syscall.RawConn) {
	receive := r.discard
	if r.sum != nil {
		receive = r.digest
	}
	idle := arrivals
	for {
		var n, room int64
		var errno syscall.Errno
		var next time.Time
		err := raw.Read(func(fd uintptr) bool {
			for {
				if room, next = r.room(); room == 0 {
					return true
				}
				if n, errno = receive(fd, room); errno == unix.EAGAIN {
					r.starve()
				}
				if errno != unix.EINTR {
					return errno != unix.EAGAIN
				}
			}
		})
		if err == nil && room == 0 {
			if idle = min(2*idle, maxArrivals); r.arrived(raw) {
				idle = arrivals
			}
			if !r.hold(next, idle) {
				return
			}
			continue
		}
		if !r.took(n, err != nil || errno != 0) {
			return
		}
	}
}

func (*reader) discard(fd uintptr, most int64) (int64, syscall.Errno) {
	n, _, errno := unix.Syscall6(unix.SYS_RECVFROM, fd, 0, uintptr(min(most, discardAtOnce)), unix.MSG_TRUNC|unix.MSG_DONTWAIT, 0, 0)
	return int64(n), errno
}

// digestAtOnce bounds a read whose bytes are wanted.
const digestAtOnce = 32 << 10

// digest reads what is to be summed. The buffer is only taken while there is something:
// sessions that wait have none.
func (r *reader) digest(fd uintptr, most int64) (int64, syscall.Errno) {
	b := r.buffers.Get().(*[digestAtOnce]byte)
	n, err := unix.Read(int(fd), b[:min(most, digestAtOnce)])
	if err != nil {
		r.buffers.Put(b)
		var errno syscall.Errno
		errors.As(err, &errno)
		return 0, errno
	}
	r.held = b
	return int64(n), 0
}

// took notes n bytes, 0 at the end, and reports whether to go on.
func (r *reader) took(n int64, failed bool) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	defer r.wake()
	if r.held != nil {
		_, _ = r.sum.Write(r.held[:n])
		r.buffers.Put(r.held)
		r.held = nil
	}
	if failed || n == 0 {
		r.now.at = time.Now()
		r.now.over, r.now.reset = true, failed
		return false
	}
	r.taken += n
	r.came(r.taken)
	return true
}

// came notes that so many bytes are there, and reports whether that is news. The caller
// holds the lock.
func (r *reader) came(bytes int64) bool {
	if bytes <= r.now.bytes {
		return false
	}
	r.now.bytes, r.now.at = bytes, time.Now()
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

// answer returns what there is until now, with its sum.
func (r *reader) answer() answer {
	r.mu.Lock()
	defer r.mu.Unlock()
	a := answer{bytes: r.now.bytes}
	if r.sum != nil {
		a.bytes, a.sum = r.taken, r.sum.Sum64()
	}
	return a
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
