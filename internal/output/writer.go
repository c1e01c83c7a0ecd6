package output

import (
	"bytes"
	"errors"
	"log/slog"
	"sync/atomic"
	"syscall"
	"time"
)

// retryAfter is how long a writer in trouble waits before it tries again.
const retryAfter = time.Second

// writer is the goroutine that writes a JSONL's buffers to its file. It logs
// when it gets into trouble and when it is out of it, not for each line.
type writer struct {
	jsonl *JSONL
	open  opener
	after func(time.Duration) <-chan time.Time
	log   *slog.Logger
	file  target // nil while it cannot be opened

	trouble        atomic.Pointer[trouble]
	written, bytes atomic.Uint64
	slow           bool   // lines were dropped since the queue was empty
	slowSeen       uint64 // how many when last looked
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
func (w *writer) begin() error {
	file, err := w.open()
	if errors.Is(err, ErrReaderGone) {
		w.setTrouble(err)
		return nil
	}
	w.file = file
	return err
}

// run writes buffers until the output is closed and the queue empty, or until
// the first lines after that which cannot be written.
func (w *writer) run() {
	defer close(w.jsonl.done)
	defer w.closeFile()
	for {
		select {
		case b := <-w.jsonl.queue:
			if why, ok := w.writeBuffer(b); !ok {
				w.discard(why)
				return
			}
		case <-w.jsonl.rotate:
			w.rotate()
		case <-w.jsonl.closing:
			w.drain()
			return
		}
	}
}

// drain writes what is queued; no more comes.
func (w *writer) drain() {
	for {
		select {
		case b := <-w.jsonl.queue:
			if why, ok := w.writeBuffer(b); !ok {
				w.discard(why)
				return
			}
		default:
			return
		}
	}
}

// discard drops what is queued: it might follow a half line.
func (w *writer) discard(why DropReason) {
	for {
		select {
		case b := <-w.jsonl.queue:
			w.jsonl.drop(b.lines, why)
		default:
			return
		}
	}
}

func (w *writer) closeFile() {
	if w.file == nil {
		return
	}
	if err := w.file.Close(); err != nil {
		w.log.Warn("close output", "error", err)
	}
}

// writeBuffer writes b, however often it takes. Where the output ends before
// that, it drops the rest, and tells why.
func (w *writer) writeBuffer(b *buffer) (why DropReason, ok bool) {
	left := b.b
	if w.gaveUp() {
		w.jsonl.drop(b.lines, Deadline)
		return Deadline, false
	}
	for len(left) > 0 {
		n, err := w.write(left)
		left = left[n:]
		if err == nil {
			break
		}
		w.setTrouble(err)
		left = w.takeBack(b.b, left)
		file := w.file
		if why, ok = w.awaitRetry(); !ok {
			break
		}
		if w.file != file { // a new file, or a new reader, begins with a whole line
			left = fromLineStart(b.b, left)
		}
	}
	if len(left) == 0 {
		ok = true
		w.clearTrouble()
	}
	dropped := uint64(bytes.Count(left, []byte{'\n'}))
	w.jsonl.drop(dropped, why)
	w.written.Add(b.lines - dropped)
	w.bytes.Add(uint64(len(b.b) - len(left)))
	w.watchQueue()
	b.reset()
	select {
	case w.jsonl.spare <- b:
	default:
	}
	return why, ok
}

func (w *writer) write(b []byte) (int, error) {
	if w.file == nil {
		return 0, w.trouble.Load().err
	}
	return w.file.Write(b)
}

// takeBack takes a half line at the end of the file back, so that it ends well
// if nothing follows. Where that fails, the line's rest has to follow.
func (w *writer) takeBack(all, left []byte) []byte {
	start := fromLineStart(all, left)
	half := len(start) - len(left)
	if half == 0 || w.file == nil || w.file.CutBack(int64(half)) != nil {
		return left
	}
	return start
}

// fromLineStart extends left, a suffix of all, to the start of its first line.
func fromLineStart(all, left []byte) []byte {
	done := all[:len(all)-len(left)]
	return all[bytes.LastIndexByte(done, '\n')+1:]
}

// awaitRetry waits until it is time for another try and prepares the file for
// it. There is none when the output is closing, except for a reader that is
// only slow: that has until Close runs out of time.
func (w *writer) awaitRetry() (why DropReason, ok bool) {
	if w.gaveUp() {
		return Deadline, false
	}
	now := w.trouble.Load().why
	if now == Slow {
		w.watchQueue()
		return 0, true
	}
	if now == ReaderGone && w.file != nil {
		// At once, because an open pipe keeps what it holds, a half line
		// perhaps, for the next reader.
		w.file.Close()
		w.file = nil
	}
	select {
	case <-w.jsonl.closing:
		return now, false
	case <-w.jsonl.rotate:
		w.rotate()
		return 0, true
	case <-w.after(retryAfter):
	}
	if w.file == nil {
		w.reopen()
	}
	return 0, true
}

// gaveUp tells that Close has run out of time.
func (w *writer) gaveUp() bool {
	select {
	case <-w.jsonl.giveUp:
		return true
	default:
		return false
	}
}

// reopen tries to open the file after its reader went.
func (w *writer) reopen() {
	file, err := w.open()
	if err != nil {
		w.setTrouble(err)
		return
	}
	w.file = file
}

// rotate changes to a new file of the same path, if that can be opened.
func (w *writer) rotate() {
	file, err := w.open()
	if err != nil {
		w.log.Warn("reopen output; the old file is kept", "error", err)
		return
	}
	if w.file != nil {
		if err := w.file.Close(); err != nil {
			w.log.Warn("close rotated output", "error", err)
		}
	}
	w.file = file
}

// setTrouble notes why nothing is written. Of a reader that only pauses,
// nothing is said until lines are lost to it (watchQueue).
func (w *writer) setTrouble(err error) {
	t, old := troubleOf(err), w.trouble.Load()
	w.trouble.Store(t)
	if t.why != Slow && (old == nil || old.why != t.why) {
		w.log.Warn("output does not write", "error", t.err)
	}
}

func (w *writer) clearTrouble() {
	if old := w.trouble.Swap(nil); old != nil && old.why != Slow {
		w.log.Info("output writes again", "dropped", w.jsonl.allDropped())
	}
}

// watchQueue logs when the queue overflows without any other trouble, and
// when it is empty again.
func (w *writer) watchQueue() {
	n := w.jsonl.dropped[Slow].Load()
	switch {
	case n > w.slowSeen && !w.slow:
		w.slow = true
		w.log.Warn("output is too slow: lines are dropped", "dropped", n)
	case n == w.slowSeen && w.slow && len(w.jsonl.queue) == 0:
		w.slow = false
		w.log.Info("output keeps up again", "dropped", n)
	}
	w.slowSeen = n
}

// dropReason tells the feeds why there is no room.
func (w *writer) dropReason() DropReason {
	if t := w.trouble.Load(); t != nil {
		return t.why
	}
	return Slow
}
