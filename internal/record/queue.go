package record

import (
	"context"
	"sync"
	"time"
)

// overhead is what a record takes in memory beside its data.
const overhead = 256

// Queue holds records between goroutines, in order, up to a number of bytes. Any
// number of goroutines may use it.
type Queue struct {
	mu     sync.Mutex
	items  []*Record // a ring
	head   int
	n      int
	bytes  int
	limit  int
	closed bool
	filled chan struct{} // holds a token where there may be something to take
	freed  chan struct{} // holds a token where there may be room
}

// NewQueue makes a queue that holds about limit bytes of records; a larger record
// is let in alone.
func NewQueue(limit int) *Queue {
	return &Queue{limit: limit, items: make([]*Record, 64), filled: make(chan struct{}, 1), freed: make(chan struct{}, 1)}
}

// Put appends r. Where there is no room it waits until there is, the time is over
// or ctx is done, and reports false for the last two, and once the queue is closed.
func (q *Queue) Put(ctx context.Context, r *Record, wait time.Duration) bool {
	if ok, closed := q.tryPut(r); ok || closed || wait <= 0 {
		return ok
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	for {
		select {
		case <-q.freed:
		case <-timer.C:
			return false
		case <-ctx.Done():
			return false
		}
		if ok, closed := q.tryPut(r); ok || closed {
			return ok
		}
	}
}

func (q *Queue) tryPut(r *Record) (ok, closed bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		signal(q.freed) // for whoever else waits
		return false, true
	}
	size := cap(r.Data) + overhead
	if q.n > 0 && q.bytes+size > q.limit {
		return false, false
	}
	if q.n == len(q.items) {
		q.grow()
	}
	q.items[(q.head+q.n)%len(q.items)] = r
	q.n++
	q.bytes += size
	signal(q.filled)
	if q.bytes < q.limit {
		signal(q.freed) // another one may be waiting
	}
	return true, false
}

func (q *Queue) grow() {
	items := make([]*Record, 2*len(q.items))
	for i := range q.n {
		items[i] = q.items[(q.head+i)%len(q.items)]
	}
	q.items, q.head = items, 0
}

// Take returns the next record, waiting for it. It reports false once the queue
// is closed and empty, or ctx is done.
func (q *Queue) Take(ctx context.Context) (*Record, bool) {
	for {
		r, closed := q.tryTake()
		if r != nil || closed {
			return r, r != nil
		}
		select {
		case <-q.filled:
		case <-ctx.Done():
			return nil, false
		}
	}
}

func (q *Queue) tryTake() (r *Record, closed bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.n == 0 {
		if q.closed {
			signal(q.filled) // for whoever else takes
		}
		return nil, q.closed
	}
	r = q.items[q.head]
	q.items[q.head] = nil
	q.head = (q.head + 1) % len(q.items)
	q.n--
	q.bytes -= cap(r.Data) + overhead
	signal(q.freed)
	if q.n > 0 {
		signal(q.filled)
	}
	return r, false
}

// Close ends the queue: what it holds can still be taken, nothing more is put. It
// is idempotent.
func (q *Queue) Close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	signal(q.filled)
	signal(q.freed)
}

// Len returns how many records wait, and how many bytes they take.
func (q *Queue) Len() (records, bytes int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.n, q.bytes
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
