// Package output writes what the agent found: exchanges as JSON lines, the
// live table of a terminal, and the summary at the end. An output never slows
// the capture down: what it cannot take in time it drops, and counts.
package output

import (
	"context"
	"errors"

	"gortap/internal/proto"
)

// Output takes finished exchanges from all shards.
//
// Feed is called once a shard before traffic begins; everything about that
// shard then goes through its Feed. Reopen, Stats and Err may be called from
// any goroutine at any time and do not block on I/O.
//
// The end is in this order: every Feed is closed by its shard's goroutine,
// then Close is called.
type Output interface {
	// Name tells the output in logs and the summary, like "jsonl:/var/log/x".
	Name() string
	// Feed makes the entrance of one shard.
	Feed() Feed
	// Reopen asks for a fresh file (log rotation). It takes effect between two
	// lines; if it does not work, the old file is kept and the log says so.
	Reopen()
	// Stats returns what became of the exchanges so far. After Close, taken
	// equals written plus dropped.
	Stats() Stats
	// Err returns why the output does not write at the moment, nil while it
	// does: ErrNoSpace, ErrReaderGone, ErrStalled, or another error of the system.
	Err() error
	// Close writes what is queued and closes the file. It returns when that is
	// done; when ctx is, it gives up, drops the rest and returns
	// ErrAbandoned. Later calls return what the first one did.
	Close(ctx context.Context) error
}

// Feed takes the exchanges of one shard. Its methods are called by that
// shard's goroutine alone. They never block, and allocate only until the
// buffers have grown.
type Feed interface {
	// Exchange takes a finished exchange, borrowed until it returns.
	Exchange(x *proto.Exchange)
	// Tick ends a batch; nowNs is the capture's clock. Lines wait for it, a
	// short time at most, to be written many at a time. So it must come when
	// nothing is captured, too.
	Tick(nowNs int64)
	// Close hands over what is left.
	Close()
}

// Errors of outputs.
var (
	// ErrNoSpace says that the disk or the quota is full. Writing goes on when
	// there is space again.
	ErrNoSpace = errors.New("no space left (writing resumes when there is)")
	// ErrReaderGone says that nobody reads the pipe any more.
	ErrReaderGone = errors.New("the reader is gone")
	// ErrStalled says that the reader of the pipe does not read.
	ErrStalled = errors.New("the reader has stopped reading")
	// ErrAbandoned says that Close ran out of time.
	ErrAbandoned = errors.New("abandon unwritten lines: the deadline is over")
)

// DropReason says why an output dropped lines. It is a metric label.
type DropReason uint8

// The reasons.
const (
	Slow       DropReason = iota // the queue was full, because the writer or its reader was busy
	NoSpace                      // the queue was full, and the disk as well
	ReaderGone                   // nobody reads the pipe
	WriteError                   // any other error of the system
	Deadline                     // Close ran out of time
	SizeLimit                    // all files together are as large as they may be
	NumDropReasons
)

// String returns the label, for example "no-space".
func (r DropReason) String() string {
	return [NumDropReasons]string{"slow", "no-space", "reader-gone", "write-error", "deadline", "size-limit"}[r]
}

// Stats counts exchanges.
type Stats struct {
	Taken   uint64
	Written uint64
	Bytes   uint64 // of what was written
	Dropped [NumDropReasons]uint64
}
