package replay

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// Sleeper waits for instants, some ten microseconds late at most on an idle machine.
// The runtime's own timers are rounded up to a millisecond where they end a wait for
// the network; a timerfd is not, and unlike clock_nanosleep it holds no processor of the
// runtime back meanwhile. One goroutine may use it; Close ends it.
type Sleeper struct {
	file *os.File
	conn syscallConn
}

type syscallConn interface {
	Read(func(fd uintptr) bool) error
	Control(func(fd uintptr)) error
}

// NewSleeper opens a timer.
func NewSleeper() (*Sleeper, error) {
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("create timer: %w", err)
	}
	f := os.NewFile(uintptr(fd), "timerfd")
	conn, err := f.SyscallConn()
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("wait for timer: %w", err)
	}
	return &Sleeper{file: f, conn: conn}, nil
}

// Until waits until the instant, or returns the context's error once that is done. An
// instant that has passed costs nothing.
func (s *Sleeper) Until(ctx context.Context, instant time.Time) error {
	if left := time.Until(instant); left <= 0 {
		return ctx.Err()
	}
	// It may still run once Until is back, and end a later wait: hence the loop.
	stop := context.AfterFunc(ctx, func() { _ = s.set(1) })
	defer stop()
	for {
		left := time.Until(instant)
		if left <= 0 {
			return ctx.Err()
		}
		if err := s.set(left); err != nil {
			return err
		}
		// Only now: were it done before, set might have come last.
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := s.wait(); err != nil {
			return fmt.Errorf("wait for timer: %w", err)
		}
	}
}

func (s *Sleeper) set(after time.Duration) error {
	var err error
	spec := unix.ItimerSpec{Value: unix.NsecToTimespec(int64(after))}
	if e := s.conn.Control(func(fd uintptr) { err = unix.TimerfdSettime(int(fd), 0, &spec, nil) }); e != nil {
		return fmt.Errorf("set timer: %w", e)
	}
	if err != nil {
		return fmt.Errorf("set timer: %w", err)
	}
	return nil
}

// wait reads how often the timer has run out, which is 0 bytes until it has.
func (s *Sleeper) wait() error {
	var buf [8]byte
	var err error
	e := s.conn.Read(func(fd uintptr) bool {
		_, err = unix.Read(int(fd), buf[:])
		return err != unix.EAGAIN && err != unix.EINTR
	})
	runtime.KeepAlive(s.file)
	if e != nil {
		return e
	}
	return err
}

// Close ends the sleeper, and a wait that is going on with it.
func (s *Sleeper) Close() error { return s.file.Close() }
