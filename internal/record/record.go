// Package record is what recording and replay are made of: one HTTP message as
// the bytes that were sent, with the connection and the time it belongs to. It
// holds the unit (Record), the queue between those who make records and those who
// take them, and the contract of an output. It knows no file format.
package record

import (
	"net/netip"

	"gortap/internal/proto"
)

// Kind says what a record holds. The values of the first three are the payload
// types of a .gor file.
type Kind byte

// The kinds.
const (
	// End says that the client ended the connection. It has no data and is
	// written to no file.
	End Kind = 0
	// Request is a request as the client sent it.
	Request Kind = '1'
	// Response is what the server answered, interim responses left out.
	Response Kind = '2'
	// Replayed is what the target of a replay answered.
	Replayed Kind = '3'
	// Stream is what the client sent after its connection left HTTP by an
	// Upgrade: WebSocket frames, in pieces of any size. GoReplay knows no such
	// type and passes over it.
	Stream Kind = '4'
)

// Record is one message. It owns its bytes. Once it is given to an output nobody
// may change it, for the others have the same.
type Record struct {
	Kind Kind
	// ID ties a request, its response and the replayed response together. It
	// is what stands in a .gor file: hexadecimal digits, 24 where we or
	// GoReplay 1.x wrote it. The first 16 name the connection.
	ID string
	// Conn names the client's connection. Records of one Conn come in order:
	// its requests as they were sent, at the end End if that was seen.
	Conn uint64
	// Seq is the number of the exchange in its connection, from 0.
	Seq uint64
	// TimeNs and EndNs are the times of the first and the last byte, Unix
	// nanoseconds. Old .gor files have no EndNs: it is TimeNs then.
	TimeNs, EndNs int64
	// LatencyNs is, of a Response or Replayed, the time from the first byte of
	// the request to the last one of the response; else 0.
	LatencyNs int64
	// DueNs is when the schedule of a replay wants the record sent, Unix
	// nanoseconds; 0 where there is no schedule. Whoever makes the record sets
	// it; outputs tell by it how late they are.
	DueNs int64
	// Protocol is proto.HTTP11 where nothing else is known.
	Protocol proto.Protocol
	// Client and Server are the ends of the recorded connection; zero where
	// they are not known (.gor files).
	Client, Server netip.AddrPort
	// Pipelined says that the client sent this request before it had the whole
	// answer to the one before.
	Pipelined bool
	// Data is the message. HTTP/1: the bytes as sent, chunk framing and
	// trailers included. HTTP/2 and gRPC: the same in the form of HTTP/1, with
	// HTTP/2.0 as version, so that tools which read .gor files can read it:
	// the pseudo-fields make the start line and Host, the others follow in
	// their order, in lower case; what follows the empty line is the body as
	// it was in the DATA frames. A message with trailers has its body in
	// chunked coding, and Transfer-Encoding: chunked, which HTTP/2 forbids, as
	// its last field to say so.
	Data []byte
}
