package main

import (
	"context"
	"fmt"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"gortap/test/bench/gauge"
)

// sender is a program that sends requests to port 80, from core 0.
type sender struct {
	name     string
	requests int // it sends; 0: as many as it can
	command  []string
	// endless programs do not end themselves: they are stopped once the server has
	// seen everything.
	endless bool
}

func (b *bench) agentSender(name, file, speed string, requests int, flags ...string) sender {
	args := append([]string{b.agent, "--input-file", file + speed, "--output-http", "http://127.0.0.1", "--listen", "", "--table", "never"}, flags...)
	return sender{name: name, requests: requests, command: append(args, strings.Fields(b.extra)...)}
}

func (b *bench) goreplaySender(name, file, speed string, requests int) sender {
	return sender{name: name, requests: requests, endless: true,
		command: []string{b.goreplay, "--input-file", file + speed, "--output-http", "http://127.0.0.1"}}
}

// sent is one run of a sender, as the server saw it.
type sent struct {
	requests, connections float64
	took, cpu             time.Duration
}

// send runs a sender, for no longer than limit.
func (b *bench) send(ctx context.Context, s sender, limit time.Duration) (sent, error) {
	before, err := gauge.Served(ctx, b.ns)
	if err != nil {
		return sent{}, err
	}
	hung, cancel := context.WithTimeout(ctx, limit+30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(hung, "taskset", append([]string{"-c", "0"}, s.command...)...)
	var said gauge.Output
	cmd.Stdout, cmd.Stderr = &said, &said
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	began := time.Now()
	if err := b.ns.Start(cmd); err != nil {
		return sent{}, fmt.Errorf("start %s: %w", s.name, err)
	}
	var took time.Duration
	asked := 0
	if s.endless {
		took, asked, err = b.await(ctx, before, s.requests, began, limit)
		_ = cmd.Process.Signal(syscall.SIGTERM) // it fails where the process has ended
		time.AfterFunc(5*time.Second, cancel)
	}
	exit := cmd.Wait()
	if !s.endless {
		took = time.Since(began)
	}
	if err == nil && !s.endless {
		err = exit
	}
	if err != nil {
		return sent{}, fmt.Errorf("%w: %s", err, said.Tail())
	}
	after, err := gauge.Served(ctx, b.ns)
	if err != nil {
		return sent{}, err
	}
	c := after.Since(before)
	return sent{requests: c.Requests - float64(asked), connections: c.Connections - float64(asked), took: took,
		cpu: cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()}, nil
}

// await polls until the server has seen so many requests, no more come for a while, or
// the limit is over. It returns when the last one came, and how often it asked.
func (b *bench) await(ctx context.Context, before gauge.Counts, requests int, began time.Time, limit time.Duration) (time.Duration, int, error) {
	const silence = 3 * time.Second
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	asked, seen, last := 0, 0.0, time.Duration(0)
	for {
		select {
		case <-ctx.Done():
			return last, asked, ctx.Err()
		case <-tick.C:
		}
		now, err := gauge.Served(ctx, b.ns)
		if err != nil {
			return last, asked, err
		}
		elapsed := time.Since(began)
		if got := now.Since(before).Requests - float64(asked); got > seen {
			seen, last = got, elapsed
		}
		asked++
		if seen >= float64(requests) || elapsed > limit || elapsed-last > silence {
			return last, asked, nil
		}
	}
}
