// Command replay measures how fast a recording is replayed to an nginx: by the
// agent, by GoReplay where it is given, and by wrk as the limit of what the server and
// the machine can do. Sender and server have a core each. It needs root.
//
// The recording's schedule is shorter than any sender takes, so that the target sets
// the pace. Rates suffer from other load on the machine; CPU time and connections
// hardly do.
package main

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"gortap/internal/lab"
)

type options struct {
	agent, goreplay string
	requests, slow  int
	conns, runs     int
}

func main() {
	var o options
	flag.StringVar(&o.agent, "agent", "bin/agent", "the agent")
	flag.StringVar(&o.goreplay, "goreplay", "", "GoReplay v1.3.2; empty: left out")
	flag.IntVar(&o.requests, "requests", 200000, "requests of the recording")
	flag.IntVar(&o.slow, "goreplay-requests", 5000, "requests of the one for GoReplay, which takes a millisecond each")
	flag.IntVar(&o.conns, "connections", 50, "connections of the recordings")
	flag.IntVar(&o.runs, "runs", 3, "runs, of which the one with the least CPU time counts")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		stop()
		os.Exit(1)
	}
}

// sender is a program that sends requests to port 80, from core 0.
type sender struct {
	name     string
	requests int // it sends; 0: as many as it can in a few seconds
	command  []string
	// endless programs are stopped once the server has seen everything.
	endless bool
}

func run(ctx context.Context, o options) error {
	dir, err := os.MkdirTemp("", "replay-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	fast, slow := filepath.Join(dir, "fast.gor"), filepath.Join(dir, "slow.gor")
	if err := write(fast, o.requests, o.conns); err != nil {
		return err
	}
	if err := write(slow, o.slow, o.conns); err != nil {
		return err
	}
	senders := []sender{{name: "agent", requests: o.requests, command: []string{o.agent, "--input-file", fast, "--output-http", "http://127.0.0.1", "--listen", "", "--summary", filepath.Join(dir, "summary")}}}
	if o.goreplay != "" {
		senders = append(senders, sender{name: "goreplay", requests: o.slow, endless: true, command: []string{o.goreplay, "--input-file", slow, "--output-http", "http://127.0.0.1"}})
	}
	senders = append(senders, sender{name: "wrk", command: []string{"wrk", "-t1", "-c" + strconv.Itoa(o.conns), "-d3s", "http://127.0.0.1/small"}})
	n, err := lab.NewNamespace()
	if err != nil {
		return err
	}
	defer n.Close()
	server, err := lab.StartNginx(ctx, n, lab.NginxOptions{Server: `access_log off;
		location = /small { default_type text/plain; return 200 "hello, world\n"; }
		location = /status { stub_status; }`})
	if err != nil {
		return err
	}
	defer func() { _, _ = server.Stop() }() // its log is off
	if err := pin(ctx, server.Pid()); err != nil {
		return err
	}
	fmt.Printf("%-9s %9s %9s %12s %14s %12s\n", "sender", "sent", "seconds", "requests/s", "CPU us/request", "connections")
	for _, s := range senders {
		if err := measure(ctx, n, s, o.runs); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
	}
	return nil
}

// pin moves a server and its children to core 1.
func pin(ctx context.Context, pid int) error {
	out, err := exec.CommandContext(ctx, "pgrep", "-P", strconv.Itoa(pid)).Output()
	if err != nil {
		return fmt.Errorf("list workers: %w", err)
	}
	for _, p := range append(strings.Fields(string(out)), strconv.Itoa(pid)) {
		if err := exec.CommandContext(ctx, "taskset", "-p", "-c", "1", p).Run(); err != nil {
			return fmt.Errorf("pin the server to a core: %w", err)
		}
	}
	return nil
}

// measure prints a sender's best run.
func measure(ctx context.Context, n *lab.Namespace, s sender, runs int) error {
	var all []result
	for range runs {
		r, err := once(ctx, n, s)
		if err != nil {
			return err
		}
		all = append(all, r)
	}
	best := slices.MinFunc(all, func(a, b result) int { return int(a.perRequest() - b.perRequest()) })
	fmt.Printf("%-9s %9d %9.2f %12.0f %14.1f %12d\n", s.name, best.requests, best.took.Seconds(), float64(best.requests)/best.took.Seconds(),
		float64(best.perRequest().Nanoseconds())/1e3, best.connections)
	return nil
}

type result struct {
	requests, connections int
	took, cpu             time.Duration
}

func (r result) perRequest() time.Duration { return r.cpu / time.Duration(max(r.requests, 1)) }

func once(ctx context.Context, n *lab.Namespace, s sender) (result, error) {
	before, err := status(ctx, n)
	if err != nil {
		return result{}, err
	}
	cmd := exec.CommandContext(ctx, "taskset", append([]string{"-c", "0"}, s.command...)...)
	var said strings.Builder
	cmd.Stderr = &said
	start := time.Now()
	if err := n.Start(cmd); err != nil {
		return result{}, err
	}
	took, asked := time.Duration(0), 0
	if s.endless {
		if took, asked, err = await(ctx, n, before.requests+s.requests, start); err != nil {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
			return result{}, err
		}
		_ = cmd.Process.Signal(syscall.SIGTERM)
	}
	err = cmd.Wait()
	if took == 0 {
		took = time.Since(start)
	}
	if err != nil && !s.endless {
		return result{}, fmt.Errorf("%w: %s", err, said.String())
	}
	after, err := status(ctx, n)
	if err != nil {
		return result{}, err
	}
	r := result{requests: after.requests - before.requests - asked - 1, connections: after.connections - before.connections - asked - 1, took: took,
		cpu: cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()}
	if s.requests > 0 && r.requests < s.requests {
		return r, fmt.Errorf("the server saw %d of %d requests", r.requests, s.requests)
	}
	return r, nil
}

// write makes a recording of n requests, 10 us apart, over conns connections in turn.
func write(path string, n, conns int) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	w := bufio.NewWriter(f)
	for i := range n {
		fmt.Fprintf(w, "1 %016x%08x %d 0\n", i%conns+1, i/conns, 1_790_000_000_000_000_000+int64(i)*10_000)
		fmt.Fprint(w, "GET /small HTTP/1.1\r\nHost: www.example.com\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\nAccept: */*\r\nAccept-Encoding: gzip, deflate\r\nCookie: session=0123456789abcdef\r\n\r\n")
		fmt.Fprint(w, "\n🐵🙈🙉\n")
	}
	return w.Flush()
}
