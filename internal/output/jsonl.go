package output

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"sync/atomic"
	"time"

	"gortap/internal/process/redact"
	"gortap/internal/proto"
)

const (
	// fullBuffer is the size at which a buffer is handed over.
	fullBuffer = 64 << 10
	// maxKept is the size beyond which a buffer is not used again.
	maxKept = 4 * fullBuffer
	// queueLength is how many buffers wait for the writer at most.
	queueLength = 64
	// lineDelay is how long a line waits for others.
	lineDelay = 100 * time.Millisecond
)

// JSONLConfig configures a JSONL.
type JSONLConfig struct {
	// Path is a file, which is appended to, a named pipe, or "-" for Stdout.
	Path   string
	Stdout *os.File
	// ShowSecrets leaves the values of sensitive parameters in targets.
	ShowSecrets bool
	// Sensitive are the names of the parameters that are secrets, in place of
	// SensitiveParameters; nil means those.
	Sensitive []string
	// RedactKey makes the hashes that stand for secrets, so that equal ones can
	// be told; nil is a random one.
	RedactKey []byte
	// Log takes one line for each change between writing and not writing; nil
	// for none.
	Log *slog.Logger
}

// JSONL writes exchanges as JSON lines. Lines of one shard keep their order.
// A file that cannot be written (no space, no reader) is tried again every
// second, while at most queueLength buffers of fullBuffer bytes wait; what
// does not fit is dropped. A line is in the file whole or not at all, unless
// the system fails to take back a half one.
type JSONL struct {
	*ending
	cfg    JSONLConfig
	redact *redact.Redactor
	queue  chan *buffer
	spare  chan *buffer
	rotate chan struct{}

	writer  *writer
	taken   atomic.Uint64
	dropped [NumDropReasons]atomic.Uint64
}

var _ Output = (*JSONL)(nil)

// buffer is a number of whole lines.
type buffer struct {
	b     []byte
	lines uint64
}

// NewJSONL opens the file and starts the writer. A named pipe that nobody
// reads yet is no error. The caller must Close the output.
func NewJSONL(cfg JSONLConfig) (*JSONL, error) {
	open := openFile(cfg.Path)
	if cfg.Path == "-" {
		open = openStdout(cfg.Stdout)
	}
	return newJSONL(cfg, open, time.After)
}

func newJSONL(cfg JSONLConfig, open opener, after func(time.Duration) <-chan time.Time) (*JSONL, error) {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	r, err := redact.New(redact.Config{Key: cfg.RedactKey, Parameters: cfg.Sensitive})
	if err != nil {
		return nil, fmt.Errorf("write JSON lines: %w", err)
	}
	j := &JSONL{
		ending: newEnding(),
		cfg:    cfg,
		redact: r,
		queue:  make(chan *buffer, queueLength),
		spare:  make(chan *buffer, queueLength),
		rotate: make(chan struct{}, 1),
	}
	j.writer = &writer{jsonl: j, steady: steady{
		open: open, after: after, log: cfg.Log.With("output", j.Name()), end: j.ending, rotated: j.rotate,
		dropped: j.droppedSoFar, idle: func() bool { return len(j.queue) == 0 },
	}}
	if err := j.writer.begin(); err != nil {
		return nil, fmt.Errorf("write JSON lines: %w", err)
	}
	go j.writer.run()
	return j, nil
}

// Name returns "jsonl:" and the path.
func (j *JSONL) Name() string { return "jsonl:" + j.cfg.Path }

// Feed makes the entrance of one shard.
func (j *JSONL) Feed() Feed {
	f := &jsonlFeed{out: j, buf: &buffer{}}
	if !j.cfg.ShowSecrets {
		f.encoder.redact = j.redact.Clone()
	}
	return f
}

// Reopen asks the writer to open its path anew. Standard output stays.
func (j *JSONL) Reopen() {
	if j.cfg.Path == "-" {
		return
	}
	select {
	case j.rotate <- struct{}{}:
	default: // asked for already
	}
}

// Stats returns the counts so far. Lines on their way are taken, and neither
// written nor dropped yet.
func (j *JSONL) Stats() Stats {
	s := Stats{Written: j.writer.written.Load(), Bytes: j.writer.bytes.Load()}
	for i := range s.Dropped {
		s.Dropped[i] = j.dropped[i].Load()
	}
	s.Taken = j.taken.Load() // last, so that it is never less than the sum
	return s
}

// Err returns why the writer is stuck.
func (j *JSONL) Err() error {
	if e := j.writer.trouble.Load(); e != nil {
		return e.err
	}
	return nil
}

// Close writes what is queued.
func (j *JSONL) Close(ctx context.Context) error { return j.conclude(ctx, j.Name()) }

func (j *JSONL) drop(lines uint64, why DropReason) { j.dropped[why].Add(lines) }

func (j *JSONL) droppedSoFar(slow bool) (n uint64) {
	if slow {
		return j.dropped[Slow].Load()
	}
	for i := range j.dropped {
		n += j.dropped[i].Load()
	}
	return n
}

// jsonlFeed collects the lines of one shard.
type jsonlFeed struct {
	out     *JSONL
	encoder lineEncoder
	buf     *buffer
	nowNs   int64
	sinceNs int64 // of the buffer's first line
}

func (f *jsonlFeed) Exchange(x *proto.Exchange) {
	if f.buf.lines == 0 {
		f.sinceNs = f.nowNs
	}
	f.buf.b = f.encoder.appendLine(f.buf.b, x)
	f.buf.lines++
	f.out.taken.Add(1)
	if len(f.buf.b) >= fullBuffer {
		f.handOver()
	}
}

func (f *jsonlFeed) Tick(nowNs int64) {
	f.nowNs = nowNs
	if f.buf.lines > 0 && nowNs-f.sinceNs >= int64(lineDelay) {
		f.handOver()
	}
}

func (f *jsonlFeed) Close() {
	if f.buf.lines > 0 {
		f.handOver()
	}
}

// handOver gives the buffer to the writer and takes an empty one. Without room
// in the queue, the newest lines go: those.
func (f *jsonlFeed) handOver() {
	select {
	case f.out.queue <- f.buf:
	default:
		f.out.drop(f.buf.lines, f.out.writer.dropReason())
		f.buf.reset()
		return
	}
	select {
	case f.buf = <-f.out.spare:
	default:
		f.buf = &buffer{}
	}
}

func (b *buffer) reset() {
	b.lines = 0
	b.b = b.b[:0]
	if cap(b.b) > maxKept {
		b.b = nil
	}
}
