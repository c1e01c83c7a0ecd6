package httpout

import (
	"gortap/internal/record"
)

// queued is a record that waits for its turn.
type queued struct {
	r       *record.Record
	retried bool // it was sent before, over a connection that had gone
}

// ring is a queue that uses its memory again.
type ring struct {
	items []queued
	head  int
	n     int
}

func (q *ring) push(it queued) {
	q.room()
	q.items[(q.head+q.n)%len(q.items)] = it
	q.n++
}

func (q *ring) pushFront(it queued) {
	q.room()
	q.head = (q.head + len(q.items) - 1) % len(q.items)
	q.items[q.head] = it
	q.n++
}

func (q *ring) room() {
	if q.n < len(q.items) {
		return
	}
	items := make([]queued, max(4, 2*len(q.items)))
	for i := range q.n {
		items[i] = q.items[(q.head+i)%len(q.items)]
	}
	q.items, q.head = items, 0
}

func (q *ring) peek() *record.Record {
	if q.n == 0 {
		return nil
	}
	return q.items[q.head].r
}

func (q *ring) pop() queued {
	it := q.items[q.head]
	q.items[q.head] = queued{}
	q.head = (q.head + 1) % len(q.items)
	q.n--
	return it
}

// share is the part of the output's room that one session may take.
const share = 4

type pushing uint8

const (
	pushed pushing = iota
	full
	over // the session takes no more
)

// push gives the session a record.
func (s *session) push(q queued) pushing {
	s.mu.Lock()
	defer s.mu.Unlock()
	size := len(q.r.Data) + overhead
	switch {
	case s.ending:
		return over
	case s.queue.n > 0 && (s.bytes+size > s.o.cfg.QueueBytes/share || s.queue.n >= max(s.o.cfg.QueueLen/share, 1)):
		return full
	}
	s.queue.push(q)
	s.bytes += size
	s.idleSince.Store(0)
	switch {
	case s.waits:
		s.waits = false
		signal(s.wake)
	case q.r.Pipelined && s.busy && s.conn != nil:
		s.conn.interrupt() // the request before it waits for its response
	}
	return pushed
}

// end lets the session finish what it has.
func (s *session) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.finish()
}

// finish is end with mu held.
func (s *session) finish() {
	s.ending = true
	s.waits = false
	signal(s.wake)
}

// endIdle ends the session if it has had nothing to do since then.
func (s *session) endIdle(since int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.idleSince.Load() != since || s.queue.n > 0 {
		return false
	}
	s.finish()
	return true
}

// cut ends the session at once.
func (s *session) cut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.aborted = true
	s.finish()
	if s.conn != nil {
		_ = s.conn.SetDeadline(past)
	}
}

// await returns the next record, or false once there will be none.
func (s *session) await() (queued, bool) {
	for {
		s.mu.Lock()
		if s.aborted {
			s.dropQueue()
		}
		if s.queue.n > 0 {
			q := s.pop()
			s.mu.Unlock()
			return q, true
		}
		if s.ending {
			s.mu.Unlock()
			return queued{}, false
		}
		if len(s.in) > readSize && s.tunnel == nil {
			s.in = nil // many connections may rest
		}
		s.waits = true
		s.rested = true
		s.idleSince.Store(s.o.now())
		s.mu.Unlock()
		s.offer()
		<-s.wake
	}
}

// offer tells the pool that the session has nothing to do.
func (s *session) offer() {
	if !s.pooled {
		return
	}
	s.o.mu.Lock()
	defer s.o.mu.Unlock()
	if !s.isFree {
		s.isFree = true
		s.o.free = append(s.o.free, s)
	}
}

func (s *session) pop() queued {
	q := s.queue.pop()
	s.bytes -= len(q.r.Data) + overhead
	return q
}

// follower returns the next record if the client sent it without waiting for the
// response before.
func (s *session) follower() (queued, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r := s.queue.peek(); r == nil || !r.Pipelined || s.pooled || r.Kind != record.Request {
		return queued{}, false
	}
	return s.pop(), true
}

// putBack makes q the next record again.
func (s *session) putBack(q queued) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.queue.pushFront(q)
	s.bytes += len(q.r.Data) + overhead
}

func (s *session) dropQueue() {
	for s.queue.n > 0 {
		s.o.drop(s.pop().r, deadline)
	}
}
