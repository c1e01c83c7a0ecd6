package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"gortap/internal/lab"
	"gortap/test/bench/gauge"
)

// observer is a program that watches a port, or nobody.
type observer struct {
	name string
	// command builds the program's command line for what is to be watched; nil:
	// nobody watches.
	command func(place) (*exec.Cmd, error)
	// ready returns once the program watches.
	ready func(ctx context.Context, n *lab.Namespace, said *gauge.Output) error
	// counted reads what the program counted; nil: it does not tell.
	counted func(summary, said string) (counted, error)
	// only are the loads that it is run beside; nil: all.
	only []string
	// asked observers are run only where a flag names them.
	asked bool
}

// place is what an observer is to watch.
type place struct {
	device, port string
	summary      string // a path where it may leave its counts
}

func (o observer) label() string   { return o.name }
func (o observer) onlyAsked() bool { return o.asked }

// counted is what an observer tells at its end.
type counted struct {
	seen    float64 // exchanges; negative: it does not count them
	dropped float64 // packets; negative: it does not tell
	reasons map[string]float64
}

func (o observer) watches(l load) bool { return o.only == nil || slices.Contains(o.only, l.name) }

// uncounted is of programs that do not tell.
func uncounted() counted { return counted{seen: -1, dropped: -1} }

func none() observer { return observer{name: "none"} }

func allObservers(o options) []observer {
	three := []string{"small", "10k", "1m"}
	all := []observer{
		agentObserver("agent", o, nil),
		agentObserver("agent-bare", o, nil, "--insight=false"),
		agentObserver("agent-count", o, three, "--depth", "none"),
		agentObserver("agent-nomatch", o, three),
		onRequest(agentObserver("agent-all", o, nil, "--depth", "all")),
		floorObserver("floor"),
		onRequest(floorObserver("floor-all", "-budget", "0")),
		onRequest(floorObserver("floor-count", "-count")),
		{name: "tcpdump", ready: said("listening on"), counted: tcpdumpCounted, command: func(p place) (*exec.Cmd, error) {
			return exec.Command("tcpdump", "-i", p.device, "-w", "/dev/null", "tcp port "+p.port), nil
		}},
	}
	if o.goreplay != "" {
		// It knows no HTTP/2.
		http1 := []string{"small", "10k", "1m", "upload-1m", "4k-veth", "4k-veth-bare", "short"}
		all = append(all, observer{name: "goreplay", only: http1, ready: settle, command: func(p place) (*exec.Cmd, error) {
			return exec.Command(o.goreplay, "--input-raw", ":"+p.port, "--input-raw-track-response", "--output-null"), nil
		}})
	}
	return all
}

func onRequest(o observer) observer {
	o.asked = true
	return o
}

func agentObserver(name string, o options, only []string, flags ...string) observer {
	counts := agentCounted
	if len(only) > 0 {
		counts = agentDropped // it is not to see exchanges
	}
	return observer{name: name, only: only, ready: agentReady, counted: counts, command: func(p place) (*exec.Cmd, error) {
		filter := "tcp port " + p.port
		if name == "agent-nomatch" {
			filter = "tcp port 1"
		}
		args := append([]string{"--bpf-filter", filter, "--table", "never", "--summary", p.summary}, flags...)
		return exec.Command(o.agent, append(args, strings.Fields(o.extra)...)...), nil
	}}
}

const agentURL = "http://127.0.0.1:9464"

func agentReady(ctx context.Context, n *lab.Namespace, _ *gauge.Output) error {
	client := &http.Client{Transport: &http.Transport{DialContext: n.DialContext, DisableKeepAlives: true}}
	return poll(ctx, func() bool {
		res, err := client.Get(agentURL + "/readyz")
		if err != nil {
			return false
		}
		res.Body.Close()
		return res.StatusCode == http.StatusOK
	})
}

// said is for programs that print something once they watch.
func said(word string) func(context.Context, *lab.Namespace, *gauge.Output) error {
	return func(ctx context.Context, _ *lab.Namespace, said *gauge.Output) error {
		return poll(ctx, func() bool { return strings.Contains(said.String(), word) })
	}
}

// settle is for programs that do not tell when they are ready.
func settle(ctx context.Context, _ *lab.Namespace, _ *gauge.Output) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(1500 * time.Millisecond):
		return nil
	}
}

func poll(ctx context.Context, done func() bool) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait until it watches: %w", ctx.Err())
		case <-tick.C:
		}
	}
	return nil
}

func agentCounted(path, _ string) (counted, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return counted{}, fmt.Errorf("read summary: %w", err)
	}
	var s struct {
		Exchanges float64
		Dropped   []struct {
			Stage, Reason string
			Packets       float64
		}
	}
	if err := json.Unmarshal(text, &s); err != nil {
		return counted{}, fmt.Errorf("read summary: %w", err)
	}
	c := counted{seen: s.Exchanges, reasons: map[string]float64{}}
	for _, d := range s.Dropped {
		c.dropped += d.Packets
		c.reasons[d.Stage+" "+d.Reason] += d.Packets
	}
	return c, nil
}

func agentDropped(path, said string) (counted, error) {
	c, err := agentCounted(path, said)
	c.seen = -1
	return c, err
}

var tcpdumpDropped = regexp.MustCompile(`(\d+) packets dropped by kernel`)

func tcpdumpCounted(_, said string) (counted, error) {
	m := tcpdumpDropped.FindStringSubmatch(said)
	if m == nil {
		return counted{}, fmt.Errorf("read tcpdump's counts: none in %q", said)
	}
	n, err := strconv.ParseFloat(m[1], 64)
	return counted{seen: -1, dropped: n}, err
}
