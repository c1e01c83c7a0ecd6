package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"time"

	"gortap/internal/lab"
)

// load is what wrk asks for. One nginx worker and one wrk thread keep two cores
// busy.
type load struct {
	name, path  string
	connections int
}

func allLoads() []load {
	return []load{
		{"small", "/small", 64},
		{"10k", "/10k.bin", 64},
		{"1m", "/1m.bin", 16},
	}
}

func startServer(ctx context.Context, n *lab.Namespace) (*lab.Nginx, error) {
	return lab.StartNginx(ctx, n, lab.NginxOptions{
		Files: map[string]int{"10k.bin": 10 << 10, "1m.bin": 1 << 20},
		Server: `access_log off;
			location = /small { default_type text/plain; return 200 "hello, world\n"; }
			location = /status { stub_status; }`,
	})
}

// wrkResult is what wrk says of a run.
type wrkResult struct {
	requests  float64
	perSecond float64
	p99       time.Duration
}

var (
	wrkRequests = regexp.MustCompile(`(\d+) requests in`)
	wrkRate     = regexp.MustCompile(`Requests/sec:\s+([\d.]+)`)
	wrkP99      = regexp.MustCompile(`99%\s+([\d.]+)(us|ms|s)`)
)

func runWrk(ctx context.Context, n *lab.Namespace, l load, d time.Duration) (wrkResult, error) {
	out, err := n.Run(ctx, "wrk", "-t1", "-c"+strconv.Itoa(l.connections), "-d"+strconv.Itoa(int(d.Seconds()))+"s", "--latency", "http://127.0.0.1"+l.path)
	if err != nil {
		return wrkResult{}, fmt.Errorf("run wrk: %w", err)
	}
	var r wrkResult
	if m := wrkRequests.FindStringSubmatch(out); m != nil {
		r.requests, _ = strconv.ParseFloat(m[1], 64)
	}
	if m := wrkRate.FindStringSubmatch(out); m != nil {
		r.perSecond, _ = strconv.ParseFloat(m[1], 64)
	}
	if m := wrkP99.FindStringSubmatch(out); m != nil {
		r.p99, _ = time.ParseDuration(m[1] + m[2])
	}
	if r.requests == 0 {
		return r, fmt.Errorf("run wrk: no requests in its output: %s", out)
	}
	return r, nil
}

var statusRequests = regexp.MustCompile(`(?m)^ \d+ \d+ (\d+)`)

// served asks nginx how many requests it has had, this one not included.
func served(ctx context.Context, n *lab.Namespace) (float64, error) {
	client := &http.Client{Transport: &http.Transport{DialContext: n.DialContext, DisableKeepAlives: true}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://127.0.0.1/status", nil)
	if err != nil {
		return 0, err
	}
	res, err := client.Do(req)
	if err != nil {
		return 0, fmt.Errorf("ask nginx for its count: %w", err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return 0, fmt.Errorf("ask nginx for its count: %w", err)
	}
	m := statusRequests.FindSubmatch(text)
	if m == nil {
		return 0, fmt.Errorf("ask nginx for its count: got %q", text)
	}
	count, err := strconv.ParseFloat(string(m[1]), 64)
	return count - 1, err
}
