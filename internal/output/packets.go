package output

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync/atomic"
	"time"

	"gortap/internal/flow"
	"gortap/internal/pcapio"
	"gortap/internal/proto"
)

const (
	// batchDelay is how long a segment waits for others.
	batchDelay = 100 * time.Millisecond
	// fullBatch is the memory at which a batch of segments is handed over, and
	// batchQueue how many wait for the writer: 16 MiB in all.
	fullBatch  = 256 << 10
	batchQueue = 64
	batchSpare = 4
	// segmentSize is what a segment takes beside its bytes.
	segmentSize = 112
)

// PacketsConfig configures a Packets.
type PacketsConfig struct {
	Path string // its extension says .pcapng or .pcap, and .gz or .zst after that
	Log  *slog.Logger
}

// Packets writes the captured segments as packets of a capture file, which other
// tools open. It counts segments, not exchanges. A file that cannot be written to
// ends there; Reopen begins a new one.
type Packets struct {
	*ending
	cfg    PacketsConfig
	queue  chan *batch
	spare  chan *batch
	rotate chan struct{}

	created   os.FileInfo // of the file that is written; for the writer
	unflushed uint64      // segments that are not on the disk yet; for the writer

	trouble        atomic.Pointer[trouble]
	taken, written atomic.Uint64
	dropped        [NumDropReasons]atomic.Uint64
}

var _ Output = (*Packets)(nil)

// batch is a number of segments that own their bytes.
type batch struct {
	segments []flow.Segment // without Data
	sizes    []int          // of each one's data
	data     []byte
}

// NewPackets creates the file and starts the writer. The caller must Close it.
func NewPackets(cfg PacketsConfig) (*Packets, error) {
	w, err := pcapio.Create(cfg.Path)
	if err != nil {
		return nil, fmt.Errorf("write packets: %w", err)
	}
	created, err := os.Stat(cfg.Path)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("write packets: %w", err), w.Close())
	}
	p := &Packets{
		cfg:     cfg,
		created: created,
		queue:   make(chan *batch, batchQueue),
		spare:   make(chan *batch, batchSpare),
		rotate:  make(chan struct{}, 1),
		ending:  newEnding(),
	}
	go p.run(w)
	return p, nil
}

// Name returns "packets:" and the path.
func (p *Packets) Name() string { return "packets:" + p.cfg.Path }

// Feed makes the entrance of one shard. It is a SegmentFeed of the pipeline.
func (p *Packets) Feed() Feed { return &packetsFeed{out: p, batch: &batch{}} }

// Reopen asks for the path to be created anew. It does nothing where the old file
// was not moved away.
func (p *Packets) Reopen() {
	select {
	case p.rotate <- struct{}{}:
	default: // asked for already
	}
}

// Stats returns the counts so far, of segments.
func (p *Packets) Stats() Stats {
	s := Stats{Written: p.written.Load()}
	for i := range s.Dropped {
		s.Dropped[i] = p.dropped[i].Load()
	}
	s.Taken = p.taken.Load()
	return s
}

// Err returns why nothing is written.
func (p *Packets) Err() error {
	if t := p.trouble.Load(); t != nil {
		return t.err
	}
	return nil
}

// Close writes what is queued.
func (p *Packets) Close(ctx context.Context) error { return p.conclude(ctx, p.Name()) }

// run is the writer: it ends when the output is closed and the queue empty.
func (p *Packets) run(w *pcapio.Writer) {
	defer close(p.done)
	for {
		select {
		case b := <-p.queue:
			p.write(w, b)
			if len(p.queue) == 0 {
				p.settle(w.Flush())
			}
		case <-p.rotate:
			w = p.reopen(w)
		case <-p.closing:
			p.finish(w)
			return
		}
	}
}

func (p *Packets) finish(w *pcapio.Writer) {
	for {
		select {
		case b := <-p.queue:
			p.write(w, b)
		default:
			p.settle(w.Close())
			return
		}
	}
}

// settle books what was in the file's buffer: written, or gone with the error.
func (p *Packets) settle(err error) {
	p.note(err)
	if err == nil {
		p.written.Add(p.unflushed)
	} else {
		p.dropped[p.trouble.Load().why].Add(p.unflushed)
	}
	p.unflushed = 0
}

// write keeps on counting after an error: the file's Writer refuses the rest.
func (p *Packets) write(w *pcapio.Writer, b *batch) {
	data := b.data
	for i := range b.segments {
		s := &b.segments[i]
		s.Data, data = data[:b.sizes[i]], data[b.sizes[i]:]
		if p.gaveUp() {
			p.dropped[Deadline].Add(1)
			continue
		}
		if err := w.Segment(s); err != nil {
			p.note(err)
			p.dropped[p.trouble.Load().why].Add(1)
			continue
		}
		p.unflushed++
	}
	b.reset()
	select {
	case p.spare <- b:
	default:
	}
}

// note remembers the first error, and tells of it once.
func (p *Packets) note(err error) {
	if err == nil || p.trouble.Load() != nil {
		return
	}
	t := troubleOf(err)
	p.trouble.Store(t)
	p.cfg.Log.Warn("no more packets are written (move the file away, make room, and send SIGHUP for a new one)",
		"output", p.Name(), "error", err)
}

// reopen begins a new file where the old one was moved away. One that is still
// there would be emptied: it goes on.
func (p *Packets) reopen(w *pcapio.Writer) *pcapio.Writer {
	if now, err := os.Stat(p.cfg.Path); err == nil && os.SameFile(now, p.created) {
		p.settle(w.Flush())
		return w
	}
	fresh, err := pcapio.Create(p.cfg.Path)
	if err != nil {
		p.cfg.Log.Warn("reopen output", "output", p.Name(), "error", err)
		return w
	}
	p.settle(w.Close())
	p.trouble.Store(nil)
	if created, err := os.Stat(p.cfg.Path); err == nil {
		p.created = created
	}
	return fresh
}

// packetsFeed collects the segments of one shard.
type packetsFeed struct {
	out     *Packets
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
		f.out.dropped[Slow].Add(uint64(len(f.batch.segments)))
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
