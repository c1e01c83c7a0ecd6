// Command bench compares what it costs a saturated server to be watched: by nobody,
// by the agent, by GoReplay and tcpdump, and by the floor: the agent's kernel
// programs with a consumer that does nothing. It needs root.
//
// Every observer meets every load once a round, in random order, and a figure is
// the median over the rounds; kept requests are relative to the same round's
// unobserved run. They swing on a shared machine, so what swings less is measured
// beside them: the kernel's time for a packet, the processor time of the whole machine
// at a fixed rate, that of the idle agent, and the user side alone.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"gortap/test/bench/gauge"
)

type options struct {
	agent, goreplay string
	rounds          int
	duration, idle  time.Duration
	loads, who      string
	parts, extra    string
	rate            float64
	json            string
	quick, markdown bool
}

const allParts = "server,kernel,rate,idle,user"

func main() {
	if len(os.Args) > 1 && os.Args[1] == floorCommand {
		exit(runFloor(os.Args[2:]))
	}
	var o options
	flag.StringVar(&o.agent, "agent", "bin/agent", "the agent")
	flag.StringVar(&o.goreplay, "goreplay", "", "GoReplay v1.3.2; empty: left out")
	flag.IntVar(&o.rounds, "rounds", 5, "paired rounds")
	flag.DurationVar(&o.duration, "duration", 3*time.Second, "length of one run, in whole seconds")
	flag.DurationVar(&o.idle, "idle", 10*time.Second, "how long the idle agent is looked at")
	flag.StringVar(&o.loads, "loads", "", "loads, separated by commas; empty: "+names(allLoads()))
	flag.StringVar(&o.who, "observers", "", "observers beside none, separated by commas; empty: those of "+names(allObservers(options{goreplay: "."}))+" that end in neither -all nor floor-count")
	flag.StringVar(&o.parts, "parts", allParts, "what to measure")
	flag.StringVar(&o.extra, "agent-flags", "", "more flags for the agent, separated by spaces")
	flag.Float64Var(&o.rate, "rate", 5000, "requests/s of the fixed rate; of 1 MiB responses a tenth")
	flag.StringVar(&o.json, "json", "", "write the figures to this file as well")
	flag.BoolVar(&o.markdown, "markdown", false, "print Markdown tables")
	flag.BoolVar(&o.quick, "quick", false, "one round of 1 s each and 3 s idle: to try it, not to quote")
	flag.Parse()
	if o.quick {
		o.rounds, o.duration, o.idle = 1, time.Second, 3*time.Second
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, o)
	stop()
	exit(err)
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// report is everything that was measured. A failure costs its row: it is told, and
// the rest goes on.
type report struct {
	Machine  gauge.Machine `json:"machine"`
	Rounds   int           `json:"rounds"`
	Seconds  float64       `json:"seconds_each"`
	Server   []serverRow   `json:"server,omitempty"`
	Kernel   []kernelRow   `json:"kernel,omitempty"`
	Verified []verifiedRow `json:"verified,omitempty"`
	Rate     []rateRow     `json:"fixed_rate,omitempty"`
	Idle     *idleRow      `json:"idle,omitempty"`
	User     []userRow     `json:"user_side,omitempty"`
	Failures []string      `json:"failures"`
}

func (r *report) fail(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	fmt.Fprintln(os.Stderr, "bench: left out:", text)
	r.Failures = append(r.Failures, text)
}

func run(ctx context.Context, o options) error {
	if o.rounds < 1 || o.duration < time.Second {
		return errors.New("read flags: at least one round, of a second or more")
	}
	loads, err := pick(o.loads, allLoads())
	if err != nil {
		return err
	}
	if o.goreplay == "" {
		fmt.Fprintln(os.Stderr, "bench: without GoReplay (see -goreplay)")
	}
	observers, err := pick(o.who, allObservers(o))
	if err != nil {
		return err
	}
	b := &bench{options: o, observers: observers, loads: loads}
	b.report = report{Machine: gauge.ThisMachine(), Rounds: o.rounds, Seconds: o.duration.Seconds(), Failures: []string{}}
	defer b.close()
	if err := b.measure(ctx); err != nil {
		return err
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
		return errors.New("interrupted: these are the rounds until then")
	}
	return nil
}

// bench is one run of everything.
type bench struct {
	options
	observers []observer
	loads     []load
	arenas    map[string]*arena
	report    report
}

// measure takes the parts in turn. An interruption ends them: what there is then is
// printed.
func (b *bench) measure(ctx context.Context) error {
	parts := map[string]func(context.Context){
		"server": b.measureServer,
		"kernel": b.measureKernel,
		"rate":   b.measureRate,
		"idle":   b.measureIdle,
		"user":   b.measureUser,
	}
	for name := range strings.SplitSeq(b.parts, ",") {
		part, ok := parts[name]
		if !ok {
			return fmt.Errorf("read flags: unknown part %q (there are %s)", name, allParts)
		}
		if ctx.Err() == nil {
			part(ctx)
		}
	}
	return nil
}

// named is what a flag can choose.
type named interface {
	label() string
	onlyAsked() bool // not by default
}

func names[T named](all []T) string {
	var out []string
	for _, a := range all {
		out = append(out, a.label())
	}
	return strings.Join(out, ",")
}

// pick returns those of all that a list names, or where it is empty all that are not only
// for those who ask.
func pick[T named](list string, all []T) ([]T, error) {
	var chosen []T
	if list == "" {
		for _, a := range all {
			if !a.onlyAsked() {
				chosen = append(chosen, a)
			}
		}
		return chosen, nil
	}
	for name := range strings.SplitSeq(list, ",") {
		before := len(chosen)
		for _, a := range all {
			if a.label() == name {
				chosen = append(chosen, a)
			}
		}
		if len(chosen) == before {
			return nil, fmt.Errorf("read flags: unknown %q (there are %s)", name, names(all))
		}
	}
	return chosen, nil
}
