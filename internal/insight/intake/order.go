package intake

import (
	"math"
	"sync"
)

// Order lets several sources go on by the time of what they tell: none is ahead of
// another by more than what it tells at once.
type Order struct {
	mu    sync.Mutex
	moved sync.Cond
	at    []int64 // what each waits with, or told last
}

// NewOrder is for n sources. Each has to come to its end with Done.
func NewOrder(n int) *Order {
	o := &Order{at: make([]int64, n)}
	o.moved.L = &o.mu
	for i := range o.at {
		o.at[i] = math.MinInt64
	}
	return o
}

// Wait returns when no other source may still tell of a time before ns.
func (o *Order) Wait(source int, ns int64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.at[source] = max(o.at[source], ns)
	o.moved.Broadcast()
	for o.behind(o.at[source]) {
		o.moved.Wait()
	}
}

func (o *Order) behind(ns int64) bool {
	for _, at := range o.at {
		if at < ns {
			return true
		}
	}
	return false
}

// Done says that a source tells nothing more.
func (o *Order) Done(source int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.at[source] = math.MaxInt64
	o.moved.Broadcast()
}
