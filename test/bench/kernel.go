package main

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"

	"gortap/internal/capture"
	"gortap/internal/lab"
	"gortap/test/bench/gauge"
)

// kernelRow is the kernel's time for the agent's programs under a load, by its own
// statistics, which cost some 50 ns a run themselves. A packet of the loopback
// interface passes two programs: on its way out, and in.
type kernelRow struct {
	Load      string        `json:"load"`
	Mode      string        `json:"mode"`
	PerRun    *gauge.Spread `json:"ns_per_packet_and_hook"`
	PerRecord *gauge.Spread `json:"ns_per_emitted_packet"`
	Records   *gauge.Spread `json:"emitted_per_exchange"`
	Runs      *gauge.Spread `json:"runs_per_exchange"`
}

// kernelRun is one run.
type kernelRun struct{ runs, ns, records, served float64 }

// kernelModes are the agent's ways of working whose kernel side is measured.
func kernelModes(o options) []observer {
	return []observer{
		agentObserver("head", o, nil),
		agentObserver("all", o, nil, "--depth", "all"),
		agentObserver("none", o, nil, "--depth", "none"),
		agentObserver("agent-nomatch", o, nil),
	}
}

func (b *bench) measureKernel(ctx context.Context) {
	b.measureVerified()
	// Not for the other parts: it costs.
	statistics, err := capture.EnableStats()
	if err != nil {
		b.report.fail("kernel time: %s", err)
		return
	}
	defer statistics.Close()
	for _, l := range b.loads {
		if l.name != "small" && l.name != "10k" && l.name != "1m" {
			continue
		}
		for _, mode := range kernelModes(b.options) {
			var runs []kernelRun
			for range min(b.rounds, 3) {
				fmt.Fprintf(os.Stderr, "kernel: %s, %s\n", l.name, mode.name)
				r, err := b.kernelOnce(ctx, mode, l)
				if ctx.Err() != nil {
					return
				}
				if err != nil {
					b.report.fail("kernel time of %s under load %s: %s", mode.name, l.name, err)
					continue
				}
				runs = append(runs, r)
			}
			if len(runs) > 0 {
				b.report.Kernel = append(b.report.Kernel, kernelRowOf(l.name, strings.TrimPrefix(mode.name, "agent-"), runs))
			}
		}
	}
}

func kernelRowOf(load, mode string, runs []kernelRun) kernelRow {
	var perRun, perRecord, records, each []float64
	for _, r := range runs {
		perRun = append(perRun, ratio(r.ns, r.runs))
		perRecord = append(perRecord, ratio(r.ns, r.records))
		records = append(records, ratio(r.records, r.served))
		each = append(each, ratio(r.runs, r.served))
	}
	return kernelRow{load, mode, gauge.SpreadOf(perRun), gauge.SpreadOf(perRecord), gauge.SpreadOf(records), gauge.SpreadOf(each)}
}

func (b *bench) kernelOnce(ctx context.Context, o observer, l load) (kernelRun, error) {
	a, err := b.on(ctx, l.network)
	if err != nil {
		return kernelRun{}, err
	}
	w, err := o.start(ctx, a, l.watched())
	if err != nil {
		return kernelRun{}, err
	}
	defer w.kill()
	before, err := kernelNow(ctx, a, w)
	if err != nil {
		return kernelRun{}, err
	}
	if _, err := l.run(ctx, a, b.duration); err != nil {
		return kernelRun{}, err
	}
	after, err := kernelNow(ctx, a, w)
	if err != nil {
		return kernelRun{}, err
	}
	return kernelRun{after.runs - before.runs, after.ns - before.ns, after.records - before.records, after.served - before.served}, nil
}

func kernelNow(ctx context.Context, a *arena, w *watch) (kernelRun, error) {
	p, err := gauge.ProgramsOf(w.pid())
	if err != nil {
		return kernelRun{}, err
	}
	if p.Count == 0 {
		return kernelRun{}, fmt.Errorf("find bpf programs: the agent holds none open")
	}
	records, err := emitted(ctx, a.server)
	if err != nil {
		return kernelRun{}, err
	}
	served, err := gauge.Served(ctx, a.server)
	return kernelRun{p.Runs, float64(p.Time), records, served.Requests}, err
}

// emitted asks the agent how many packets it has put into its rings.
func emitted(ctx context.Context, n *lab.Namespace) (float64, error) {
	client := &http.Client{Transport: &http.Transport{DialContext: n.DialContext, DisableKeepAlives: true}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, agentURL+"/metrics", nil)
	if err != nil {
		return 0, err
	}
	res, err := client.Do(req)
	if err != nil {
		return 0, fmt.Errorf("read the agent's metrics: %w", err)
	}
	defer res.Body.Close()
	lines := bufio.NewScanner(res.Body)
	for lines.Scan() {
		if value, ok := strings.CutPrefix(lines.Text(), `gor_capture_packets_total{outcome="emitted"} `); ok {
			return strconv.ParseFloat(value, 64)
		}
	}
	if err := lines.Err(); err != nil {
		return 0, fmt.Errorf("read the agent's metrics: %w", err)
	}
	return 0, fmt.Errorf("read the agent's metrics: emitted packets are not among them")
}

// verifiedRow is what the verifier thinks of a program.
type verifiedRow struct {
	Program      string `json:"program"`
	Instructions uint32 `json:"instructions_verified"`
	Bytes        uint32 `json:"machine_code_bytes"`
}

// measureVerified loads the programs of both hooks with a usual filter.
func (b *bench) measureVerified() {
	seen := map[string]bool{}
	for _, hook := range []capture.Hook{capture.HookTC, capture.HookXDP} {
		rows, err := verified(hook)
		if err != nil {
			b.report.fail("verifier's work for %s: %s", hook, err)
			continue
		}
		for _, r := range rows {
			if !seen[r.Program] {
				seen[r.Program] = true
				b.report.Verified = append(b.report.Verified, r)
			}
		}
	}
}

func verified(hook capture.Hook) ([]verifiedRow, error) {
	c, err := capture.Open(capture.Options{Filter: "tcp port 80", Hook: hook})
	if err != nil {
		return nil, err
	}
	defer c.Close()
	programs, err := c.Programs()
	if err != nil {
		return nil, err
	}
	var rows []verifiedRow
	for _, p := range programs {
		rows = append(rows, verifiedRow{p.Name, p.Verified, p.Size})
	}
	return rows, nil
}
