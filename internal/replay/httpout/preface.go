package httpout

import (
	"bytes"
	"net"
	"sync/atomic"
)

// heard is a connection that notices an answer in HTTP/1 where HTTP/2 was asked for.
// net/http2 breaks such a connection off, and a request under way then fails as if
// the target had hung up.
type heard struct {
	net.Conn
	begun bool // of the one goroutine that reads
	http1 atomic.Bool
}

// Read implements net.Conn. The words come in one piece: no target sends its first
// bytes one by one.
func (h *heard) Read(b []byte) (int, error) {
	n, err := h.Conn.Read(b)
	if n > 0 && !h.begun {
		h.begun = true
		h.http1.Store(bytes.HasPrefix(b[:n], []byte("HTTP/")))
	}
	return n, err
}
