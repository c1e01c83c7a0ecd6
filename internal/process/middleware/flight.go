package middleware

import (
	"sync"

	"gortap/internal/record"
)

// maxFlight is how many messages may be on their way. A middleware that filters
// never answers for most; beyond this the oldest is taken as filtered.
const maxFlight = 1 << 16

// maxLate is how many of those whose time was over are still known.
const maxLate = 1 << 12

// flight is the messages that are with the middleware, without their data: what
// its lines do not tell about them, and who waits for them.
type flight struct {
	mu      sync.Mutex
	entries map[key]*entry
	sent    []*entry // those written, the oldest first
	late    []*entry // those whose time was over
	owed    int      // of them, those that are still not answered
	conns   map[uint64]*conn
	idle    []uint64
	held    int // bytes held by all connections
	now     int // ticks
	ticks   int // how long an answer may take
}

type key struct {
	kind record.Kind
	id   string
}

// entry is one message.
type entry struct {
	key
	meta   record.Record // without Data
	end    int64         // where its line ends in the pipe
	due    int           // the tick at which its time is over; 0: not yet read
	closed bool          // answered, or given up
}

// conn holds back what a middleware does not get to see, until the messages
// before it are answered: an End, or the frames of a WebSocket.
type conn struct {
	pending   int
	held      []*record.Record
	releasing bool
}

func newFlight(ticks int) *flight {
	return &flight{entries: make(map[key]*entry), conns: make(map[uint64]*conn), ticks: ticks}
}

// expect tells of a message of a connection that will be written.
func (f *flight) expect(id uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	c := f.conns[id]
	if c == nil {
		c = &conn{}
		f.conns[id] = c
	}
	c.pending++
}

// unexpect takes an expect back.
func (f *flight) unexpect(id uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	c := f.conns[id]
	if c.pending--; c.pending > 0 {
		return
	}
	if len(c.held) == 0 && !c.releasing {
		delete(f.conns, id)
	} else {
		f.idle = append(f.idle, id)
	}
}

// takeIdle returns connections that unexpect left with nothing pending before
// what they hold, so that they are to be released.
func (f *flight) takeIdle() []uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	idle := f.idle
	f.idle = nil
	return idle
}

// add registers an expected message just before it is written.
func (f *flight) add(r *record.Record) *entry {
	e := &entry{key: key{r.Kind, r.ID}, meta: *r}
	e.meta.Data = nil
	f.mu.Lock()
	defer f.mu.Unlock()
	if old := f.entries[e.key]; old != nil && old.closed {
		f.owed--
	}
	f.entries[e.key] = e
	return e
}

// remove takes an add back: the message is still expected, but was not written.
func (f *flight) remove(e *entry) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.forget(e)
}

// wrote tells that the line of e is in the pipe.
func (f *flight) wrote(e *entry) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !e.closed {
		f.sent = append(f.sent, e)
	}
}

// answered says whether all that were written got an answer.
func (f *flight) answered() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.owed > 0 {
		return false
	}
	for _, e := range f.sent {
		if !e.closed {
			return false
		}
	}
	return true
}

// find returns the message that a line answers, nil where none is known, and
// whether it is too late for it.
func (f *flight) find(k key) (e *entry, late bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if e = f.entries[k]; e == nil || !e.closed {
		return e, false
	}
	f.forget(e) // a second one would be an addition
	f.owed--
	return e, true
}

// close ends the wait for e, and reports whether it was still going on. Its
// connection's held records may be free then: see release.
func (f *flight) close(e *entry) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.closeLocked(e)
}

func (f *flight) closeLocked(e *entry) bool {
	if e.closed {
		return false
	}
	e.closed = true
	f.forget(e)
	f.conns[e.meta.Conn].pending--
	return true
}

func (f *flight) forget(e *entry) {
	if f.entries[e.key] == e {
		delete(f.entries, e.key)
	}
}

// expire closes e, and keeps what is known about it for an answer that is late.
func (f *flight) expire(e *entry) {
	known := f.entries[e.key] == e
	if f.closeLocked(e); !known {
		return
	}
	f.entries[e.key] = e
	f.owed++
	if f.late = append(f.late, e); len(f.late) > maxLate {
		if old := f.late[0]; f.entries[old.key] == old {
			f.forget(old)
			f.owed--
		}
		f.late = f.late[1:]
	}
}

// tick lets time go on. consumed is how much of the pipe has been read; what is
// still in there has not begun to wait. It returns those whose time is over, now
// closed.
func (f *flight) tick(consumed int64) []*entry {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.now++
	var over []*entry
	n := 0
	for _, e := range f.sent {
		if e.closed {
			continue
		}
		if e.due == 0 && e.end <= consumed {
			e.due = f.now + f.ticks
		}
		if e.due != 0 && e.due <= f.now {
			f.expire(e)
			over = append(over, e)
			continue
		}
		f.sent[n] = e
		n++
	}
	for i := 0; n-i > maxFlight; i++ {
		f.expire(f.sent[i])
		over = append(over, f.sent[i])
	}
	clear(f.sent[n:])
	f.sent = f.sent[max(0, n-maxFlight):n]
	return over
}

// land closes all that were written, because nobody will answer them any more.
func (f *flight) land() []*entry {
	f.mu.Lock()
	defer f.mu.Unlock()
	var lost []*entry
	for _, e := range f.sent {
		if f.closeLocked(e) {
			lost = append(lost, e)
		}
	}
	for _, e := range f.late {
		f.forget(e)
	}
	f.sent, f.late, f.owed = nil, nil, 0
	return lost
}

// hold keeps r back behind the messages of its connection. It reports busy where
// there are any, and whether there was room for r among what is held.
func (f *flight) hold(r *record.Record, limit int) (busy, ok bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	c := f.conns[r.Conn]
	if c == nil {
		return false, true
	}
	if len(r.Data) > 0 && f.held+len(r.Data) > limit {
		return true, false
	}
	c.held = append(c.held, r)
	f.held += len(r.Data)
	return true, true
}

// release hands to put what a connection holds, if nothing is pending before it,
// and forgets the connection. Who comes later while it does is held too, so that
// the order stays.
func (f *flight) release(id uint64, put func(*record.Record)) {
	f.mu.Lock()
	c := f.conns[id]
	if c == nil || c.pending > 0 || c.releasing {
		f.mu.Unlock()
		return
	}
	c.releasing = true
	for len(c.held) > 0 && c.pending == 0 { // a message may come in between
		r := c.held[0]
		c.held = c.held[1:]
		f.held -= len(r.Data)
		f.mu.Unlock()
		put(r)
		f.mu.Lock()
	}
	c.releasing = false
	if c.pending == 0 && len(c.held) == 0 {
		delete(f.conns, id)
	}
	f.mu.Unlock()
}
