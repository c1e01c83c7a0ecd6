package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"gortap/internal/lab"
)

// observer is a program that watches port 80, or nobody.
type observer struct {
	name string
	// command builds the program's command line; nil: nobody watches. summary is
	// a path where the program may leave what it counted.
	command func(summary string) *exec.Cmd
	// ready returns once the program watches.
	ready func(ctx context.Context, n *lab.Namespace) error
	// seen reads the number of exchanges from the summary; nil: it does not tell.
	seen func(summary string) (exchanges, dropped float64, err error)
}

func chooseObservers(o options) ([]observer, error) {
	all := map[string]observer{
		"none":     {name: "none"},
		"agent":    agentObserver("agent", o),
		"agentall": agentObserver("agentall", o, "--depth", "all"),
		"tcpdump": {name: "tcpdump", ready: settle, command: func(string) *exec.Cmd {
			return exec.Command("tcpdump", "-i", "lo", "-w", "/dev/null", "-U", "tcp port 80")
		}},
		"goreplay": {name: "goreplay", ready: settle, command: func(string) *exec.Cmd {
			return exec.Command(o.goreplay, "--input-raw", ":80", "--input-raw-track-response", "--output-null")
		}},
	}
	var chosen []observer
	for name := range strings.SplitSeq(o.who, ",") {
		w, ok := all[name]
		if !ok {
			return nil, fmt.Errorf("unknown observer %q", name)
		}
		if name == "goreplay" && o.goreplay == "" {
			continue
		}
		chosen = append(chosen, w)
	}
	if len(chosen) == 0 || chosen[0].name != "none" {
		return nil, errors.New("the first observer must be none: the others are compared with it")
	}
	return chosen, nil
}

func agentObserver(name string, o options, flags ...string) observer {
	return observer{
		name: name,
		command: func(summary string) *exec.Cmd {
			args := append([]string{"--bpf-filter", "tcp port 80", "--table", "never", "--summary", summary}, flags...)
			return exec.Command(o.agent, append(args, strings.Fields(o.extra)...)...)
		},
		ready: agentReady,
		seen:  agentSeen,
	}
}

func agentReady(ctx context.Context, n *lab.Namespace) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	client := &http.Client{Transport: &http.Transport{DialContext: n.DialContext, DisableKeepAlives: true}}
	for {
		res, err := client.Get("http://127.0.0.1:9464/readyz")
		if err == nil {
			res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for the agent: %w", ctx.Err())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// settle is for programs that do not tell when they are ready.
func settle(ctx context.Context, _ *lab.Namespace) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(1500 * time.Millisecond):
		return nil
	}
}

func agentSeen(path string) (exchanges, dropped float64, err error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, 0, fmt.Errorf("read summary: %w", err)
	}
	var s struct {
		Exchanges float64
		Dropped   []struct{ Packets float64 }
	}
	if err := json.Unmarshal(text, &s); err != nil {
		return 0, 0, fmt.Errorf("read summary: %w", err)
	}
	for _, d := range s.Dropped {
		dropped += d.Packets
	}
	return s.Exchanges, dropped, nil
}

// result is one run of one observer under one load.
type result struct {
	observer, load string
	round          int
	wrk            wrkResult
	served, seen   float64 // requests as nginx and the observer counted them; seen < 0: unknown
	dropped        float64
	cpu            time.Duration
	rss            float64 // MiB, peak
}

type bench struct {
	ns       *lab.Namespace
	duration time.Duration
}

func (b *bench) warmUp(ctx context.Context, loads []load) error {
	for _, l := range loads {
		if _, err := runWrk(ctx, b.ns, l, time.Second); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) measure(ctx context.Context, w observer, l load) (result, error) {
	r := result{observer: w.name, load: l.name, seen: -1}
	if w.command == nil {
		var err error
		r.wrk, err = runWrk(ctx, b.ns, l, b.duration)
		return r, err
	}
	dir, err := os.MkdirTemp("", "bench")
	if err != nil {
		return r, err
	}
	defer os.RemoveAll(dir)
	summary := filepath.Join(dir, "summary.json")
	cmd := w.command(summary)
	var messages strings.Builder
	cmd.Stderr = &messages
	if err := b.ns.Start(cmd); err != nil {
		return r, fmt.Errorf("start: %w", err)
	}
	ended := false
	defer func() {
		if !ended {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		}
	}()
	if err := w.ready(ctx, b.ns); err != nil {
		return r, fmt.Errorf("%w: %s", err, messages.String())
	}
	if err := b.load(ctx, &r, l, cmd.Process.Pid); err != nil {
		return r, err
	}
	_ = cmd.Process.Signal(syscall.SIGTERM)
	err = cmd.Wait()
	ended = true
	if w.seen == nil {
		return r, nil // how others exit is their business
	}
	if err != nil {
		return r, fmt.Errorf("stop: %w: %s", err, messages.String())
	}
	r.seen, r.dropped, err = w.seen(summary)
	return r, err
}

// load runs wrk and takes what the observer used meanwhile, not for its start.
func (b *bench) load(ctx context.Context, r *result, l load, pid int) error {
	// nginx counts the question itself: it is one of the requests to be seen.
	before, err := served(ctx, b.ns)
	if err != nil {
		return err
	}
	cpu, err := cpuTime(pid)
	if err != nil {
		return err
	}
	if r.wrk, err = runWrk(ctx, b.ns, l, b.duration); err != nil {
		return err
	}
	used, err := cpuTime(pid)
	if err != nil {
		return err
	}
	after, err := served(ctx, b.ns)
	if err != nil {
		return err
	}
	r.cpu, r.served = used-cpu, after-before+1
	r.rss, err = peakRSS(pid)
	return err
}
