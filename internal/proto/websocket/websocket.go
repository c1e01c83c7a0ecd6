// Package websocket reads WebSocket sessions (RFC 6455) after their handshake.
// A session is one exchange that lasts as long as the connection: every byte is
// credited to it as it comes, and its messages are counted both ways.
//
// Caveat: the handshake is not part of it. The 101 ended that exchange, with the
// request and its latency; the session is marked Upgraded and carries the names.
package websocket

import (
	"gortap/internal/flow"
	"gortap/internal/proto"
)

// Options steer what is done with messages. The zero value counts them as they
// are on the wire.
type Options struct {
	// Inflate counts MessageBytes after decompression (RFC 7692) where a
	// message is compressed, instead of as transferred.
	Inflate bool
	// MaxMessage bounds what Inflate holds of a message, in compressed bytes,
	// and what comes out of it. Larger messages count as transferred. Default
	// 1 MiB and 16 times that.
	MaxMessage int
}

// Factory makes the parsers of WebSocket sessions. It and its parsers belong to
// one goroutine.
type Factory struct {
	limit    int
	inflater *inflater // nil unless asked for
}

var _ proto.Factory = (*Factory)(nil)

// NewFactory returns a Factory whose parsers keep to o.
func NewFactory(o Options) *Factory {
	if o.MaxMessage <= 0 {
		o.MaxMessage = 1 << 20
	}
	f := &Factory{limit: o.MaxMessage}
	if o.Inflate {
		f.inflater = newInflater(o.MaxMessage)
	}
	return f
}

// New begins the session that e.From asked for. It asks the capture for all
// bytes: turns mean nothing here, and a session can be followed in no other way.
func (f *Factory) New(e proto.Env) proto.Parser {
	p := &parser{factory: f, sink: e.Sink}
	p.observer, _ = e.Sink.(proto.Observer)
	x := &p.x
	x.Conn, x.Protocol, x.Seq, x.Upgraded = e.Conn, proto.WebSocket, e.Conn.Exchanges, true
	e.Conn.Exchanges++
	if from := e.From; from != nil {
		x.Status = from.Status
		x.Method = append([]byte(nil), from.Method...)
		x.Host = append([]byte(nil), from.Host...)
		x.Target = append([]byte(nil), from.Target...)
	}
	p.halves[proto.Client] = half{p: p, side: proto.Client, message: &x.Request}
	p.halves[proto.Server] = half{p: p, side: proto.Server, message: &x.Response}
	e.Conn.SetDepth(flow.DepthAll)
	p.sink.Begin(x)
	if e.MidStream {
		p.halves[proto.Client].desync(proto.MidStream)
		p.halves[proto.Server].desync(proto.MidStream)
	}
	return p
}

// parser reads one session.
type parser struct {
	factory  *Factory
	sink     proto.Sink
	observer proto.Observer // the sink, if it wants payload
	x        proto.Exchange
	halves   [2]half // by Side
}

var _ proto.Parser = (*parser)(nil)

// Data implements proto.Parser.
func (p *parser) Data(s proto.Side, b []byte, tsNs int64) {
	if len(b) == 0 {
		return
	}
	h := &p.halves[s]
	h.credit(int64(len(b)), tsNs)
	if p.observer != nil {
		p.observer.Payload(&p.x, s, proto.Stream, b)
	}
	h.data(b)
}

// Gap implements proto.Parser.
func (p *parser) Gap(s proto.Side, n int64, why flow.Gap, tsNs int64) {
	h := &p.halves[s]
	if why != flow.Lost {
		h.credit(n, tsNs)
	}
	h.gap(n, why)
}

// End implements proto.Parser. What it means shows when the connection closes.
func (p *parser) End(proto.Side, int64) {}

// Close implements proto.Parser.
func (p *parser) Close(why proto.Reason, _ int64) {
	for s := range p.halves {
		h := &p.halves[s]
		h.message.Incomplete = h.final(why)
	}
	if !p.x.HasCode && (why == proto.Complete || why == proto.Aborted) {
		p.x.Code, p.x.HasCode = closedAbnormally, true
	}
	p.sink.Done(&p.x)
}

// closed takes the close code of a side that sent a Close frame. The first one
// is the session's (RFC 6455, 7.1.5).
func (p *parser) closed(code int) {
	if !p.x.HasCode {
		p.x.Code, p.x.HasCode = code, true
	}
}
