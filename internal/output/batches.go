package output

import (
	"sync/atomic"
	"time"

	"gortap/internal/flow"
	"gortap/internal/proto"
)

const (
	// batchDelay is how long a segment waits for others.
	batchDelay = 100 * time.Millisecond
	// fullBatch is the memory at which a batch of segments is handed over, and
	// segmentQueue what waits for the writer by default.
	fullBatch    = 256 << 10
	segmentQueue = 16 << 20
	batchSpare   = 4
	// segmentSize is what a segment takes beside its bytes.
	segmentSize = 112
)

// batches is the way of segments from the shards to an output's writer. It is bounded,
// and never makes a shard wait.
type batches struct {
	queue chan *batch
	spare chan *batch

	taken   atomic.Uint64
	dropped [NumDropReasons]atomic.Uint64
	// lost is told of a batch that found no room; nil: it is counted as Slow.
	lost func(*batch)
}

// batch is a number of segments that own their bytes.
type batch struct {
	segments []flow.Segment // without Data
	sizes    []int          // of each one's data
	data     []byte
}

// newBatches makes a way for about limit bytes; 0 is the default.
func newBatches(limit int) *batches {
	if limit <= 0 {
		limit = segmentQueue
	}
	return &batches{queue: make(chan *batch, max(limit/fullBatch, 1)), spare: make(chan *batch, batchSpare)}
}

func (b *batches) feed() Feed { return &packetsFeed{out: b, batch: &batch{}} }

// giveBack lets a feed use a batch again that was written.
func (b *batches) giveBack(done *batch) {
	done.reset()
	select {
	case b.spare <- done:
	default:
	}
}

// each calls use with each segment, which has its bytes until it returns.
func (b *batch) each(use func(*flow.Segment)) {
	data := b.data
	for i := range b.segments {
		s := &b.segments[i]
		s.Data, data = data[:b.sizes[i]], data[b.sizes[i]:]
		use(s)
	}
}

// packetsFeed collects the segments of one shard.
type packetsFeed struct {
	out     *batches
	batch   *batch
	nowNs   int64
	sinceNs int64 // of the batch's first segment
}

// Exchange is for outputs of exchanges.
func (f *packetsFeed) Exchange(*proto.Exchange) {}

// Segment takes a segment, borrowed until it returns.
func (f *packetsFeed) Segment(s *flow.Segment) {
	if len(f.batch.segments) == 0 {
		f.sinceNs = f.nowNs
	}
	b := f.batch
	b.segments = append(b.segments, *s)
	b.segments[len(b.segments)-1].Data = nil
	b.sizes = append(b.sizes, len(s.Data))
	b.data = append(b.data, s.Data...)
	f.out.taken.Add(1)
	if len(b.data)+segmentSize*len(b.segments) >= fullBatch {
		f.handOver()
	}
}

// Tick hands over what has waited for a while.
func (f *packetsFeed) Tick(nowNs int64) {
	f.nowNs = nowNs
	if len(f.batch.segments) > 0 && nowNs-f.sinceNs >= int64(batchDelay) {
		f.handOver()
	}
}

// Close hands over what is left.
func (f *packetsFeed) Close() {
	if len(f.batch.segments) > 0 {
		f.handOver()
	}
}

func (f *packetsFeed) handOver() {
	select {
	case f.out.queue <- f.batch:
	default:
		if f.out.lost != nil {
			f.out.lost(f.batch)
		} else {
			f.out.dropped[Slow].Add(uint64(len(f.batch.segments)))
		}
		f.batch.reset()
		return
	}
	select {
	case f.batch = <-f.out.spare:
	default:
		f.batch = &batch{}
	}
}

func (b *batch) reset() {
	b.segments, b.sizes, b.data = b.segments[:0], b.sizes[:0], b.data[:0]
	if cap(b.data) > 4*fullBatch {
		b.data = nil
	}
}
