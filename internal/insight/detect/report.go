package detect

import (
	"fmt"
	"time"

	"gortap/internal/insight"
)

// report gathers what the detectors find.
type report struct {
	t        *Thresholds
	table    *table
	services *services
	bytes    int64 // wire bytes of the window
	nowNs    int64
	drafts   []draft
}

// draft is a finding before overlapping savings are taken apart.
type draft struct {
	insight.Finding
	bytes   int64 // of what it is about: the most that all findings on it can save
	symptom bool  // it names what is to be seen, others the cause
}

// matters says whether so many bytes are worth a finding.
func (r *report) matters(saves int64) bool {
	return saves >= r.t.MinBytes && float64(saves) >= r.t.MinShare*float64(r.bytes)
}

// on begins a finding on an endpoint.
func (r *report) on(e *endpoint, kind insight.Kind, seen span64) draft {
	d := draft{bytes: e.bytes}
	d.ID = fmt.Sprintf("%s:%s:%s:%s", kind, e.service, e.method, e.path)
	d.Kind, d.Severity = kind, insight.Warning
	d.Service, d.Method, d.Path = e.service, e.method, e.path
	_, d.Clients = r.phrase(&e.clients, e.bytes)
	d.First, d.Last = seen.times()
	return d
}

// add takes a finding that is complete. It saves no more than its subject has.
func (r *report) add(d draft) {
	d.Saves = max(0, min(d.Saves, d.bytes))
	r.drafts = append(r.drafts, d)
}

func (d *draft) evidence(name, format string, args ...any) {
	d.Evidence = append(d.Evidence, insight.Evidence{Name: name, Value: fmt.Sprintf(format, args...)})
}

// name is how titles call an endpoint.
func (e *endpoint) name() string {
	if e.method == "" {
		return e.path + " of " + e.service
	}
	return e.method + " " + e.path + " of " + e.service
}

// who adds the clients to a sentence, where they are few.
func (r *report) who(e *endpoint) string {
	if text, _ := r.phrase(&e.clients, e.bytes); text != "" {
		return "; " + text
	}
	return ""
}

// phrase names clients, those that are services by their names.
func (r *report) phrase(l *leaders, total int64) (text string, names []string) {
	return l.phrase(total, r.services.nameOf)
}

// span64 is from when to when something was seen, in Unix nanoseconds.
type span64 struct{ first, last int64 }

func (s *span64) see(ns int64) {
	if s.first == 0 || ns < s.first {
		s.first = ns
	}
	s.last = max(s.last, ns)
}

func (s *span64) times() (first, last time.Time) {
	return time.Unix(0, s.first).UTC(), time.Unix(0, s.last).UTC()
}

// seconds is how long it lasted, at least one.
func (s *span64) seconds() float64 { return max(1, float64(s.last-s.first)/1e9) }
