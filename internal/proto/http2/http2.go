// Package http2 reads HTTP/2 connections (RFC 9113), and gRPC on top of them,
// into exchanges: one a stream. It follows connections from their preface, from
// an upgrade (h2c), or from the middle, and finds the frames again after bytes
// went missing. Every byte is credited: a frame's to its stream, those of the
// preface and of stream 0 to the connection.
//
// Caveat: header fields may refer to fields from before the capture. Those are
// never guessed; a method or target that depends on them is proto.Unknown.
package http2

import (
	"gortap/internal/flow"
	"gortap/internal/proto"
)

// Options bound what one connection may hold. Zero fields take the defaults.
type Options struct {
	// MaxStreams is how many streams are followed at once. Beyond it the least
	// recently active one is let go as incomplete (StreamLimit). Default 4096.
	MaxStreams int
	// MaxHeaderBlock is the largest header block that is read, in bytes of its
	// compressed form. Default 256 KiB.
	MaxHeaderBlock int
	// MaxHeaderTable is how much of each direction's dynamic header table is
	// kept, in bytes as of RFC 7541, 4.1. Default 64 KiB.
	MaxHeaderTable int
}

func (o Options) withDefaults() Options {
	if o.MaxStreams <= 0 {
		o.MaxStreams = 4096
	}
	if o.MaxHeaderBlock <= 0 {
		o.MaxHeaderBlock = 256 << 10
	}
	if o.MaxHeaderTable <= 0 {
		o.MaxHeaderTable = 64 << 10
	}
	return o
}

// Factory makes HTTP/2 parsers that share a pool of streams. It and its
// parsers belong to one goroutine.
type Factory struct {
	opts Options
	free *stream // linked by next
	kept int     // length of free
}

var _ proto.Factory = (*Factory)(nil)

// NewFactory returns a Factory whose parsers keep to o.
func NewFactory(o Options) *Factory { return &Factory{opts: o.withDefaults()} }

// New returns the parser of one connection. With e.From, the exchange of an
// upgrade to h2c, stream 1 begins at once, with the names and the request times
// of e.From; it is marked Upgraded, because the request was counted there.
func (f *Factory) New(e proto.Env) proto.Parser {
	p := &parser{
		factory: f,
		conn:    e.Conn,
		sink:    e.Sink,
		streams: make(map[uint32]*stream),
	}
	p.observer, _ = e.Sink.(proto.Observer)
	p.recent.prev, p.recent.next = &p.recent, &p.recent
	for s := range p.halves {
		p.halves[s].init(p, proto.Side(s), e.MidStream)
	}
	switch {
	case e.MidStream:
	case e.From != nil:
		p.halves[proto.Client].state = atPreface
		// HTTP2-Settings, which is not read here, may have allowed more.
		p.halves[proto.Server].maxFrame = maxFrameLength
		p.upgraded(e.From)
	default:
		p.halves[proto.Client].state = atPreface
	}
	e.Conn.SetDepth(flow.DepthAll)
	return p
}

// parser reads one connection.
type parser struct {
	factory  *Factory
	conn     *proto.Conn
	sink     proto.Sink
	observer proto.Observer // the sink, if it wants payload
	halves   [2]half        // by Side
	streams  map[uint32]*stream
	recent   stream // list head: next is the most recently active stream
	resets   lingering
	let      [64]uint32 // ids of streams that ended early, by id: their frames may still come
	head     head       // scratch of the block that is being read
}

var _ proto.Parser = (*parser)(nil)

// Data implements proto.Parser.
func (p *parser) Data(s proto.Side, b []byte, tsNs int64) {
	p.sweep(tsNs)
	p.halves[s].data(b, tsNs)
}

// Gap implements proto.Parser.
func (p *parser) Gap(s proto.Side, n int64, why flow.Gap, tsNs int64) { p.halves[s].gap(n, why, tsNs) }

// End implements proto.Parser. Streams that s left open stay so until Close:
// the other side may still answer them.
func (p *parser) End(s proto.Side, tsNs int64) { p.halves[s].abandon(proto.Aborted) }

// Close implements proto.Parser.
func (p *parser) Close(why proto.Reason, tsNs int64) {
	if why == proto.Complete {
		why = proto.Aborted
	}
	for s := range p.halves {
		p.halves[s].abandon(why)
	}
	for p.recent.prev != &p.recent {
		p.finish(p.recent.prev, why)
	}
}

func (p *parser) unattributed(s proto.Side, n int64, why proto.Reason) {
	if n > 0 {
		p.sink.Unattributed(p.conn, s, n, why)
	}
}
