package websocket

import (
	"bytes"
	"io"

	"github.com/klauspost/compress/flate"
)

// windowSize is how far back DEFLATE refers at most (RFC 1951, 2).
const windowSize = 32 << 10

// growth bounds how many times MaxMessage a message may come to.
const growth = 16

// tail is what a sender leaves out of each message (RFC 7692, 7.2.1), and then
// an empty final block, so that the reader ends.
const tail = "\x00\x00\xff\xff\x01\x00\x00\xff\xff"

// inflater finds the size of compressed messages. How much comes out does not
// depend on what a reference back brings, so each message is read after the
// same window of zeros: nothing has to be kept from one to the next, and a
// message that was missed costs no other, context takeover or not.
type inflater struct {
	limit  int
	window []byte
	source bytes.Reader
	reader io.ReadCloser
	out    []byte
}

func newInflater(limit int) *inflater {
	z := &inflater{limit: limit, window: make([]byte, windowSize), out: make([]byte, 8<<10)}
	z.reader = flate.NewReader(&z.source)
	return z
}

// size returns what a message comes to, or false if it does not inflate or is
// too large. It appends to compressed.
func (z *inflater) size(compressed *[]byte) (int64, bool) {
	*compressed = append(*compressed, tail...)
	z.source.Reset(*compressed)
	if err := z.reader.(flate.Resetter).Reset(&z.source, z.window); err != nil {
		return 0, false
	}
	size := int64(0)
	for size <= int64(z.limit)*growth {
		n, err := z.reader.Read(z.out)
		size += int64(n)
		if err != nil {
			return size, err == io.EOF
		}
	}
	return 0, false
}
