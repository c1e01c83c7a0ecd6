package main

import (
	"fmt"
	"time"

	"gortap/internal/capture"
	"gortap/internal/govern"
	"gortap/internal/insight"
	"gortap/internal/wording"
)

// sampled is a source that knows only of the connections that a live capture looks
// into, and says so in each view.
type sampled struct {
	insight.Source
	// present is the share of new connections now.
	present func() (capture.Sample, error)
	// fewer is for how long there were fewer than --sample says; nil: never.
	fewer func() time.Duration
}

var _ insight.Source = sampled{}

// shown is the source of what people look at while it runs; nil where there is none.
// A report has the summary beside it, which tells more.
func (a *agent) shown() insight.Source {
	source := a.source()
	l, ok := a.input.(*live)
	if source == nil || !ok {
		return source
	}
	s := sampled{Source: source, present: l.Sample}
	if a.governor != nil {
		s.fewer = a.governor.fewer
	}
	return s
}

// View implements insight.Source.
func (s sampled) View(q insight.Query) (insight.View, error) {
	v, err := s.Source.View(q)
	if err != nil {
		return v, err
	}
	const of = "requests and bytes here are of those alone, /metrics counts the bytes of all"
	sample, err := s.present()
	if share := sample.Ratio(); err == nil && share < 1 {
		v.Unsampled = 1 - share
		v.Notes = append(v.Notes, fmt.Sprintf("The capture looks into %s of new connections (--sample, --depth none, or a limit of the agent): %s.", wording.Percent(share), of))
	}
	if s.fewer == nil {
		return v, nil
	}
	if d := s.fewer(); d > 0 {
		v.Notes = append(v.Notes, fmt.Sprintf("For %s of this run the capture looked into fewer connections to stay within its limits: %s.", wording.Span(d), of))
	}
	return v, nil
}

// fewer is how long the agent was at levels that leave connections out.
func (g *governor) fewer() (d time.Duration) {
	for level, spent := range g.snapshot().spent {
		if govern.Level(level).Sample() < 1 {
			d += spent
		}
	}
	return d
}
