package output

import (
	"bytes"
	"sync/atomic"
)

// writer is the goroutine that writes a JSONL's buffers to its file.
type writer struct {
	steady
	jsonl          *JSONL
	written, bytes atomic.Uint64
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

// writeBuffer writes b, however often it takes. Where the output ends before
// that, it drops the rest, and tells why.
func (w *writer) writeBuffer(b *buffer) (why DropReason, ok bool) {
	if w.end.gaveUp() {
		w.jsonl.drop(b.lines, Deadline)
		return Deadline, false
	}
	left, why, ok := w.put(b.b, lineStart)
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

// lineStart returns where the line begins that a text ends in.
func lineStart(text []byte) int { return bytes.LastIndexByte(text, '\n') + 1 }
