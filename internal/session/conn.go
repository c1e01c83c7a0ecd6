package session

import (
	"github.com/cespare/xxhash/v2"

	"gortap/internal/flow"
	"gortap/internal/reassembly"
)

const (
	// maxWrite bounds what segments are joined to: a client's write that is larger
	// is told in pieces.
	maxWrite = 64 << 10
	// maxMarks bounds what is remembered of the server's bytes that the client has
	// not acknowledged with a write of its own.
	maxMarks = 64
)

// conn follows one connection. It is its receiver beside the parsers.
type conn struct {
	feed    *Feed
	key     flow.Key
	rc      *reassembly.Conn
	session *Session

	client   flow.Dir
	known    bool   // client is
	isn      uint32 // number of the server's first byte
	isnKnown bool
	reset    bool     // a RST was seen
	resetBy  flow.Dir // where reset

	told, over bool // Open, Over or Skipped
	hides      bool // what is told waits in hidden
	hidden     []*Event

	served    int64 // bytes that the server sent
	servedEnd bool
	servedNs  int64
	servedGap bool           // some of them were not captured
	sum       *xxhash.Digest // of them; nil: nobody asks
	marks     []mark         // of bytes behind need
	need      int64
	needNs    int64

	rttNs    int64
	shaken   bool  // rttNs is that of the handshake
	answerNs int64 // when the server accepted the connection
	taking   taking

	open      *Event // the last write, while segments may still join it
	openBatch uint64
}

// mark says when the server had sent so many bytes.
type mark struct{ bytes, tsNs int64 }

var _ reassembly.Receiver = (*conn)(nil)

// note takes what a segment's flags tell.
func (c *conn) note(s *flow.Segment) {
	if s.Flags.Has(flow.RST) {
		c.reset, c.resetBy = true, s.Dir
		return
	}
	if !s.Flags.Has(flow.SYN) {
		return
	}
	answer := s.Flags.Has(flow.ACK)
	if !c.known {
		c.client, c.known = s.Dir, true
		if answer {
			c.client = s.Dir.Other()
		}
	}
	if !answer && s.Dir == c.client {
		c.taking.offer(s)
		c.session.Window = c.taking.first
	}
	if answer && s.Dir != c.client {
		c.isn, c.isnKnown = s.Seq+1, true
		c.answerNs = s.TsNs
		c.taking.both = c.taking.offered && s.Scale > 0
		c.announce()
	}
}

// announce tells of the session, once it is one: the server accepted it, or bytes
// went.
func (c *conn) announce() {
	if c.told {
		return
	}
	c.told = true
	if c.rc.OpenerKnown && !c.known {
		c.client, c.known = c.rc.Opener, true
	}
	c.session.Client, c.session.Server = c.key.Source(c.client), c.key.Source(c.client.Other())
	c.emit(&Event{Kind: Open, TsNs: c.session.OpenedNs})
}

func (c *conn) emit(e *Event) {
	e.Session = c.session
	e.Served, e.ServedGap = c.served, c.servedGap
	if c.sum != nil {
		e.ServedSum = c.sum.Sum64()
	}
	if c.hides {
		c.hidden = append(c.hidden, e)
		return
	}
	c.feed.pending = append(c.feed.pending, e)
}

// Data implements reassembly.Receiver.
func (c *conn) Data(d flow.Dir, b []byte, tsNs int64) {
	c.announce()
	if c.over {
		return
	}
	if d != c.client {
		if c.sum != nil {
			_, _ = c.sum.Write(b)
		}
		c.progress(int64(len(b)), tsNs)
		return
	}
	seg := c.whole(b)
	c.learn(seg)
	if c.joins(len(b)) {
		c.open.Data = append(c.open.Data, b...)
	} else {
		c.open = c.stamp(&Event{Kind: Write, TsNs: tsNs, Data: append([]byte(nil), b...)})
		c.openBatch = c.feed.batch
		c.emit(c.open)
	}
	if seg == nil || seg.Flags.Has(flow.PSH) {
		c.open = nil // the write ends here
	}
}

// joins reports whether bytes continue the last write: the segment before was pushed
// on by nothing, and nothing came back since.
func (c *conn) joins(n int) bool {
	return c.open != nil && c.openBatch == c.feed.batch && c.open.Need == c.need && len(c.open.Data)+n <= maxWrite
}

