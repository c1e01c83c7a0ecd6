package record

import (
	"sync"

	"gortap/internal/proto"
)

// RecorderOptions make a Recorder. Zero sizes take the defaults.
type RecorderOptions struct {
	// Put takes a record, or reports that there was no room. It is called from
	// Tick and Close alone, and may wait there.
	Put func(*Record) bool
	// Needs tells whether responses are recorded too. Requests always are.
	Needs Needs
	// Seed goes into every Conn, so that recordings do not collide.
	Seed uint64
	// MaxMessage bounds one message, MaxOpen all that are not over yet, in
	// bytes. Default 64 MiB and 256 MiB.
	MaxMessage, MaxOpen int
	// Ordered makes records leave by their TimeNs, for files: a request is known
	// when it is over, later ones have to wait for it. Window bounds the bytes
	// that wait, default 64 MiB; above it the earliest one leaves. Otherwise
	// records leave as they are complete.
	Ordered bool
	Window  int
}

// Recorder makes records of what the parsers of one shard find: a pipeline feed.
// But for Stats, its methods are called by the shard's goroutine alone, and do
// not block but for Tick and Close, where Put does.
type Recorder struct {
	o      RecorderOptions
	conns  map[*proto.Conn]*connection
	open   map[*proto.Exchange]*exchange
	free   *exchange
	recent struct { // saves most of the look-ups: a message comes in one go
		x *proto.Exchange
		e *exchange
	}
	held  held
	going going
	used  int // bytes of messages that are not over
	nowNs int64
	tally tally

	mu        sync.Mutex
	published tally
}

// connection is what records of one connection have in common.
type connection struct {
	id       uint64
	open     int   // exchanges without their whole response
	answerNs int64 // the last byte of a response so far
	keyNs    int64 // where the latest record stands in the order
	recorded bool  // its latest request was: what follows an upgrade can be replayed
	used     bool  // a record of it exists
}

// NewRecorder makes a Recorder.
func NewRecorder(o RecorderOptions) *Recorder {
	for _, d := range []struct {
		v   *int
		def int
	}{{&o.MaxMessage, 64 << 20}, {&o.MaxOpen, 256 << 20}, {&o.Window, 64 << 20}} {
		if *d.v <= 0 {
			*d.v = d.def
		}
	}
	r := &Recorder{o: o, conns: map[*proto.Conn]*connection{}, open: map[*proto.Exchange]*exchange{}}
	r.going.init()
	return r
}

// Begin takes an exchange whose first head is known.
func (r *Recorder) Begin(x *proto.Exchange) {
	c := r.conns[x.Conn]
	if c == nil {
		c = &connection{id: ConnID(r.o.Seed, x.Conn.ID)}
		r.conns[x.Conn] = c
	}
	r.recent.x = nil // it may be another one with the same address
	if x.Upgraded {
		return // not a request; see stream
	}
	if !x.Request.Seen {
		if r.o.Needs.Responses {
			r.tally.taken++
			r.tally.drop(proto.NoRequest)
		}
		return
	}
	e := r.exchange()
	e.conn = c
	e.pipelined = c.open > 0 || x.Request.FirstNs < c.answerNs
	c.open++
	c.recorded = false
	r.tally.taken++
	r.open[x] = e
	r.begin(&e.half[proto.Client], x.Request.FirstNs)
}

// Payload takes bytes of a message.
func (r *Recorder) Payload(x *proto.Exchange, s proto.Side, part proto.Part, b []byte) {
	if x.Upgraded {
		if s == proto.Client && part == proto.Stream {
			r.stream(x, b)
		}
		return
	}
	e := r.find(x)
	if e == nil || s == proto.Server && !r.o.Needs.Responses {
		return
	}
	m := &e.half[s]
	if !m.begun {
		r.tally.taken++
		r.begin(m, x.Response.FirstNs)
	}
	r.add(m, x, part, b)
}

// find returns what is known of x, nil if nothing is wanted of it.
func (r *Recorder) find(x *proto.Exchange) *exchange {
	if r.recent.x != x {
		r.recent.x, r.recent.e = x, r.open[x]
	}
	return r.recent.e
}

// Ended takes the end of one message.
func (r *Recorder) Ended(x *proto.Exchange, s proto.Side) {
	if e := r.find(x); e != nil {
		r.end(x, e, s)
	}
}

// Exchange takes the end of both.
func (r *Recorder) Exchange(x *proto.Exchange) {
	e := r.find(x)
	if e == nil {
		return
	}
	r.end(x, e, proto.Client)
	r.end(x, e, proto.Server)
	delete(r.open, x)
	r.recent.x = nil
	r.release(e)
}

// Closed takes the end of a connection. It is a record where the connection has
// others.
func (r *Recorder) Closed(c *proto.Conn) {
	conn := r.conns[c]
	if conn == nil {
		return
	}
	delete(r.conns, c)
	if conn.used {
		at := max(r.nowNs, conn.keyNs)
		r.tally.taken++
		r.emit(conn, at, &Record{
			Kind: End, ID: ID(conn.id, c.Exchanges), Conn: conn.id, Seq: c.Exchanges, TimeNs: at, EndNs: at,
			Protocol: proto.HTTP11, Client: c.ClientAddr(), Server: c.ServerAddr(),
		})
	}
}

// stream records what a client sends after an upgrade. Once bytes are missing it
// cannot be replayed any more, and nor can it if the upgrade itself cannot.
func (r *Recorder) stream(x *proto.Exchange, b []byte) {
	c := r.conns[x.Conn]
	r.tally.taken++
	switch {
	case x.Request.Incomplete != proto.Complete:
		r.tally.drop(x.Request.Incomplete)
		return
	case !c.recorded:
		r.tally.drop(proto.NoRequest)
		return
	}
	rec := newRecord(Stream, c, x)
	rec.TimeNs, rec.EndNs = x.Request.LastNs, x.Request.LastNs
	rec.Data = append([]byte(nil), b...)
	r.emit(c, max(rec.TimeNs, c.keyNs), rec)
}

// Tick hands over what is complete.
func (r *Recorder) Tick(nowNs int64) {
	r.nowNs = nowNs
	before := int64(1<<63 - 1)
	if r.o.Ordered {
		before = r.going.horizon(nowNs)
	}
	for r.held.ready(before, r.o.Window) {
		r.put(r.held.pop())
	}
	r.publish()
}

// Close hands over the rest.
func (r *Recorder) Close() { r.Flush() }

// Flush hands over all that is complete, also what would wait for its order.
func (r *Recorder) Flush() {
	for r.held.ready(1<<63-1, 0) {
		r.put(r.held.pop())
	}
	r.publish()
}

// emit lets a record wait for the next Tick. keyNs is its place in the order.
func (r *Recorder) emit(c *connection, keyNs int64, rec *Record) {
	c.used = true
	c.keyNs = max(c.keyNs, keyNs)
	if !r.o.Ordered {
		keyNs = 0
	}
	r.held.push(keyNs, rec)
}

func (r *Recorder) put(rec *Record) {
	kind, size := rec.Kind, len(rec.Data)
	if !r.o.Put(rec) {
		r.tally.drop(queueFull)
		return
	}
	r.tally.done++
	r.tally.bytes += uint64(size)
	if kind == Request {
		r.tally.requests++
	}
}
