package output

import (
	"errors"
	"log/slog"
	"sync/atomic"
	"syscall"
	"time"
)

// retryAfter is how long a writer in trouble waits before it tries again.
const retryAfter = time.Second

// steady writes units, such as lines or records, to a file: whole or not at all. Where
// the file cannot be written it waits. It logs when it gets into trouble and when
// it is out of it, not for each unit. It belongs to the goroutine of its output.
type steady struct {
	open    opener
	after   func(time.Duration) <-chan time.Time
	log     *slog.Logger
	end     *ending
	rotated <-chan struct{}
	file    target // nil while it cannot be opened

	trouble atomic.Pointer[trouble]

	dropped  func(slow bool) uint64 // so far: for being slow, or in all
	idle     func() bool            // nothing is queued
	slow     bool                   // units were dropped since the queue was empty
	slowSeen uint64                 // how many when last looked
}

// trouble is why nothing can be written.
type trouble struct {
	err error
	why DropReason
}

func troubleOf(err error) *trouble {
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return &trouble{ErrNoSpace, NoSpace}
	case errors.Is(err, syscall.EPIPE), errors.Is(err, ErrReaderGone):
		return &trouble{ErrReaderGone, ReaderGone}
	case errors.Is(err, ErrStalled):
		return &trouble{ErrStalled, Slow}
	}
	return &trouble{err, WriteError}
}

// begin opens the file for the first time.
func (s *steady) begin() error {
	file, err := s.open()
	if errors.Is(err, ErrReaderGone) {
		s.setTrouble(err)
		return nil
	}
	s.file = file
	return err
}

func (s *steady) closeFile() {
	if s.file == nil {
		return
	}
	if err := s.file.Close(); err != nil {
		s.log.Warn("close output", "error", err)
	}
	s.file = nil
}

// put writes all of b, however often it takes. Where the output ends before that,
// it returns what is left, from the start of a unit, and why. start returns where the
// unit begins that a beginning of b ends in.
func (s *steady) put(b []byte, start func([]byte) int) (left []byte, why DropReason, ok bool) {
	left = b
	for len(left) > 0 {
		n, err := s.write(left)
		left = left[n:]
		if err == nil {
			break
		}
		s.setTrouble(err)
		left = s.takeBack(b, left, start)
		file := s.file
		if why, ok = s.awaitRetry(); !ok {
			break
		}
		if s.file != file { // a new file, or a new reader, begins with a whole unit
			left = b[start(b[:len(b)-len(left)]):]
		}
	}
	if len(left) == 0 {
		ok = true
		s.clearTrouble()
	}
	return left, why, ok
}

func (s *steady) write(b []byte) (int, error) {
	if s.file == nil {
		return 0, s.trouble.Load().err
	}
	return s.file.Write(b)
}

// takeBack takes a half unit at the end of the file back, so that it ends well
// if nothing follows. Where that fails, the unit's rest has to follow.
func (s *steady) takeBack(all, left []byte, start func([]byte) int) []byte {
	whole := all[start(all[:len(all)-len(left)]):]
	half := len(whole) - len(left)
	if half == 0 || s.file == nil || s.file.CutBack(int64(half)) != nil {
		return left
	}
	return whole
}

// awaitRetry waits until it is time for another try and prepares the file for
// it. There is none when the output is closing, except for a reader that is
// only slow: that has until Close runs out of time.
func (s *steady) awaitRetry() (why DropReason, ok bool) {
	if s.end.gaveUp() {
		return Deadline, false
	}
	now := s.trouble.Load().why
	if now == Slow {
		s.watchQueue()
		return 0, true
	}
	if now == ReaderGone && s.file != nil {
		// At once, because an open pipe keeps what it holds, a half line
		// perhaps, for the next reader.
		s.file.Close()
		s.file = nil
	}
	select {
	case <-s.end.closing:
		return now, false
	case <-s.rotated:
		s.rotate()
		return 0, true
	case <-s.after(retryAfter):
	}
	if s.file == nil {
		s.reopen()
	}
	return 0, true
}

// reopen tries to open the file after its reader went.
func (s *steady) reopen() {
	file, err := s.open()
	if err != nil {
		s.setTrouble(err)
		return
	}
	s.file = file
}

// rotate changes to a new file of the same path, if that can be opened.
func (s *steady) rotate() {
	file, err := s.open()
	if err != nil {
		s.log.Warn("reopen output; the old file is kept", "error", err)
		return
	}
	if s.file != nil {
		if err := s.file.Close(); err != nil {
			s.log.Warn("close rotated output", "error", err)
		}
	}
	s.file = file
}

// setTrouble notes why nothing is written. Of a reader that only pauses,
// nothing is said until lines are lost to it (watchQueue).
func (s *steady) setTrouble(err error) {
	t, old := troubleOf(err), s.trouble.Load()
	s.trouble.Store(t)
	if t.why != Slow && (old == nil || old.why != t.why) {
		s.log.Warn("output does not write", "error", t.err)
	}
}

func (s *steady) clearTrouble() {
	if old := s.trouble.Swap(nil); old != nil && old.why != Slow {
		s.log.Info("output writes again", "dropped", s.dropped(false))
	}
}

// watchQueue logs when the queue overflows without any other trouble, and
// when it is empty again.
func (s *steady) watchQueue() {
	n := s.dropped(true)
	switch {
	case n > s.slowSeen && !s.slow:
		s.slow = true
		s.log.Warn("output is too slow and drops", "dropped", n)
	case n == s.slowSeen && s.slow && s.idle():
		s.slow = false
		s.log.Info("output keeps up again", "dropped", n)
	}
	s.slowSeen = n
}

// dropReason tells the feeds why there is no room.
func (s *steady) dropReason() DropReason {
	if t := s.trouble.Load(); t != nil {
		return t.why
	}
	return Slow
}
