package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"gortap/internal/lab"
	"gortap/internal/output"
	"gortap/test/bench/gauge"
)

// rateRow is what a rate came to.
type rateRow struct {
	Rate     int           `json:"sessions_per_second"`
	Sessions *gauge.Spread `json:"sessions"`
	Replayed *gauge.Spread `json:"replayed"`
	Lag      *gauge.Spread `json:"largest_lag_ms"`
	CPU      *gauge.Spread `json:"cpu_us_per_session"` // of the agent, reading or capturing included
	Idle     *gauge.Spread `json:"idle_percent"`       // of both cores
	Others   string        `json:"others"`             // what was not replayed to its end, of all runs
}

// played is one run.
type played struct {
	output.Sessions
	cpu, took, idle time.Duration
}

const nginxServer = `access_log off;
	location = /small { default_type text/plain; return 200 "hello, world\n"; }
	`

func (b *bench) measureRates(ctx context.Context, rates []int) {
	server, err := lab.StartNginx(ctx, b.ns, lab.NginxOptions{Server: nginxServer})
	if err != nil {
		b.fail("rates: %s", err)
		return
	}
	defer func() { _, _ = server.Stop() }() // its log is off
	for _, rate := range rates {
		b.rounds(ctx, &b.report.Rate, rate, func(file string) (played, error) {
			p, err := b.player(ctx, file, clients, serverIP+":80")
			if err != nil {
				return played{}, err
			}
			return p.wait()
		})
	}
}

// rounds plays a recording of a rate as often as asked.
func (b *bench) rounds(ctx context.Context, rows *[]rateRow, rate int, play func(file string) (played, error)) {
	file := b.path("short.pcap")
	n := int(b.length.Seconds() * float64(rate))
	if err := (recording{sessions: n, gap: time.Second / time.Duration(rate)}).write(file); err != nil {
		b.fail("%d a second: %s", rate, err)
		return
	}
	var all []played
	for range b.runs {
		fmt.Fprintf(os.Stderr, "%d sessions a second\n", rate)
		p, err := play(file)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			b.fail("%d a second: %s", rate, err)
			continue
		}
		all = append(all, p)
	}
	if len(all) > 0 {
		*rows = append(*rows, rateRowOf(rate, all))
	}
}

func rateRowOf(rate int, all []played) rateRow {
	spread := func(f func(p played) float64) *gauge.Spread {
		var values []float64
		for _, p := range all {
			values = append(values, f(p))
		}
		return gauge.SpreadOf(values)
	}
	others := map[string]uint64{}
	for _, p := range all {
		for _, m := range []map[string]uint64{p.Partial, p.Skipped} {
			for why, n := range m {
				others[why] += n
			}
		}
	}
	return rateRow{
		Rate: rate, Others: strings.Trim(fmt.Sprint(others), "map[]"),
		Sessions: spread(func(p played) float64 { return float64(p.Sessions.Sessions) }),
		Replayed: spread(func(p played) float64 { return float64(p.Replayed) }),
		Lag:      spread(func(p played) float64 { return p.LagSeconds * 1000 }),
		CPU: spread(func(p played) float64 {
			return float64(p.cpu) / float64(time.Microsecond) / float64(max(p.Sessions.Sessions, 1))
		}),
		Idle: spread(func(p played) float64 { return 50 * p.idle.Seconds() / p.took.Seconds() }),
	}
}

func rateTable(title string, rows []rateRow) *gauge.Table {
	t := &gauge.Table{Title: title, Head: "sessions/s|sessions|replayed|largest lag, ms|agent's CPU, us/session|idle, % of 2 cores|not replayed"}
	for _, r := range rows {
		t.Add("%d|%s|%s|%s|%s|%s|%s", r.Rate, r.Sessions.Text("%.0f"), r.Replayed.Text("%.0f"), r.Lag.Text("%.0f"), r.CPU.Range("%.1f"), r.Idle.Text("%.0f"), r.Others)
	}
	return t
}

// running is an agent that replays sessions.
type running struct {
	cmd           *exec.Cmd
	summary, said gauge.Output
	began         time.Time
	idle          time.Duration
}

// player starts an agent that plays a file.
func (b *bench) player(ctx context.Context, file, from, target string, flags ...string) (*running, error) {
	return b.start(ctx, append([]string{"--input-file", file, "--output-session", target, "--session-client-ip", from}, flags...)...)
}

func (b *bench) start(ctx context.Context, flags ...string) (*running, error) {
	r := &running{began: time.Now()}
	args := append([]string{"--summary", "-", "--table", "never"}, flags...)
	r.cmd = exec.CommandContext(ctx, b.agent, append(args, strings.Fields(b.extra)...)...)
	r.cmd.Stdout, r.cmd.Stderr = &r.summary, &r.said
	var err error
	if r.idle, err = gauge.IdleTime(); err != nil {
		return nil, err
	}
	if err := b.ns.Start(r.cmd); err != nil {
		return nil, fmt.Errorf("start agent: %w", err)
	}
	return r, nil
}

// wait waits for the end and reads the summary.
func (r *running) wait() (played, error) {
	if err := r.cmd.Wait(); err != nil {
		return played{}, fmt.Errorf("agent: %w: %s", err, r.said.Tail())
	}
	idle, err := gauge.IdleTime()
	if err != nil {
		return played{}, err
	}
	var s output.Summary
	if err := json.Unmarshal([]byte(r.summary.String()), &s); err != nil {
		return played{}, fmt.Errorf("read summary: %w", err)
	}
	if len(s.Sessions) == 0 {
		return played{}, errors.New("read summary: no sessions")
	}
	state := r.cmd.ProcessState
	return played{s.Sessions[0], state.UserTime() + state.SystemTime(), time.Since(r.began), idle - r.idle}, nil
}
