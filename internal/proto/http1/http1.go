// Package http1 reads HTTP/1.x connections (RFC 9110, RFC 9112) and HTTP/0.9
// simple requests as an observer: it frames what both sides sent, pairs
// responses with requests, and stays exact about every byte where the capture
// has gaps. It parses in place and buffers only lines that are split between
// two deliveries.
//
// Where framing is not known (a gap in a head or between chunks, contradicting
// lengths) it does not guess: the message says why it is incomplete, and
// parsing resumes at the next place that is certain. Pairing follows the same
// rule: when a gap may have hidden whole messages of a pipelining client, the
// exchanges in doubt end without their other half rather than with a wrong one.
package http1

import "gortap/internal/proto"

// Limits bounds what one connection may hold. The zero value of a field takes
// its default.
type Limits struct {
	// Head is the largest head whose fields are all kept, in bytes, default
	// 64 KiB. Of a larger one the framing is still followed.
	Head int
	// Outstanding is how many requests may wait for a response, default 256.
	// Above it the oldest ends with NoResponse.
	Outstanding int
	// Hold is how many bytes sent after CONNECT or an upgrade request are kept
	// until the response tells what they are, default 16 KiB. More than that
	// counts as a tunnel's.
	Hold int
}

// keepCap is the largest buffer, in bytes, that goes back to a pool: one large
// head must not pin memory for the life of the factory.
const keepCap = 4 << 10

// poolMax bounds each pool, in objects.
const poolMax = 4096

// Factory makes parsers and recycles what they are made of. It belongs to one
// goroutine.
type Factory struct {
	limits    Limits
	known     *[2]known // by proto.Side
	parsers   []*parser
	exchanges []*exchange
}

var _ proto.Factory = (*Factory)(nil)

// NewFactory returns a factory with the given limits.
func NewFactory(l Limits) *Factory {
	if l.Head <= 0 {
		l.Head = 64 << 10
	}
	if l.Outstanding <= 0 {
		l.Outstanding = 256
	}
	if l.Hold <= 0 {
		l.Hold = 16 << 10
	}
	return &Factory{limits: l, known: new([2]known)}
}

// New returns a parser for one connection. It goes back to the factory when it
// is closed and must not be used after.
func (f *Factory) New(e proto.Env) proto.Parser {
	p := pop(&f.parsers)
	if p == nil {
		p = new(parser)
	}
	p.reset(f, e)
	return p
}

func (f *Factory) recycleParser(p *parser) {
	p.conn, p.sink, p.obs, p.sw = nil, nil, nil, nil
	for i := range p.half {
		h := &p.half[i]
		h.line, h.raw, h.held = shrink(h.line), shrink(h.raw), shrink(h.held)
	}
	push(&f.parsers, p)
}

func (f *Factory) exchange() *exchange {
	if x := pop(&f.exchanges); x != nil {
		return x
	}
	return new(exchange)
}

func (f *Factory) recycleExchange(x *exchange) {
	*x = exchange{buf: shrink(x.buf)}
	push(&f.exchanges, x)
}

func shrink(b []byte) []byte {
	if cap(b) > keepCap {
		return nil
	}
	return b[:0]
}

func pop[T any](pool *[]*T) *T {
	n := len(*pool)
	if n == 0 {
		return nil
	}
	v := (*pool)[n-1]
	(*pool)[n-1] = nil
	*pool = (*pool)[:n-1]
	return v
}

func push[T any](pool *[]*T, v *T) {
	if len(*pool) < poolMax {
		*pool = append(*pool, v)
	}
}
