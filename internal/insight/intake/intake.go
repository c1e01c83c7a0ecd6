// Package intake brings the exchanges that the parsers find into an insight.Store. A
// shard's Feed copies what is needed of an exchange into a batch; one goroutine makes
// observations of the batches. The capture never waits for it: where the queue between
// the two is half full, heads and samples are left out first, and where it is full,
// exchanges are dropped, and counted. With Config.Wait, for files, the reader waits
// instead.
package intake

import (
	"hash/maphash"
	"sync"
	"sync/atomic"

	"gortap/internal/insight"
	"gortap/internal/process/redact"
)

// Config makes an Intake.
type Config struct {
	Store *insight.Store
	// Redact hides secrets in targets; nil: they are shown.
	Redact *redact.Redactor
	// Rate is how many exchanges a second are looked at, of all feeds together, which
	// have equal parts of it; 0: all. The others are left out and counted.
	Rate int
	// Wait makes feeds wait for room. It is for sources that can.
	Wait bool
	// Whole says whether the capture may copy more at the moment, so that some bodies
	// are seen whole; nil: never. It is called from any goroutine.
	Whole func() bool
	// Order keeps several sources in step; Turn is the number of this one. Nil: there
	// is one source.
	Order *Order
	Turn  int
}

// Reason says why something is missing in the observations. It is a metric label.
type Reason uint8

// The reasons.
const (
	QueueFull  Reason = iota // exchanges that were dropped
	HeadShed                 // exchanges without their heads and bodies: the queue was half full
	HeadLarge                // exchanges whose heads were too large to be looked at
	OverRate                 // exchanges that were left out: there were more than Config.Rate
	NumReasons = iota
)

// String returns the label.
func (r Reason) String() string {
	return [NumReasons]string{"queue-full", "heads-shed", "head-too-large", "over-rate"}[r]
}

// Stats counts exchanges.
type Stats struct {
	Taken   uint64 // by feeds, with those that were dropped and left out
	Missing [NumReasons]uint64
	// Wholes is how often a connection was copied whole for a few exchanges.
	Wholes uint64
}

// queueLength is how many batches wait at most.
const queueLength = 32

// Intake is the queue and its goroutine.
type Intake struct {
	cfg   Config
	seed  maphash.Seed
	queue chan *batch
	spare chan *batch
	done  sync.WaitGroup
	end   sync.Once

	feeds   atomic.Int32
	taken   atomic.Uint64
	missing [NumReasons]atomic.Uint64
	wholes  atomic.Uint64
}

// New starts an Intake. It must be closed.
func New(c Config) *Intake {
	in := &Intake{cfg: c, seed: maphash.MakeSeed(), queue: make(chan *batch, queueLength), spare: make(chan *batch, queueLength)}
	in.done.Go(in.run)
	return in
}

// Close returns when everything that was handed over is in the Store. All feeds must
// be closed before.
func (in *Intake) Close() {
	in.end.Do(func() { close(in.queue) })
	in.done.Wait()
}

// Stats returns what became of exchanges so far. Any goroutine may call it.
func (in *Intake) Stats() Stats {
	s := Stats{Taken: in.taken.Load(), Wholes: in.wholes.Load()}
	for i := range s.Missing {
		s.Missing[i] = in.missing[i].Load()
	}
	return s
}

func (in *Intake) run() {
	r := newReader(in.cfg.Redact)
	if in.cfg.Order != nil {
		defer in.cfg.Order.Done(in.cfg.Turn)
	}
	for b := range in.queue {
		if in.cfg.Order != nil {
			in.cfg.Order.Wait(in.cfg.Turn, b.nowNs)
		}
		r.begin()
		in.cfg.Store.Batch(b.nowNs, func(observe func(*insight.Observation)) {
			for i := range b.entries {
				observe(r.read(b, &b.entries[i]))
			}
			for _, again := range b.resent {
				in.cfg.Store.Resent(again.service, again.bytes)
			}
			in.cfg.Store.Missed(&b.missed)
		})
		b.resent, b.missed = b.resent[:0], insight.Missed{}
		b.reset()
		select {
		case in.spare <- b:
		default:
		}
	}
}

// put hands a batch over and returns an empty one. Where it may not wait for room, it
// drops the exchanges.
func (in *Intake) put(b *batch, wait bool) *batch {
	in.taken.Add(uint64(len(b.entries)))
	if wait {
		in.queue <- b
	} else {
		select {
		case in.queue <- b:
		default:
			in.missing[QueueFull].Add(uint64(len(b.entries)))
			b.miss()
			b.reset()
			return b
		}
	}
	select {
	case b = <-in.spare:
		return b
	default:
		return newBatch()
	}
}

// leftOut counts exchanges that are in no batch.
func (in *Intake) leftOut(n uint64) {
	if n > 0 {
		in.taken.Add(n)
		in.missing[OverRate].Add(n)
	}
}

// pressed says that the queue is half full.
func (in *Intake) pressed() bool { return !in.cfg.Wait && len(in.queue) > queueLength/2 }
