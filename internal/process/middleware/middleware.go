// Package middleware hands records to a program of the user and takes back what
// it makes of them, in GoReplay's protocol: one line of hexadecimal digits a
// message, a header line and the message itself, on the program's standard input,
// and the same on its standard output. A message that does not come back is
// filtered. What comes back may be changed, late, and in another order.
package middleware

import (
	"context"
	"fmt"
	"log/slog"
	"os/exec"
	"sync"
	"sync/atomic"
	"time"

	"gortap/internal/process/message"
	"gortap/internal/record"
)

// Config says what to run.
type Config struct {
	Command string
	// Timeout is how long an answer may take from when the program has read
	// the message. After that the message counts as filtered, and holds nobody
	// up. Default 5 s.
	Timeout time.Duration
	// Limit is how many bytes may wait on either side of the program. Default
	// 16 MiB.
	Limit int
	Log   *slog.Logger
}

// The times of a restart.
const (
	minBackoff = 100 * time.Millisecond
	maxBackoff = 5 * time.Second
	// grace is how long SIGTERM may take.
	grace = time.Second
	// forever is for what ends with its context.
	forever = 1<<63 - 1
)

// Middleware is a running program, started again where it ends.
type Middleware struct {
	cfg    Config
	words  []string
	in     *record.Queue // to be written
	ready  *record.Queue // came back, to be handed out
	flight *flight
	tick   time.Duration

	unsent  []*record.Record // taken from in, and not written by the child that died
	written atomic.Int64     // bytes, of the present child
	lines   atomic.Uint64    // that came back from any child
	view    message.View     // the reader's
	blocked atomic.Bool      // the reader waits for room in ready: time stands still

	cancel   context.CancelFunc
	runs     sync.WaitGroup // the child and what serves it
	handsOut sync.WaitGroup
	close    sync.Once
	count    counters
}

type counters struct {
	slow, silent, died, deadline atomic.Uint64
	added, restarts, garbled     atomic.Uint64
}

// Stats is what became of the records.
type Stats struct {
	// Dropped has the reasons "middleware-slow" (no room to wait for it),
	// "middleware-filtered" (no answer in time), "middleware-died" (it ended
	// with them) and "middleware-deadline" (Close ran out of time).
	Dropped []record.Count
	// Added counts what came back without having been handed over, or late.
	Added uint64
	// Restarts counts how often the program ended, or could not be started.
	Restarts uint64
	// Garbled counts lines that are none of the protocol.
	Garbled uint64
}

// New checks the config and starts nothing.
func New(cfg Config) (*Middleware, error) {
	words, err := splitCommand(cfg.Command)
	if err == nil {
		_, err = exec.LookPath(words[0])
	}
	if err != nil {
		return nil, fmt.Errorf("parse --middleware %q: %w", cfg.Command, err)
	}
	if cfg.Timeout < 0 {
		return nil, fmt.Errorf("parse --middleware-timeout %v: want a time above 0", cfg.Timeout)
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = 5 * time.Second
	}
	if cfg.Limit == 0 {
		cfg.Limit = 16 << 20
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	// Twenty looks in the time of an answer, or more where that is long.
	tick := min(max(cfg.Timeout/20, time.Millisecond), 250*time.Millisecond)
	ticks := int((cfg.Timeout + tick - 1) / tick)
	return &Middleware{
		cfg: cfg, words: words, tick: tick, flight: newFlight(ticks),
		in: record.NewQueue(cfg.Limit), ready: record.NewQueue(cfg.Limit),
	}, nil
}

// Start runs the program. What comes back goes to out, from one goroutine.
func (m *Middleware) Start(out func(*record.Record)) {
	ctx, cancel := context.WithCancel(context.Background())
	m.cancel = cancel
	m.runs.Go(func() { m.supervise(ctx) })
	m.handsOut.Go(func() {
		for {
			r, ok := m.ready.Take(ctx)
			if !ok {
				return
			}
			out(r)
		}
	})
}

// Put hands a record over. Where there is no room it waits for some, no longer
// than wait; it reports false where there is none then, and has counted the
// record as dropped. What the protocol does not know, the end of a connection
// and its streams, keeps its place behind the connection's messages. One
// goroutine may call it.
func (m *Middleware) Put(ctx context.Context, r *record.Record, wait time.Duration) bool {
	if !isMessage(r.Kind) {
		busy, ok := m.flight.hold(r, m.cfg.Limit)
		if ok && (busy || m.ready.Put(ctx, r, wait)) {
			return true
		}
		m.count.slow.Add(1)
		return false
	}
	m.flight.expect(r.Conn)
	conn := r.Conn
	if m.in.Put(ctx, r, wait) {
		return true
	}
	m.flight.unexpect(conn)
	m.count.slow.Add(1)
	return false
}

// Close hands over what waits, closes the program's input, and returns when the
// program has ended and all that came back is handed out. When ctx is done it
// ends the program, and drops the rest. It is idempotent.
func (m *Middleware) Close(ctx context.Context) error {
	var err error
	m.close.Do(func() {
		if m.cancel == nil {
			return // never started
		}
		defer m.cancel()
		stop := context.AfterFunc(ctx, m.cancel)
		defer stop()
		m.in.Close()
		m.runs.Wait()
		m.ready.Close()
		m.handsOut.Wait()
		left, _ := m.ready.Len()
		m.count.deadline.Add(uint64(left))
		if ctx.Err() != nil {
			err = fmt.Errorf("close middleware %s: %w", m.words[0], ctx.Err())
		}
	})
	return err
}

// Stats may be called at any time from any goroutine.
func (m *Middleware) Stats() Stats {
	return Stats{
		Dropped: []record.Count{
			{Reason: "middleware-slow", N: m.count.slow.Load()},
			{Reason: "middleware-filtered", N: m.count.silent.Load()},
			{Reason: "middleware-died", N: m.count.died.Load()},
			{Reason: "middleware-deadline", N: m.count.deadline.Load()},
		},
		Added: m.count.added.Load(), Restarts: m.count.restarts.Load(), Garbled: m.count.garbled.Load(),
	}
}

// handOut waits for room, which ends with ctx.
func (m *Middleware) handOut(ctx context.Context, r *record.Record) {
	if !m.ready.Put(ctx, r, forever) {
		m.count.deadline.Add(1)
	}
}