// whole returns the segment that b is the end of, nil where it was held back and is
// gone.
func (c *conn) whole(b []byte) *flow.Segment {
	s := c.feed.current
	if s == nil || s.Key != c.key || s.Dir != c.client || len(s.Data) == 0 || len(b) == 0 || &s.Data[len(s.Data)-1] != &b[len(b)-1] {
		return nil
	}
	return s
}

// learn notes how far the client had the server's bytes. Without the segment it is
// what was delivered before: the reassembler waits for what was acknowledged.
func (c *conn) learn(s *flow.Segment) {
	had := c.served
	if s != nil && s.Flags.Has(flow.ACK) && c.isnKnown {
		had = min(had, max(c.need, c.served+int64(int32(s.Ack-(c.isn+uint32(c.served))))))
	}
	n := 0
	for n < len(c.marks) && c.need < had {
		c.needNs = c.marks[n].tsNs
		if c.marks[n].bytes > had {
			break // it goes on to count for what is behind had
		}
		c.need = c.marks[n].bytes
		n++
	}
	if !c.shaken && s != nil && n > 0 { // the first exchange tells
		c.rttNs, c.shaken = s.TsNs-c.needNs, true
	}
	c.need = had
	c.marks = c.marks[:copy(c.marks, c.marks[n:])]
}

func (c *conn) stamp(e *Event) *Event {
	e.RTTNs = c.rttNs
	e.Need, e.NeedNs, e.NeedEnd = c.need, c.needNs, c.servedEnd
	return e
}

// progress notes bytes of the server.
func (c *conn) progress(n, tsNs int64) {
	c.served += n
	c.servedNs = tsNs
	if len(c.marks) == maxMarks {
		for i := range maxMarks / 2 { // coarser
			c.marks[i] = c.marks[2*i+1]
		}
		c.marks = c.marks[:maxMarks/2]
	}
	c.marks = append(c.marks, mark{c.served, tsNs})
	c.open = nil
	if t := &c.taking; t.slow && t.sent(c.served, tsNs) {
		c.tellTaking(tsNs)
	}
}

// Gap implements reassembly.Receiver.
func (c *conn) Gap(d flow.Dir, n int64, why flow.Gap, tsNs int64) {
	c.announce()
	switch {
	case c.over:
	case d != c.client:
		c.servedGap = true
		c.progress(n, tsNs)
	case why == flow.Lost:
		c.finish(Lost, tsNs)
	case why == flow.Truncated:
		c.finish(Truncated, tsNs)
	default:
		c.finish(NotCopied, tsNs)
	}
}

// End implements reassembly.Receiver.
func (c *conn) End(d flow.Dir, tsNs int64) {
	if !c.told || c.over {
		return
	}
	if d != c.client {
		c.servedEnd, c.servedNs = true, tsNs
		return
	}
	c.learn(c.acting(flow.FIN))
	e := c.stamp(&Event{Kind: Shutdown, TsNs: tsNs})
	if c.servedEnd {
		e.NeedNs = c.servedNs
	}
	c.emit(e)
}

// acting returns the client's segment with a flag, if it is the one at hand.
func (c *conn) acting(f flow.Flags) *flow.Segment {
	s := c.feed.current
	if s != nil && s.Key == c.key && s.Dir == c.client && s.Flags.Has(f) {
		return s
	}
	return nil
}

// Close implements reassembly.Receiver.
func (c *conn) Close(why reassembly.CloseReason, tsNs int64) {
	delete(c.feed.conns, c.key)
	if c.feed.last == c {
		c.feed.last = nil
	}
	if !c.told || c.over {
		return // nothing but a SYN
	}
	switch {
	case why == reassembly.Finished:
		c.finish(Finished, tsNs)
	case why == reassembly.Reset && (!c.reset || c.resetBy == c.client):
		c.learn(c.acting(flow.RST))
		c.emit(c.stamp(&Event{Kind: Abort, TsNs: tsNs}))
		c.finish(Finished, tsNs)
	case why == reassembly.Reset:
		c.finish(ServerReset, tsNs)
	case why == reassembly.Evicted:
		c.finish(Evicted, tsNs)
	case why == reassembly.Expired:
		c.finish(Expired, tsNs)
	default:
		c.finish(Unfinished, tsNs)
	}
}

func (c *conn) finish(why End, tsNs int64) {
	c.over = true
	c.emit(&Event{Kind: Over, End: why, TsNs: tsNs, Received: c.served})
}
