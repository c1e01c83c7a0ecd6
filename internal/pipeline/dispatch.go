package pipeline

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"gortap/internal/record"
)

// Pacer holds recorded messages to a schedule. One goroutine uses it.
type Pacer interface {
	// Wait waits until r is due, or returns an error where ctx is done before.
	Wait(ctx context.Context, r *record.Record) error
	// Again begins another pass of the recording.
	Again()
}

// Stage changes records, or drops them. It hands on what is left by the function
// that Start is given, one at a time, from Put or from a goroutine of its own.
// Put owns the record; it waits for room no longer than wait.
type Stage interface {
	Start(out func(*record.Record))
	Put(ctx context.Context, r *record.Record, wait time.Duration) bool
	Close(ctx context.Context) error
}

// DispatcherOptions make a Dispatcher.
type DispatcherOptions struct {
	// QueueBytes bounds what waits between the inputs and the outputs. Default
	// 64 MiB.
	QueueBytes int
	// Stall is how long one output may hold up the input. Then what it has no
	// room for is dropped, until it has room again. 0 is for live traffic, which
	// waits for nobody.
	Stall time.Duration
	// Pacer and Stage may be nil.
	Pacer   Pacer
	Stage   Stage
	Outputs []record.Output
	// Idle reports whether all that was put has left the outputs. It is for a run
	// that tracks the responses of targets: its end waits for them. Nil: it does
	// not.
	Idle func() bool
}

// Dispatcher takes records from the inputs to the outputs: through a queue, which
// any number of goroutines fill, to the pacer, the stage, and then to each output.
// Put, Again and End are for the inputs, Reply for outputs that are targets, Stats
// for anybody; Run and Close belong to one goroutine.
type Dispatcher struct {
	o         DispatcherOptions
	queue     *record.Queue
	again     *record.Record // stands in the queue between two passes
	replies   *record.Queue
	answering sync.WaitGroup

	staging    sync.Mutex // requests and replies take turns
	delivering sync.Mutex
	outputs    []outlet

	taken, passed, stopped, late atomic.Uint64
	closed                       bool
}

// outlet is an output as the dispatcher sees it.
type outlet struct {
	record.Output
	wants   [256]bool // by kind
	stalled bool
}

// replyBytes bounds the responses of targets that wait.
const replyBytes = 16 << 20

// idlePoll is how often the end of a run looks whether the outputs are idle.
const idlePoll = time.Millisecond

// forever is longer than any run.
const forever = time.Duration(1<<63 - 1)

// NewDispatcher makes a Dispatcher. It owns the stage and the outputs, and closes
// them.
func NewDispatcher(o DispatcherOptions) *Dispatcher {
	if o.QueueBytes <= 0 {
		o.QueueBytes = 64 << 20
	}
	d := &Dispatcher{o: o, queue: record.NewQueue(o.QueueBytes), again: &record.Record{}, replies: record.NewQueue(replyBytes)}
	for _, out := range o.Outputs {
		l := outlet{Output: out}
		n := out.Needs()
		l.wants[record.End] = true
		l.wants[record.Request], l.wants[record.Stream] = n.Requests, n.Requests
		l.wants[record.Response], l.wants[record.Replayed] = n.Responses, n.Responses
		d.outputs = append(d.outputs, l)
	}
	if o.Stage != nil {
		o.Stage.Start(d.deliver)
	}
	return d
}

// Put hands a record to the dispatcher. Of live traffic it never waits; of files it
// waits for room until Run is over. It reports false where there was none.
func (d *Dispatcher) Put(r *record.Record) bool {
	return d.queue.Put(context.Background(), r, d.patience(forever))
}

// Again tells that what comes now is another pass of the same recording.
func (d *Dispatcher) Again() {
	d.queue.Put(context.Background(), d.again, forever)
}

// Reply hands over what a target answered. It never waits; where there is no room
// the record is dropped and counted.
func (d *Dispatcher) Reply(r *record.Record) {
	d.taken.Add(1)
	if !d.replies.Put(context.Background(), r, 0) {
		d.late.Add(1)
	}
}

