package http2

import "gortap/internal/proto"

// stream is one stream and its exchange.
type stream struct {
	id    uint32
	x     proto.Exchange
	text  []byte // backs the exchange's method, target and host
	sides [2]sideState
	grpc  tri

	prev, next *stream // in order of activity; free ones by next alone
}

// sideState is one message of a stream.
type sideState struct {
	ended bool
	fault proto.Reason // the first thing that makes the message incomplete
	// gap is why frames of the message may have gone unseen, also its first
	// or its last one.
	gap proto.Reason
	rpc rpc
}

func (st *stream) message(s proto.Side) *proto.Message {
	if s == proto.Client {
		return &st.x.Request
	}
	return &st.x.Response
}

// fault marks the message of s incomplete; the first reason stays.
func (st *stream) fault(s proto.Side, why proto.Reason) {
	if st.sides[s].fault == proto.Complete {
		st.sides[s].fault = why
	}
}

// missed tells that frames of s were missed that may have been this stream's.
func (st *stream) missed(s proto.Side, why proto.Reason) {
	side := &st.sides[s]
	if side.ended {
		return
	}
	if st.message(s).Seen {
		st.fault(s, why)
	}
	if side.gap == proto.Complete {
		side.gap = why
	}
}

// missing counts n bytes of content that are not there.
func (st *stream) missing(s proto.Side, n, ts int64) {
	m := st.message(s)
	m.Body += n
	m.LastNs = ts
	if st.grpc != no && !st.sides[s].rpc.gap(n) {
		st.fault(s, proto.SkippedBytes)
	}
}

// final returns how the message of s ended, why being how the stream did.
func (st *stream) final(s proto.Side, why proto.Reason) proto.Reason {
	side := &st.sides[s]
	switch {
	case side.ended || side.fault != proto.Complete:
		return side.fault
	case st.message(s).Seen:
		return why
	case side.gap != proto.Complete:
		return side.gap
	case why == proto.Aborted && s == proto.Server:
		return proto.NoResponse
	default:
		return why
	}
}

// open makes a stream, in place of the least recently active one if there are
// too many.
func (p *parser) open(id uint32) *stream {
	if len(p.streams) >= p.factory.opts.MaxStreams {
		p.end(p.recent.prev, proto.StreamLimit)
	}
	st := p.factory.take()
	st.id = id
	st.x.Conn, st.x.Protocol, st.x.Seq = p.conn, proto.HTTP2, p.conn.Exchanges
	p.conn.Exchanges++
	p.streams[id] = st
	st.link(&p.recent)
	return st
}

// stream returns an open stream or nil: mostly the one that was active last.
func (p *parser) stream(id uint32) *stream {
	if st := p.recent.next; st.id == id && id != 0 {
		return st
	}
	return p.streams[id]
}

// finish ends a stream; why is the reason of what did not end by itself.
func (p *parser) finish(st *stream, why proto.Reason) {
	for s := range p.halves {
		side := proto.Side(s)
		st.message(side).Incomplete = st.final(side, why)
		if h := &p.halves[s]; h.passed.stream == st {
			h.passed.stream, h.passed.why = nil, proto.H2Connection
			if h.frame.typ == typeData {
				h.passed.why = proto.AfterMessage
			}
		}
	}
	p.sink.Done(&st.x)
	delete(p.streams, st.id)
	st.unlink()
	p.factory.give(st)
}

func (p *parser) credit(st *stream, s proto.Side, n int64) {
	if p.recent.next != st {
		st.unlink()
		st.link(&p.recent)
	}
	st.message(s).Wire += n
	p.sink.Bytes(&st.x, s, n)
}

// letGo remembers a stream that ended before its last frame came.
func (p *parser) letGo(id uint32) { p.let[id>>1%uint32(len(p.let))] = id }

func (p *parser) wasLetGo(id uint32) bool { return p.let[id>>1%uint32(len(p.let))] == id }

// strayReason says what to call a frame that belongs to no stream.
func (p *parser) strayReason(f frame) proto.Reason {
	switch f.typ {
	case typeData, typeHeaders, typePush, typeContinuation:
	default:
		return proto.H2Connection
	}
	inSync := p.halves[proto.Client].missed == proto.Complete && p.halves[proto.Server].missed == proto.Complete
	if inSync || p.wasLetGo(f.stream) {
		return proto.AfterMessage
	}
	return proto.MidStream
}

func (st *stream) link(head *stream) {
	st.prev, st.next = head, head.next
	head.next.prev, head.next = st, st
}

func (st *stream) unlink() {
	st.prev.next, st.next.prev = st.next, st.prev
	st.prev, st.next = nil, nil
}

// maxKept and maxText bound what the pool of streams holds.
const (
	maxKept = 1024
	maxText = 4 << 10
)

func (f *Factory) take() *stream {
	st := f.free
	if st == nil {
		return &stream{}
	}
	f.free = st.next
	f.kept--
	*st = stream{text: st.text[:0]}
	return st
}

func (f *Factory) give(st *stream) {
	if f.kept >= maxKept {
		return
	}
	if cap(st.text) > maxText {
		st.text = nil
	}
	st.next, f.free = f.free, st
	f.kept++
}
