package main

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"gortap/internal/capture"
	"gortap/internal/govern"
	"gortap/internal/output"
)

const governEvery = time.Second

// steered is a capture that can be told to copy less.
type steered interface {
	SetBudgets(request, response capture.Budget) error
	SetSample(capture.Sample) error
	Memory() (uint64, error)
}

// governor keeps the agent within its limits: it measures once a second, and puts
// the level that govern decides into force.
type governor struct {
	capture           steered
	log               *slog.Logger
	request, response capture.Budget // at level Full
	sample            float64        // likewise
	limits            govern.Limits
	outputs           string // who gets fewer exchanges, for the log

	// connections is the sample that the parsers keep to (detect.Follow).
	connections atomic.Uint32

	mu    sync.Mutex // of the rest
	state governState
}

// governState is what metrics and summary tell.
type governState struct {
	level   govern.Level
	changes int
	reading govern.Reading
	spent   [govern.NumLevels]time.Duration
	since   time.Time // of the level
}

// newGovernor returns the governor of a live capture at level Full.
func newGovernor(cfg *Config, l *live, log *slog.Logger) *governor {
	g := &governor{
		capture: l, log: log, request: l.request, response: l.response, sample: l.base.Ratio(),
		limits: govern.Limits{
			CPU: float64(cfg.MaxCPU), Memory: uint64(cfg.MaxMemory),
			KeepBudget: min(l.request, l.response) == capture.CopyAll,
		},
	}
	g.connections.Store(math.MaxUint32)
	g.state.since = time.Now()
	return g
}

// tell names the outputs that a step back takes exchanges from.
func (g *governor) tell(outputs []output.Output, records bool) {
	var names []string
	for _, o := range outputs {
		names = append(names, o.Name())
	}
	if records {
		names = append(names, "records")
	}
	g.outputs = strings.Join(names, ", ")
}

// run measures and steers until ctx is done. volumes tells of the rings.
func (g *governor) run(ctx context.Context, volumes func() (volumes, error)) {
	meter, err := govern.NewMeter()
	if err != nil {
		g.log.Warn("limits are not watched", "error", err)
		return
	}
	control := govern.New(g.limits)
	tick := time.NewTicker(governEvery)
	defer tick.Stop()
	var lost uint64
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		r := govern.Reading{Memory: meter.Memory()}
		r.CPU, _ = meter.CPU() // worked a second ago
		if n, err := g.capture.Memory(); err == nil {
			r.Memory += n
		}
		if v, err := volumes(); err == nil {
			r.RingFill = v.ringFill
			full := v.droppedFor("ring-full")
			r.RingLost, lost = full-lost, full
		}
		level, why, changed := control.Next(r)
		g.note(r)
		if changed {
			g.enter(level, why, r)
		}
	}
}

func (v *volumes) droppedFor(reason string) uint64 {
	for _, d := range v.dropped {
		if d.Reason == reason {
			return d.Packets
		}
	}
	return 0
}

func (g *governor) note(r govern.Reading) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.state.reading = r
}

// enter puts a level into force and says so.
func (g *governor) enter(level govern.Level, why govern.Reason, r govern.Reading) {
	request, response, sample := g.at(level)
	if err := g.capture.SetBudgets(request, response); err != nil {
		g.log.Warn("change turn budget", "error", err)
	}
	if err := g.capture.SetSample(sample); err != nil {
		g.log.Warn("change sample", "error", err)
	}
	g.connections.Store(uint32(sample))
	if sample == capture.SampleNone {
		g.connections.Store(0)
	}
	g.mu.Lock()
	before, now := g.state.level, time.Now()
	g.state.spent[before] += now.Sub(g.state.since)
	g.state.level, g.state.since = level, now
	g.state.changes++
	g.mu.Unlock()
	args := []any{
		"level", level.String(), "before", before.String(), "reason", why.String(), "sample", percent(sample.Ratio()),
		"cpu", percent(r.CPU), "memory", fmt.Sprintf("%.1fMiB", float64(r.Memory)/(1<<20)), "ring", percent(r.RingFill), "lost", r.RingLost,
	}
	if g.outputs != "" && level > govern.Full {
		args = append(args, "incomplete", g.outputs)
	}
	if level > before {
		g.log.Warn("copying less to stay within limits; byte counts stay exact", args...)
		return
	}
	g.log.Info("copying more again", args...)
}

func percent(x float64) string { return fmt.Sprintf("%.3g%%", 100*x) }

// at is what a level means for the kernel.
func (g *governor) at(level govern.Level) (request, response capture.Budget, sample capture.Sample) {
	request, response = g.request, g.response
	if level >= govern.Short {
		request, response = shorter(request), shorter(response)
	}
	// Where both copy all, the kernel takes no connection out: a budget that is
	// as good as all says that now it may.
	if level > govern.Short && g.limits.KeepBudget {
		response--
	}
	return request, response, capture.SampleRatio(g.sample * level.Sample())
}

// shorter is a budget at level Short. Whoever wants all of a side gets all.
func shorter(b capture.Budget) capture.Budget {
	if b == capture.CopyAll {
		return b
	}
	return min(b, govern.ShortBudget)
}

// snapshot is the state now, with the time at the present level.
func (g *governor) snapshot() governState {
	g.mu.Lock()
	defer g.mu.Unlock()
	s := g.state
	s.spent[s.level] += time.Since(s.since)
	return s
}

// degraded lists the levels below Full that took time.
func (g *governor) degraded() (all []output.Degradation) {
	for level, spent := range g.snapshot().spent {
		if level := govern.Level(level); level > govern.Full && spent > 0 {
			all = append(all, output.Degradation{Level: level.String(), Seconds: spent.Seconds()})
		}
	}
	return all
}
