// Package report writes the incident report: who used the bandwidth, what was wasted and
// what to change, then the figures behind it, and what the capture itself lacked. One
// Report is written as text for a terminal, as JSON, and as one HTML page that needs no
// other file and no script.
//
// Names come from traffic and are hostile until they are escaped: every writer does it.
package report

import (
	"encoding/json"
	"fmt"
	"io"
	"time"

	"gortap/internal/insight"
	"gortap/internal/output"
	"gortap/internal/wording"
)

// Config is what a report tells beside what its Source knows.
type Config struct {
	Input   string    // what was read or captured
	Version string    // of the agent
	Now     time.Time // when the report is made
	// Capture is what the run came to; nil where nothing was captured by this agent,
	// or read but lists of exchanges.
	Capture *output.Summary
	Records bool // it counts records, not packets
	// Remarks are more to know about the data.
	Remarks []Remark
}

// Report is everything that is known of an incident. The names of its JSON fields are
// part of the command line's contract.
type Report struct {
	Input    string            `json:"input"`
	Version  string            `json:"version"`
	Made     time.Time         `json:"made"`
	Findings []insight.Finding `json:"findings"`
	Events   []insight.Event   `json:"events"`
	View     insight.View      `json:"view"`
	Quality  []Remark          `json:"quality"`
	Capture  *output.Summary   `json:"capture,omitempty"`
}

// The lists of a report have so many rows, its series so many points.
const (
	maxRows = 200
	points  = 120
)

// Collect asks the source for all that a report shows.
func Collect(src insight.Source, cfg Config) (*Report, error) {
	r := &Report{Input: wording.Printable(cfg.Input), Version: cfg.Version, Made: cfg.Now.UTC(), Capture: cfg.Capture}
	var err error
	if r.View, err = src.View(insight.Query{Rows: maxRows, Points: points}); err != nil {
		return nil, fmt.Errorf("collect report: %w", err)
	}
	if r.Findings, err = src.Findings(); err != nil {
		return nil, fmt.Errorf("collect findings: %w", err)
	}
	if r.Events, err = src.Events(); err != nil {
		return nil, fmt.Errorf("collect events: %w", err)
	}
	r.Quality = append(quality(cfg.Capture, cfg.Records), cfg.Remarks...)
	for _, note := range r.View.Notes {
		r.Quality = append(r.Quality, Remark{LevelNote, note})
	}
	return r, nil
}

// WriteJSON writes the report as one indented object.
func (r *Report) WriteJSON(w io.Writer) error {
	out := *r
	// Empty lists, not null: a script need not tell them apart.
	out.Findings = append([]insight.Finding{}, r.Findings...)
	out.Events = append([]insight.Event{}, r.Events...)
	out.Quality = append([]Remark{}, r.Quality...)
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	if err := e.Encode(&out); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	return nil
}

// Headline is the whole report in a sentence.
func (r *Report) Headline() string {
	switch {
	case r.View.Total.Requests == 0:
		return "No HTTP exchange was seen."
	case len(r.Findings) > 0:
		return sentence(r.Findings[0].Title)
	}
	s := "No waste was found."
	if len(r.View.Endpoints) > 0 {
		e := &r.View.Endpoints[0]
		s += fmt.Sprintf(" The most bytes: %s of %s, %s (%s).", endpointName(e), wording.Printable(e.Service), wording.Percent(e.Share), wording.Bytes(bytesOf(e)))
	}
	return s
}

// sentence ends a text with a full stop, and makes it fit to show.
func sentence(s string) string {
	s = wording.Printable(s)
	if s == "" || s[len(s)-1] == '.' || s[len(s)-1] == '!' || s[len(s)-1] == '?' {
		return s
	}
	return s + "."
}

// Period is the time that the figures cover, in words.
func (r *Report) Period() string {
	from, to := r.View.From.UTC(), r.View.To.UTC()
	if r.View.Total.Requests == 0 || !to.After(from) {
		return ""
	}
	end := to.Format("15:04:05")
	if from.YearDay() != to.YearDay() || from.Year() != to.Year() {
		end = to.Format("2006-01-02 15:04:05")
	}
	return from.Format("2006-01-02 15:04:05") + " to " + end + " UTC (" + wording.Span(to.Sub(from)) + ")"
}

// when tells since when a finding holds.
func when(f *insight.Finding, to time.Time) string {
	if f.First.IsZero() {
		return ""
	}
	first, last := f.First.UTC(), f.Last.UTC()
	if !last.After(first) {
		return "at " + clock(first, to)
	}
	return "since " + clock(first, to) + ", last seen " + clock(last, to)
}

// clock leaves out the date where it goes without saying.
func clock(t, to time.Time) string {
	if to = to.UTC(); t.YearDay() == to.YearDay() && t.Year() == to.Year() {
		return t.Format("15:04:05")
	}
	return t.Format("2006-01-02 15:04:05")
}

func saves(f *insight.Finding) string {
	if f.Saves <= 0 {
		return ""
	}
	return fmt.Sprintf("%s, %s of all bytes", wording.Bytes(float64(f.Saves)), wording.Percent(f.Share))
}

func bytesOf(r *insight.Row) float64 { return float64(r.RequestBytes + r.ResponseBytes) }

// endpointName is "GET /api/items/{id}"; what belongs to no message has no method.
func endpointName(r *insight.Row) string {
	if r.Method == "" {
		return wording.Printable(r.Path)
	}
	return wording.Printable(r.Method + " " + r.Path)
}
