package session

import (
	"hash/fnv"

	"github.com/cespare/xxhash/v2"

	"gortap/internal/flow"
	"gortap/internal/proto"
	"gortap/internal/reassembly"
)

// Feed makes the sessions of one shard. It sees each segment before the reassembler
// does, for what that does not pass on: flags and acknowledgements. Its methods are
// called by the shard's goroutine alone.
type Feed struct {
	put     func(*Event)
	conns   map[flow.Key]*conn
	last    *conn
	current *flow.Segment // valid while the reassembler works on it
	pending []*Event
	batch   uint64 // counts flushes: an event of an earlier one is given away
	sums    bool
}

// NewFeed makes a Feed that hands events to put, in order, from Tick and Close. Put
// may wait there.
func NewFeed(put func(*Event)) *Feed {
	return &Feed{put: put, conns: map[flow.Key]*conn{}}
}

// SumAnswers lets events tell a sum of what the server sent. It comes first.
func (f *Feed) SumAnswers() { f.sums = true }

// Segment notes what comes.
func (f *Feed) Segment(s *flow.Segment) {
	f.current = s
	c := f.last
	if c == nil || c.key != s.Key {
		if c = f.conns[s.Key]; c == nil {
			return
		}
		f.last = c
	}
	if s.Flags.Has(flow.SYN | flow.RST) {
		c.note(s)
	} else if c.isnKnown && s.Dir == c.client && s.Flags.Has(flow.ACK) {
		c.acknowledge(s)
	}
}

// Exchange is not for sessions.
func (f *Feed) Exchange(*proto.Exchange) {}

// Open takes a new connection.
func (f *Feed) Open(rc *reassembly.Conn) reassembly.Receiver {
	c := newConn(f, rc)
	f.conns[rc.Key] = c
	if s := f.current; s != nil && s.Key == rc.Key {
		c.note(s)
	}
	if !c.known {
		return &joiner{conn: c}
	}
	return c
}

func newConn(f *Feed, rc *reassembly.Conn) *conn {
	c := &conn{feed: f, key: rc.Key, rc: rc}
	c.session = &Session{ID: rc.ID, Hash: hash(&rc.Key), OpenedNs: rc.Opened}
	if f.sums {
		c.sum = xxhash.New()
	}
	return c
}

// Tick hands over what happened.
func (f *Feed) Tick(int64) { f.flush() }

// Close hands over the rest.
func (f *Feed) Close() { f.flush() }

func (f *Feed) flush() {
	f.current = nil
	for i, e := range f.pending {
		f.put(e)
		f.pending[i] = nil
	}
	f.pending = f.pending[:0]
	f.batch++
}

func hash(k *flow.Key) uint64 {
	h := fnv.New64a()
	_, _ = h.Write(k.A[:])
	_, _ = h.Write(k.B[:])
	_, _ = h.Write([]byte{byte(k.APort >> 8), byte(k.APort), byte(k.BPort >> 8), byte(k.BPort)})
	return h.Sum64()
}
