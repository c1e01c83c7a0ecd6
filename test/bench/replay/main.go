// Command replay measures how recordings are replayed to an nginx, by the agent and by
// GoReplay where it is given. Sender and server have a core each. It needs root, and
// two cores.
//
// Rate: a recording whose schedule is shorter than any sender takes, so that sender
// and target set the pace; wrk tells the limit of the server and the machine. Other
// load on the machine costs rate, but hardly processor time and connections.
//
// Schedule: recordings of constant gaps at their own speed; tcpdump tells when each
// request left.
//
// Shadow: wrk at full speed while the agent copies live to a target that answers, or
// that hangs all the time.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"gortap/internal/lab"
	"gortap/test/bench/gauge"
)

type options struct {
	agent, goreplay    string
	requests, slow     int
	connections, runs  int
	gaps               string
	length, hang       time.Duration
	parts, extra, json string
	quick, markdown    bool
}

func main() {
	var o options
	flag.StringVar(&o.agent, "agent", "bin/agent", "the agent")
	flag.StringVar(&o.goreplay, "goreplay", "", "GoReplay v1.3.2; empty: left out")
	flag.IntVar(&o.requests, "requests", 100000, "requests of the recording for the rate")
	flag.IntVar(&o.slow, "goreplay-requests", 5000, "requests of the one for GoReplay, which takes a millisecond each")
	flag.IntVar(&o.connections, "connections", 50, "connections of the recordings")
	flag.IntVar(&o.runs, "runs", 3, "runs of each sender for the rate")
	flag.StringVar(&o.gaps, "gaps", "100us,500us,10ms", "gaps of the recordings for the schedule")
	flag.DurationVar(&o.length, "length", 10*time.Second, "length of the recordings for the schedule")
	flag.DurationVar(&o.hang, "hang", 30*time.Second, "how long a target of a live copy hangs")
	flag.StringVar(&o.parts, "parts", "rate,schedule,shadow", "what to measure")
	flag.StringVar(&o.extra, "agent-flags", "", "more flags for the agent, separated by spaces")
	flag.StringVar(&o.json, "json", "", "write the figures to this file as well")
	flag.BoolVar(&o.markdown, "markdown", false, "print Markdown tables")
	flag.BoolVar(&o.quick, "quick", false, "one run each, recordings of 2 s: to try it, not to quote")
	flag.Parse()
	if o.quick {
		o.runs, o.length, o.slow = 1, 2*time.Second, 1000
		o.hang = 3 * time.Second
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, o)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// report is everything that was measured. A failure costs its row: it is told, and
// the rest goes on.
type report struct {
	Machine  gauge.Machine `json:"machine"`
	Rate     []rateRow     `json:"rate,omitempty"`
	Schedule []scheduleRow `json:"schedule,omitempty"`
	Shadow   []shadowRow   `json:"shadow,omitempty"`
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
	parts, err := b.chosen()
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
	server, err := lab.StartNginx(ctx, b.ns, lab.NginxOptions{Server: `access_log off;
		keepalive_requests 1000000000;
		location = /small { default_type text/plain; return 200 "hello, world\n"; }
		` + gauge.StatusServer})
	if err != nil {
		return err
	}
	defer func() { _, _ = server.Stop() }() // its log is off
	if err := pin(ctx, server.Pid()); err != nil {
		return err
	}
	for _, part := range parts {
		if ctx.Err() == nil {
			part(ctx)
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

func (b *bench) chosen() ([]func(context.Context), error) {
	gaps, err := parseGaps(b.gaps)
	if err != nil {
		return nil, err
	}
	if b.runs < 1 || b.requests < 1 || b.slow < 1 || b.connections < 1 || b.length < gaps[len(gaps)-1]*2 || b.hang < time.Second {
		return nil, errors.New("read flags: at least one run, request and connection, a length of two gaps, and a second of hanging")
	}
	var parts []func(context.Context)
	for name := range strings.SplitSeq(b.parts, ",") {
		switch name {
		case "rate":
			parts = append(parts, b.measureRate)
		case "schedule":
			parts = append(parts, func(ctx context.Context) { b.measureSchedule(ctx, gaps) })
		case "shadow":
			parts = append(parts, b.measureShadow)
		default:
			return nil, fmt.Errorf("read flags: unknown part %q (there are rate, schedule, shadow)", name)
		}
	}
	return parts, nil
}

func parseGaps(list string) ([]time.Duration, error) {
	var gaps []time.Duration
	for text := range strings.SplitSeq(list, ",") {
		gap, err := time.ParseDuration(text)
		if err != nil || gap <= 0 {
			return nil, fmt.Errorf("read gaps: %q is no gap (write 500us or 10ms)", text)
		}
		gaps = append(gaps, gap)
	}
	return gaps, nil
}

func (r *report) print(w io.Writer, markdown bool) error {
	fmt.Fprintln(w, r.Machine)
	for _, table := range []*gauge.Table{r.rateTable(), r.scheduleTable(), r.shadowTable()} {
		if err := table.Write(w, markdown); err != nil {
			return err
		}
	}
	for _, f := range r.Failures {
		fmt.Fprintf(w, "\nleft out: %s\n", f)
	}
	return nil
}

// pin moves a server and its workers to core 1.
func pin(ctx context.Context, master int) error {
	pids, err := gauge.Children(master)
	if err != nil {
		return err
	}
	for _, pid := range append(pids, master) {
		out, err := exec.CommandContext(ctx, "taskset", "-p", "-c", "1", strconv.Itoa(pid)).CombinedOutput()
		if err != nil {
			return fmt.Errorf("pin the server to core 1: %w: %s (needs two cores)", err, strings.TrimSpace(string(out)))
		}
	}
	return nil
}

func (b *bench) path(name string) string { return filepath.Join(b.dir.Path, name) }
