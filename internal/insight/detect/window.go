package detect

import (
	"maps"
	"time"

	"gortap/internal/insight"
)

// maxCarried bounds the findings that are taken from one window to the next.
const maxCarried = 500

// Findings returns what was found, ranked by what it saves, the most first.
func (s *Set) Findings() []insight.Finding {
	found := make(map[string]insight.Finding)
	maps.Copy(found, s.carried)
	for _, f := range s.current() {
		found[f.ID] = join(s.carried[f.ID], f)
	}
	return s.ranked(found)
}

// turn begins another window: figures start anew, findings are remembered as long as
// their cause was seen within the last one.
func (s *Set) turn() {
	kept := make(map[string]insight.Finding)
	for _, f := range s.Findings() {
		if f.Last.UnixNano() >= s.nowNs-int64(s.cfg.Window) && len(kept) < maxCarried {
			kept[f.ID] = f
		}
	}
	s.carried = kept
	for _, d := range s.detectors {
		d.reset()
	}
	s.table.reset()
	s.services.reset()
	s.bytes, s.windowNs = 0, s.nowNs
}

// join adds what was found before to what is found now: figures in the text are those
// of the present window, times and savings those of both.
func join(before, now insight.Finding) insight.Finding {
	if before.ID == "" {
		return now
	}
	now.Saves += before.Saves
	now.First = before.First
	now.Evidence = append(now.Evidence, insight.Evidence{Name: "Found since", Value: before.First.UTC().Format(time.RFC3339)})
	return now
}
