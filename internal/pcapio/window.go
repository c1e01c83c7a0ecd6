package pcapio

import "io"

// window is the part of a stream that is in memory. Records are parsed in
// place; what peek and next return is valid until the next call.
type window struct {
	r          io.Reader
	buf        []byte
	start, end int   // unread bytes are buf[start:end]
	base       int64 // stream offset of buf[0]
	err        error // of r; sticky
}

const windowSize = 256 << 10

func newWindow(r io.Reader) *window { return &window{r: r, buf: make([]byte, windowSize)} }

// offset is the stream offset of the next unread byte.
func (w *window) offset() int64 { return w.base + int64(w.start) }

// peek returns the next n bytes without consuming them. With fewer left it
// returns those and the reason: io.EOF, or the stream's error. The caller
// bounds n.
func (w *window) peek(n int) ([]byte, error) {
	if w.end-w.start < n {
		w.fill(n)
		if w.end-w.start < n {
			return w.buf[w.start:w.end], w.err
		}
	}
	return w.buf[w.start : w.start+n], nil
}

// next returns the next n bytes and consumes them, or fails like peek.
func (w *window) next(n int) ([]byte, error) {
	b, err := w.peek(n)
	if err == nil {
		w.start += n
	}
	return b, err
}

// discard consumes n bytes that need not fit into the window.
func (w *window) discard(n int64) error {
	for n > int64(w.end-w.start) {
		n -= int64(w.end - w.start)
		w.start = w.end
		w.fill(1)
		if w.start == w.end {
			return w.err
		}
	}
	w.start += int(n)
	return nil
}

// fill reads until n unread bytes are there or the stream ends.
func (w *window) fill(n int) {
	if w.start > 0 {
		w.base += int64(w.start)
		w.end = copy(w.buf, w.buf[w.start:w.end])
		w.start = 0
	}
	if n > len(w.buf) {
		w.buf = append(w.buf[:w.end], make([]byte, max(n, 2*len(w.buf))-w.end)...)
	}
	for empty := 0; w.end < n && w.err == nil; {
		var k int
		k, w.err = w.r.Read(w.buf[w.end:])
		w.end += k
		if k > 0 {
			empty = 0
		} else if empty++; empty == 100 && w.err == nil {
			w.err = io.ErrNoProgress
		}
	}
}
