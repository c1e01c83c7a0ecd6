package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
)

// print writes everything as tables.
func (r *report) print(w io.Writer) error {
	fmt.Fprintf(w, "%s; %d rounds of %g s; medians (smallest-largest)\n", r.Machine, r.Rounds, r.Seconds)
	for _, table := range []func(io.Writer) error{r.printServer, r.printRate, r.printKernel, r.printVerified, r.printRest} {
		if err := table(w); err != nil {
			return err
		}
	}
	for _, f := range r.Failures {
		fmt.Fprintf(w, "\nleft out: %s", f)
	}
	if len(r.Failures) > 0 {
		fmt.Fprintln(w)
	}
	return nil
}

func newTable(w io.Writer, title, head string) *tabwriter.Writer {
	fmt.Fprintf(w, "\n%s\n", title)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, head)
	return t
}

func (r *report) printServer(w io.Writer) error {
	if len(r.Server) == 0 {
		return nil
	}
	t := newTable(w, "Saturated server, relative to no observer in the same round",
		"load\tobserver\trequests/s\tkept\tp99 ratio\tCPU us/exchange\tRSS MiB\tseen/served\tdropped packets\t")
	for _, s := range r.Server {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s%s\t\n", s.Load, s.Observer, s.Rate.Text("%.0f"), s.Kept.Range("%.2f"),
			s.P99.Text("%.2f"), s.CPU.Range("%.2f"), s.RSS.Text("%.0f"), s.SeenServed.Worst("%.4f"), s.Dropped.Text("%.0f"), s.reasons())
	}
	return t.Flush()
}

func (s serverRow) reasons() string {
	if len(s.Reasons) == 0 {
		return ""
	}
	return " (" + strings.Join(slices.Sorted(maps.Keys(s.Reasons)), ", ") + ")"
}

func (r *report) printRate(w io.Writer) error {
	if len(r.Rate) == 0 {
		return nil
	}
	t := newTable(w, "CPU us per exchange at a fixed rate; added: beside no observer in the same round",
		"load\tobserver\trequests/s\tmachine\tadded\tnginx, client, observer\tadded\tobserver alone\t")
	for _, s := range r.Rate {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t\n", s.Load, s.Observer, s.Rate.Text("%.0f"), s.Machine.Text("%.1f"),
			s.AddedMachine.Range("%.1f"), s.Processes.Text("%.1f"), s.AddedProcesses.Range("%.1f"), s.Observing.Range("%.2f"))
	}
	return t.Flush()
}

func (r *report) printKernel(w io.Writer) error {
	if len(r.Kernel) == 0 {
		return nil
	}
	t := newTable(w, "Kernel side under saturation, by bpf_stats (which cost some 50 ns a run); loopback shows a packet to two hooks",
		"load\tdepth\tns/packet and hook\tns/emitted packet\truns/exchange\temitted/exchange\t")
	for _, s := range r.Kernel {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t\n", s.Load, s.Mode, s.PerRun.Range("%.0f"), s.PerRecord.Range("%.0f"),
			s.Runs.Text("%.2f"), s.Records.Text("%.2f"))
	}
	return t.Flush()
}

func (r *report) printVerified(w io.Writer) error {
	if len(r.Verified) == 0 {
		return nil
	}
	t := newTable(w, "Verifier (it gives up at 1,000,000 instructions)", "program\tinstructions\tmachine code bytes\t")
	for _, s := range r.Verified {
		fmt.Fprintf(t, "%s\t%d\t%d\t\n", s.Program, s.Instructions, s.Bytes)
	}
	return t.Flush()
}

func (r *report) printRest(w io.Writer) error {
	if i := r.Idle; i != nil {
		fmt.Fprintf(w, "\nIdle agent over %.0f s: %.3f %% of a core, %.1f context switches/s, %.0f MiB\n", i.Seconds, i.CPUShare, i.Switches, i.RSS)
	}
	if len(r.User) == 0 {
		return nil
	}
	t := newTable(w, "User side alone, from a segment to the metrics (fastest run)", "benchmark\tns/exchange\tallocations\t")
	for _, u := range r.User {
		fmt.Fprintf(t, "%s\t%.0f\t%.0f\t\n", u.Benchmark, u.Nanoseconds, u.Allocations)
	}
	return t.Flush()
}
