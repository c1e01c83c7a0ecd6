package detect

import (
	"cmp"
	"slices"

	"gortap/internal/insight"
)

// maxFindings bounds what is returned.
const maxFindings = 200

// current returns the findings of the present window.
func (s *Set) current() []insight.Finding {
	r := &report{t: &s.cfg.Thresholds, table: s.table, services: s.services, bytes: s.bytes, nowNs: s.nowNs}
	for _, d := range s.detectors {
		d.find(r)
	}
	settle(r.drafts)
	found := make([]insight.Finding, len(r.drafts))
	for i, d := range r.drafts {
		found[i] = d.Finding
	}
	return found
}

// settle takes overlapping savings apart. Several findings on one endpoint save the
// same bytes: of a list that nobody pages, compression saves two thirds and a cache
// nine tenths, not more than all of it. They count as if one remedy were taken after
// the other, causes before symptoms and the largest first: each saves its share of what
// those before it have left. So the sum is never more than the endpoint's bytes.
func settle(drafts []draft) {
	type subject struct{ service, method, path string }
	bySubject := make(map[subject][]*draft)
	for i := range drafts {
		d := &drafts[i]
		if d.Path == "" {
			continue // on a service: what it saves is in no endpoint's bytes
		}
		key := subject{d.Service, d.Method, d.Path}
		bySubject[key] = append(bySubject[key], d)
	}
	for _, group := range bySubject {
		slices.SortFunc(group, func(a, b *draft) int {
			if a.symptom != b.symptom {
				if b.symptom {
					return -1
				}
				return 1
			}
			return cmp.Or(cmp.Compare(b.Saves, a.Saves), cmp.Compare(a.Kind, b.Kind))
		})
		left := 1.0
		for i, d := range group {
			alone := d.Saves
			d.Saves = int64(float64(alone) * left)
			if i > 0 && d.Saves < alone {
				d.evidence("Alone it would save", "%s", size(alone))
			}
			if d.bytes > 0 {
				left -= float64(d.Saves) / float64(d.bytes)
			}
			left = max(0, left)
		}
	}
}

// ranked orders findings by what they save, then by how grave they are.
func (s *Set) ranked(found map[string]insight.Finding) []insight.Finding {
	out := make([]insight.Finding, 0, len(found))
	for _, f := range found {
		if s.runBytes > 0 {
			f.Saves = min(f.Saves, s.runBytes)
			f.Share = float64(f.Saves) / float64(s.runBytes)
		}
		out = append(out, f)
	}
	slices.SortFunc(out, func(a, b insight.Finding) int {
		return cmp.Or(cmp.Compare(b.Saves, a.Saves), cmp.Compare(grave(b.Severity), grave(a.Severity)), cmp.Compare(a.ID, b.ID))
	})
	return out[:min(len(out), maxFindings)]
}

func grave(s insight.Severity) int {
	return slices.Index([]insight.Severity{insight.Info, insight.Warning, insight.Critical}, s)
}
