package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"time"

	"gortap/internal/capture"
	"gortap/internal/flow"
)

// floorCommand is the bench's own first argument where it is to be the floor: what
// the kernel programs cost with a consumer that does nothing. No agent can cost less.
const floorCommand = "floor"

// nothing is a flow.Handler that drops what it is given.
type nothing struct{}

var _ flow.Handler = nothing{}

func (nothing) Segment(*flow.Segment) {}
func (nothing) Update(*flow.Totals)   {}
func (nothing) End(*flow.Totals)      {}
func (nothing) Tick(int64)            {}

// floorSummary is what the floor leaves at its end.
type floorSummary struct{ Dropped float64 }

func floorObserver(name string, flags ...string) observer {
	return observer{name: name, ready: said("ready"), counted: floorCounted, command: func(p place) (*exec.Cmd, error) {
		self, err := os.Executable()
		if err != nil {
			return nil, fmt.Errorf("find own program: %w", err)
		}
		return exec.Command(self, append([]string{floorCommand, "-filter", "tcp port " + p.port, "-summary", p.summary}, flags...)...), nil
	}}
}

func floorCounted(path, _ string) (counted, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return counted{}, fmt.Errorf("read summary: %w", err)
	}
	var s floorSummary
	if err := json.Unmarshal(text, &s); err != nil {
		return counted{}, fmt.Errorf("read summary: %w", err)
	}
	return counted{seen: -1, dropped: s.Dropped}, nil
}

// runFloor captures as the agent does by default, until SIGTERM.
func runFloor(args []string) error {
	f := flag.NewFlagSet(floorCommand, flag.ContinueOnError)
	expr := f.String("filter", "", "pcap-filter expression")
	budget := f.Uint("budget", 2048, "bytes copied of each turn; 0: all")
	count := f.Bool("count", false, "copy nothing")
	summary := f.String("summary", "", "file for the counts")
	if err := f.Parse(args); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	o := capture.Options{Filter: *expr, RequestBudget: capture.Budget(*budget), ResponseBudget: capture.Budget(*budget)}
	if *count {
		o.Sample = capture.SampleNone
	}
	c, err := capture.Open(o)
	if err != nil {
		return err
	}
	defer c.Close()
	handlers := make([]flow.Handler, c.Shards())
	for i := range handlers {
		handlers[i] = nothing{}
	}
	told := make(chan struct{})
	go func() {
		defer close(told)
		tellReady(ctx, c)
	}()
	err = c.Run(ctx, handlers)
	stop()
	<-told
	if err != nil {
		return err
	}
	stats, err := c.Stats()
	if err != nil {
		return err
	}
	var s floorSummary
	for _, d := range stats.Dropped {
		s.Dropped += float64(d.Packets)
	}
	text, err := json.Marshal(s)
	if err != nil {
		return err
	}
	return os.WriteFile(*summary, text, 0o600)
}

func tellReady(ctx context.Context, c *capture.Capture) {
	for !c.Ready() {
		select {
		case <-ctx.Done():
			return
		case <-time.After(10 * time.Millisecond):
		}
	}
	fmt.Println("ready")
}
