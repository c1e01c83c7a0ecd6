package main

import (
	"slices"
	"strings"
	"testing"
	"time"

	"gortap/internal/capture"
	"gortap/internal/insight"
	"gortap/internal/testutil/incident"
)

func TestAViewOfASampleSaysSo(t *testing.T) {
	for _, tc := range []struct {
		name      string
		share     float64
		fewer     time.Duration
		unsampled float64
		notes     []string // a part of each
	}{
		{"all", 1, 0, 0, nil},
		{"a sample", 0.25, 0, 0.75, []string{"25 % of new connections"}},
		{"none", 0, 0, 1, []string{"0 % of new connections"}},
		{"all again", 1, 90 * time.Second, 0, []string{"For 90 s of this run"}},
	} {
		s := sampled{
			Source:  incident.New(),
			present: func() (capture.Sample, error) { return capture.SampleRatio(tc.share), nil },
			fewer:   func() time.Duration { return tc.fewer },
		}
		plain, err := s.Source.View(insight.Query{})
		if err != nil {
			t.Fatal(err)
		}
		v, err := s.View(insight.Query{})
		if err != nil {
			t.Fatal(err)
		}
		if d := v.Unsampled - tc.unsampled; d < -0.001 || d > 0.001 {
			t.Errorf("%s: %v of the connections are not in it, want %v", tc.name, v.Unsampled, tc.unsampled)
		}
		notes := v.Notes[len(plain.Notes):]
		if !slices.EqualFunc(notes, tc.notes, strings.Contains) {
			t.Errorf("%s: notes %q, want %q", tc.name, notes, tc.notes)
		}
	}
}

// Levels that only shorten turns leave no connection out.
func TestOnlySomeLevelsLeaveConnectionsOut(t *testing.T) {
	var g governor
	g.state.since = time.Now()
	g.state.spent[0], g.state.spent[1], g.state.spent[2], g.state.spent[8] = time.Hour, time.Hour, time.Second, 2*time.Second
	if d := g.fewer(); d != 3*time.Second {
		t.Errorf("%v, want 3s", d)
	}
}