// End tells that nothing more will be put.
func (d *Dispatcher) End() { d.queue.Close() }

func (d *Dispatcher) patience(files time.Duration) time.Duration {
	if d.o.Stall == 0 {
		return 0
	}
	return files
}

// Run dispatches until End was called and everything before it is gone, or until
// ctx is done: then it drops and counts what still waits. Close has to follow.
func (d *Dispatcher) Run(ctx context.Context) {
	d.answering.Go(d.answer)
	for ctx.Err() == nil {
		r, ok := d.queue.Take(ctx)
		if !ok {
			break
		}
		if r == d.again {
			if d.o.Pacer != nil {
				d.o.Pacer.Again()
			}
			continue
		}
		d.taken.Add(1)
		if d.o.Pacer != nil && d.o.Pacer.Wait(ctx, r) != nil {
			d.stopped.Add(1)
			continue
		}
		d.dispatch(ctx, r)
	}
	d.discard()
}

// answer dispatches replies until their queue is closed.
func (d *Dispatcher) answer() {
	for {
		r, ok := d.replies.Take(context.Background())
		if !ok {
			return
		}
		d.dispatch(context.Background(), r)
	}
}

func (d *Dispatcher) dispatch(ctx context.Context, r *record.Record) {
	d.staging.Lock()
	defer d.staging.Unlock()
	d.passed.Add(1)
	if d.o.Stage == nil {
		d.deliver(r)
		return
	}
	d.o.Stage.Put(ctx, r, d.patience(d.o.Stall)) // what it refuses, it counts
}

// discard empties the queue, so that those who wait for room go on.
func (d *Dispatcher) discard() {
	d.queue.Close()
	for {
		r, ok := d.queue.Take(context.Background())
		if !ok {
			return
		}
		if r != d.again {
			d.taken.Add(1)
			d.stopped.Add(1)
		}
	}
}

// deliver gives a record to each output that has a use for it.
func (d *Dispatcher) deliver(r *record.Record) {
	d.delivering.Lock()
	defer d.delivering.Unlock()
	for i := range d.outputs {
		o := &d.outputs[i]
		if !o.wants[r.Kind] {
			continue
		}
		wait := d.o.Stall
		if o.stalled {
			wait = 0
		}
		o.stalled = !o.Put(r, wait)
	}
}

// Close ends the stage and then the outputs, which finish what they have as far
// as they can before ctx is done. It comes after Run and is idempotent.
func (d *Dispatcher) Close(ctx context.Context) error {
	if d.closed {
		return nil
	}
	d.closed = true
	d.settle(ctx)
	var errs []error
	if d.o.Stage != nil {
		errs = append(errs, d.o.Stage.Close(ctx))
	}
	ended := make(chan error, len(d.outputs))
	for i := range d.outputs {
		go func() { ended <- d.outputs[i].Close(ctx) }()
	}
	for range d.outputs {
		errs = append(errs, <-ended)
	}
	return errors.Join(errs...)
}

// settle lets the targets answer what they were sent, and ends the replies.
func (d *Dispatcher) settle(ctx context.Context) {
	tick := time.NewTicker(idlePoll)
	defer tick.Stop()
	for d.o.Idle != nil && !d.o.Idle() && ctx.Err() == nil {
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
	d.replies.Close()
	d.answering.Wait()
}

// DispatcherStats is what became of the records that were put: Taken = Passed +
// Stopped + LateReplies, after Close.
type DispatcherStats struct {
	Taken       uint64
	Passed      uint64 // to the stage, or to the outputs where there is none
	Stopped     uint64 // they waited still when the run ended
	LateReplies uint64 // of targets, for which there was no room
	Waiting     int    // in the queue
}

// Stats returns the counts so far.
func (d *Dispatcher) Stats() DispatcherStats {
	n, _ := d.queue.Len()
	return DispatcherStats{
		Taken: d.taken.Load(), Passed: d.passed.Load(),
		Stopped: d.stopped.Load(), LateReplies: d.late.Load(), Waiting: n,
	}
}
