// Package pipeline wires the stages of one shard together: segments to the
// reassembler, its bytes to the parsers, what these find to the account and the
// outputs. It knows no protocol and no file format. Everything in a shard is a
// synchronous call from the goroutine that feeds it.
package pipeline

import (
	"sync"

	"gortap/internal/flow"
	"gortap/internal/proto"
	"gortap/internal/reassembly"
)

// Account books everything that the parsers find and the capture counts. Its
// lock is taken once a batch.
type Account interface {
	proto.Sink
	sync.Locker
	// Update and End take a flow's totals, and what the assembler has of its
	// open connection, nil where none is open.
	Update(t *flow.Totals, c *reassembly.Conn)
	End(t *flow.Totals, c *reassembly.Conn)
	Tick(nowNs int64)
}

// Feed takes finished exchanges on their way to an output. It must not block: x
// is borrowed, and the capture waits.
type Feed interface {
	Exchange(x *proto.Exchange)
	Tick(nowNs int64)
	Close()
}

// SegmentFeed is a Feed that wants the segments too, as they were captured. It
// borrows them.
type SegmentFeed interface {
	Feed
	Segment(s *flow.Segment)
}

// FlushFeed is a Feed that holds back more than the current batch, for its order.
type FlushFeed interface {
	Feed
	// Flush hands all of it over: nothing goes on.
	Flush()
}

// DatagramFeed is a Feed that wants UDP datagrams. It borrows them.
type DatagramFeed interface {
	Feed
	Datagram(d *flow.Datagram)
}

// MessageFeed is a Feed that wants messages while they go on, with their bytes. The
// account is told of everything first. It borrows all that it is given.
type MessageFeed interface {
	Feed
	Begin(x *proto.Exchange)
	Payload(x *proto.Exchange, s proto.Side, part proto.Part, b []byte)
	Ended(x *proto.Exchange, s proto.Side)
	Closed(c *proto.Conn)
}

// Open makes the receiver of a new connection. The parsers' findings go to sink,
// their wishes to control, which may be nil.
type Open func(c *reassembly.Conn, sink proto.Sink, control flow.Control) reassembly.Receiver

// Options make a Shard.
type Options struct {
	Account    Account
	Feeds      []Feed
	Reassembly reassembly.Config
	Open       Open
	// Control goes back to the capture; nil where there is none.
	Control flow.Control
	// OwnTotals makes the shard tell the account each connection's totals
	// itself: for files, where no kernel counts.
	OwnTotals bool
}

// Shard is the flow.Handler of one shard. Only the goroutine that feeds it may
// call its methods, but for Stats.
type Shard struct {
	account   Account
	feeds     []Feed
	taps      []SegmentFeed // those of the feeds that want segments
	udp       []DatagramFeed
	assembler *reassembly.Assembler
	locked    bool
}

var _ flow.DatagramHandler = (*Shard)(nil)

// NewShard wires a shard.
func NewShard(o Options) *Shard {
	s := &Shard{account: o.Account, feeds: o.Feeds}
	var conns []ConnFeed
	for _, f := range o.Feeds {
		if tap, ok := f.(SegmentFeed); ok {
			s.taps = append(s.taps, tap)
		}
		if u, ok := f.(DatagramFeed); ok {
			s.udp = append(s.udp, u)
		}
		if c, ok := f.(ConnFeed); ok {
			conns = append(conns, c)
		}
	}
	if len(s.taps) > 0 && o.Control != nil {
		o.Control = copying{o.Control}
	}
	sink := newSink(o.Account, o.Feeds)
	s.assembler = reassembly.New(o.Reassembly, func(c *reassembly.Conn) reassembly.Receiver {
		r := o.Open(c, sink, o.Control)
		for _, f := range conns {
			r = &tee{parsers: r, other: f.Open(c)}
		}
		if o.OwnTotals {
			return &counted{Receiver: r, conn: c, account: o.Account}
		}
		return r
	})
	return s
}

// begin takes the account's lock for the batch that the next Tick ends.
func (s *Shard) begin() {
	if !s.locked {
		s.account.Lock()
		s.locked = true
	}
}

// Segment implements flow.Handler.
func (s *Shard) Segment(seg *flow.Segment) {
	s.begin()
	for _, t := range s.taps {
		t.Segment(seg)
	}
	s.assembler.Segment(seg)
}

// Datagram implements flow.DatagramHandler. Nothing of it is accounted.
func (s *Shard) Datagram(d *flow.Datagram) {
	for _, u := range s.udp {
		u.Datagram(d)
	}
}

// Update implements flow.Handler.
func (s *Shard) Update(t *flow.Totals) {
	s.begin()
	s.account.Update(t, s.assembler.Conn(t.Key))
}

// End implements flow.Handler: the flow's connection is over, seen or not.
func (s *Shard) End(t *flow.Totals) {
	s.begin()
	why := reassembly.Expired
	if t.Stopped {
		why = reassembly.Stopped
	}
	s.assembler.CloseConn(t.Key, why)
	s.account.End(t, nil)
}

// Tick implements flow.Handler.
func (s *Shard) Tick(nowNs int64) {
	s.begin()
	s.assembler.Advance(nowNs)
	s.account.Tick(nowNs)
	s.account.Unlock()
	s.locked = false
	for _, f := range s.feeds {
		f.Tick(nowNs)
	}
}

// Restart ends the connections that are still open, as unfinished, and has the feeds
// hand over what they hold: what comes next is another pass of the same packets.
func (s *Shard) Restart(nowNs int64) {
	s.begin()
	s.assembler.Restart()
	s.Tick(nowNs)
	for _, f := range s.feeds {
		if f, ok := f.(FlushFeed); ok {
			f.Flush()
		}
	}
}

// Close ends the connections that are still open, as unfinished, and closes the
// feeds. The feeding goroutine must be done.
func (s *Shard) Close() {
	s.begin()
	s.assembler.Close()
	s.account.Unlock()
	s.locked = false
	for _, f := range s.feeds {
		f.Close()
	}
}

// Stats returns what the reassembler has done so far. Any goroutine may call it.
func (s *Shard) Stats() reassembly.Stats {
	s.account.Lock()
	defer s.account.Unlock()
	return s.assembler.Stats()
}
