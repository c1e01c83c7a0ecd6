package intake

import (
	"hash/maphash"
	"time"

	"gortap/internal/insight"
	"gortap/internal/proto"
)

// Feed takes the exchanges of one shard: a pipeline.MessageFeed. Its methods are
// called by the shard's goroutine alone. In steady state they do not allocate.
type Feed struct {
	in      *Intake
	batch   *batch
	free    *pending
	samples sampler
	wholes  wholes
	nowNs   int64
	sentNs  int64 // when a batch was handed over last

	limit   limiter
	limited bool
	out     *pending // the Note of exchanges that are left out
	left    uint64   // of those that were, until now

	resent  Resent
	told    map[string]uint64 // of resent, until now
	askedNs int64
}

// Resent tells, by service, the payload bytes that the shard's connections sent again
// so far.
type Resent func(tell func(service string, bytes uint64))

// pending is what is kept of an exchange that goes on, as its Note.
type pending struct {
	heads  []byte // field lines of the request, then of the response
	length [2]int // of each
	head   [2]headState
	bodies [2]body
	sample []byte // of the response's body; nil: none is taken
	next   *pending
}

// headState says what is kept of a head.
type headState uint8

const (
	noHead headState = iota
	keptHead
	largeHead
)

// body is as much as was seen of one.
type body struct {
	hash maphash.Hash
	n    int64
}

// batchDelay is how long exchanges wait for others. The clock is told as often.
const batchDelay = int64(100 * time.Millisecond)

// Feed makes the entrance of a shard. Resent is called by the shard's goroutine, not
// under the account's lock; nil: nobody knows.
func (in *Intake) Feed(r Resent) *Feed {
	in.feeds.Add(1)
	return &Feed{
		in: in, batch: newBatch(), samples: newSampler(), resent: r, told: map[string]uint64{},
		limit: newLimiter(float64(in.cfg.Rate), maphash.String(in.seed, "")), limited: in.cfg.Rate > 0, out: &pending{},
	}
}

// Begin takes an exchange whose first head is known.
func (f *Feed) Begin(x *proto.Exchange) {
	if f.limited && !f.limit.admit() {
		x.Note = f.out
		return
	}
	p := f.free
	if p == nil {
		p = &pending{}
		for side := range p.bodies {
			p.bodies[side].hash.SetSeed(f.in.seed)
		}
	} else {
		f.free, p.next = p.next, nil
	}
	x.Note = p
}

// Payload takes bytes of a message.
func (f *Feed) Payload(x *proto.Exchange, s proto.Side, part proto.Part, b []byte) {
	if part != proto.Head && part != proto.Body {
		return
	}
	p, _ := x.Note.(*pending)
	switch {
	case p == nil || p == f.out || x.Upgraded:
	case part == proto.Head:
		if len(b) > maxHead || s == proto.Client && p.head[proto.Server] != noHead {
			p.head[s] = largeHead
			return
		}
		fields := fieldsOf(b)
		p.heads = append(p.heads, fields...)
		p.length[s], p.head[s] = len(fields), keptHead
	default:
		f.body(x, p, s, b)
	}
}

func (f *Feed) body(x *proto.Exchange, p *pending, s proto.Side, b []byte) {
	m := &p.bodies[s]
	if s == proto.Server && m.n == 0 && p.sample == nil {
		p.sample = f.samples.take(x, f.wholes.has(x.Conn))
	}
	m.n += int64(len(b))
	m.hash.Write(b)
	if p.sample != nil && s == proto.Server {
		p.sample = append(p.sample, b[:min(len(b), cap(p.sample)-len(p.sample))]...)
	}
}

// Ended takes the end of one message.
func (f *Feed) Ended(*proto.Exchange, proto.Side) {}

// Closed takes the end of a connection.
func (f *Feed) Closed(c *proto.Conn) { f.wholes.forget(c) }

// Exchange takes the end of both messages.
func (f *Feed) Exchange(x *proto.Exchange) {
	p, _ := x.Note.(*pending)
	x.Note = nil
	if p == f.out {
		f.leaveOut(x)
		return
	}
	if f.batch.full() {
		f.handOver(f.in.cfg.Wait)
	}
	b := f.batch
	b.entries = append(b.entries, entry{})
	e := &b.entries[len(b.entries)-1]
	e.fill(x)
	target := x.Target[:min(len(x.Target), maxTarget)]
	about := aboutOf(target)
	e.host = b.share(hostPlace, x.Host[:min(len(x.Host), maxHost)])
	e.target = b.share(targetPlace+about, target)
	if p != nil {
		f.add(b, e, x, p, about)
		if f.in.cfg.Whole != nil {
			f.look(x, p.bodies[proto.Server].n)
		}
		f.release(p)
	}
}

// leaveOut counts an exchange that is not looked at.
func (f *Feed) leaveOut(x *proto.Exchange) {
	f.left++
	f.batch.missed.Add(&insight.Observation{
		EndNs: max(x.Request.LastNs, x.Response.LastNs), First: x.Seq == 0 && !x.Upgraded, Upgraded: x.Upgraded,
		Protocol: x.Protocol, Status: x.Status, Code: x.Code, HasCode: x.HasCode, Incomplete: x.Incomplete(),
		RequestBytes: x.Request.Wire, ResponseBytes: x.Response.Wire,
	})
}

