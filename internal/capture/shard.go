package capture

import (
	"sync"
	"sync/atomic"
	"time"

	"gortap/internal/flow"
)

const (
	batchBytes = 1 << 20 // of ring between two Ticks
	minSleep   = 500 * time.Microsecond
	maxSleep   = 8 * time.Millisecond
)

// shard owns one ring: its goroutine drains it and makes every call of its
// handler. Waking user space for each record would cost the observed server up
// to half of its requests, so the shard polls.
type shard struct {
	ring    *ring
	handler flow.Handler
	clock   clock
	control *control

	segment, tail flow.Segment // reused: borrowed by the handler
	totals        flow.Totals
	stopping      atomic.Bool // the flows that end now would go on

	mu      sync.Mutex
	updates []flow.Totals // from the sweep, not yet handled
}

// run drains the ring until stop is closed, then to its end.
func (s *shard) run(stop <-chan struct{}) {
	sleep := minSleep
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		stopping := false
		select {
		case <-stop:
			stopping = true
		case <-timer.C:
		}
		n := s.batch()
		if stopping {
			for s.batch() > 0 {
			}
			return
		}
		sleep = nextSleep(sleep, n, s.ring.pending(), int(s.ring.mask)+1)
		timer.Reset(sleep)
	}
}

// batch handles what is there, up to batchBytes, and returns how much that was.
func (s *shard) batch() int {
	now := s.clock.now()
	n := s.ring.drain(batchBytes, s.deliver)
	s.deliverUpdates()
	s.handler.Tick(now)
	s.control.flush()
	return n
}

// nextSleep aims at finding a few percent of the ring filled: rarely enough to
// cost little, and long before the ring is full.
func nextSleep(last time.Duration, read, pending, size int) time.Duration {
	switch {
	case pending > size/32:
		return 0
	case read > size/16:
		return max(last/2, minSleep)
	case read > size/64:
		return last
	default:
		return min(max(last*2, minSleep), maxSleep)
	}
}

// post queues totals for the shard's goroutine, or reports false where the last
// ones are still waiting.
func (s *shard) post(updates []flow.Totals) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.updates) > 0 {
		return false
	}
	s.updates = append(s.updates, updates...)
	return true
}

// idle reports whether all posted totals are handled.
func (s *shard) idle() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.updates) == 0
}

func (s *shard) deliverUpdates() {
	s.mu.Lock()
	updates := s.updates
	s.mu.Unlock()
	if len(updates) == 0 {
		return
	}
	for i := range updates {
		s.handler.Update(&updates[i])
	}
	s.mu.Lock()
	s.updates = s.updates[:0]
	s.mu.Unlock()
}

// SetDepth implements flow.Control.
func (s *shard) SetDepth(k flow.Key, d flow.Depth) { s.control.setDepth(k, d) }
