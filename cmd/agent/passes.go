package main

import (
	"context"

	"gortap/internal/flow"
)

// read reads packet files, as often as asked. Each pass has connections of its own, and
// times that go on from those of the pass before: nothing behind the reader would
// understand a clock that is set back by a day.
func (f *files) read(ctx context.Context, h flow.Handler) error {
	if f.passes == 1 {
		return f.reader.Run(ctx, h)
	}
	p := pass{Handler: h}
	for n := 1; ; n++ {
		if err := f.reader.Run(ctx, &p); err != nil || n == f.passes || p.segments == 0 {
			return err
		}
		now := p.lastNs
		p.begin()
		f.again(now, p.shiftNs)
		if err := f.reader.Rewind(); err != nil {
			return err
		}
	}
}

// pass hands segments on, later by shiftNs than they were recorded.
type pass struct {
	flow.Handler
	shiftNs  int64
	segments int64
	// The first time of the files as recorded, and the first and the last of this
	// pass as handed on.
	recordedNs, firstNs, lastNs int64
	segment                     flow.Segment
}

var _ flow.Handler = (*pass)(nil)

// Segment implements flow.Handler.
func (p *pass) Segment(s *flow.Segment) {
	p.segment = *s
	p.segment.TsNs += p.shiftNs
	at := p.segment.TsNs
	if p.recordedNs == 0 || s.TsNs < p.recordedNs {
		p.recordedNs = s.TsNs
	}
	if p.segments == 0 || at < p.firstNs {
		p.firstNs = at
	}
	p.lastNs = max(p.lastNs, at)
	p.segments++
	p.Handler.Segment(&p.segment)
}

// Tick implements flow.Handler.
func (p *pass) Tick(nowNs int64) { p.Handler.Tick(nowNs + p.shiftNs) }

// begin lets the next pass follow, one mean gap later.
func (p *pass) begin() {
	gap := max((p.lastNs-p.firstNs)/max(p.segments-1, 1), 1)
	p.shiftNs = p.lastNs + gap - p.recordedNs
	p.segments = 0
}
