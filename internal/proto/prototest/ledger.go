// Package prototest is what the tests of parsers share: scripts of what a parser
// is told, in any cut and with any damage, the connections of capture files as
// such scripts, and a ledger that holds parsers to the contract of their sink.
package prototest

import (
	"fmt"
	"sort"
	"strings"

	"gortap/internal/flow"
	"gortap/internal/proto"
)

// Ledger is a proto.Sink that records, and notes each breach of the contract in
// Errors. It is for one connection.
type Ledger struct {
	Errors    []string
	Exchanges []proto.Exchange // in the order of Done, with their own copies of the bytes
	Stray     [2]map[proto.Reason]int64
	Left      proto.Reason // what Residual said, Complete if nothing
	Depths    []flow.Depth // what was asked of the capture
	Began     int

	open           map[*proto.Exchange]*told
	credited       [2]int64
	opened, closed bool
}

var (
	_ proto.Sink   = (*Ledger)(nil)
	_ flow.Control = (*Ledger)(nil)
)

// told is what was said of an exchange so far.
type told struct{ bytes, messages, size [2]int64 }

// NewLedger returns an empty ledger.
func NewLedger() *Ledger {
	s := &Ledger{open: make(map[*proto.Exchange]*told)}
	s.Stray[0], s.Stray[1] = make(map[proto.Reason]int64), make(map[proto.Reason]int64)
	return s
}

func (s *Ledger) errorf(format string, args ...any) {
	s.Errors = append(s.Errors, fmt.Sprintf(format, args...))
}

// SetDepth records what the parser asked of the capture.
func (s *Ledger) SetDepth(_ flow.Key, d flow.Depth) { s.Depths = append(s.Depths, d) }

// Opened checks that it is the first call.
func (s *Ledger) Opened(*proto.Conn) {
	if s.opened {
		s.errorf("opened twice")
	}
	s.opened = true
}

// Closed checks that every exchange is done.
func (s *Ledger) Closed(*proto.Conn) {
	if !s.opened || s.closed {
		s.errorf("closed without being open")
	}
	s.closed = true
	if n := len(s.open); n > 0 {
		s.errorf("closed with %d exchanges not done", n)
	}
}

// Begin checks that x is new and told enough of.
func (s *Ledger) Begin(x *proto.Exchange) {
	if s.closed {
		s.errorf("begin after closed")
	}
	if s.open[x] != nil {
		s.errorf("exchange %d began twice", x.Seq)
	}
	if int(x.Seq) != s.Began {
		s.errorf("exchange %d began as number %d", x.Seq, s.Began)
	}
	if x.Conn == nil || x.Protocol == "" || len(x.Method) == 0 && x.Request.Seen {
		s.errorf("exchange %d began without its start line", x.Seq)
	}
	if x.User != nil {
		s.errorf("exchange %d began with another's user data", x.Seq)
	}
	x.User = s
	s.Began++
	s.open[x] = &told{}
}

// Bytes checks that x is open and counts.
func (s *Ledger) Bytes(x *proto.Exchange, side proto.Side, n int64) {
	c := s.open[x]
	if c == nil || n <= 0 {
		s.errorf("%d %s bytes credited to exchange %d, open: %t", n, side, x.Seq, c != nil)
		return
	}
	c.bytes[side] += n
	s.credited[side] += n
}

// Messages checks that x is open and counts.
func (s *Ledger) Messages(x *proto.Exchange, side proto.Side, n, size int64) {
	c := s.open[x]
	if c == nil || n <= 0 || size < 0 {
		s.errorf("%d %s messages of %d bytes in exchange %d, open: %t", n, side, size, x.Seq, c != nil)
		return
	}
	c.messages[side] += n
	c.size[side] += size
}

// Unattributed counts.
func (s *Ledger) Unattributed(_ *proto.Conn, side proto.Side, n int64, why proto.Reason) {
	if n <= 0 || why == proto.Complete || s.closed {
		s.errorf("%d %s bytes unattributed as %s, closed: %t", n, side, why, s.closed)
	}
	s.Stray[side][why] += n
	s.credited[side] += n
}

// Residual records the reason.
func (s *Ledger) Residual(_ *proto.Conn, why proto.Reason) { s.Left = why }

// Done checks that what was told is what the messages say, and keeps a
// copy.
func (s *Ledger) Done(x *proto.Exchange) {
	c := s.open[x]
	if c == nil {
		s.errorf("exchange %d done, but not open", x.Seq)
		return
	}
	delete(s.open, x)
	for side, m := range [2]*proto.Message{&x.Request, &x.Response} {
		if m.Wire != c.bytes[side] || m.Messages != c.messages[side] || m.MessageBytes != c.size[side] {
			s.errorf("exchange %d: %s says %+v, but was told as %+v", x.Seq, proto.Side(side), m, *c)
		}
	}
	y := *x
	y.Conn, y.User = nil, nil
	y.Method, y.Host, y.Target = clone(x.Method), clone(x.Host), clone(x.Target)
	s.Exchanges = append(s.Exchanges, y)
}

func clone(b []byte) []byte {
	if b == nil {
		return nil
	}
	return append([]byte{}, b...)
}

// Check returns every breach so far. fed is what each side's parser was given:
// delivered, skipped and truncated bytes.
func (s *Ledger) Check(fed [2]int64) error {
	errs := s.Errors
	for side := proto.Client; side <= proto.Server; side++ {
		if s.credited[side] != fed[side] {
			errs = append(errs, fmt.Sprintf("%s bytes: credited %d of %d", side, s.credited[side], fed[side]))
		}
	}
	if len(errs) == 0 {
		return nil
	}
	return fmt.Errorf("sink contract: %s", strings.Join(errs, "; "))
}

// String renders what was recorded, a line each: exchanges by number, as
//
//	0 http/1.1 GET host /target 200 request 40/0 response 43/5!lost
//
// with wire and body bytes and the reason of an incomplete message, then the
// bytes that belong to none.
func (s *Ledger) String() string {
	var b strings.Builder
	xs := append([]proto.Exchange(nil), s.Exchanges...)
	sort.Slice(xs, func(i, j int) bool { return xs[i].Seq < xs[j].Seq })
	for i := range xs {
		x := &xs[i]
		fmt.Fprintf(&b, "%d %s %s %s %s %d request %s response %s\n", x.Seq, x.Protocol, dash(x.Method), dash(x.Host), dash(x.Target),
			x.Status, Sprint(&x.Request), Sprint(&x.Response))
	}
	for side := proto.Client; side <= proto.Server; side++ {
		for why := range proto.NumReasons {
			if n := s.Stray[side][why]; n > 0 {
				fmt.Fprintf(&b, "%s %s %d\n", side, why, n)
			}
		}
	}
	if s.Left != proto.Complete {
		fmt.Fprintf(&b, "rest %s\n", s.Left)
	}
	return b.String()
}

// Sprint renders a message as wire and body bytes and why it is incomplete.
func Sprint(m *proto.Message) string {
	t := fmt.Sprintf("%d/%d", m.Wire, m.Body)
	if m.Incomplete != proto.Complete {
		t += "!" + m.Incomplete.String()
	}
	return t
}

func dash(b []byte) string {
	if len(b) == 0 {
		return "-"
	}
	return string(b)
}
