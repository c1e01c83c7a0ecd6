package output

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// writeTimeout bounds a Write to a pipe: between two, the writer looks whether
// it should end.
const writeTimeout = 250 * time.Millisecond

// target is the open file that a writer writes to.
type target interface {
	// Write returns ErrStalled after writeTimeout without a reader's help, as
	// far as the system can tell; n bytes of b are written then.
	io.WriteCloser
	// CutBack removes the last n bytes that were written. It fails where they
	// are not the file's last ones, or where the file has no such thing.
	CutBack(n int64) error
}

// opener opens a target, or the same one anew.
type opener func() (target, error)

// openFile returns the opener of a path for lines.
func openFile(path string) opener {
	return func() (target, error) {
		t, err := openPath(path)
		if err != nil {
			return nil, err
		}
		if r, ok := t.(*regular); ok && r.endsTorn(path) {
			if _, err := r.Write([]byte("\n")); err != nil {
				r.Close()
				return nil, fmt.Errorf("end the last line of %s: %w", path, err)
			}
		}
		return t, nil
	}
}

// openPath opens a regular file, which is appended to, or a named pipe. A pipe that
// nobody reads is an error, and so is a missing folder; nothing blocks.
func openPath(path string) (target, error) {
	// Without O_NONBLOCK, the open would wait for a pipe's reader.
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE|syscall.O_NONBLOCK, 0o640)
	switch {
	case errors.Is(err, syscall.ENXIO):
		return nil, fmt.Errorf("open %s: %w", path, ErrReaderGone)
	case errors.Is(err, os.ErrNotExist):
		return nil, fmt.Errorf("open %s: %w (make its folder first)", path, syscall.ENOENT)
	case err != nil:
		return nil, err
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return stream{f}, nil
	}
	return &regular{File: f, size: info.Size()}, nil
}

// regular is a file that only grows.
type regular struct {
	*os.File
	size int64 // after what was written here
}

func (r *regular) Write(b []byte) (int, error) {
	n, err := r.File.Write(b)
	r.size += int64(n)
	return n, err
}

func (r *regular) CutBack(n int64) error {
	info, err := r.Stat()
	if err != nil {
		return err
	}
	if info.Size() != r.size {
		return fmt.Errorf("cut back %s: another program writes to it", r.Name())
	}
	if err := r.Truncate(r.size - n); err != nil {
		return err
	}
	r.size -= n
	return nil
}

// endsTorn tells that an earlier run died within a line.
func (r *regular) endsTorn(path string) bool {
	if r.size == 0 {
		return false
	}
	f, err := os.Open(path)
	if err != nil {
		return false // may be write-only; then nobody knows
	}
	defer f.Close()
	var last [1]byte
	n, err := f.ReadAt(last[:], r.size-1)
	return err == nil && n == 1 && last[0] != '\n'
}

// stream is a pipe, a terminal or a socket.
type stream struct{ *os.File }

func (s stream) Write(b []byte) (int, error) {
	// Standard output may not know deadlines; then a write just takes its time.
	_ = s.SetWriteDeadline(time.Now().Add(writeTimeout))
	n, err := s.File.Write(b)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		err = ErrStalled
	}
	return n, err
}

func (s stream) CutBack(int64) error { return errors.ErrUnsupported }

// openStdout returns the opener of standard output. It can be opened once: a
// second time nobody is there either.
//
// A pipe or terminal is opened anew through /proc, which gives it file status
// flags of its own: so it can be made non-blocking, and know deadlines, without
// a change to what other programs share. Where that is not possible, a reader
// that stops reading stops the writer for good, and Close abandons it. In both
// cases the descriptor is another one than 1: for that one, the Go runtime
// would make a lost reader the end of the program.
func openStdout(f *os.File) opener {
	opened := false
	return func() (target, error) {
		if opened {
			return nil, ErrReaderGone
		}
		opened = true
		if info, err := f.Stat(); err == nil && info.Mode()&(os.ModeNamedPipe|os.ModeCharDevice) != 0 {
			path := "/proc/self/fd/" + strconv.Itoa(int(f.Fd()))
			if own, err := os.OpenFile(path, os.O_WRONLY|syscall.O_NONBLOCK, 0); err == nil {
				return stream{own}, nil
			}
		}
		fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 3)
		if err != nil {
			return nil, fmt.Errorf("duplicate standard output: %w", err)
		}
		return stream{os.NewFile(uintptr(fd), f.Name())}, nil
	}
}
