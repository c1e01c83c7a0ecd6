package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"

	"gortap/internal/capture"
	"gortap/internal/filter"
	"gortap/internal/flow"
	"gortap/internal/output"
	"gortap/internal/record"
)

// live is the kernel's hooks.
type live struct {
	*capture.Capture
	filter string
	hook   capture.Hook
	log    *slog.Logger

	request, response capture.Budget // as asked for
	base              capture.Sample
}

var _ input = (*live)(nil)

func openLive(cfg *Config, log *slog.Logger) (input, error) {
	interfaces, expr, err := liveSelection(cfg)
	if err != nil {
		return nil, err
	}
	requests, responses := budgets(cfg)
	ring, flows := liveSizes(cfg, max(requests, responses) == capture.CopyAll)
	c, err := capture.Open(capture.Options{
		Filter:         expr,
		Interfaces:     interfaces,
		Hook:           capture.Hook(cfg.Hook),
		Attach:         capture.Attach(cfg.TCAttach),
		RequestBudget:  requests,
		ResponseBudget: responses,
		Sample:         sampleOf(cfg),
		Windows:        cfg.sessions(),
		Shards:         cfg.Shards,
		RingBytes:      ring,
		MaxFlows:       flows,
		FlowIdle:       cfg.FlowIdleTimeout,
		Nap:            cfg.recordNeeds() == record.Needs{} && !cfg.sessions(),
		Log:            log,
	})
	if err != nil {
		return nil, explainOpen(err, log)
	}
	return &live{
		Capture: c, filter: expr, hook: capture.Hook(cfg.Hook), log: log,
		request: requests, response: responses, base: sampleOf(cfg),
	}, nil
}

// budgets are how much the kernel copies of a turn of either side: what the outputs
// need.
func budgets(cfg *Config) (requests, responses capture.Budget) {
	requests, responses = capture.Budget(cfg.TurnBudget), capture.Budget(cfg.TurnBudget)
	needs := cfg.recordNeeds().Or(record.Needs{Requests: cfg.sessions() || cfg.OutputLink != "", Responses: cfg.SessionCompare == "hash"}) // of clients, all bytes
	if packets := len(cfg.packetFiles()) > 0; cfg.Depth == "all" || cfg.Depth == "auto" && packets {
		needs = record.Needs{Requests: true, Responses: true}
	}
	if needs.Requests {
		requests = capture.CopyAll
	}
	if needs.Responses {
		responses = capture.CopyAll
	}
	return requests, responses
}

// sampleOf says which connections the kernel copies from.
func sampleOf(cfg *Config) capture.Sample {
	if cfg.Depth == "none" {
		return capture.SampleNone
	}
	return capture.SampleRatio(float64(cfg.Sample))
}

// explainOpen makes a wrong filter a usage error, and gives the verifier's log to
// those who asked for it.
func explainOpen(err error, log *slog.Logger) error {
	var rejected *capture.VerifierRejection
	if errors.As(err, &rejected) {
		log.Debug("the kernel's verifier refused a program", "log", rejected.Log())
	}
	return explainFilter(err)
}

// explainFilter shows where an expression is wrong.
func explainFilter(err error) error {
	var syntax *filter.SyntaxError
	if errors.As(err, &syntax) {
		return usagef("%w\n%s", err, syntax.Caret())
	}
	var link *filter.LinkError
	if errors.As(err, &link) {
		return usageError{err}
	}
	return err
}

func (l *live) shards() int                    { return l.Shards() }
func (l *live) control(shard int) flow.Control { return l.Control(shard) }
func (l *live) ownTotals() bool                { return false }
func (l *live) ready() bool                    { return l.Ready() }
func (l *live) close() error                   { return l.Close() }

func (l *live) idle() error {
	if len(l.Attached()) == 0 {
		return errors.New("no interface to capture on (see --interface)")
	}
	return nil
}

func (l *live) run(ctx context.Context, handlers []flow.Handler) error {
	return l.Run(ctx, handlers)
}

func (l *live) describe() string {
	what := l.filter
	if what == "" {
		what = "everything"
	}
	direction := ""
	if l.hook == capture.HookXDP {
		direction = " (received packets only: what is sent does not pass XDP)"
	}
	where := strings.Join(l.Attached(), ", ")
	if where == "" {
		where = "no interface yet: waiting for one of --interface that is up"
	}
	return fmt.Sprintf("capturing %s on %s%s", what, where, direction)
}

// volumes reads the kernel's counters.
func (l *live) volumes() (volumes, error) {
	stats, err := l.Stats()
	if err != nil {
		return volumes{}, err
	}
	v := volumes{
		matched:   output.Volume(stats.Matched),
		delivered: output.Volume(stats.Delivered),
		outcomes:  []outcome{{"emitted", output.Volume(stats.Emitted)}, {"counted", output.Volume(stats.Counted)}},
		live:      true,
		ringFill:  l.RingFill(),
		copied:    stats.RingBytes,
		flows:     l.Flows(),
	}
	sample, err := l.Sample()
	if err != nil {
		return volumes{}, err
	}
	v.sample = sample.Ratio()
	for _, reason := range slices.Sorted(maps.Keys(stats.Dropped)) {
		n := output.Volume(stats.Dropped[reason])
		v.dropped = append(v.dropped, output.Drop{Stage: "kernel", Reason: reason, Volume: n})
		v.outcomes = append(v.outcomes, outcome{reason, n})
	}
	for _, reason := range slices.Sorted(maps.Keys(stats.Ignored)) {
		v.outcomes = append(v.outcomes, outcome{reason, output.Volume(stats.Ignored[reason])})
	}
	return v, nil
}
