package main

import (
	"fmt"
	"math"
	"time"

	"gortap/internal/record"
)

// holdings is what files hold, for --input-file-dry-run and the summary.
type holdings struct {
	records, requests, responses uint64
	firstNs, lastNs              int64
}

func (h *holdings) note(r *record.Record) {
	if r.Kind == record.End {
		return
	}
	h.records++
	switch r.Kind {
	case record.Request:
		h.requests++
	case record.Response:
		h.responses++
	}
	if h.firstNs == 0 {
		h.firstNs = r.TimeNs
	}
	h.lastNs = max(h.lastNs, r.TimeNs)
}

// tellDryRun says what the files hold.
func (a *agent) tellDryRun() {
	if !a.cfg.InputFileDryRun {
		return
	}
	h := a.records.held
	if r, ok := a.input.(*recordings); ok {
		h = r.held
	}
	_, speed, _ := a.cfg.inputFiles()
	span := time.Duration(h.lastNs - h.firstNs)
	plays := span
	if !math.IsInf(speed, 1) {
		plays = time.Duration(float64(span) / speed)
	}
	from := "nowhere"
	if h.records > 0 {
		from = time.Unix(0, h.firstNs).UTC().Format(time.RFC3339Nano)
	}
	a.say(fmt.Sprintf("%-12s%d records, %d of them requests, from %s for %s; plays for %s\n", "recording",
		h.records, h.requests, from, span.Round(time.Millisecond), plays.Round(time.Millisecond)),
		"recording", "records", h.records, "requests", h.requests, "from", from, "seconds", span.Seconds(), "plays_seconds", plays.Seconds())
}
