package main

import (
	"errors"
	"os"
	"strings"
	"time"

	"gortap/internal/push"
	"gortap/internal/web"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// serveGrace is how long answers under way may take at the end.
const serveGrace = 2 * time.Second

// register collects what is measured: ours alone for --output-metrics, whose gateway has
// metrics of a Go process of its own, and with those of this process for --listen.
func (a *agent) register() (*prometheus.Registry, error) {
	ours := []prometheus.Collector{a.account, newStageMetrics(a), newSessionMetrics(a), newDatagramMetrics(a), newInsightMetrics(a)}
	all, pushed := prometheus.NewRegistry(), prometheus.NewRegistry()
	if a.cfg.OutputMetrics != "" {
		var err error
		if a.pusher, err = push.New(push.Config{
			URL: a.cfg.OutputMetrics, PasswordFile: a.cfg.OutputMetricsPasswordFile, Labels: a.cfg.OutputMetricsLabel,
			Interval: a.cfg.OutputMetricsInterval, Gatherer: pushed, Log: a.log,
		}); err != nil {
			return nil, usagef("--output-metrics: %w", err)
		}
		ours = append(ours, a.pusher)
	}
	var err error
	for _, c := range ours {
		err = errors.Join(err, all.Register(c), pushed.Register(c))
	}
	for _, c := range []prometheus.Collector{
		newWebMetrics(a), collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	} {
		err = errors.Join(err, all.Register(c))
	}
	return all, err
}

// listen binds --listen, if there is one.
func (a *agent) listen() error {
	registry, err := a.register()
	if err != nil || a.cfg.Listen == "" {
		return err
	}
	token, err := webToken(a.cfg.WebTokenFile, a.env.getenv(webTokenVariable))
	if err != nil {
		return err
	}
	a.web, err = web.Listen(web.Config{
		Addr:    a.cfg.Listen,
		Metrics: registry,
		Ready:   a.readiness,
		Profile: a.cfg.Pprof,
		Log:     a.log,
		Source:  a.shown(),
		Health:  a.health,
		Access:  web.Access{Token: token, CertFile: a.cfg.WebCert, KeyFile: a.cfg.WebKey, Insecure: a.cfg.WebInsecure},
	})
	return err
}

// webTokenVariable is no setting: those stand in --help and in files, tokens should not.
const webTokenVariable = envPrefix + "_WEB_TOKEN"

// webToken returns the token that page and API want; empty: none.
func webToken(file, variable string) (string, error) {
	if file == "" {
		return strings.TrimSpace(variable), nil
	}
	if variable != "" {
		return "", usagef("--web-token-file with %s: both give a token (unset one)", webTokenVariable)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return "", usagef("read web token: %w", err)
	}
	token := strings.TrimSpace(string(text))
	if len(token) < web.MinToken || strings.ContainsAny(token, " \t\r\n") {
		return "", usagef("read web token %s: want one line of at least %d characters (head -c 24 /dev/urandom | base64)", file, web.MinToken)
	}
	return token, nil
}

// webMetrics tells who was refused.
type webMetrics struct {
	agent   *agent
	refused *prometheus.Desc
}

var _ prometheus.Collector = (*webMetrics)(nil)

func newWebMetrics(a *agent) *webMetrics {
	return &webMetrics{a, prometheus.NewDesc("gor_web_refused_total",
		"Requests for the web page and its API that were refused: a foreign name (host), a wrong token, a form of another site, too many at once.", []string{"reason"}, nil)}
}

// Describe implements prometheus.Collector.
func (m *webMetrics) Describe(out chan<- *prometheus.Desc) { out <- m.refused }

// Collect implements prometheus.Collector.
func (m *webMetrics) Collect(out chan<- prometheus.Metric) {
	for why, n := range m.agent.web.Refused() {
		out <- prometheus.MustNewConstMetric(m.refused, prometheus.CounterValue, float64(n), why)
	}
}

func (a *agent) readiness() error {
	if !a.input.ready() {
		return errors.New("not capturing yet")
	}
	return a.input.idle()
}
