// Package proto turns the ordered bytes of a connection into exchanges: a
// request and its response. It holds the vocabulary (Conn, Exchange, Parser,
// Sink); the protocols live in folders below it. Nothing here does I/O, and
// everything about one connection runs in one goroutine.
package proto

import (
	"net/netip"

	"gortap/internal/flow"
)

// Side is an end of a connection by its role.
type Side uint8

// The two sides. Bytes "from Client" are requests, "from Server" responses.
const (
	Client Side = iota
	Server
)

// Other returns the opposite side.
func (s Side) Other() Side { return s ^ 1 }

// String returns the metric label of bytes sent by that side.
func (s Side) String() string {
	if s == Client {
		return "request"
	}
	return "response"
}

// Reason says why a message is incomplete, or why bytes belong to no message.
// The set is fixed: reasons are metric labels.
type Reason uint8

// The reasons. Complete is the zero value.
const (
	Complete     Reason = iota
	Lost                // bytes lost by the capture (ring full, reassembly limit, packet never seen)
	Truncated           // bytes cut by the file's snap length
	SkippedBytes        // bytes left out on purpose hid where the message ends
	Aborted             // the connection was reset or closed in the middle of the message
	NoResponse          // the connection ended and no response was ever seen
	NoRequest           // a response whose request was never seen
	MidStream           // capture began inside the message, or before a message boundary was found
	NotHTTP             // bytes of a protocol that gortap does not parse
	Tunnel              // bytes after CONNECT or an Upgrade to something gortap does not parse
	Malformed           // bytes that break the protocol's grammar; parsing stopped or resynchronised
	HeadLimit           // a head larger than the limit
	AfterMessage        // bytes beyond the last expected message that begin no other
	Unfinished          // the agent stopped while the message was going on
	H2Connection        // HTTP/2 connection preface and frames of stream 0
	StreamLimit         // more HTTP/2 streams open at once than the limit; this one was let go
	Unsampled           // bytes of a connection that was only counted (sampling, or depth none)
	NumReasons
)

var reasonNames = [NumReasons]string{
	"complete", "lost", "truncated", "skipped", "aborted", "no-response", "no-request", "mid-stream",
	"not-http", "tunnel", "malformed", "head-limit", "after-message", "unfinished", "h2-connection", "stream-limit", "unsampled",
}

// String returns the label, for example "mid-stream".
func (r Reason) String() string { return reasonNames[r] }

// Protocol is the label of an exchange's protocol.
type Protocol string

// The protocols an exchange can have.
const (
	HTTP09    Protocol = "http/0.9"
	HTTP10    Protocol = "http/1.0"
	HTTP11    Protocol = "http/1.1"
	HTTP2     Protocol = "h2"
	GRPC      Protocol = "grpc"
	WebSocket Protocol = "websocket"
)

// Unknown stands for a method or target that was sent in a form that cannot be
// read: HTTP/2 headers that refer to bytes from before the capture.
const Unknown = "(unknown)"

// Conn is one connection as the parsers see it. It lives from the first
// segment to Sink.Closed.
type Conn struct {
	ID     uint64 // unique within the run, from 1
	Key    flow.Key
	Opened int64    // Unix nanoseconds of the first segment
	Client flow.Dir // the direction that the client sends in; a guess by port until ClientKnown
	// ClientKnown is set by a SYN, or by the first message's content. The
	// dispatcher may turn Client round until then; parsers only see Sides.
	ClientKnown bool
	Exchanges   uint64 // how many began: the next Exchange.Seq

	// Control may be nil (files). Parsers use SetDepth below, not this.
	Control flow.Control
	// User is for the sink; the parsers do not touch it.
	User any

	depth flow.Depth // that the parser asked for
	whole bool       // see Whole
}

// ClientAddr and ServerAddr return the endpoints by role.
func (c *Conn) ClientAddr() netip.AddrPort { return c.Key.Source(c.Client) }

// ServerAddr returns the server's endpoint.
func (c *Conn) ServerAddr() netip.AddrPort { return c.Key.Source(c.Client.Other()) }

// Side returns the role of the end that sends in direction d.
func (c *Conn) Side(d flow.Dir) Side {
	if d == c.Client {
		return Client
	}
	return Server
}

// SetDepth asks the capture to copy more or less of this connection. It is the
// parser's wish, which counts more than Whole.
func (c *Conn) SetDepth(d flow.Depth) {
	c.depth = d
	c.ask(d)
}

// Whole asks the capture for all bytes of the connection for a while, until it is
// called with false. It reports whether that was of use: not where the parser has
// wishes of its own, and not in files. It is for a Sink, which has to keep the capture
// from being flooded.
func (c *Conn) Whole(on bool) bool {
	if c.depth != flow.DepthDefault || c.Control == nil || c.whole == on {
		return false
	}
	c.whole = on
	if on {
		c.ask(flow.DepthAll)
	} else {
		c.ask(flow.DepthDefault)
	}
	return true
}

func (c *Conn) ask(d flow.Depth) {
	if c.Control != nil {
		c.Control.SetDepth(c.Key, d)
	}
}

