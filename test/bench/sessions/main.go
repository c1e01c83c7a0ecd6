// Command sessions measures how TCP connections are replayed by the agent. Sender and
// target share two cores. It needs root.
//
// Rate: recordings of short HTTP sessions at constant rates, each on a connection of its
// own from an address of its own, to an nginx that closes them.
//
// Live: a program makes such sessions to an nginx, the agent copies them to another
// address of it, and all have the same two cores.
//
// Idle: sessions that ask and then stay; what each takes of the agent's memory, from the
// difference between many and few.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"gortap/internal/lab"
	"gortap/test/bench/gauge"
)

// The addresses of the one namespace, all on loopback. Replayed sessions come from
// clients.
const (
	serverIP = "192.0.2.1"
	targetIP = "192.0.2.2"
	clients  = "10.8.0.0/16"
)

type options struct {
	agent, rates, parts string
	length, hold        time.Duration
	idle, runs          int
	extra, json         string
	quick, markdown     bool
}

func main() {
	if len(os.Args) == 5 && os.Args[1] == loadCommand {
		if err := load(os.Args[2:]); err != nil {
			fmt.Fprintln(os.Stderr, "load:", err)
			os.Exit(1)
		}
		return
	}
	var o options
	flag.StringVar(&o.agent, "agent", "bin/agent", "the agent")
	flag.StringVar(&o.rates, "rates", "2000,4000,8000", "sessions a second")
	flag.StringVar(&o.parts, "parts", "rate,live,idle", "what to measure")
	flag.DurationVar(&o.length, "length", 10*time.Second, "length of the recordings")
	flag.DurationVar(&o.hold, "hold", 10*time.Second, "how long idle sessions stay")
	flag.IntVar(&o.idle, "idle", 20000, "idle sessions at once")
	flag.IntVar(&o.runs, "runs", 1, "runs of each rate")
	flag.StringVar(&o.extra, "agent-flags", "", "more flags for the agent, separated by spaces")
	flag.StringVar(&o.json, "json", "", "write the figures to this file as well")
	flag.BoolVar(&o.markdown, "markdown", false, "print Markdown tables")
	flag.BoolVar(&o.quick, "quick", false, "recordings of 2 s: to try it, not to quote")
	flag.Parse()
	if o.quick {
		o.length, o.hold, o.idle = 2*time.Second, 3*time.Second, 2000
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, o)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// report is everything that was measured. A failure costs its row: it is told, and the
// rest goes on.
type report struct {
	Machine  gauge.Machine `json:"machine"`
	Rate     []rateRow     `json:"rate,omitempty"`
	Live     []rateRow     `json:"live,omitempty"`
	Idle     *idleRow      `json:"idle,omitempty"`
	Failures []string      `json:"failures"`
}

// bench is one run of everything.
type bench struct {
	options
	ns     *lab.Namespace
	dir    *lab.TempDir
	report report
}

func (b *bench) fail(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	fmt.Fprintln(os.Stderr, "bench: left out:", text)
	b.report.Failures = append(b.report.Failures, text)
}

func run(ctx context.Context, o options) error {
	b := &bench{options: o, report: report{Machine: gauge.ThisMachine(), Failures: []string{}}}
	rates, err := parseRates(o.rates)
	if err != nil {
		return err
	}
	if b.dir, err = lab.NewTempDir(); err != nil {
		return err
	}
	defer func() { _ = b.dir.Remove() }() // the next one sweeps what is left
	if b.ns, err = lab.NewNamespace(); err != nil {
		return err
	}
	defer b.ns.Close()
	if err := b.network(ctx); err != nil {
		return err
	}
	for part := range strings.SplitSeq(o.parts, ",") {
		switch part {
		case "rate":
			b.measureRates(ctx, rates)
		case "live":
			b.measureLive(ctx, rates)
		case "idle":
			b.measureIdle(ctx)
		default:
			return fmt.Errorf("read flags: unknown part %q (there are rate, live, idle)", part)
		}
	}
	if err := b.report.print(os.Stdout, o.markdown); err != nil {
		return err
	}
	if o.json != "" {
		if err := gauge.WriteJSON(o.json, &b.report); err != nil {
			return err
		}
	}
	if ctx.Err() != nil {
		return errors.New("interrupted: these are the rows until then")
	}
	return nil
}

// network gives loopback the addresses of all.
func (b *bench) network(ctx context.Context) error {
	for _, command := range []string{
		"address add " + serverIP + "/32 dev lo", "address add " + targetIP + "/32 dev lo",
		"route add local " + clients + " dev lo",
	} {
		if _, err := b.ns.Run(ctx, "ip", strings.Fields(command)...); err != nil {
			return err
		}
	}
	return nil
}

func parseRates(list string) ([]int, error) {
	var rates []int
	for text := range strings.SplitSeq(list, ",") {
		rate, err := strconv.Atoi(text)
		if err != nil || rate <= 0 {
			return nil, fmt.Errorf("read rates: %q is none (write 2000,8000)", text)
		}
		rates = append(rates, rate)
	}
	return rates, nil
}

func (r *report) print(w io.Writer, markdown bool) error {
	fmt.Fprintln(w, r.Machine)
	for _, table := range []*gauge.Table{
		rateTable("Short sessions of a file; medians (smallest..largest)", r.Rate),
		rateTable("Short sessions copied live, beside the program that makes them", r.Live), r.idleTable(),
	} {
		if err := table.Write(w, markdown); err != nil {
			return err
		}
	}
	for _, f := range r.Failures {
		fmt.Fprintf(w, "\nleft out: %s\n", f)
	}
	return nil
}

func (b *bench) path(name string) string { return filepath.Join(b.dir.Path, name) }
