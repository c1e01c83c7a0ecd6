package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"gortap/internal/output"
)

// writeSummary tells what the run came to: for people on stderr, and as JSON
// where --summary says.
func (a *agent) writeSummary() error {
	s := a.summarize()
	if a.wantsTable() {
		a.finalTable()
	}
	a.say(s.Text(), "summary", "summary", s)
	a.tellDryRun()
	err := a.writeReports(s)
	switch a.cfg.Summary {
	case "":
		return err
	case "-":
		return errors.Join(err, s.WriteJSON(a.env.stdout))
	}
	return errors.Join(err, writeFile(a.cfg.Summary, s.WriteJSON))
}

// summarize adds up what the run came to.
func (a *agent) summarize() *output.Summary {
	s := output.Summary{Version: version, Started: a.started, Seconds: time.Since(a.started).Seconds()}
	v, err := a.input.volumes()
	if err != nil {
		a.log.Warn("summary lacks packet counts", "error", err)
	}
	s.Matched, s.Delivered, s.Dropped = v.matched, v.delivered, v.dropped
	s.SampleRatio = 1
	if v.live {
		s.SampleRatio = v.sample
	}
	if a.governor != nil {
		s.Degraded = a.governor.degraded()
	}
	s.AddAccount(a.account.Totals())
	if r, ok := a.input.(*recordings); ok {
		s.RequestsOnly = r.held.requests > 0 && r.held.responses == 0
	}
	for _, o := range a.outputs {
		s.AddOutput(o)
	}
	if a.insights != nil {
		s.Insight = a.insights.summary()
	}
	if a.records != nil {
		s.Records = a.records.volumes()
		s.Records.Dropped = slices.DeleteFunc(s.Records.Dropped, func(d output.RecordDrop) bool { return d.Records == 0 })
		s.Outputs = append(s.Outputs, a.records.outcomes()...)
	}
	if a.sessions != nil {
		s.Sessions = a.sessions.outcomes()
	}
	if a.datagrams != nil {
		s.Datagrams = a.datagrams.outcomes()
	}
	return &s
}

// checkSummary finds out at the start what would otherwise fail at the end.
func (a *agent) checkSummary() error {
	if a.cfg.Summary == "" || a.cfg.Summary == "-" {
		return nil
	}
	f, err := os.OpenFile(a.cfg.Summary, os.O_WRONLY|os.O_CREATE, 0o644)
	if err != nil {
		return fmt.Errorf("write summary: %w", err)
	}
	return f.Close()
}

func writeFile(path string, write func(io.Writer) error) error {
	f, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return errors.Join(write(f), f.Close())
}
