package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"time"

	"gortap/internal/flow"
	"gortap/internal/pcapio"
	"gortap/test/bench/gauge"
)

// scheduleRow is how exactly a sender keeps a recording's times.
type scheduleRow struct {
	Sender   string  `json:"sender"`
	Gap      string  `json:"gap"`
	Recorded int     `json:"recorded"` // requests
	Sent     int     `json:"sent"`     // until the end, or until three times the recording's length
	Seconds  float64 `json:"seconds"`  // from the first request to the last that was sent
	// Deviation is how much longer that took than it took in the recording.
	Deviation float64 `json:"deviation_percent"`
	// Errors of single requests: how late they start beside the one that was least late.
	P50 float64 `json:"start_error_p50_ms"`
	P99 float64 `json:"start_error_p99_ms"`
	Max float64 `json:"start_error_max_ms"`
}

func (b *bench) measureSchedule(ctx context.Context, gaps []time.Duration) {
	for _, gap := range gaps {
		file, n := b.path("gaps.gor"), int(b.length/gap)
		if err := record(file, n, b.connections, gap); err != nil {
			b.fail("schedule: %s", err)
			return
		}
		senders := []sender{b.agentSender("agent", file, "", n)}
		if b.goreplay != "" {
			senders = append(senders, b.goreplaySender("goreplay", file, "", n))
		}
		for _, s := range senders {
			fmt.Fprintf(os.Stderr, "schedule: gaps of %s, %s\n", gap, s.name)
			starts, err := b.startsOf(ctx, s)
			if ctx.Err() != nil {
				return
			}
			if err == nil && len(starts) < 2 {
				err = errors.New("less than two requests were seen")
			}
			if err != nil {
				b.fail("schedule of %s, gaps of %s: %s", s.name, gap, err)
				continue
			}
			b.report.Schedule = append(b.report.Schedule, scheduleRowOf(s, gap, starts))
		}
	}
}

// scheduleRowOf compares when requests were sent, in Unix nanoseconds by their place
// in the recording, with when they were due.
func scheduleRowOf(s sender, gap time.Duration, starts map[int]int64) scheduleRow {
	firstPlace, lastPlace := math.MaxInt, 0
	earliest, latest, least := int64(math.MaxInt64), int64(0), int64(math.MaxInt64)
	for i, ns := range starts {
		firstPlace, lastPlace = min(firstPlace, i), max(lastPlace, i)
		earliest, latest = min(earliest, ns), max(latest, ns)
		least = min(least, ns-int64(i)*int64(gap))
	}
	var late []float64
	for i, ns := range starts {
		late = append(late, float64(ns-int64(i)*int64(gap)-least)/1e6)
	}
	took, due := float64(latest-earliest), float64(lastPlace-firstPlace)*float64(gap)
	return scheduleRow{
		Sender: s.name, Gap: gap.String(), Recorded: s.requests, Sent: len(starts), Seconds: took / 1e9, Deviation: 100 * (took - due) / due,
		P50: gauge.Quantile(late, 0.5), P99: gauge.Quantile(late, 0.99), Max: gauge.Quantile(late, 1),
	}
}

// startsOf runs a sender beside tcpdump and returns when each request left, by its
// place in the recording.
func (b *bench) startsOf(ctx context.Context, s sender) (map[int]int64, error) {
	file := b.path("sent.pcap")
	// The server's core: the sender has its own for itself.
	dump := exec.Command("taskset", "-c", "1", "tcpdump", "-i", "lo", "-w", file, "-Z", "root", "-s", "128", "-B", "32768",
		"--time-stamp-precision=nano", "tcp dst port 80 and greater 150")
	var said gauge.Output
	dump.Stderr = &said
	dump.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := b.ns.Start(dump); err != nil {
		return nil, fmt.Errorf("start tcpdump: %w", err)
	}
	err := listening(ctx, &said)
	if err == nil {
		_, err = b.send(ctx, s, 3*b.length)
	}
	if err == nil {
		// What the kernel has in a block that is not full it hands over after a second.
		err = pause(ctx, 1500*time.Millisecond)
	}
	_ = dump.Process.Signal(syscall.SIGTERM) // it fails where the process has ended
	kill := time.AfterFunc(10*time.Second, func() { _ = dump.Process.Kill() })
	exit := dump.Wait()
	kill.Stop()
	if err != nil {
		return nil, err
	}
	if exit != nil {
		return nil, fmt.Errorf("run tcpdump: %w: %s", exit, said.Tail())
	}
	if err := complete(said.String()); err != nil {
		return nil, err
	}
	return readStarts(ctx, file)
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

func listening(ctx context.Context, said *gauge.Output) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !strings.Contains(said.String(), "listening on") {
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for tcpdump: %w: %s", ctx.Err(), said.Tail())
		case <-tick.C:
		}
	}
	return nil
}

var dumpDropped = regexp.MustCompile(`([1-9]\d*) packets? dropped by kernel`)

// complete tells from tcpdump's words whether it saw everything.
func complete(said string) error {
	if m := dumpDropped.FindString(said); m != "" {
		return fmt.Errorf("run tcpdump: %s", m)
	}
	return nil
}

// collector is a flow.Handler that takes the times of requests. Of one that was sent
// twice the first counts.
type collector map[int]int64

var _ flow.Handler = collector{}

// Segment implements flow.Handler.
func (c collector) Segment(s *flow.Segment) {
	i, ok := placeOf(s.Data)
	if _, known := c[i]; ok && !known {
		c[i] = s.TsNs
	}
}

// Update implements flow.Handler.
func (collector) Update(*flow.Totals) {}

// End implements flow.Handler.
func (collector) End(*flow.Totals) {}

// Tick implements flow.Handler.
func (collector) Tick(int64) {}

func readStarts(ctx context.Context, file string) (map[int]int64, error) {
	r, err := pcapio.Open([]string{file}, pcapio.Options{})
	if err != nil {
		return nil, err
	}
	defer r.Close()
	starts := collector{}
	return starts, r.Run(ctx, starts)
}

func (r *report) scheduleTable() *gauge.Table {
	t := &gauge.Table{Title: "Schedule, at the recorded speed; start errors are beside the request that was least late",
		Head: "gap|sender|recorded|sent|seconds|deviation %|p50 ms|p99 ms|max ms"}
	for _, s := range r.Schedule {
		t.Add("%s|%s|%d|%d|%.3f|%+.3f|%.3f|%.3f|%.3f", s.Gap, s.Sender, s.Recorded, s.Sent, s.Seconds, s.Deviation, s.P50, s.P99, s.Max)
	}
	return t
}
