package output

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync/atomic"

	"gortap/internal/flow"
	"gortap/internal/pcapio"
)

// PacketsConfig configures a Packets.
type PacketsConfig struct {
	Path string // its extension says .pcapng or .pcap, and .gz or .zst after that
	// QueueSize bounds the segments that wait, in bytes; default 16 MiB.
	QueueSize int
	Log       *slog.Logger
}

// Packets writes the captured segments as packets of a capture file, which other
// tools open. It counts segments, not exchanges. A file that cannot be written to
// ends there; Reopen begins a new one.
type Packets struct {
	*ending
	cfg PacketsConfig
	*batches
	rotate chan struct{}

	created   os.FileInfo // of the file that is written; for the writer
	unflushed uint64      // segments that are not on the disk yet; for the writer

	trouble atomic.Pointer[trouble]
	written atomic.Uint64
}

var _ Output = (*Packets)(nil)

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
		batches: newBatches(cfg.QueueSize),
		rotate:  make(chan struct{}, 1),
		ending:  newEnding(),
	}
	go p.run(w)
	return p, nil
}

// Name returns "packets:" and the path.
func (p *Packets) Name() string { return "packets:" + p.cfg.Path }

// Feed makes the entrance of one shard. It is a SegmentFeed of the pipeline.
func (p *Packets) Feed() Feed { return p.feed() }

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
	b.each(func(s *flow.Segment) {
		if p.gaveUp() {
			p.dropped[Deadline].Add(1)
			return
		}
		if err := w.Segment(s); err != nil {
			p.note(err)
			p.dropped[p.trouble.Load().why].Add(1)
			return
		}
		p.unflushed++
	})
	p.giveBack(b)
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
