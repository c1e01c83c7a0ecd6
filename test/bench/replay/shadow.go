package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"gortap/internal/output"
	"gortap/test/bench/gauge"
)

// shadowRow is what a loaded server and the capture were like while the agent sent
// a copy of the traffic to a target. Captured = sent + dropped: the conservation is
// exact; captured may differ from served by the requests that wrk's end cut.
type shadowRow struct {
	Target   string        `json:"target"`
	Rate     *gauge.Spread `json:"served_per_second"`
	Served   *gauge.Spread `json:"served"`
	Captured *gauge.Spread `json:"captured"`
	Sent     *gauge.Spread `json:"sent"`
	Dropped  *gauge.Spread `json:"dropped"`
}

// shadowed is one run.
type shadowed struct {
	gauge.Load
	captured, sent, dropped float64
}

// shadowTarget is somebody who gets the copy.
type shadowTarget struct {
	name, address string
	serve         func(net.Conn)
}

// measureShadow compares a target that answers with one that takes connections and
// says nothing, in turns. Good answers cost processor time on this machine, so the
// server is faster beside the hung one.
func (b *bench) measureShadow(ctx context.Context) {
	targets := []shadowTarget{{"answers", "127.0.0.1:8091", answerAll}, {"hangs", "127.0.0.1:8092", hold}}
	runs := make([][]shadowed, len(targets))
	for range b.runs {
		for i, t := range targets {
			r, err := b.shadow(ctx, t)
			if ctx.Err() != nil {
				return
			}
			if err != nil {
				b.fail("shadow, target %s: %s", t.name, err)
				continue
			}
			runs[i] = append(runs[i], r)
		}
	}
	for i, t := range targets {
		if len(runs[i]) > 0 {
			b.report.Shadow = append(b.report.Shadow, shadowRowOf(t.name, runs[i]))
		}
	}
}

// shadow runs wrk against the server while the agent copies to t.
func (b *bench) shadow(ctx context.Context, t shadowTarget) (shadowed, error) {
	ctx, cancel := context.WithTimeout(ctx, b.hang+time.Minute)
	defer cancel()
	stop, err := b.listen(ctx, t)
	if err != nil {
		return shadowed{}, err
	}
	defer stop()
	agent := exec.CommandContext(ctx, b.agent, "--interface", "lo", "--input-raw", ":80", "--output-http", "http://"+t.address,
		"--listen", "", "--table", "never", "--summary", "-")
	var summary gauge.Output
	agent.Stdout = &summary
	said, err := agent.StderrPipe()
	if err != nil {
		return shadowed{}, err
	}
	if err := b.ns.Start(agent); err != nil {
		return shadowed{}, fmt.Errorf("start agent: %w", err)
	}
	lines := bufio.NewReader(said)
	_, ready := lines.ReadString('\n') // what it captures
	load, err := b.load(ctx, ready)
	_ = agent.Process.Signal(syscall.SIGINT) // it fails where the process has ended
	rest, _ := io.ReadAll(lines)
	if exit := agent.Wait(); err == nil && exit != nil {
		err = fmt.Errorf("agent: %w: %s", exit, strings.TrimSpace(string(rest)))
	}
	if err != nil {
		return shadowed{}, err
	}
	return shadowedOf(load, summary.String())
}

func (b *bench) load(ctx context.Context, ready error) (gauge.Load, error) {
	if ready != nil {
		return gauge.Load{}, fmt.Errorf("wait for the agent: %w", ready)
	}
	out, err := b.ns.Run(ctx, "wrk", "-t1", "-c"+strconv.Itoa(b.connections), "-d"+strconv.Itoa(int(b.hang.Seconds())), "http://127.0.0.1/small")
	if err != nil {
		return gauge.Load{}, err
	}
	return gauge.ParseWrk(out)
}

func shadowedOf(load gauge.Load, summary string) (shadowed, error) {
	var s output.Summary
	if err := json.Unmarshal([]byte(summary), &s); err != nil {
		return shadowed{}, fmt.Errorf("read summary: %w", err)
	}
	if s.Records == nil || len(s.Outputs) != 1 {
		return shadowed{}, errors.New("read summary: it has no target")
	}
	r := shadowed{Load: load, captured: float64(s.Records.Requests), sent: float64(s.Outputs[0].Sent)}
	for _, d := range s.Records.Dropped { // those of the output too
		r.dropped += float64(d.Records)
		if d.Stage == "recorder" { // not among the requests that were recorded
			r.captured += float64(d.Records)
		}
	}
	if r.captured != r.sent+r.dropped {
		return r, fmt.Errorf("captured %.0f requests, but sent %.0f and dropped %.0f", r.captured, r.sent, r.dropped)
	}
	return r, nil
}

// listen serves a target until stop is called.
func (b *bench) listen(ctx context.Context, t shadowTarget) (stop func(), err error) {
	l, err := b.ns.Listen(ctx, "tcp", t.address)
	if err != nil {
		return nil, err
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer c.Close()
				t.serve(c)
			})
		}
	})
	return func() {
		l.Close()
		wg.Wait() // the agent has closed its connections
	}, nil
}

// answerAll answers each request; they have no bodies.
func answerAll(c net.Conn) {
	in := bufio.NewReader(c)
	for {
		line, err := in.ReadSlice('\n')
		if err != nil {
			return
		}
		if len(line) == 2 {
			if _, err := io.WriteString(c, "HTTP/1.1 204 No Content\r\n\r\n"); err != nil {
				return
			}
		}
	}
}

// hold reads what comes and says nothing, until the other side gives up.
func hold(c net.Conn) { _, _ = io.Copy(io.Discard, c) }

func shadowRowOf(name string, all []shadowed) shadowRow {
	spread := func(of func(shadowed) float64) *gauge.Spread {
		var v []float64
		for _, r := range all {
			v = append(v, of(r))
		}
		return gauge.SpreadOf(v)
	}
	return shadowRow{
		name, spread(func(r shadowed) float64 { return r.PerSecond }), spread(func(r shadowed) float64 { return r.Requests }),
		spread(func(r shadowed) float64 { return r.captured }), spread(func(r shadowed) float64 { return r.sent }),
		spread(func(r shadowed) float64 { return r.dropped }),
	}
}

func (r *report) shadowTable() *gauge.Table {
	t := &gauge.Table{Title: "Live copy of a saturated server's traffic, by what the target does; medians (smallest..largest)",
		Head: "target|served/s|served|captured|sent|dropped"}
	for _, s := range r.Shadow {
		t.Add("%s|%s|%s|%s|%s|%s", s.Target, s.Rate.Range("%.0f"), s.Served.Text("%.0f"), s.Captured.Text("%.0f"), s.Sent.Text("%.0f"), s.Dropped.Text("%.0f"))
	}
	return t
}
