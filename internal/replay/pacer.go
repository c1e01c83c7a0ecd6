package replay

import (
	"context"
	"time"

	"gortap/internal/record"
)

// Pacer holds an input to a schedule. One goroutine may use it.
type Pacer struct {
	clock   *Clock
	sleeper *Sleeper
	start   time.Time // monotonic; zero before the first record
}

// NewPacer makes a pacer that starts with the first record.
func NewPacer(t Timing) (*Pacer, error) {
	if err := t.Validate(); err != nil {
		return nil, err
	}
	s, err := NewSleeper()
	if err != nil {
		return nil, err
	}
	return &Pacer{clock: NewClock(t), sleeper: s}, nil
}

// Wait notes in r when it is due, and waits until then. It returns an error where ctx
// is done before.
func (p *Pacer) Wait(ctx context.Context, r *record.Record) error {
	if p.start.IsZero() {
		p.start = time.Now()
	}
	at := p.start.Add(p.clock.Due(r.TimeNs))
	r.DueNs = at.UnixNano()
	return p.sleeper.Until(ctx, at)
}

// Again begins another pass of the recording (see Clock.Again).
func (p *Pacer) Again() { p.clock.Again() }

// Close gives the timer back.
func (p *Pacer) Close() error { return p.sleeper.Close() }
