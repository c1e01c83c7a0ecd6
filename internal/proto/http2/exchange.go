package http2

import "gortap/internal/proto"

// upgraded begins stream 1 for a request that came over HTTP/1.1 (RFC 7540,
// 3.2). Its bytes were counted there.
func (p *parser) upgraded(from *proto.Exchange) {
	st := p.open(1)
	st.text = append(append(append(st.text, from.Method...), from.Target...), from.Host...)
	m, t := len(from.Method), len(from.Method)+len(from.Target)
	st.x.Upgraded = true
	st.x.Method, st.x.Target, st.x.Host = st.text[:m:m], st.text[m:t:t], st.text[t:]
	st.x.Request.FirstNs, st.x.Request.LastNs = from.Request.FirstNs, from.Request.LastNs
	st.sides[proto.Client].ended = true
	p.sink.Begin(&st.x)
}

// request takes a header block from the client.
func (p *parser) request(h *half, b *block, hd *head, ts int64) {
	st := p.stream(b.stream)
	first := st == nil
	if first {
		if (!hd.request && !hd.unknown) || b.stream%2 == 0 || p.wasLetGo(b.stream) {
			p.unattributed(h.side, b.owed, p.strayReason(frame{typ: b.typ, stream: b.stream}))
			return
		}
		st = p.open(b.stream)
		p.ask(st, b, hd, ts)
	}
	p.credit(st, h.side, b.owed)
	p.observeHead(st, h.side, hd, partOf(first))
	st.x.Request.LastNs = ts
	p.doubt(st, h, b, hd)
	if b.endStream {
		p.endMessage(st, h.side, ts)
	}
}

// ask begins an exchange with its request.
func (p *parser) ask(st *stream, b *block, hd *head, ts int64) {
	x := &st.x
	st.text = hd.appendOrUnknown(st.text[:0], hd.method)
	m := len(st.text)
	st.text = hd.appendOrUnknown(st.text, hd.target())
	t := len(st.text)
	st.text = append(st.text, hd.get(hd.authority)...)
	x.Method, x.Target = st.text[:m:m], st.text[m:t:t]
	// An unknown host stays nil: a name for all of them would mix services.
	if hd.authority.set {
		x.Host = st.text[t:]
	}
	x.Request.Seen, x.Request.FirstNs, x.Request.LastNs = true, b.firstNs, ts
	if st.grpc = hd.grpc; st.grpc == yes {
		x.Protocol = proto.GRPC
	}
	if target := hd.target(); !hd.unknown && (hd.method.from == hd.method.to || target.from == target.to) {
		st.fault(proto.Client, proto.Malformed)
	}
	p.sink.Begin(x)
}

// promise takes a PUSH_PROMISE: the server announces a request and its answer.
// The frame's bytes belong to the stream that it came on (RFC 9113, 8.4).
func (p *parser) promise(h *half, b *block, hd *head, ts int64) {
	if on := p.stream(b.stream); on != nil {
		p.credit(on, h.side, b.owed)
	} else {
		p.unattributed(h.side, b.owed, p.strayReason(frame{typ: b.typ, stream: b.stream}))
	}
	if b.promised == 0 || b.promised%2 != 0 || p.streams[b.promised] != nil || (!hd.request && !hd.unknown) {
		return
	}
	st := p.open(b.promised)
	p.ask(st, b, hd, ts)
	st.sides[proto.Client].ended = true
	if hd.unknown {
		st.fault(proto.Client, h.missed)
	}
	p.observeHead(st, proto.Client, hd, proto.Head)
}

