// Package push sends metrics to a Prometheus Pushgateway at intervals, for agents that
// nobody can scrape: short runs, machines behind a NAT. Each push replaces the one
// before it (PUT), so that series that are gone are gone there too.
//
// Caveat: the gateway keeps the last push after the agent's end; whoever alerts on its
// metrics looks at push_time_seconds too.
package push

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/push"
	"github.com/prometheus/common/model"
)

// Config says what is pushed where.
type Config struct {
	// URL of the gateway, without /metrics/job. User and password in it are for basic
	// authentication; PasswordFile may hold the password instead.
	URL          string
	PasswordFile string
	Labels       []string // NAME=VALUE, of the group; job is gortap and instance the host's name unless they say otherwise
	Interval     time.Duration
	Gatherer     prometheus.Gatherer
	Log          *slog.Logger
}

// timeout bounds a push: a gateway that hangs must not keep the agent at its end.
const timeout = 5 * time.Second

// Pusher pushes. One goroutine uses it, but for its counters.
type Pusher struct {
	cfg    Config
	pusher *push.Pusher
	failed bool // the last time
	counts [2]atomic.Uint64
}

// The outcomes of a push, as metric labels.
const (
	pushed = iota
	failed
)

// New checks the config. It does not connect.
func New(c Config) (*Pusher, error) {
	u, err := url.Parse(c.URL)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, errors.New("want http://HOST:9091 or https") // not the text, which may hold a password
	}
	user, password := "", ""
	if u.User != nil {
		user = u.User.Username()
		password, _ = u.User.Password()
		u.User = nil
	}
	if c.PasswordFile != "" {
		text, err := os.ReadFile(c.PasswordFile)
		switch {
		case err != nil:
			return nil, fmt.Errorf("read password: %w", err)
		case user == "" || password != "":
			return nil, errors.New("a password file goes with a user, and no password, in the URL (http://USER@HOST)")
		}
		password = strings.TrimSpace(string(text))
	}
	labels, err := grouping(c.Labels)
	if err != nil {
		return nil, err
	}
	p := &Pusher{cfg: c, pusher: push.New(u.String(), labels["job"])}
	for name, value := range labels {
		if name != "job" {
			p.pusher.Grouping(name, value)
		}
	}
	if user != "" {
		p.pusher.BasicAuth(user, password)
	}
	p.pusher.Gatherer(c.Gatherer).Client(&http.Client{Timeout: timeout, CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse // the password is for this gateway
	}})
	return p, nil
}

// grouping is what tells this agent's metrics from others' in the gateway.
func grouping(given []string) (map[string]string, error) {
	host, err := os.Hostname()
	if err != nil || host == "" {
		host = "unknown"
	}
	labels := map[string]string{"job": "gortap", "instance": host}
	for _, text := range given {
		name, value, ok := strings.Cut(text, "=")
		if !ok || value == "" || !model.LegacyValidation.IsValidLabelName(name) {
			return nil, fmt.Errorf("label %q: want NAME=VALUE", text)
		}
		labels[name] = value
	}
	return labels, nil
}

// Run pushes at each interval until ctx is done.
func (p *Pusher) Run(ctx context.Context) {
	tick := time.NewTicker(p.cfg.Interval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			p.Push(ctx)
		}
	}
}

// Push pushes once, 5 seconds at most. What fails is counted, and logged where the push
// before it did not fail: the next one has all that this one had.
func (p *Pusher) Push(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	err := p.pusher.PushContext(ctx)
	switch {
	case err == nil:
		p.counts[pushed].Add(1)
		if p.failed {
			p.cfg.Log.Info("metrics are pushed again")
		}
	case errors.Is(ctx.Err(), context.Canceled):
		return // the run is over; the last push comes
	default:
		p.counts[failed].Add(1)
		if !p.failed {
			p.cfg.Log.Warn("push metrics", "error", err)
		}
	}
	p.failed = err != nil
}

var _ prometheus.Collector = (*Pusher)(nil)

// Describe implements prometheus.Collector.
func (p *Pusher) Describe(out chan<- *prometheus.Desc) { out <- describe() }

// Collect implements prometheus.Collector.
func (p *Pusher) Collect(out chan<- prometheus.Metric) {
	for i, outcome := range []string{"pushed", "failed"} {
		out <- prometheus.MustNewConstMetric(describe(), prometheus.CounterValue, float64(p.counts[i].Load()), outcome)
	}
}

func describe() *prometheus.Desc {
	return prometheus.NewDesc("gor_pushes_total", "Pushes of the metrics to --output-metrics, by outcome.", []string{"outcome"}, nil)
}
