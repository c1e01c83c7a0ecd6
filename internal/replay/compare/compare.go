// Package compare tells whether a replay's target answers like the server that
// was recorded. It pairs responses by the ID of their exchange, compares what
// means something in them, and groups the differences by endpoint and place; it
// compares the distributions of the latencies too. A baseline target, which runs
// what was recorded, shows which differences are noise.
//
// Use it as the receiver of record.Replayed records. One caveat: the latency of an
// original is what the capture saw near the server, that of a replay what the
// client saw; over a slow network only a baseline makes them comparable.
package compare

import (
	"bytes"
	"context"
	"errors"
	"hash/maphash"
	"sync"
	"time"

	"gortap/internal/account"
	"gortap/internal/process/message"
	"gortap/internal/process/redact"
	"gortap/internal/record"
)

// Comparer compares. All methods may be called from any goroutine; those that
// bring something return at once unless Config.Block is set.
type Comparer struct {
	config Config
	books  *books
	table  table

	mu      sync.Mutex
	filled  sync.Cond // something is ready, or closed
	freed   sync.Cond // some of what was ready is done
	paths   *account.Templater
	closed  bool
	request message.View
	targets *redact.Redactor
	abandon bool // what is ready is not compared any more
	done    chan struct{}
}

// New makes a Comparer. It runs a goroutine until Close.
func New(c Config) (*Comparer, error) {
	c, err := c.withDefaults()
	if err != nil {
		return nil, err
	}
	rules, err := newRules(&c)
	if err != nil {
		return nil, err
	}
	paths, err := account.NewTemplater(c.PathPatterns)
	if err != nil {
		return nil, err
	}
	x := &Comparer{config: c, books: newBooks(&c), paths: paths, targets: c.Redactor.Clone(), done: make(chan struct{})}
	x.table.init(maphash.MakeSeed())
	x.filled.L, x.freed.L = &x.mu, &x.mu
	go x.work(newWorker(&c, rules))
	return x, nil
}

// Request tells of a request that is to be replayed, before its responses.
func (c *Comparer) Request(r *record.Record) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.entry(r.ID)
	if e == nil || e.ready {
		return
	}
	if !c.request.Parse(r.Data) || !c.request.IsRequest() {
		return
	}
	method, target := c.request.Method(), c.request.Target()
	e.endpoint = endpointName(method, c.paths.Path(method, target))
	e.method = bytes.Clone(method[:min(len(method), maxMethod)])
	target, _, _ = bytes.Cut(c.targets.Target(target), []byte("?"))
	e.target = string(target[:min(len(target), maxPath)])
	e.timeNs = r.TimeNs
	c.table.grow(e, len(e.endpoint)+len(e.target))
	c.settleOld()
}

// Original brings the recorded response. The record is kept and must not change
// any more; so it is with Candidate and Baseline.
func (c *Comparer) Original(r *record.Record) { c.put(original, r) }

// Candidate brings the response of the target that is under test.
func (c *Comparer) Candidate(r *record.Record) { c.put(candidate, r) }

// Baseline brings the response of a baseline target.
func (c *Comparer) Baseline(r *record.Record) { c.put(baseline, r) }

// Failed tells that the target under test gave no response, for a reason that is
// one of a few, like "timeout". It is a difference.
func (c *Comparer) Failed(id, reason string) {
	c.put(candidate, &record.Record{Kind: record.Replayed, ID: id, Protocol: failure, Data: []byte(reason)})
}

// Skip tells that a request is not replayed, so that nobody waits for it.
func (c *Comparer) Skip(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e := c.table.find(id); e == nil {
		c.table.finish(id, true)
	} else if !e.ready {
		c.table.remove(e, true)
	}
}

// entry returns the exchange that a record belongs to, or nil where it was
// settled before.
func (c *Comparer) entry(id string) *entry {
	if c.closed {
		return nil
	}
	if e := c.table.find(id); e != nil {
		return e
	}
	if settled, _ := c.table.settled(id); settled {
		return nil
	}
	return c.table.add(id, c.config.Now())
}

func (c *Comparer) put(s side, r *record.Record) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.entry(r.ID)
	if s == baseline && e != nil && e.parts[s] != nil && c.config.Baselines == 2 {
		s = baseline2
	}
	if e == nil || e.ready || e.parts[s] != nil {
		if _, skipped := c.table.settled(r.ID); !skipped {
			c.table.unpaired[late]++
		}
		return
	}
	e.parts[s] = r
	c.table.grow(e, len(r.Data))
	if e.isWhole(c.config.Baselines) {
		c.ready(e)
	}
	c.settleOld()
	c.makeRoom()
}

func (c *Comparer) ready(e *entry) {
	c.table.setReady(e)
	c.filled.Signal()
}

// settleOld ends the wait of those that waited for too long.
func (c *Comparer) settleOld() {
	deadline := c.config.Now().Add(-c.config.Timeout)
	for e := c.table.waiting.first; e != nil && e.since.Before(deadline); e = c.table.waiting.first {
		c.settle(e)
	}
}

// settle compares what there is of an exchange, or counts what is missing.
func (c *Comparer) settle(e *entry) {
	if why, ok := e.missing(); !ok && why == noReplay && c.config.Sampled {
		c.table.remove(e, true)
		return
	} else if !ok {
		c.table.unpaired[why]++
		c.table.remove(e, false)
		return
	}
	c.ready(e)
}

// makeRoom drops the oldest exchanges until the limit is kept.
func (c *Comparer) makeRoom() {
	for c.table.bytes > c.config.MaxPending {
		if c.config.Block && c.table.queue.first != nil {
			if c.freed.Wait(); c.closed {
				return
			}
			continue
		}
		e := c.table.waiting.first
		if e == nil {
			if e = c.table.queue.first; e == nil {
				return // what is being compared counts until it is done
			}
		}
		c.table.unpaired[evicted]++
		c.table.remove(e, false)
	}
}

// work compares what is ready until the Comparer is closed.
func (c *Comparer) work(w *worker) {
	defer close(c.done)
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		for c.table.queue.first == nil && !c.closed {
			c.filled.Wait()
		}
		e := c.table.queue.first
		if e == nil || c.abandon {
			return
		}
		c.table.take(e)
		c.mu.Unlock()
		w.compare(e, c.books)
		c.mu.Lock()
		c.table.free(e)
		c.freed.Broadcast()
	}
}

// Close compares what waits, as far as that goes before ctx is done; the rest is
// counted as evicted. It is idempotent.
func (c *Comparer) Close(ctx context.Context) error {
	c.mu.Lock()
	if !c.closed {
		for c.table.waiting.first != nil {
			c.settle(c.table.waiting.first)
		}
		c.closed = true
		c.filled.Broadcast()
		c.freed.Broadcast()
	}
	c.mu.Unlock()
	var err error
	select {
	case <-c.done:
	case <-ctx.Done():
		err = errors.New("compare the last responses: no time left (the others are in the report)")
	}
	c.mu.Lock()
	c.abandon = true
	for c.table.queue.first != nil {
		c.table.unpaired[evicted]++
		c.table.remove(c.table.queue.first, false)
	}
	c.mu.Unlock()
	<-c.done // after the exchange that is being compared
	return err
}

// Result returns what was found so far.
func (c *Comparer) Result() *Result {
	c.mu.Lock()
	unpaired := c.table.unpaired
	c.mu.Unlock()
	return c.books.result(unpaired, c.config.Now().UTC().Truncate(time.Second))
}
