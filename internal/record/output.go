package record

import (
	"context"
	"time"
)

// Needs is what a consumer needs to see of the traffic, so that the capture
// copies no more.
type Needs struct {
	Requests, Responses bool // whole messages; heads are seen anyway
}

// Or returns what both need.
func (n Needs) Or(o Needs) Needs {
	return Needs{n.Requests || o.Requests, n.Responses || o.Responses}
}

// Output takes records: a file, a target of a replay. All calls but Stats come
// from one goroutine; Close is the last.
type Output interface {
	// Name tells the output in logs and the summary, like "http://staging:80".
	Name() string
	// Needs says what the output can make use of. Records of other kinds are
	// not put.
	Needs() Needs
	// Put hands over a record, which the output keeps and does not change.
	// Where there is no room it waits, no longer than wait; it reports false
	// where there still is none, and has counted the record as dropped then.
	Put(r *Record, wait time.Duration) bool
	// Stats may be called at any time from any goroutine.
	Stats() Stats
	// Close finishes what was put, as far as that goes before ctx is done;
	// then the rest is dropped, and counted. It is idempotent.
	Close(ctx context.Context) error
}

// Count is how many records one thing happened to. Reasons are metric labels, so
// their set is fixed.
type Count struct {
	Reason string
	N      uint64
}

// Stats is what became of an output's records. After Close, Taken = Done + all
// of Dropped.
type Stats struct {
	Taken   uint64
	Done    uint64 // written, or answered by the target
	Bytes   uint64 // of Data, of those done
	Dropped []Count
	// MaxLag is how late the latest one started; 0 for outputs without a clock.
	MaxLag time.Duration
}
