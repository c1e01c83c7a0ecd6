package detect

import (
	"bytes"
	"encoding/binary"
)

// A load balancer may begin a connection with a PROXY protocol header that
// names the original client. It belongs to no message; the protocol proper
// begins after it.
const (
	proxyV1    = "PROXY "
	proxyV1Max = 107 // bytes, with the line end
	proxyV2    = "\r\n\r\n\x00\r\nQUIT\n"
	proxyV2Min = len(proxyV2) + 4 // version, family and length
)

// proxyHeader returns the length of the PROXY header at the start of b, 0 if
// there is none. more says that further bytes will tell.
func proxyHeader(b []byte) (n int, more bool) {
	switch {
	case startsLike(b, proxyV1):
		if i := bytes.IndexByte(b, '\n'); i >= 0 {
			return i + 1, false
		}
		return 0, len(b) < proxyV1Max
	case startsLike(b, proxyV2):
		if len(b) < proxyV2Min {
			return 0, true
		}
		n = proxyV2Min + int(binary.BigEndian.Uint16(b[len(proxyV2)+2:]))
		if len(b) < n {
			return 0, n <= maxHeld
		}
		return n, false
	}
	return 0, false
}

// startsLike reports whether b begins with prefix, or is too short but agrees.
func startsLike(b []byte, prefix string) bool {
	n := min(len(b), len(prefix))
	return n > 0 && string(b[:n]) == prefix[:n]
}