// response takes a header block from the server: an interim response, the
// final one, or trailers.
func (p *parser) response(h *half, b *block, hd *head, ts int64) {
	interim := hd.status >= 100 && hd.status < 200
	st := p.stream(b.stream)
	unasked := st == nil
	if unasked {
		if interim || (!hd.response && !hd.unknown) || p.wasLetGo(b.stream) {
			p.unattributed(h.side, b.owed, p.strayReason(frame{typ: b.typ, stream: b.stream}))
			return
		}
		st = p.open(b.stream)
		st.sides[proto.Client] = sideState{ended: true, fault: proto.NoRequest}
	}
	m := &st.x.Response
	first := !interim && (hd.response || (hd.unknown && !m.Seen))
	if first {
		m.Seen = true
		if st.x.Status = hd.status; m.FirstNs == 0 {
			m.FirstNs = b.firstNs
		}
		p.protocol(st, hd.grpc)
	}
	if hd.hasCode {
		st.x.Code, st.x.HasCode = hd.code, true
	}
	if unasked {
		p.sink.Begin(&st.x)
	}
	p.credit(st, h.side, b.owed)
	if interim {
		p.observeHead(st, h.side, hd, proto.Interim)
		return
	}
	p.doubt(st, h, b, hd)
	p.observeHead(st, h.side, hd, partOf(first))
	m.LastNs = ts
	if b.endStream {
		p.endMessage(st, h.side, ts)
	}
}

// protocol settles what the stream is by the content type of the response, if
// the request did not tell.
func (p *parser) protocol(st *stream, grpc tri) {
	if st.grpc != unsure || grpc == unsure {
		return
	}
	if st.grpc = grpc; grpc == yes {
		st.x.Protocol = proto.GRPC
		for s := range st.sides {
			p.publish(st, proto.Side(s))
		}
	}
}

// doubt marks a message whose header fields are not all known: it can be
// counted, but not be replayed.
func (p *parser) doubt(st *stream, h *half, b *block, hd *head) {
	switch {
	case b.why != proto.Complete:
		st.fault(h.side, b.why)
	case hd.unknown:
		st.fault(h.side, h.missed)
	}
}

// content takes bytes of a DATA frame, without padding.
func (p *parser) content(st *stream, h *half, b []byte, ts int64) {
	m := st.message(h.side)
	if m.FirstNs == 0 {
		m.FirstNs = h.frameNs
	}
	m.LastNs = ts
	m.Body += int64(len(b))
	if st.grpc != no {
		st.sides[h.side].rpc.data(b)
		p.publish(st, h.side)
	}
	if p.observer != nil {
		p.observer.Payload(&st.x, h.side, proto.Body, b)
	}
}

// endData ends a DATA frame.
func (p *parser) endData(st *stream, h *half, ts int64) {
	if h.frame.has(flagEndStream) {
		p.endMessage(st, h.side, ts)
	}
}

// endMessage takes END_STREAM from s.
func (p *parser) endMessage(st *stream, s proto.Side, ts int64) {
	side, m := &st.sides[s], st.message(s)
	side.ended, m.LastNs = true, ts
	if !m.Seen && side.fault == proto.Complete {
		if side.fault = side.gap; side.fault == proto.Complete {
			side.fault = proto.Malformed // no head, and none was missed
		}
	}
	if p.observer != nil {
		m.Incomplete = side.fault
		p.observer.Ended(&st.x, s)
	}
	other := &st.sides[s.Other()]
	switch {
	case other.ended:
		p.finish(st, proto.Complete)
	case s == proto.Server && other.gap != proto.Complete:
		// The end of the request is likely to have been in the gap.
		p.end(st, other.gap)
	}
}

// goAway ends the streams that the sender of GOAWAY will not answer: those of
// its peer above last (RFC 9113, 6.8).
func (p *parser) goAway(s proto.Side, last uint32) {
	for st := p.recent.prev; st != &p.recent; {
		older := st
		st = st.prev
		byClient := older.id%2 == 1
		if older.id > last && byClient == (s == proto.Server) {
			p.end(older, proto.Aborted)
		}
	}
}

// observeHead hands a head to the observer: in the form of HTTP/1.1, because
// that is what messages are kept as.
func (p *parser) observeHead(st *stream, s proto.Side, hd *head, part proto.Part) {
	if p.observer != nil {
		p.observer.Payload(&st.x, s, part, hd.write(st.x.Method, st.x.Target))
	}
}

// partOf tells heads from trailers.
func partOf(first bool) proto.Part {
	if first {
		return proto.Head
	}
	return proto.Framing
}
