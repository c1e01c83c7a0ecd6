package http2

import (
	"bytes"
	"encoding/binary"

	"gortap/internal/proto"
)

// isGRPC is for the protocol on HTTP/2 itself. gRPC-Web, which also begins
// like this, frames its messages differently and is plain HTTP here.
func isGRPC(contentType []byte) bool {
	rest, ok := bytes.CutPrefix(contentType, []byte("application/grpc"))
	return ok && (len(rest) == 0 || rest[0] == '+' || rest[0] == ';' || rest[0] == ' ')
}

// rpc counts the length-prefixed messages of one direction of a call, however
// they are cut: a compressed flag, four bytes of length, the message.
type rpc struct {
	prefix   [5]byte
	have     int   // bytes of prefix
	left     int64 // bytes of the message still to come
	lost     bool  // where the next prefix is, is not known any more
	messages int64 // that ended
	bytes    int64 // their payload
}

func (r *rpc) data(b []byte) {
	for len(b) > 0 && !r.lost {
		if r.have < len(r.prefix) {
			n := copy(r.prefix[r.have:], b)
			r.have += n
			b = b[n:]
			if r.have == len(r.prefix) {
				r.left = r.size()
				r.lost = r.prefix[0] > 1
				r.end()
			}
			continue
		}
		n := min(int64(len(b)), r.left)
		b = b[n:]
		r.left -= n
		r.end()
	}
}

// gap passes over n bytes, and returns false if the framing got lost by it.
func (r *rpc) gap(n int64) bool {
	if r.lost {
		return true
	}
	if n > r.left { // nothing is left in a prefix
		r.lost = true
		return false
	}
	r.left -= n
	r.end()
	return true
}

func (r *rpc) size() int64 { return int64(binary.BigEndian.Uint32(r.prefix[1:])) }

// end counts the message if this is its end.
func (r *rpc) end() {
	if r.left > 0 || r.lost {
		return
	}
	r.messages++
	r.bytes += r.size()
	r.have = 0
}

// publish tells of new messages once the stream is known to be gRPC.
func (p *parser) publish(st *stream, s proto.Side) {
	m, r := st.message(s), &st.sides[s].rpc
	if n := r.messages - m.Messages; n > 0 && st.grpc == yes {
		size := r.bytes - m.MessageBytes
		m.Messages, m.MessageBytes = r.messages, r.bytes
		p.sink.Messages(&st.x, s, n, size)
	}
}
