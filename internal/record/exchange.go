package record

import (
	"slices"
	"strconv"

	"gortap/internal/proto"
)

// exchange is one that goes on: what is there of its messages.
type exchange struct {
	conn      *connection
	half      [2]message // by proto.Side
	requestNs int64      // where the recorded request stands in the order
	answer    *Record    // complete before its request is
	pipelined bool
	next      *exchange // of those to be used again
}

// message is one that comes in pieces.
type message struct {
	begun, over bool
	dropped     bool // and counted
	recorded    bool
	data        []byte
	seen        int64 // bytes, of all that are counted for it
	bodyAt      int   // HTTP/2: where the body begins in data
	trailers    int   // and how long the trailers behind it are

	firstNs    int64
	prev, next *message // of those that go on
}

func (r *Recorder) exchange() *exchange {
	e := r.free
	if e == nil {
		return &exchange{}
	}
	r.free = e.next
	e.next = nil
	return e
}

func (r *Recorder) release(e *exchange) {
	*e = exchange{next: r.free}
	r.free = e
}

func (r *Recorder) begin(m *message, firstNs int64) {
	m.begun, m.firstNs = true, firstNs
	r.going.add(m)
}

func isHTTP2(x *proto.Exchange) bool { return x.Protocol == proto.HTTP2 || x.Protocol == proto.GRPC }

// add takes bytes of m.
func (r *Recorder) add(m *message, x *proto.Exchange, part proto.Part, b []byte) {
	if m.dropped {
		return
	}
	h2 := isHTTP2(x)
	if !h2 || part == proto.Body {
		m.seen += int64(len(b))
	}
	switch part {
	case proto.Interim:
		return
	case proto.Head:
		for !h2 && len(b) > 0 && (b[0] == '\r' || b[0] == '\n') {
			b = b[1:] // empty lines before a message are no part of it (RFC 9112, 2.2)
		}
	case proto.Framing:
		if h2 {
			m.trailers += len(b)
		}
	}
	switch {
	case len(m.data)+len(b) > r.o.MaxMessage:
		r.discard(m, tooLarge)
		return
	case r.used+len(b) > r.o.MaxOpen:
		r.discard(m, noMemory)
		return
	}
	r.used -= cap(m.data)
	if len(m.data)+len(b) > cap(m.data) {
		// By doubling: append, which adds a quarter, leaves five times a large message as
		// garbage.
		m.data = slices.Grow(m.data, max(len(b), len(m.data)))
	}
	m.data = append(m.data, b...)
	r.used += cap(m.data)
	if part == proto.Head {
		m.bodyAt = len(m.data)
	}
}

func (r *Recorder) discard(m *message, why dropReason) {
	r.tally.drop(why)
	r.used -= cap(m.data)
	m.data, m.dropped = nil, true
}

// end ends a message: it becomes a record, or is counted as dropped.
func (r *Recorder) end(x *proto.Exchange, e *exchange, s proto.Side) {
	m := &e.half[s]
	if m.over {
		return
	}
	m.over = true
	if s == proto.Server {
		e.conn.open--
		e.conn.answerNs = max(e.conn.answerNs, x.Response.LastNs)
	}
	if !m.begun {
		return
	}
	r.going.remove(m)
	if why := unfit(m, x, s); why != proto.Complete && !m.dropped {
		r.discard(m, why)
	}
	switch {
	case s == proto.Client:
		r.endRequest(x, e)
	case m.dropped:
	case !e.half[proto.Client].over:
		e.answer = r.response(x, e)
	default:
		r.emitResponse(e, r.response(x, e))
	}
}

// unfit says why a message cannot be a record.
func unfit(m *message, x *proto.Exchange, s proto.Side) dropReason {
	msg, expected := &x.Request, x.Request.Wire
	if s == proto.Server {
		msg, expected = &x.Response, x.Response.Wire
	}
	if isHTTP2(x) {
		expected = msg.Body
	}
	switch {
	case s == proto.Client && msg.Wire == 0:
		return pushed
	case msg.Incomplete != proto.Complete:
		return msg.Incomplete
	case m.seen != expected:
		return proto.SkippedBytes
	}
	return proto.Complete
}

func (r *Recorder) endRequest(x *proto.Exchange, e *exchange) {
	if m := &e.half[proto.Client]; !m.dropped {
		m.recorded = true
		rec := newRecord(Request, e.conn, x)
		rec.TimeNs, rec.EndNs = x.Request.FirstNs, x.Request.LastNs
		rec.Pipelined = e.pipelined
		rec.Data = r.take(m, x)
		e.requestNs = rec.TimeNs
		if !isHTTP2(x) {
			// Whatever the clocks of a file say, these are in order.
			e.requestNs = max(e.requestNs, e.conn.keyNs)
		}
		e.conn.recorded = true
		r.emit(e.conn, e.requestNs, rec)
	}
	if e.answer != nil {
		r.emitResponse(e, e.answer)
		e.answer = nil
	}
}

func (r *Recorder) response(x *proto.Exchange, e *exchange) *Record {
	rec := newRecord(Response, e.conn, x)
	rec.TimeNs, rec.EndNs = x.Response.FirstNs, x.Response.LastNs
	rec.LatencyNs = max(0, x.Response.LastNs-x.Request.FirstNs)
	rec.Data = r.take(&e.half[proto.Server], x)
	return rec
}

func (r *Recorder) emitResponse(e *exchange, rec *Record) {
	if !e.half[proto.Client].recorded {
		r.tally.drop(proto.NoRequest)
		return
	}
	r.emit(e.conn, max(rec.TimeNs, e.requestNs), rec)
}

func newRecord(k Kind, c *connection, x *proto.Exchange) *Record {
	return &Record{
		Kind: k, ID: ID(c.id, x.Seq), Conn: c.id, Seq: x.Seq, Protocol: x.Protocol,
		Client: x.Conn.ClientAddr(), Server: x.Conn.ServerAddr(),
	}
}

// take returns the message's bytes, which nothing else holds.
func (r *Recorder) take(m *message, x *proto.Exchange) []byte {
	data := m.data
	r.used -= cap(data)
	m.data = nil
	if m.trailers > 0 && isHTTP2(x) {
		return chunked(data, m.bodyAt, len(data)-m.trailers)
	}
	if waste := cap(data) - len(data); waste > len(data)/4 && waste > 4<<10 {
		return slices.Clone(data)
	}
	return data
}

// chunked writes an HTTP/2 message with trailers: data is its head, from bodyAt
// its body, and from bodyEnd the trailers.
func chunked(data []byte, bodyAt, bodyEnd int) []byte {
	const coding = "transfer-encoding: chunked\r\n"
	out := make([]byte, 0, len(data)+len(coding)+32)
	out = append(out, data[:max(bodyAt-2, 0)]...)
	out = append(append(out, coding...), "\r\n"...)
	if bodyEnd > bodyAt {
		out = strconv.AppendInt(out, int64(bodyEnd-bodyAt), 16)
		out = append(append(out, "\r\n"...), data[bodyAt:bodyEnd]...)
		out = append(out, "\r\n"...)
	}
	out = append(out, "0\r\n"...)
	return append(out, data[bodyEnd:]...)
}
