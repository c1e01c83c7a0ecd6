package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// reader is a program that reads a file.
type reader struct {
	name string
	runs int
	// args makes the command line; summary is a path for the agent's.
	args    func(path, summary string) []string
	isAgent bool
}

// result is what a run took. exchanges is 0 where the program does not tell.
type result struct {
	cpu       time.Duration
	rssMiB    float64
	exchanges uint64
}

func readers(o options, mb int) []reader {
	agent := func(name string, flags ...string) reader {
		return reader{name: name, runs: o.runs, isAgent: true, args: func(path, summary string) []string {
			return append([]string{o.agent, "--input-file", path, "--listen", "", "--table", "never", "--summary", summary}, flags...)
		}}
	}
	all := []reader{agent("agent"), agent("agent, JSON lines", "--output-jsonl", "-")}
	if mb <= o.tsharkMB {
		all = append(all, reader{name: "tshark, fields", runs: 1, args: func(path, _ string) []string {
			return []string{
				"tshark", "-r", path, "-Y", "http || http2.headers", "-T", "fields",
				"-e", "frame.time_epoch", "-e", "ip.src", "-e", "ip.dst", "-e", "http.request.uri", "-e", "http.response.code",
				"-e", "http2.headers.path", "-e", "http2.headers.status",
			}
		}})
	}
	return all
}

// read runs the program on one core and takes what it used.
func (r *reader) read(ctx context.Context, path string) (result, error) {
	dir, err := os.MkdirTemp("", "bench")
	if err != nil {
		return result{}, err
	}
	defer os.RemoveAll(dir)
	summary := filepath.Join(dir, "summary.json")
	args := r.args(path, summary)
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Env = append(os.Environ(), "GOMAXPROCS=1")
	var messages bytes.Buffer
	cmd.Stderr = &messages // stdout goes to /dev/null
	if err := cmd.Start(); err != nil {
		return result{}, err
	}
	done := make(chan struct{})
	rss := make(chan float64)
	go func() { rss <- watchRSS(cmd.Process.Pid, done) }()
	err = cmd.Wait()
	close(done)
	got := result{rssMiB: <-rss, cpu: cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()}
	if err != nil {
		return result{}, fmt.Errorf("%w: %s", err, messages.Bytes())
	}
	if r.isAgent {
		got.exchanges, err = exchangesIn(summary)
	}
	return got, err
}

// watchRSS returns the peak of a process's resident memory in MiB, as last seen
// before done. What wait4(2) tells will not do: it counts the memory that this
// program had when it forked.
func watchRSS(pid int, done <-chan struct{}) (peak float64) {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid)) // gone at the end
		for line := range strings.Lines(string(status)) {
			var kib float64
			if n, _ := fmt.Sscanf(line, "VmHWM: %f kB", &kib); n == 1 {
				peak = max(peak, kib/1024)
			}
		}
		select {
		case <-done:
			return peak
		case <-tick.C:
		}
	}
}

// exchangesIn reads the summary and insists that nothing was lost.
func exchangesIn(summary string) (uint64, error) {
	text, err := os.ReadFile(summary)
	if err != nil {
		return 0, err
	}
	var s struct {
		Exchanges    uint64
		Incomplete   map[string]uint64
		Unattributed map[string]uint64 `json:"unattributed_bytes"`
	}
	if err := json.Unmarshal(text, &s); err != nil {
		return 0, fmt.Errorf("read summary: %w", err)
	}
	delete(s.Unattributed, "h2-connection")
	if len(s.Incomplete)+len(s.Unattributed) > 0 {
		return 0, fmt.Errorf("incomplete %v, unattributed %v: the file is not what was meant", s.Incomplete, s.Unattributed)
	}
	return s.Exchanges, nil
}
