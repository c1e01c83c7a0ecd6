package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"gortap/test/bench/gauge"
)

// print writes everything as tables.
func (r *report) print(w io.Writer, markdown bool) error {
	fmt.Fprintf(w, "%s; %d rounds of %g s; medians (smallest..largest)\n", r.Machine, r.Rounds, r.Seconds)
	for _, table := range []*gauge.Table{r.serverTable(), r.rateTable(), r.kernelTable(), r.verifiedTable(), r.idleTable(), r.userTable()} {
		if err := table.Write(w, markdown); err != nil {
			return err
		}
	}
	for _, f := range r.Failures {
		fmt.Fprintf(w, "\nleft out: %s\n", f)
	}
	return nil
}

func (r *report) serverTable() *gauge.Table {
	t := &gauge.Table{Title: "Saturated server; kept and p99 are relative to no observer in the same round",
		Head: "load|observer|requests/s|kept|p99 ratio|CPU us/exchange|RSS MiB|seen/served|dropped packets"}
	for _, s := range r.Server {
		t.Add("%s|%s|%s|%s|%s|%s|%s|%s|%s%s", s.Load, s.Observer, s.Rate.Text("%.0f"), s.Kept.Range("%.2f"),
			s.P99.Range("%.2f"), s.CPU.Range("%.2f"), s.RSS.Text("%.0f"), s.SeenServed.Worst("%.4f"), s.Dropped.Text("%.0f"), s.reasons())
	}
	return t
}

func (s serverRow) reasons() string {
	if len(s.Reasons) == 0 {
		return ""
	}
	return " (" + strings.Join(slices.Sorted(maps.Keys(s.Reasons)), ", ") + ")"
}

func (r *report) rateTable() *gauge.Table {
	t := &gauge.Table{Title: "CPU us per exchange at a fixed rate; added is beside no observer in the same round",
		Head: "load|observer|requests/s|machine|added|nginx, client, observer|added|observer alone"}
	for _, s := range r.Rate {
		t.Add("%s|%s|%s|%s|%s|%s|%s|%s", s.Load, s.Observer, s.Rate.Text("%.0f"), s.Machine.Text("%.1f"),
			s.AddedMachine.Range("%.1f"), s.Processes.Text("%.1f"), s.AddedProcesses.Range("%.1f"), s.Observing.Range("%.2f"))
	}
	return t
}

func (r *report) kernelTable() *gauge.Table {
	t := &gauge.Table{Title: "Kernel side under saturation, by bpf_stats, which cost some 50 ns a run; loopback shows a packet to two hooks",
		Head: "load|depth|ns/packet and hook|ns/emitted packet|runs/exchange|emitted/exchange"}
	for _, s := range r.Kernel {
		t.Add("%s|%s|%s|%s|%s|%s", s.Load, s.Mode, s.PerRun.Range("%.0f"), s.PerRecord.Range("%.0f"), s.Runs.Text("%.2f"), s.Records.Text("%.2f"))
	}
	return t
}

func (r *report) verifiedTable() *gauge.Table {
	t := &gauge.Table{Title: "Verifier, which gives up at 1,000,000 instructions", Head: "program|instructions|machine code bytes"}
	for _, s := range r.Verified {
		t.Add("%s|%d|%d", s.Program, s.Instructions, s.Bytes)
	}
	return t
}

func (r *report) idleTable() *gauge.Table {
	t := &gauge.Table{Title: "Idle agent", Head: "seconds|% of a core|context switches/s|RSS MiB"}
	if i := r.Idle; i != nil {
		t.Add("%.0f|%.3f|%.1f|%.0f", i.Seconds, i.CPUShare, i.Switches, i.RSS)
	}
	return t
}

func (r *report) userTable() *gauge.Table {
	t := &gauge.Table{Title: "User side alone, from records in the ring to the books; CPU time, fastest run", Head: "benchmark|ns/exchange|allocations"}
	for _, u := range r.User {
		t.Add("%s|%.0f|%.0f", u.Benchmark, u.Nanoseconds, u.Allocations)
	}
	return t
}
