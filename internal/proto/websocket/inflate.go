package websocket

import (
	"bytes"
	"io"

	"github.com/klauspost/compress/flate"
)

// windowSize is how far back DEFLATE refers at most (RFC 1951, 2).
const windowSize = 32 << 10

// growth bounds how many times its compressed size a message may come to.
const growth = 16

// tail is what a sender leaves out of each message (RFC 7692, 7.2.1), and then
// an empty final block, so that the reader ends.
const tail = "\x00\x00\xff\xff\x01\x00\x00\xff\xff"

// inflater finds the size of compressed messages. It always keeps the window
// from one message to the next: without context takeover nothing refers to it.
type inflater struct {
	limit      int
	compressed []byte // of the current message
	over       bool   // larger than limit
	window     []byte // what came out last, as far as known
	source     bytes.Reader
	reader     io.ReadCloser
	chunk      []byte
}

func newInflater(limit int) *inflater { return &inflater{limit: limit} }

func (z *inflater) add(b []byte) {
	if z.over = z.over || len(z.compressed)+len(b) > z.limit; z.over {
		z.compressed = z.compressed[:0]
		return
	}
	z.compressed = append(z.compressed, b...)
}

// lose says that messages were missed. What follows can be inflated again if it
// does not refer to them; if it does, the reader fails.
func (z *inflater) lose() { z.window, z.compressed, z.over = nil, nil, false }

// end returns the size of the message that was added, and false if that cannot
// be told.
func (z *inflater) end(holed bool) (int64, bool) {
	if holed || z.over {
		z.lose()
		return 0, false
	}
	z.compressed = append(z.compressed, tail...)
	z.source.Reset(z.compressed)
	z.compressed = z.compressed[:0]
	if z.reader == nil {
		z.reader, z.chunk = flate.NewReaderDict(&z.source, z.window), make([]byte, 8<<10)
	} else if err := z.reader.(flate.Resetter).Reset(&z.source, z.window); err != nil {
		z.lose()
		return 0, false
	}
	size := int64(0)
	for {
		n, err := z.reader.Read(z.chunk)
		size += int64(n)
		z.slide(z.chunk[:n])
		if err == io.EOF {
			return size, true
		}
		if err != nil || size > int64(z.limit)*growth {
			z.lose()
			return 0, false
		}
	}
}

// slide appends b to the window.
func (z *inflater) slide(b []byte) {
	z.window = append(z.window, b...)
	if over := len(z.window) - windowSize; over > 0 {
		z.window = z.window[:copy(z.window, z.window[over:])]
	}
}
