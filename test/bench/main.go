// Command bench compares what it costs a saturated server to be watched: by
// nobody, by the agent, by GoReplay and by tcpdump. It needs root.
//
// Every observer meets every load once a round, in random order, and a figure is
// the median over the rounds; kept requests are relative to the same round's
// unobserved run. Absolute times depend on the machine: quote the ratios.
package main

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"gortap/internal/lab"
)

type options struct {
	agent    string
	goreplay string
	rounds   int
	duration time.Duration
	loads    string
	who      string
	extra    string
}

func main() {
	var o options
	flag.StringVar(&o.agent, "agent", "bin/agent", "the agent")
	flag.StringVar(&o.goreplay, "goreplay", "", "GoReplay v1.3.2; empty: left out")
	flag.IntVar(&o.rounds, "rounds", 5, "paired rounds")
	flag.DurationVar(&o.duration, "duration", 4*time.Second, "length of one run")
	flag.StringVar(&o.loads, "loads", "small,10k,1m", "loads: small, 10k, 1m")
	flag.StringVar(&o.who, "observers", "none,agent,goreplay,tcpdump", "observers")
	flag.StringVar(&o.extra, "agent-flags", "", "more flags for the agent, separated by spaces")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		stop()
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) error {
	n, err := lab.NewNamespace()
	if err != nil {
		return err
	}
	defer n.Close()
	server, err := startServer(ctx, n)
	if err != nil {
		return err
	}
	defer func() { _, _ = server.Stop() }() // its log is off
	observers, err := chooseObservers(o)
	if err != nil {
		return err
	}
	loads, err := chooseLoads(o.loads)
	if err != nil {
		return err
	}
	b := &bench{ns: n, duration: o.duration}
	if err := b.warmUp(ctx, loads); err != nil {
		return err
	}
	var results []result
	for round := range o.rounds {
		fmt.Fprintf(os.Stderr, "round %d of %d\n", round+1, o.rounds)
		for _, l := range loads {
			order := rand.Perm(len(observers))
			for _, i := range order {
				r, err := b.measure(ctx, observers[i], l)
				if err != nil {
					return fmt.Errorf("%s under load %s: %w", observers[i].name, l.name, err)
				}
				r.round = round
				results = append(results, r)
			}
		}
	}
	return report(os.Stdout, results, observers, loads)
}

func chooseLoads(names string) ([]load, error) {
	var chosen []load
	for name := range strings.SplitSeq(names, ",") {
		found := false
		for _, l := range allLoads() {
			if l.name == name {
				chosen, found = append(chosen, l), true
			}
		}
		if !found {
			return nil, fmt.Errorf("unknown load %q", name)
		}
	}
	return chosen, nil
}
