package gorfile

import (
	"cmp"
	"container/heap"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"gortap/internal/pcapio"
	"gortap/internal/record"
)

// Errors of Open and Next.
var (
	// ErrNotGor is about a file that holds packets.
	ErrNotGor = errors.New("not a .gor file")
	// ErrTooManyOpen is about more files of the same time than may be open.
	ErrTooManyOpen = errors.New("too many files overlap in time (replay them in groups)")
	// ErrOnce is about standard input and pipes, which cannot be read again.
	ErrOnce = errors.New("a pipe cannot be read twice (record it to a file first)")
)

// Bound is an end of a window: a time, or, where that is zero, an offset from the
// first record of all files. The zero value is no bound.
type Bound struct {
	Time   time.Time
	Offset time.Duration
}

func (b Bound) ns(startNs, none int64) int64 {
	switch {
	case !b.Time.IsZero():
		return b.Time.UnixNano()
	case b.Offset != 0:
		return startNs + int64(b.Offset)
	}
	return none
}

// Options steer a Reader. The zero value reads everything.
type Options struct {
	// From and To select records by their time: From <= time < To.
	From, To Bound
	// Depth is how many records of a file are put in order by time; default 100. 1
	// takes them as they are. Those of a pipe come, too, once it is silent for a
	// tenth of a second.
	Depth int
	// MaxRecord bounds a message in bytes; default 64 MiB. A larger one is lost.
	MaxRecord int
	// MaxOpen bounds the files open at a time. Default 128. Each takes 256 KiB and
	// up to 8 MiB of records.
	MaxOpen int
	// Stdin is what "-" was opened as, where somebody had to look what it is; else
	// nil.
	Stdin *pcapio.Stream
	// Damaged is told each part of a file that gave no record, by Next. May be nil.
	Damaged func(*Damage)
}

// relative tells that the window depends on the first record's time.
func (o *Options) relative() bool {
	return (o.From.Time.IsZero() && o.From.Offset != 0) || (o.To.Time.IsZero() && o.To.Offset != 0)
}

// Stats is what became of the records so far. Records are those that Next returned.
type Stats struct {
	Records, Bytes uint64         // Bytes of Data
	Outside        uint64         // of the window
	Lost           []record.Count // damages by reason
	LostBytes      uint64
}

// Reader reads .gor files as one recording, by time. Open, Next, Rewind and Close
// belong to one goroutine; the others may be called by any.
type Reader struct {
	opts    Options
	sources []*source
	total   int64
	startNs int64
	fromNs  int64
	toNs    int64
	decoder *decoder
	quiet   bool // files are only probed

	later   []*source // by first time
	due     []*source // a heap: each open, or with records ahead
	current *source

	interrupted atomic.Bool

	mu    sync.Mutex
	stats Stats
	pipes []*pcapio.Stream
}

// Open opens the files that match the patterns; "-" is standard input. It fails with
// pcapio.ErrNoFiles, pcapio.ErrUnknownFormat, ErrNotGor or the file system's error;
// what is damaged is told to Options.Damaged in its turn.
func Open(patterns []string, o Options) (*Reader, error) {
	o.Depth = cmp.Or(max(o.Depth, 0), 100)
	o.MaxRecord = cmp.Or(max(o.MaxRecord, 0), 64<<20)
	o.MaxOpen = cmp.Or(max(o.MaxOpen, 0), 128)
	r := &Reader{opts: o, decoder: newDecoder()}
	seen := make(map[string]bool)
	for _, p := range patterns {
		paths, err := pcapio.Expand(p)
		if err != nil {
			return nil, err
		}
		for _, path := range paths {
			if !seen[path] {
				seen[path] = true
				r.sources = append(r.sources, &source{r: r, path: path, index: len(r.sources)})
			}
		}
	}
	if err := r.begin(); err != nil {
		r.Close()
		return nil, err
	}
	return r, nil
}

// begin opens the sources and finds the window.
func (r *Reader) begin() error {
	r.total, r.startNs, r.fromNs, r.toNs = 0, math.MaxInt64, math.MinInt64, math.MaxInt64
	for _, s := range r.sources {
		if err := s.probe(); err != nil {
			return err
		}
		r.total += s.size
		if s.firstNs != 0 {
			r.startNs = min(r.startNs, s.firstNs)
		}
	}
	r.fromNs, r.toNs = r.opts.From.ns(r.startNs, math.MinInt64), r.opts.To.ns(r.startNs, math.MaxInt64)
	r.later, r.due, r.current = slices.Clone(r.sources), nil, nil
	slices.SortStableFunc(r.later, func(a, b *source) int { return cmp.Compare(a.firstNs, b.firstNs) })
	return nil
}

