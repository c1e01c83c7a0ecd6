package compare

import (
	"context"
	"sync/atomic"
	"time"

	"gortap/internal/record"
)

// Output is how the recorded traffic comes to a Comparer: put it beside the output
// that replays. Its Close is not that of the Comparer, which may still wait for
// answers.
type Output struct {
	comparer *Comparer
	taken    atomic.Uint64
	bytes    atomic.Uint64
}

var _ record.Output = (*Output)(nil)

// Output returns an output that takes requests and their original responses.
func (c *Comparer) Output() *Output { return &Output{comparer: c} }

// Name tells the output.
func (o *Output) Name() string { return "compare" }

// Needs says that responses are wanted whole.
func (o *Output) Needs() record.Needs { return record.Needs{Requests: true, Responses: true} }

// Put takes a record. What does not fit is counted in the Result, as evicted.
func (o *Output) Put(r *record.Record, _ time.Duration) bool {
	switch r.Kind {
	case record.Request:
		o.comparer.Request(r)
	case record.Response:
		o.comparer.Original(r)
	default: // replayed ones come from the output that replays
	}
	o.taken.Add(1)
	o.bytes.Add(uint64(len(r.Data)))
	return true
}

// Stats tells how much was taken.
func (o *Output) Stats() record.Stats {
	n := o.taken.Load()
	return record.Stats{Taken: n, Done: n, Bytes: o.bytes.Load()}
}

// Close does nothing.
func (o *Output) Close(context.Context) error { return nil }
