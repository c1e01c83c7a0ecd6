package main

import (
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"
)

// spread is a figure over the rounds.
type spread struct{ min, median, max float64 }

func spreadOf(values []float64) spread {
	if len(values) == 0 {
		return spread{}
	}
	slices.Sort(values)
	return spread{values[0], values[len(values)/2], values[len(values)-1]}
}

// report prints a row for each load and observer. Kept requests and latency are
// ratios to the unobserved run of the same round.
func report(w io.Writer, results []result, observers []observer, loads []load) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "load\tobserver\trequests/s\tkept\t(min-max)\tp99 ratio\tCPU us/exchange\tRSS MiB\tseen/served\tdropped packets\t")
	for _, l := range loads {
		for _, o := range observers {
			row(t, results, l.name, o.name)
		}
	}
	return t.Flush()
}

func row(w io.Writer, results []result, load, observer string) {
	var rate, kept, p99, cpu, rss, seen, dropped []float64
	for _, r := range results {
		if r.load != load || r.observer != observer {
			continue
		}
		base := unobserved(results, r)
		rate = append(rate, r.wrk.perSecond)
		kept = append(kept, r.wrk.perSecond/base.wrk.perSecond)
		p99 = append(p99, float64(r.wrk.p99)/float64(base.wrk.p99))
		rss = append(rss, r.rss)
		if r.served > 0 {
			cpu = append(cpu, float64(r.cpu)/float64(time.Microsecond)/r.served)
		}
		if r.seen >= 0 {
			seen = append(seen, r.seen/r.served)
			dropped = append(dropped, r.dropped)
		}
	}
	if len(kept) == 0 {
		return
	}
	k := spreadOf(kept)
	fmt.Fprintf(w, "%s\t%s\t%.0f\t%.3f\t(%.2f-%.2f)\t%.2f\t", load, observer, spreadOf(rate).median, k.median, k.min, k.max, spreadOf(p99).median)
	fmt.Fprintf(w, "%s\t%s\t%s\t%s\t\n", orDash(cpu, "%.2f"), orDash(rss, "%.0f"), orDash(seen, "%.4f"), orDash(dropped, "%.0f"))
}

func orDash(values []float64, format string) string {
	if s := spreadOf(values); s.max > 0 || len(values) > 0 && format == "%.0f" {
		return fmt.Sprintf(format, s.median)
	}
	return "-"
}

// unobserved is the run that r is compared with.
func unobserved(results []result, r result) result {
	for _, o := range results {
		if o.observer == "none" && o.load == r.load && o.round == r.round {
			return o
		}
	}
	return result{}
}
