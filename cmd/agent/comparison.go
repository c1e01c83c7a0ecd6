package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"gortap/internal/record"
	"gortap/internal/replay/compare"
)

// differsError says that a target differs from what was recorded by more than it may:
// exit status 3.
type differsError struct{ text string }

func (e differsError) Error() string { return e.text }

func differs(threshold float64, compared uint64) differsError {
	if compared == 0 {
		return differsError{"nothing was compared (a recording needs its responses: record with --input-raw-track-response; and the target must answer)"}
	}
	return differsError{fmt.Sprintf("the target differs by more than --compare-threshold %g allows", threshold)}
}

// maxCompared is how much of a response is kept to be compared.
const maxCompared = 8 << 20

// comparison holds the responses of a target against those that were recorded, or a
// baseline's. It is an output, which gets the recorded ones; the others come from
// the targets.
type comparison struct {
	*compare.Comparer
	cfg   *Config
	taken atomic.Uint64
	bytes atomic.Uint64
}

var _ record.Output = (*comparison)(nil)

func newComparison(cfg *Config) (*comparison, error) {
	redactor, err := newRedactor(cfg, cfg.Redact)
	if err != nil {
		return nil, err
	}
	c := compare.Config{
		Original:       "recording",
		Candidate:      cfg.OutputHTTP[0],
		Baseline:       strings.Join(cfg.CompareBaseline, ", "),
		Baselines:      len(cfg.CompareBaseline),
		IgnoreHeaders:  cfg.CompareIgnoreHeader,
		CompareHeaders: cfg.CompareHeader,
		IgnoreJSON:     cfg.CompareIgnoreJSON,
		PathPatterns:   cfg.PathPattern,
		Threshold:      cfg.CompareThreshold,
		Latency:        compare.LatencyConfig{Off: cfg.CompareIgnoreLatency},
		Block:          len(cfg.InputFile) > 0,
		Redactor:       redactor,
	}
	comparer, err := compare.New(c)
	if err != nil {
		return nil, usagef("--compare: %w", err)
	}
	return &comparison{Comparer: comparer, cfg: cfg}, nil
}

// Name implements record.Output.
func (c *comparison) Name() string { return "compare" }

// Needs implements record.Output.
func (c *comparison) Needs() record.Needs { return record.Needs{Requests: true, Responses: true} }

// Put implements record.Output.
func (c *comparison) Put(r *record.Record, _ time.Duration) bool {
	switch r.Kind {
	case record.Request:
		c.Request(r)
	case record.Response:
		c.Original(r)
	default:
		return true
	}
	c.taken.Add(1)
	c.bytes.Add(uint64(len(r.Data)))
	return true
}

// Stats implements record.Output. What is not compared, the result tells.
func (c *comparison) Stats() record.Stats {
	n := c.taken.Load()
	return record.Stats{Taken: n, Done: n, Bytes: c.bytes.Load()}
}

// Close implements record.Output. Targets may still answer: see conclude.
func (c *comparison) Close(context.Context) error { return nil }

// conclude writes the result, once the targets are closed.
func (c *comparison) conclude(ctx context.Context, e env) error {
	err := c.Comparer.Close(ctx)
	result := c.Result()
	w := e.stdout
	if c.cfg.OutputStdout || c.cfg.OutputJSONL == "-" || c.cfg.Summary == "-" {
		w = e.stderr
	}
	_, terminal := terminal(w)
	err = errors.Join(err, result.WriteText(w, terminal && e.getenv("NO_COLOR") == ""))
	for _, path := range c.cfg.Report {
		write := result.WriteJSON
		switch filepath.Ext(path) {
		case ".html", ".htm":
			write = result.WriteHTML
		case ".txt":
			write = func(w io.Writer) error { return result.WriteText(w, false) }
		}
		if e := writeFile(path, write); e != nil {
			err = errors.Join(err, e)
		}
	}
	if err == nil && result.Exceeds(c.cfg.CompareThreshold) {
		return differs(c.cfg.CompareThreshold, result.Compared)
	}
	return err
}