// Message is one half of an exchange. Times are Unix nanoseconds, 0 where
// nothing of the message was seen.
type Message struct {
	// FirstNs is the time of the first byte, of a response that of the final
	// one: interim 1xx responses count in Wire and LastNs only. LastNs is the
	// time of the last byte that was seen or skipped.
	FirstNs, LastNs int64
	// Wire counts all bytes of the message: head and framing included, in a
	// response the interim ones before it too.
	Wire int64
	// Body counts the body as transferred: before decompression, without
	// chunk framing. Bytes in a gap of known place count too, lost ones
	// included. Where a gap hid chunk framing, the hidden part of it counts as
	// body; where it hid the end of the head, there is no body to tell.
	Body int64
	// Messages counts the gRPC or WebSocket messages that ended in this
	// direction, MessageBytes their payload as transferred: without prefixes
	// and frame headers, before decompression. Both grow as messages end.
	Messages, MessageBytes int64
	// Incomplete is Complete once the message ended where it should.
	Incomplete Reason
	Seen       bool // at least its start line was seen
}

// Exchange is a request and its response. The parser owns it; a Sink may use
// it, and its byte slices, from Begin until Done returns.
type Exchange struct {
	Conn     *Conn
	Seq      uint64 // number in the connection, from 0
	Protocol Protocol
	// Method, Host and Target are as sent; Host without port stripping, from
	// the target where that is in absolute form. Nil where no request was seen.
	Method, Host, Target []byte
	Status               int // 0: none seen. The final one: interim 1xx do not count
	// Code is the grpc-status, or the close code of a WebSocket (1005 and 1006
	// as in RFC 6455, 7.1.5); meaningful where HasCode.
	Code              int
	HasCode           bool
	Request, Response Message
	// Upgraded says that the request is not part of this exchange: it came in
	// an earlier one, whose 101 gave the connection to this protocol, and was
	// counted there. Method, Host and Target are copied from it, so that the
	// bytes go to the same endpoint. It is set in stream 1 of an upgrade to
	// HTTP/2, and in a WebSocket session.
	Upgraded bool
	// Path is the template for metrics. The account fills it in Begin.
	Path string
	// Service is the metric label. The account fills it in Begin.
	Service string
	// MethodLabel is the label of Method. The account fills it in Begin.
	MethodLabel string
	// Row stands for the three: exchanges of one row have the same labels. The account
	// fills it in Begin; 0: nobody did. Another account may use the same number.
	Row uint32
	// User is for the sink; the parsers do not touch it but to clear it.
	User any
	// Note is the same, for one of those that the sink passes x on to.
	Note any
}

// Incomplete returns the first reason why the exchange is not whole, or Complete.
func (x *Exchange) Incomplete() Reason {
	if x.Request.Incomplete != Complete {
		return x.Request.Incomplete
	}
	return x.Response.Incomplete
}

// Sink receives what the parsers find. Conservation: every delivered byte and
// every skipped or truncated byte of a connection is credited exactly once, by
// Bytes or by Unattributed; lost bytes never are.
type Sink interface {
	// Opened and Closed bracket everything else about a connection.
	Opened(c *Conn)
	// Closed comes once, after the last exchange was Done.
	Closed(c *Conn)
	// Begin tells that the exchange's first start line and headers are known,
	// or as much of them as will be: a head may be cut short by a gap, by the
	// connection's end or by an early response.
	// Method, Host and Target (or Status, where the request was never seen)
	// are set; the other half may still be unknown.
	Begin(x *Exchange)
	// Bytes credits n wire bytes sent by side s to x, between Begin and Done.
	// Long messages are credited as they go.
	Bytes(x *Exchange, s Side, n int64)
	// Messages tells that n gRPC or WebSocket messages of x ended in the
	// direction of s, with size bytes of payload, between Begin and Done. Their
	// wire bytes are credited by Bytes, like all others.
	Messages(x *Exchange, s Side, n, size int64)
	// Unattributed credits n bytes sent by side s to no message.
	Unattributed(c *Conn, s Side, n int64, why Reason)
	// Residual tells what to call bytes that the capture counted but never
	// handed over from now on (a connection put to DepthNone). Default: Lost.
	Residual(c *Conn, why Reason)
	// Done ends the exchange: both messages are final.
	Done(x *Exchange)
}

// Parser reads one connection. Calls come in causal order: what one side sent
// in answer comes after what it answers.
type Parser interface {
	// Data hands over the next bytes sent by s, borrowed until it returns.
	Data(s Side, b []byte, tsNs int64)
	// Gap says that the next n bytes sent by s (n > 0) are not there.
	Gap(s Side, n int64, why flow.Gap, tsNs int64)
	// End says that s sends nothing more (FIN). It may come once a side.
	End(s Side, tsNs int64)
	// Close ends the connection; why is Complete after an orderly end of both
	// sides, Aborted after RST, Lost where the end was not seen (idle,
	// limits), Unfinished where the agent stops. Nothing is called after it.
	Close(why Reason, tsNs int64)
}
