package redact

import (
	"context"
	"sync/atomic"
	"time"

	"gortap/internal/record"
)

// Record returns a record without its secrets: r itself where it has none, or
// another one, for r belongs to others too. An error says that it cannot be
// redacted: it is none of HTTP, as the frames of a WebSocket are.
func (r *Redactor) Record(rec *record.Record) (*record.Record, error) {
	if rec.Kind == record.End {
		return rec, nil
	}
	if rec.Kind == record.Stream {
		return nil, ErrUnreadable
	}
	data, err := r.Message(rec.Data)
	if err != nil {
		return nil, err
	}
	if len(data) == len(rec.Data) && &data[0] == &rec.Data[0] {
		return rec, nil
	}
	clean := *rec
	clean.Data = data
	return &clean, nil
}

// Output is an output that gets to see no secrets.
type Output struct {
	next       record.Output
	redactor   *Redactor
	unreadable atomic.Uint64
}

var _ record.Output = (*Output)(nil)

// Wrap puts a Redactor, which is nobody else's, in front of an output.
func Wrap(next record.Output, r *Redactor) *Output { return &Output{next: next, redactor: r} }

// Name implements record.Output.
func (o *Output) Name() string { return o.next.Name() }

// Needs implements record.Output.
func (o *Output) Needs() record.Needs { return o.next.Needs() }

// Put implements record.Output. What cannot be redacted is dropped and counted; as
// there was room for it, Put reports true.
func (o *Output) Put(r *record.Record, wait time.Duration) bool {
	clean, err := o.redactor.Record(r)
	if err != nil {
		o.unreadable.Add(1)
		return true
	}
	return o.next.Put(clean, wait)
}

// Stats implements record.Output.
func (o *Output) Stats() record.Stats {
	s := o.next.Stats()
	n := o.unreadable.Load()
	s.Taken += n
	s.Dropped = append(s.Dropped[:len(s.Dropped):len(s.Dropped)], record.Count{Reason: "unredactable", N: n})
	return s
}

// Close implements record.Output.
func (o *Output) Close(ctx context.Context) error { return o.next.Close(ctx) }
