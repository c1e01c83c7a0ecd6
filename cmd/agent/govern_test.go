package main

import (
	"log/slog"
	"math"
	"testing"

	"gortap/internal/capture"
	"gortap/internal/govern"
)

// steering is a capture that notes what it is told.
type steering struct {
	request, response capture.Budget
	sample            capture.Sample
}

func (s *steering) SetBudgets(request, response capture.Budget) error {
	s.request, s.response = request, response
	return nil
}

func (s *steering) SetSample(n capture.Sample) error {
	s.sample = n
	return nil
}

func (s *steering) Memory() (uint64, error) { return 0, nil }

// At each level the capture copies of the same connections that the parsers go on with,
// those of --sample at most, and back at the first all is as it was.
func TestCaptureAndParsersFollowTheLevel(t *testing.T) {
	for _, tc := range []struct {
		name              string
		request, response capture.Budget
		sample            float64
	}{
		{"heads", 2048, 2048, 1},
		{"heads of a sample", 2048, 2048, 0.1},
		{"whole requests", capture.CopyAll, 2048, 1},
		{"everything", capture.CopyAll, capture.CopyAll, 1},
	} {
		s := &steering{}
		g := &governor{
			capture: s, log: slog.New(slog.DiscardHandler), request: tc.request, response: tc.response, sample: tc.sample,
			limits: govern.Limits{KeepBudget: tc.request == capture.CopyAll && tc.response == capture.CopyAll},
		}
		for _, level := range []govern.Level{1, 2, 5, govern.Count, 3, govern.Full} {
			g.enter(level, govern.OverCPU, govern.Reading{})
			share := tc.sample * level.Sample()
			if d := s.sample.Ratio() - share; math.Abs(d) > 1e-6 {
				t.Errorf("%s, %v: %v of the connections are copied from, want %v", tc.name, level, s.sample.Ratio(), share)
			}
			if d := float64(g.connections.Load())/math.MaxUint32 - share; math.Abs(d) > 1e-6 {
				t.Errorf("%s, %v: parsers go on with %v of the connections, want %v", tc.name, level, float64(g.connections.Load())/math.MaxUint32, share)
			}
			all := s.request == capture.CopyAll && s.response == capture.CopyAll
			if left := share < 1; left && all {
				t.Errorf("%s, %v: where both sides are copied whole, the kernel leaves nothing out", tc.name, level)
			}
			if level == govern.Full && (s.request != tc.request || s.response != tc.response) {
				t.Errorf("%s: budgets %v and %v in the end, were %v and %v", tc.name, s.request, s.response, tc.request, tc.response)
			}
			if level > govern.Full && tc.response == 2048 && s.response != govern.ShortBudget {
				t.Errorf("%s, %v: a budget of %v for responses", tc.name, level, s.response)
			}
		}
	}
}
