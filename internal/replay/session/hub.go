package session

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"gortap/internal/replay"
	rec "gortap/internal/session"
)

// lookahead is how long before its time a file's event is read.
const lookahead = 500 * time.Millisecond

// HubOptions make a Hub.
type HubOptions struct {
	Outputs []*Output
	// Memory bounds the events that wait, in bytes. Live, a session that finds no
	// room is cut there; of files the reading waits, no longer than Stall.
	Memory int
	Stall  time.Duration
	// Timing says how a file is played. Nil: live, without a schedule.
	Timing *replay.Timing
	// Window is what of a file is played, by when a session began.
	Window replay.Window
}

// Hub takes the events of all shards to the outputs. Put may be called by any
// goroutine; Close is the last call.
type Hub struct {
	o       HubOptions
	clock   *replay.Clock
	start   time.Time
	firstNs int64
	shiftNs int64           // of this pass, to the recorded times
	outside map[uint64]bool // sessions outside of the window
	nOut    atomic.Uint64
	stalled bool // there was no room in time: nobody is waited for until there is
	quit    chan struct{}
	once    sync.Once

	mu    sync.Mutex
	used  int
	freed chan struct{}
}

// NewHub makes a Hub. It closes the outputs.
func NewHub(o HubOptions) *Hub {
	h := &Hub{o: o, quit: make(chan struct{}), freed: make(chan struct{}, 1), outside: map[uint64]bool{}}
	if o.Timing != nil {
		h.clock = replay.NewClock(*o.Timing)
	}
	for _, out := range o.Outputs {
		out.release = h.release
	}
	return h
}

// Outside is how many sessions of a file began outside of the window.
func (h *Hub) Outside() uint64 { return h.nOut.Load() }

// Used is how many bytes of events wait.
func (h *Hub) Used() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.used
}

// Put hands over an event. Of a file it waits until it is nearly due.
func (h *Hub) Put(e *rec.Event) {
	due := time.Now().Add(lead)
	if h.clock != nil {
		if !h.inside(e) {
			return
		}
		due = h.pace(e)
	}
	room := h.reserve(e)
	var all []*play
	for _, out := range h.o.Outputs {
		all = append(all, out.put(e, due)...)
	}
	if !room && e.Kind != rec.Over {
		for _, p := range all {
			p.stop(queueFull)
		}
	}
	e.Share(len(all) + 1)
	for _, p := range all {
		p.add(e)
	}
	h.release(e)
}

// Again begins another pass of the same files, whose times are shiftNs later than those
// recorded. It is for who puts.
func (h *Hub) Again(shiftNs int64) {
	h.shiftNs = shiftNs
	if h.clock != nil {
		h.clock.Again()
	}
}

// inside reports whether a session of a file is to be played. One goroutine puts then.
func (h *Hub) inside(e *rec.Event) bool {
	s := e.Session
	if h.firstNs == 0 {
		h.firstNs = s.OpenedNs
	}
	switch e.Kind {
	case rec.Open, rec.Skipped:
		if h.o.Window.Place(h.firstNs, s.OpenedNs-h.shiftNs) == replay.Inside {
			return true
		}
		h.nOut.Add(1)
		if e.Kind == rec.Open {
			h.outside[s.ID] = true
		}
		return false
	case rec.Over:
		defer delete(h.outside, s.ID)
	}
	return !h.outside[s.ID]
}

// pace returns when an event is due, and waits until shortly before.
func (h *Hub) pace(e *rec.Event) time.Time {
	if h.start.IsZero() {
		h.start = time.Now()
	}
	due := h.start.Add(h.clock.Due(e.TsNs))
	left := time.Until(due) - lookahead
	if left <= 0 {
		return due
	}
	timer := time.NewTimer(left)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-h.quit:
	}
	return due
}

// reserve takes room for an event. It takes it even where there is none, for the little
// that is told then.
func (h *Hub) reserve(e *rec.Event) bool {
	if h.clock != nil {
		if h.full() && !h.stalled {
			h.awaitRoom()
		}
		h.stalled = h.full()
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	room := h.used+e.Size() <= h.o.Memory
	h.used += e.Size()
	return room
}

func (h *Hub) full() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.used >= h.o.Memory
}

func (h *Hub) awaitRoom() {
	timer := time.NewTimer(h.o.Stall)
	defer timer.Stop()
	for h.full() {
		select {
		case <-h.freed:
		case <-timer.C:
			return
		case <-h.quit:
			return
		}
	}
}

// release gives one share of an event back.
func (h *Hub) release(e *rec.Event) {
	if !e.Release() {
		return
	}
	h.mu.Lock()
	h.used -= e.Size()
	h.mu.Unlock()
	select {
	case h.freed <- struct{}{}:
	default:
	}
}

// Interrupt ends the waits of Put: the run is over.
func (h *Hub) Interrupt() { h.once.Do(func() { close(h.quit) }) }

// Close plays what was put, as far as that goes before ctx is done.
func (h *Hub) Close(ctx context.Context) error {
	var wg sync.WaitGroup
	errs := make([]error, len(h.o.Outputs))
	for i, out := range h.o.Outputs {
		wg.Go(func() { errs[i] = out.Close(ctx) })
	}
	wg.Wait()
	return errors.Join(errs...)
}
