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
	Update(t *flow.Totals)
	End(t *flow.Totals)
	Tick(nowNs int64)
}

// Output takes finished exchanges. Exchange must not block: x is borrowed, and
// the capture waits. Every shard calls it from its own goroutine.
type Output interface {
	Exchange(x *proto.Exchange)
}

// Open makes the receiver of a new connection. The parsers' findings go to sink.
type Open func(c *reassembly.Conn, sink proto.Sink, control flow.Control) reassembly.Receiver

// Shard is the flow.Handler of one shard. Only the goroutine that feeds it may
// call its methods, but for Counts.
type Shard struct {
	account   Account
	assembler *reassembly.Assembler
	sink      *fanout
	locked    bool
}

var _ flow.Handler = (*Shard)(nil)

// Options make a Shard.
type Options struct {
	Account    Account
	Outputs    []Output
	Reassembly reassembly.Config
	Open       Open
	// Control goes back to the capture; nil where there is none.
	Control flow.Control
	// OwnTotals makes the shard tell the account each connection's totals
	// itself: for files, where no kernel counts.
	OwnTotals bool
}

// NewShard wires a shard.
func NewShard(o Options) *Shard {
	s := &Shard{account: o.Account, sink: &fanout{Account: o.Account, outputs: o.Outputs}}
	s.assembler = reassembly.New(o.Reassembly, func(c *reassembly.Conn) reassembly.Receiver {
		r := o.Open(c, s.sink, o.Control)
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
	s.assembler.Segment(seg)
}

// Update implements flow.Handler.
func (s *Shard) Update(t *flow.Totals) {
	s.begin()
	s.account.Update(t)
}

// End implements flow.Handler: the flow's connection is over, seen or not.
func (s *Shard) End(t *flow.Totals) {
	s.begin()
	s.assembler.CloseConn(t.Key, reassembly.Expired)
	s.account.End(t)
}

// Tick implements flow.Handler.
func (s *Shard) Tick(nowNs int64) {
	s.begin()
	s.assembler.Advance(nowNs)
	s.account.Tick(nowNs)
	s.account.Unlock()
	s.locked = false
}

// Close ends the connections that are still open, as Unfinished. The feeding
// goroutine must be done.
func (s *Shard) Close() {
	s.begin()
	s.assembler.Close()
	s.account.Unlock()
	s.locked = false
}

// Counts returns what the shard has seen so far. Any goroutine may call it.
func (s *Shard) Counts() Counts {
	s.account.Lock()
	defer s.account.Unlock()
	c := s.sink.counts
	c.Reassembly = s.assembler.Stats()
	return c
}
