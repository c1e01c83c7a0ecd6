package main

import (
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"gortap/internal/lab"
	"gortap/test/bench/gauge"
)

// load is what a load generator asks for. One nginx worker and one thread of the
// generator keep two cores busy.
type load struct {
	name, network, path string
	connections         int
	port                int // 80 where it is 0
	upload              int // bytes of the request's body
	short               bool
	http2               bool
}

func (l load) label() string   { return l.name }
func (l load) onlyAsked() bool { return false }

// serverBlock is the server's side of the loads. The upload's body is read before it
// is answered: for the sake of mirror, which needs it. Static content refuses POST,
// hence the detour by error_page.
const serverBlock = `access_log off;
	keepalive_requests 1000000000;
	client_body_buffer_size 2m;
	listen 82 http2;
	http2_max_requests 1000000000;
	location = /small { default_type text/plain; return 200 "hello, world\n"; }
	location = /upload { mirror /mirror; mirror_request_body on; error_page 405 =200 /small; }
	location = /mirror { internal; return 204; }
	`

const http2Port = 82

func allLoads() []load {
	return []load{
		{name: "small", network: loopback, path: "/small", connections: 64},
		{name: "10k", network: loopback, path: "/10k.bin", connections: 64},
		{name: "1m", network: loopback, path: "/1m.bin", connections: 16},
		{name: "upload-1m", network: loopback, path: "/upload", connections: 16, upload: 1 << 20},
		{name: "4k-veth", network: veth, path: "/4k.bin", connections: 64},
		{name: "4k-veth-bare", network: vethBare, path: "/4k.bin", connections: 64},
		{name: "http2", network: loopback, path: "/small", connections: 16, port: http2Port, http2: true},
		{name: "short", network: loopback, path: "/small", connections: 64, short: true},
	}
}

// watched is the port that observers look at.
func (l load) watched() string {
	if l.port != 0 {
		return strconv.Itoa(l.port)
	}
	return "80"
}

func (l load) url(a *arena) string { return "http://" + a.address + ":" + l.watched() + l.path }

// run asks for as much as there is.
func (l load) run(ctx context.Context, a *arena, d time.Duration) (gauge.Load, error) {
	dir, err := lab.NewTempDir()
	if err != nil {
		return gauge.Load{}, err
	}
	defer func() { _ = dir.Remove() }() // the next one sweeps what is left
	ctx, cancel := context.WithTimeout(ctx, d+hangLimit)
	defer cancel()
	if l.http2 {
		return l.runH2load(ctx, a, d, filepath.Join(dir.Path, "log"))
	}
	seconds := strconv.Itoa(int(d.Seconds()))
	args := []string{"-t1", "-c" + strconv.Itoa(l.connections), "-d" + seconds + "s", "--latency"}
	if l.short {
		args = append(args, "-H", "Connection: close")
	}
	if l.upload > 0 {
		script := filepath.Join(dir.Path, "upload.lua")
		text := fmt.Sprintf("wrk.method = 'POST'\nwrk.body = string.rep('x', %d)\n", l.upload)
		if err := os.WriteFile(script, []byte(text), 0o600); err != nil {
			return gauge.Load{}, fmt.Errorf("write script for wrk: %w", err)
		}
		args = append(args, "-s", script)
	}
	out, err := a.client.Run(ctx, "wrk", append(args, l.url(a))...)
	if err != nil {
		return gauge.Load{}, err
	}
	return good(gauge.ParseWrk(out))
}

func (l load) runH2load(ctx context.Context, a *arena, d time.Duration, log string) (gauge.Load, error) {
	out, err := a.client.Run(ctx, "h2load", "-t1", "-c"+strconv.Itoa(l.connections), "-m8",
		"-D"+strconv.Itoa(int(d.Seconds())), "--log-file="+log, l.url(a))
	if err != nil {
		return gauge.Load{}, err
	}
	r, err := good(gauge.ParseH2load(out))
	if err != nil {
		return r, err
	}
	text, err := os.ReadFile(log)
	if err != nil {
		return r, fmt.Errorf("read log of h2load: %w", err)
	}
	r.P99 = gauge.H2loadP99(string(text))
	return r, nil
}

// runAt asks for requests at a fixed rate, and returns the processor time of the
// generator too.
func (l load) runAt(ctx context.Context, a *arena, rate float64, d time.Duration) (gauge.Load, time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, d+hangLimit)
	defer cancel()
	const connections = 10
	perConnection := strconv.Itoa(int(math.Ceil(rate / connections)))
	out, cpu, err := runTimed(ctx, a.client, "h2load", "--h1", "-t1", "-c"+strconv.Itoa(connections), "--rps="+perConnection,
		"-D"+strconv.Itoa(int(d.Seconds())), l.url(a))
	if err != nil {
		return gauge.Load{}, 0, err
	}
	r, err := good(gauge.ParseH2load(out))
	return r, cpu, err
}

// good refuses a run with failed requests: what it measured is something else.
func good(l gauge.Load, err error) (gauge.Load, error) {
	if err == nil && l.Failed > l.Requests/1000 {
		err = fmt.Errorf("%.0f of %.0f requests failed", l.Failed, l.Requests)
	}
	return l, err
}
