package http1

import (
	"gortap/internal/flow"
	"gortap/internal/proto"
)

// parser reads one connection: a half for each side, and what ties the two.
type parser struct {
	f    *Factory
	conn *proto.Conn
	sink proto.Sink
	obs  proto.Observer // nil where the sink does not want the bytes
	sw   proto.Switcher
	half [2]half
	pairing
	last     proto.Side // who sent last
	spoken   bool       // last means something
	hold     *exchange  // a CONNECT or upgrade request whose answer decides what its client's next bytes are
	switched bool       // another protocol has the connection
}

var _ proto.Parser = (*parser)(nil)

func (p *parser) reset(f *Factory, e proto.Env) {
	old := p.half
	*p = parser{f: f, conn: e.Conn, sink: e.Sink, sw: e.Switch}
	p.obs, _ = e.Sink.(proto.Observer)
	for i := range p.half {
		h, o := &p.half[i], &old[i]
		*h = half{p: p, side: proto.Side(i), line: o.line, raw: o.raw, held: o.held}
		h.head.upgrade = o.head.upgrade
		if e.MidStream {
			h.seek(nil, proto.MidStream, true)
		}
	}
}

// Data reads the next bytes of a side.
func (p *parser) Data(s proto.Side, b []byte, tsNs int64) {
	h := p.enter(s, tsNs)
	owner := h.blindOwner()
	all := b
	for len(b) > 0 && !p.switched {
		b = b[h.step(b):]
	}
	if owner != nil && h.blindOwner() == owner {
		h.watchEnd(all)
	}
	h.flush()
}

// enter notes who speaks. The first bytes after the other side's may begin a
// message: that is where a lost place can be found again.
func (p *parser) enter(s proto.Side, tsNs int64) *half {
	h := &p.half[s]
	h.ts = tsNs
	if !p.spoken || p.last != s {
		p.last, p.spoken = s, true
		if s == proto.Server {
			p.answers++
		}
		h.turn()
	}
	return h
}

// End takes a side's FIN: what that side was sending is over, and after the
// server's no request will be answered.
func (p *parser) End(s proto.Side, tsNs int64) {
	h := &p.half[s]
	h.ts = tsNs
	unanswered := h.noResponse()
	h.finish(proto.Complete)
	h.flush()
	h.state = ended
	if s == proto.Server {
		p.serverEnded = true
		p.endAll(unanswered)
	}
}

// Close ends every exchange that is still open and gives the parser back.
func (p *parser) Close(why proto.Reason, tsNs int64) {
	unanswered := p.half[proto.Server].noResponse()
	for i := range p.half {
		h := &p.half[i]
		h.ts = tsNs
		h.finish(why)
		h.flush()
		h.state = ended
	}
	if unanswered == proto.NoResponse && why != proto.Complete {
		unanswered = why
	}
	p.endAll(unanswered)
	p.f.recycleParser(p)
}

// Gap accounts for bytes that are not there.
func (p *parser) Gap(s proto.Side, n int64, why flow.Gap, tsNs int64) {
	h := p.enter(s, tsNs)
	h.gap(n, why)
	h.flush()
}

// copyAll asks the capture for every byte of the connection, once: its copy
// budget hides what this client's use of the protocol needs seen.
func (p *parser) copyAll() {
	if !p.askedAll {
		p.askedAll = true
		p.conn.SetDepth(flow.DepthAll)
	}
}
