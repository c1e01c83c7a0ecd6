package compare

import (
	"bytes"
	"encoding/binary"
	"strconv"
)

// grpcStatus compares what a call ended with, and reports whether the two ended
// in different ways: then nothing else needs to be told.
func (d *differ) grpcStatus(a, b *view) bool {
	x, y := a.grpcStatus(), b.grpcStatus()
	if bytes.Equal(x, y) {
		return false
	}
	d.addStatus("grpc-status ", string(x), string(y))
	return true
}

// grpcStatus stands in the trailers, or in the head of a response that is nothing
// but a head.
func (v *view) grpcStatus() []byte {
	for _, fields := range [][]field{v.trailers, v.head} {
		if status := get(fields, "grpc-status"); status != nil {
			return status[:min(len(status), 8)]
		}
	}
	return []byte("none")
}

// grpcBodies compares message by message.
func (d *differ) grpcBodies(a, b *view) {
	x, y := a.body, b.body
	for n := 0; ; n++ {
		var p, q []byte
		var okP, okQ bool
		p, x, okP = cutMessage(x)
		q, y, okQ = cutMessage(y)
		switch {
		case !okP && !okQ:
			return
		case okP != okQ:
			d.add([]byte("grpc messages (number)"), number(n, okP, x), number(n, okQ, y))
			return
		case !bytes.Equal(p, q):
			p, q = d.message(0, a, p), d.message(1, b, q)
			if !bytes.Equal(p, q) {
				d.bytes("grpc message", a, b, p, q)
				return
			}
		}
	}
}

// message takes the prefix off a message, and the compression, which two servers
// may do differently. What does not decompress is returned whole.
func (d *differ) message(side int, v *view, b []byte) []byte {
	if len(b) < grpcPrefix || b[0] > 1 {
		return b
	}
	if b[0] == 0 {
		return b[grpcPrefix:]
	}
	out, err := d.decoder.Decode(d.messages[side], b[grpcPrefix:], get(v.head, "grpc-encoding"), d.maxBody)
	if err != nil {
		return b
	}
	if d.messages[side] = out; cap(out) > keepMessage {
		d.messages[side] = nil
	}
	return out
}

// keepMessage is the largest buffer that is kept for the next message.
const keepMessage = 1 << 20

// grpcPrefix is a byte that tells compression, and four of length.
const grpcPrefix = 5

// cutMessage splits a message with its prefix off.
func cutMessage(b []byte) (message, rest []byte, ok bool) {
	if len(b) == 0 {
		return nil, nil, false
	}
	if len(b) < grpcPrefix {
		return b, nil, true
	}
	end := grpcPrefix + int64(binary.BigEndian.Uint32(b[1:]))
	if end > int64(len(b)) {
		return b, nil, true
	}
	return b[:end], b[end:], true
}

// number counts the messages of a body of which n were cut off, and one more
// where there was one.
func number(n int, more bool, rest []byte) []byte {
	if more {
		n++
	}
	for {
		var ok bool
		if _, rest, ok = cutMessage(rest); !ok {
			return strconv.AppendInt(nil, int64(n), 10)
		}
		n++
	}
}
