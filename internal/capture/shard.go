package capture

import (
	"sync"
	"sync/atomic"
	"time"

	"gortap/internal/capture/ring"
	"gortap/internal/flow"
)

// What lies between two Ticks, at most. The totals of 200,000 flows at once would
// keep the shard from its ring for longer than that has room for.
const (
	batchBytes  = 256 << 10 // of ring
	batchTotals = 2048
)

// shard reads one ring: its goroutine drains it and makes every call of its
// handler. Waking user space for each record would cost the observed server up
// to half of its requests, so the shard polls.
type shard struct {
	ring    *ring.Ring
	sleeper *sleeper
	handler flow.Handler
	clock   clock
	control *control

	segment, tail flow.Segment // reused: borrowed by the handler
	totals        flow.Totals
	stopping      atomic.Bool // the flows that end now would go on

	mu      sync.Mutex
	updates []flow.Totals // the sweep's: borrowed
	behind  uint64        // CLOCK_MONOTONIC, ns: the records up to then come before them
	told    int           // of them, handled; the shard's own
}

// run drains the ring until stop is closed, then to its end. Whoever closes stop
// wakes the sleeper after that.
func (s *shard) run(stop <-chan struct{}) {
	p := pace{size: s.ring.Size(), naps: s.sleeper.napper != nil}
	began := time.Now()
	for {
		n := s.batch()
		select {
		case <-stop:
			for s.batch() > 0 {
			}
			return
		default:
		}
		now := time.Now()
		sleep, fill := p.next(now.Sub(began), n, s.ring.Pending())
		began = now
		if sleep > 0 && s.told == 0 {
			s.sleeper.sleep(sleep, fill)
		}
	}
}

// batch handles what is there, up to batchBytes, and returns how much that was.
func (s *shard) batch() int {
	now, upTo := s.clock.now()
	n := s.ring.Drain(batchBytes, upTo, s.deliver)
	s.deliverUpdates()
	s.handler.Tick(now)
	s.control.flush()
	return n
}

// post lends totals to the shard's goroutine until idle, or reports false where the
// last ones are still waiting. They are not copied: those of very many flows would
// keep the shard from its ring meanwhile. Their place is behind all records of packets
// that came before now: the account takes for lost what one sweep counted and was not handed
// over by the next, and a shard may well be a sweep or two behind its ring.
func (s *shard) post(updates []flow.Totals) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.updates) > 0 {
		return false
	}
	s.updates, s.behind = updates, monotonicNow()
	return true
}

// idle reports whether all posted totals are handled.
func (s *shard) idle() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.updates) == 0
}

// deliverUpdates hands over some of the totals that wait, once the records before them
// are.
func (s *shard) deliverUpdates() {
	s.mu.Lock()
	updates, behind := s.updates, s.behind
	s.mu.Unlock()
	if len(updates) > 0 && s.ring.Told() < behind {
		return
	}
	end := min(s.told+batchTotals, len(updates))
	for ; s.told < end; s.told++ {
		s.handler.Update(&updates[s.told])
	}
	if end == 0 || end < len(updates) {
		return
	}
	s.mu.Lock()
	s.updates = nil
	s.mu.Unlock()
	s.told = 0
}

// SetDepth implements flow.Control.
func (s *shard) SetDepth(k flow.Key, d flow.Depth) { s.control.setDepth(k, d) }
