package record

import (
	"bytes"
	"net/netip"
	"strconv"
	"strings"

	"gortap/internal/flow"
	"gortap/internal/proto"
)

// Segments makes the records of a file into what a capture would have seen of them,
// so that everything that counts traffic works on them too: each Conn is a TCP
// connection that carries its messages in order. A .gor file does not say who the
// ends are: where that is so, both addresses are 0.0.0.0, and the ports mean nothing.
// One goroutine may use it.
type Segments struct {
	h      flow.Handler
	recent [2]map[uint64]*wire // the newer and the older ones
}

// wire is one such connection.
type wire struct {
	key    flow.Key
	client flow.Dir
	next   [2]uint32 // sequence number, by proto.Side
}

// maxWires is how many connections are remembered, twice. One that was forgotten
// begins anew.
const maxWires = 50000

// maxSegment bounds the bytes of a segment.
const maxSegment = 64 << 10

// NewSegments makes a Segments that feeds h.
func NewSegments(h flow.Handler) *Segments {
	s := &Segments{h: h}
	for i := range s.recent {
		s.recent[i] = map[uint64]*wire{}
	}
	return s
}

// Add feeds a record. It keeps nothing of it.
func (s *Segments) Add(r *Record) {
	side := proto.Client
	switch r.Kind {
	case Request, Stream:
	case Response:
		side = proto.Server
	default:
		return
	}
	w := s.wire(r)
	data := r.Data
	if r.Kind != Stream {
		data = asHTTP1(data)
	}
	for len(data) > 0 {
		n := min(len(data), maxSegment)
		s.send(w, side, flow.PSH, data[:n], r.TimeNs)
		data = data[n:]
	}
}

func (s *Segments) wire(r *Record) *wire {
	for _, m := range s.recent {
		if w := m[r.Conn]; w != nil {
			return w
		}
	}
	if len(s.recent[0]) >= maxWires {
		s.recent[0], s.recent[1] = map[uint64]*wire{}, s.recent[0]
	}
	w := &wire{}
	s.recent[0][r.Conn] = w
	client, server, net := r.Client, r.Server, uint32(0)
	if !client.IsValid() || !server.IsValid() {
		anybody, number := netip.IPv4Unspecified(), ConnID(0, r.Conn)
		client, server = netip.AddrPortFrom(anybody, uint16(number)|1), netip.AddrPortFrom(anybody, 0)
		net = uint32(number >> 32) // tells them apart
	}
	w.key, w.client = flow.NewKey(client, server, net)
	s.send(w, proto.Client, flow.SYN, nil, r.TimeNs)
	s.send(w, proto.Server, flow.SYN, nil, r.TimeNs)
	return w
}

func (s *Segments) send(w *wire, side proto.Side, flags flow.Flags, data []byte, tsNs int64) {
	seg := flow.Segment{
		Key: w.key, Dir: w.client, Flags: flags | flow.ACK, Seq: w.next[side], Ack: w.next[side.Other()],
		Len: len(data), Data: data, TsNs: tsNs,
	}
	if side == proto.Server {
		seg.Dir = w.client.Other()
	}
	w.next[side] += uint32(len(data))
	if flags == flow.SYN {
		w.next[side]++
		if side == proto.Client {
			seg.Flags = flow.SYN
		}
	}
	s.h.Segment(&seg)
}

// IsHTTP2 reports whether a message came over HTTP/2, by its start line.
func IsHTTP2(data []byte) bool {
	line, _, _ := bytes.Cut(data, []byte("\r\n"))
	return bytes.HasPrefix(line, []byte("HTTP/2.0 ")) || bytes.HasSuffix(line, []byte(" HTTP/2.0"))
}

// asHTTP1 makes an HTTP/2 message in the form of HTTP/1 one that says where it
// ends. Others stay as they are.
func asHTTP1(data []byte) []byte {
	if !IsHTTP2(data) {
		return data
	}
	head, body, _ := bytes.Cut(data, []byte("\r\n\r\n"))
	line, fields, _ := strings.Cut(string(head), "\r\n")
	line = strings.Replace(line, "HTTP/2.0", "HTTP/1.1", 1)
	if lower := "\r\n" + strings.ToLower(fields); !strings.Contains(lower, "\r\ntransfer-encoding:") && !strings.Contains(lower, "\r\ncontent-length:") {
		line += "\r\ncontent-length: " + strconv.Itoa(len(body))
	}
	if fields != "" {
		line += "\r\n" + fields
	}
	return append([]byte(line+"\r\n\r\n"), body...)
}

// HTTP2ProtocolOf tells a gRPC message from others over HTTP/2.
func HTTP2ProtocolOf(data []byte) proto.Protocol {
	head, _, _ := bytes.Cut(data, []byte("\r\n\r\n"))
	if bytes.Contains(head, []byte("\r\ncontent-type: application/grpc")) {
		return proto.GRPC
	}
	return proto.HTTP2
}
