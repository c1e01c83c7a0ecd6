package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"gortap/test/bench/gauge"
)

// idleRow is what the agent needs beside a server that nobody asks.
type idleRow struct {
	Seconds  float64 `json:"seconds"`
	CPUShare float64 `json:"cpu_percent_of_a_core"`
	Switches float64 `json:"context_switches_per_second"`
	RSS      float64 `json:"peak_rss_mib"`
}

func (b *bench) measureIdle(ctx context.Context) {
	fmt.Fprintf(os.Stderr, "idle: %s\n", b.idle)
	row, err := b.idleOnce(ctx)
	switch {
	case ctx.Err() != nil:
	case err != nil:
		b.report.fail("idle agent: %s", err)
	default:
		b.report.Idle = row
	}
}

func (b *bench) idleOnce(ctx context.Context) (*idleRow, error) {
	a, err := b.on(ctx, loopback)
	if err != nil {
		return nil, err
	}
	w, err := agentObserver("agent", b.options, nil).start(ctx, a, "80")
	if err != nil {
		return nil, err
	}
	defer w.kill()
	if err := w.pause(ctx, 2*time.Second); err != nil { // until it takes itself for idle
		return nil, err
	}
	switches, err := gauge.Switches(w.pid())
	if err != nil {
		return nil, err
	}
	began := time.Now()
	u, err := w.during(func() error { return w.pause(ctx, b.idle) })
	if err != nil {
		return nil, err
	}
	seconds := time.Since(began).Seconds()
	switchesAfter, err := gauge.Switches(w.pid())
	if err != nil {
		return nil, err
	}
	return &idleRow{seconds, 100 * u.cpu.Seconds() / seconds, (switchesAfter - switches) / seconds, u.rss}, nil
}

// pause lets time pass as long as the observer runs.
func (w *watch) pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-w.ended:
		return errors.New("it has ended: " + w.said.Tail())
	case <-time.After(d):
		return nil
	}
}