// Next returns the next record; it is the caller's. After the last one it returns
// io.EOF. Damage is no error.
func (r *Reader) Next() (*record.Record, error) {
	for {
		r.pass()
		if err := r.admit(); err != nil {
			return nil, err
		}
		if len(r.due) == 0 {
			return nil, io.EOF
		}
		r.current = r.due[0]
		rec := r.current.pop()
		inside := r.fromNs <= rec.TimeNs && rec.TimeNs < r.toNs // not known yet when it was read
		r.mu.Lock()
		if inside {
			r.stats.Records++
			r.stats.Bytes += uint64(len(rec.Data))
		} else {
			r.stats.Outside++
		}
		r.mu.Unlock()
		if inside {
			r.decoder.pair(rec)
			return rec, nil
		}
	}
}

// pass puts the source of the record before back in its place.
func (r *Reader) pass() {
	s := r.current
	if s == nil {
		return
	}
	r.current = nil
	s.fill()
	if s.len() == 0 {
		heap.Pop((*sourceHeap)(&r.due))
	} else if len(r.due) > 1 {
		heap.Fix((*sourceHeap)(&r.due), 0)
	}
}

// admit opens the files that may have the next record.
func (r *Reader) admit() error {
	for len(r.later) > 0 && (len(r.due) == 0 || r.later[0].firstNs <= r.due[0].front().TimeNs) {
		s := r.later[0]
		r.later = r.later[1:]
		if len(r.due) >= r.opts.MaxOpen {
			return fmt.Errorf("merge %s with %d others: %w", s.path, len(r.due), ErrTooManyOpen)
		}
		if err := s.open(); err != nil {
			return err
		}
		s.fill()
		if s.len() > 0 {
			heap.Push((*sourceHeap)(&r.due), s)
		}
	}
	return nil
}

// take decodes what is in the window and of a known type.
func (r *Reader) take(s *source, in *raw) *record.Record {
	switch {
	case in.kind < record.Request || in.kind > record.Stream:
		s.lose(in.offset, int64(in.size), UnknownType, nil)
		return nil
	case !r.quiet && (in.tsNs < r.fromNs || in.tsNs >= r.toNs):
		if in.tsNs >= r.toNs {
			s.past++
		}
		r.mu.Lock()
		r.stats.Outside++
		r.mu.Unlock()
		return nil
	}
	s.past = 0
	return r.decoder.decode(in)
}

func (r *Reader) lost(d *Damage) {
	r.mu.Lock()
	i := slices.IndexFunc(r.stats.Lost, func(c record.Count) bool { return c.Reason == d.Reason })
	if i < 0 {
		i = len(r.stats.Lost)
		r.stats.Lost = append(r.stats.Lost, record.Count{Reason: d.Reason})
	}
	r.stats.Lost[i].N++
	r.stats.LostBytes += uint64(d.Size)
	r.mu.Unlock()
	if r.opts.Damaged != nil {
		r.opts.Damaged(d)
	}
}

// Rewind begins again with the first record; times and IDs come as before. It fails
// with ErrOnce where an input is a pipe. Stats go on.
func (r *Reader) Rewind() error {
	for _, s := range r.sources {
		if !s.regular {
			return fmt.Errorf("read %s again: %w", s.path, ErrOnce)
		}
		s.close()
		s.reset()
	}
	return r.begin()
}

// Start is the time of the first record of all files, in or out of the window; zero
// where there is none.
func (r *Reader) Start() time.Time {
	if r.startNs == math.MaxInt64 {
		return time.Time{}
	}
	return time.Unix(0, r.startNs)
}

// Stats returns the counts so far.
func (r *Reader) Stats() Stats {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.stats
	s.Lost = slices.Clone(s.Lost)
	return s
}

// Live reports whether an input is a pipe, whose writer may still be at it.
func (r *Reader) Live() bool {
	return slices.ContainsFunc(r.sources, func(s *source) bool { return !s.regular })
}

// Progress returns how many bytes of the files were read, of how many. Pipes do not
// count into the total.
func (r *Reader) Progress() (read, total int64) {
	for _, s := range r.sources {
		read += s.read.Load()
	}
	return read, r.total
}

// keepPipe remembers what Interrupt has to end.
func (r *Reader) keepPipe(s *pcapio.Stream) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.pipes = append(r.pipes, s)
	if r.interrupted.Load() {
		s.Interrupt()
	}
}

// Interrupt ends a Next that waits for a pipe, and pipes as inputs.
func (r *Reader) Interrupt() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.interrupted.Store(true)
	for _, p := range r.pipes {
		p.Interrupt()
	}
}

// Close closes the files.
func (r *Reader) Close() error {
	for _, s := range r.sources {
		s.close()
	}
	return nil
}

// sourceHeap orders sources by the time of their next record.
type sourceHeap []*source

func (h sourceHeap) Len() int { return len(h) }
func (h sourceHeap) Less(i, j int) bool {
	a, b := h[i].front().TimeNs, h[j].front().TimeNs
	return a < b || (a == b && h[i].index < h[j].index)
}
func (h sourceHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }

// Push and Pop are for container/heap.
func (h *sourceHeap) Push(x any) { *h = append(*h, x.(*source)) }

// Pop removes the last element.
func (h *sourceHeap) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}