// add takes what is kept of heads and bodies.
func (f *Feed) add(b *batch, e *entry, x *proto.Exchange, p *pending, about uint32) {
	if f.in.pressed() {
		f.in.missing[HeadShed].Add(1)
		return
	}
	seen := [2]bool{x.Request.Seen, x.Response.Seen}
	if !x.Upgraded && (p.head[proto.Client] == keptHead || !seen[proto.Client]) && (p.head[proto.Server] == keptHead || !seen[proto.Server]) {
		e.flags |= hasHead
		request, response := p.heads[:p.length[proto.Client]], p.heads[p.length[proto.Client]:]
		e.heads[proto.Client] = b.share(requestPlace+uint32(len(request)), request)
		e.heads[proto.Server] = b.share(responsePlace+about, response)
	} else if p.head[proto.Client] == largeHead || p.head[proto.Server] == largeHead {
		f.in.missing[HeadLarge].Add(1)
	}
	for side, m := range [2]*proto.Message{&x.Request, &x.Response} {
		if m.Seen && m.Incomplete == proto.Complete && m.Body == p.bodies[side].n {
			e.flags |= hasRequestHash << side
			e.hashes[side] = p.bodies[side].hash.Sum64()
		}
	}
	if m := &p.bodies[proto.Server]; e.flags&hasResponseHash == 0 && m.n > 0 && x.Response.Incomplete == proto.Complete {
		e.part, e.hashes[proto.Server] = m.n, m.hash.Sum64()
	}
	e.sample = b.keep(p.sample)
}

func (f *Feed) release(p *pending) {
	f.samples.giveBack(p.sample)
	p.sample, p.heads, p.length, p.head = nil, p.heads[:0], [2]int{}, [2]headState{}
	for side := range p.bodies {
		if m := &p.bodies[side]; m.n > 0 {
			m.hash.Reset()
			m.n = 0
		}
	}
	p.next, f.free = f.free, p
}

// Tick ends a batch of segments.
func (f *Feed) Tick(nowNs int64) {
	f.nowNs = max(nowNs, f.nowNs)
	if f.nowNs-f.askedNs >= askEvery {
		f.ask()
	}
	f.wholes.expire(f.nowNs)
	if f.limited {
		f.limit.tick(f.nowNs, float64(f.in.cfg.Rate)/float64(f.in.feeds.Load()))
	}
	if f.nowNs-f.sentNs >= batchDelay {
		f.handOver(f.in.cfg.Wait)
	}
}

// Close hands over the rest, and waits for room where there is none: what was missed
// would be in no sum.
func (f *Feed) Close() {
	f.ask()
	f.handOver(true)
}

// askEvery is how often it is asked what was sent again.
const askEvery = int64(time.Second)

func (f *Feed) ask() {
	f.askedNs = f.nowNs
	if f.resent == nil {
		return
	}
	f.resent(func(service string, bytes uint64) {
		if n := bytes - f.told[service]; n > 0 {
			f.told[service] = bytes
			f.batch.resent = append(f.batch.resent, resent{service, n})
		}
	})
}

func (f *Feed) handOver(wait bool) {
	f.sentNs = f.nowNs
	f.in.leftOut(f.left)
	f.left = 0
	f.batch.nowNs = f.nowNs
	f.batch = f.in.put(f.batch, wait)
}

// fill takes what x itself tells.
func (e *entry) fill(x *proto.Exchange) {
	e.conn, e.client, e.server = x.Conn.ID, x.Conn.ClientAddr(), x.Conn.ServerAddr()
	e.service, e.method, e.path, e.row, e.protocol = x.Service, x.MethodLabel, x.Path, x.Row, x.Protocol
	e.status, e.code = int32(x.Status), int32(x.Code)
	e.requestBytes, e.requestSize = x.Request.Wire, x.Request.Body
	e.responseBytes, e.responseSize = x.Response.Wire, x.Response.Body
	e.incomplete = x.Incomplete()
	e.startNs = x.Request.FirstNs
	if e.startNs == 0 {
		e.startNs = x.Response.FirstNs
	}
	if e.startNs == 0 {
		e.startNs = x.Conn.Opened
	}
	e.endNs = max(x.Request.LastNs, x.Response.LastNs, e.startNs)
	e.durationNs, e.ttfbNs = -1, -1
	if timed(x) {
		e.durationNs = max(x.Response.LastNs-x.Request.FirstNs, 0)
		e.ttfbNs = max(x.Response.FirstNs-x.Request.LastNs, 0)
	}
	if x.Seq == 0 && !x.Upgraded {
		e.flags |= first
	}
	if x.Upgraded {
		e.flags |= upgraded
	}
	if x.HasCode {
		e.flags |= hasCode
	}
}

// timed says that the times mean something. What the capture left out does not change
// them.
func timed(x *proto.Exchange) bool {
	if x.Upgraded || !x.Request.Seen || !x.Response.Seen {
		return false
	}
	why := x.Incomplete()
	return why == proto.Complete || why == proto.Truncated || why == proto.SkippedBytes
}
