package output

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync/atomic"
	"time"

	"gortap/internal/record"
)

// ErrSizeLimit says that a recording is as large as it may be.
var ErrSizeLimit = errors.New("the recording has its full size")

// GorQueue is the default of GorConfig.QueueSize.
const GorQueue = 32 << 20

// GorConfig configures a Gor. Zero values are no limits.
type GorConfig struct {
	// Path is the file, "-" for Stdout, or a pattern: %Y %m %d %H %M %S %NS are
	// the time, %r the record's ID, %t its type, %i eight letters for this run.
	Path   string
	Stdout *os.File
	// Append writes to the path as it is, after what is there. Else a file's name
	// gets a number, like x_0.gor: the next one at each limit and each run.
	Append bool
	// SizeLimit and QueueLimit end a file once it has this many bytes, on the disk,
	// or records. They cannot be had with Append.
	SizeLimit  int64
	QueueLimit int
	// MaxSize ends the recording once its files have this many bytes together.
	MaxSize int64
	// FlushInterval is how long a record waits for others; default 100 ms, and 1 s
	// where the file is compressed.
	FlushInterval time.Duration
	// QueueSize bounds the records that wait, in bytes; default GorQueue.
	QueueSize int
	// Needs is what is recorded; the zero value means requests.
	Needs record.Needs
	// Transform, if not nil, gives what is written in place of a record, such as a
	// redacted copy. It may not change the record. The writer's goroutine calls it.
	Transform func(*record.Record) *record.Record
	// Now is the clock of the pattern; nil for time.Now.
	Now func() time.Time
	Log *slog.Logger
}

// Gor writes records to .gor files. A record is in a file whole or not at all. While
// a file cannot be written, because the disk is full for example, it is tried again
// every second, and records wait up to QueueSize.
type Gor struct {
	*ending
	cfg    GorConfig
	queue  *record.Queue
	rotate chan struct{}
	writer *gorWriter

	taken, written, bytes atomic.Uint64
	dropped               [NumDropReasons]atomic.Uint64
}

var _ record.Output = (*Gor)(nil)

// NewGor starts the writer. It fails where nothing could be written: no such folder,
// or a file to append to that is no recording. The caller must Close it.
func NewGor(cfg GorConfig) (*Gor, error) { return newGor(cfg, nil, time.After) }

// newGor takes the opener in place of the files' for tests.
func newGor(cfg GorConfig, open opener, after func(time.Duration) <-chan time.Time) (*Gor, error) {
	if cfg.Append && (cfg.SizeLimit > 0 || cfg.QueueLimit > 0) {
		return nil, errors.New("append to recording: limits of a file need files with numbers (leave out one of them)")
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.QueueSize <= 0 {
		cfg.QueueSize = GorQueue
	}
	if cfg.Needs == (record.Needs{}) {
		cfg.Needs.Requests = true
	}
	g := &Gor{ending: newEnding(), cfg: cfg, queue: record.NewQueue(cfg.QueueSize), rotate: make(chan struct{}, 1)}
	w, err := newGorWriter(g, open, after)
	if err != nil {
		return nil, fmt.Errorf("write recording: %w", err)
	}
	g.writer = w
	go w.run()
	return g, nil
}

// Name returns "gor:" and the path.
func (g *Gor) Name() string { return "gor:" + g.cfg.Path }

// Needs returns what is recorded.
func (g *Gor) Needs() record.Needs { return g.cfg.Needs }

// Put queues a record. The end of a connection is not recorded, and not counted.
func (g *Gor) Put(r *record.Record, wait time.Duration) bool {
	if r.Kind == record.End {
		return true
	}
	g.taken.Add(1)
	if g.queue.Put(context.Background(), r, wait) {
		return true
	}
	g.drop(1, g.writer.dropReason())
	return false
}

// Reopen opens the file anew before the next records are written, for log
// rotation. Any goroutine may call it.
func (g *Gor) Reopen() {
	select {
	case g.rotate <- struct{}{}:
	default: // asked for already
	}
}

// Err returns why nothing is written at the moment: ErrNoSpace, ErrReaderGone,
// ErrSizeLimit or an error of the system; nil while all is well. Any goroutine may
// call it.
func (g *Gor) Err() error {
	if t := g.writer.trouble.Load(); t != nil {
		return t.err
	}
	if g.dropped[SizeLimit].Load() > 0 {
		return ErrSizeLimit
	}
	return nil
}

// Stats returns the counts so far, with every reason.
func (g *Gor) Stats() record.Stats {
	s := record.Stats{Done: g.written.Load(), Bytes: g.bytes.Load()}
	for i := range g.dropped {
		s.Dropped = append(s.Dropped, record.Count{Reason: DropReason(i).String(), N: g.dropped[i].Load()})
	}
	s.Taken = g.taken.Load() // last, so that it is never less than the sum
	return s
}

// Close writes what is queued. When ctx is done it drops the rest, and returns
// ErrAbandoned.
func (g *Gor) Close(ctx context.Context) error {
	g.queue.Close()
	return g.conclude(ctx, g.Name())
}

func (g *Gor) drop(n uint64, why DropReason) { g.dropped[why].Add(n) }

func (g *Gor) droppedSoFar(slow bool) (n uint64) {
	if slow {
		return g.dropped[Slow].Load()
	}
	for i := range g.dropped {
		n += g.dropped[i].Load()
	}
	return n
}
