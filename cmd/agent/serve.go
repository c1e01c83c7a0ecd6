package main

import (
	"errors"
	"time"

	"gortap/internal/web"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// serveGrace is how long answers under way may take at the end.
const serveGrace = 2 * time.Second

// listen binds --listen, if there is one.
func (a *agent) listen() error {
	if a.cfg.Listen == "" {
		return nil
	}
	registry := prometheus.NewRegistry()
	for _, c := range []prometheus.Collector{
		a.account,
		newStageMetrics(a),
		newSessionMetrics(a),
		newInsightMetrics(a),
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	} {
		if err := registry.Register(c); err != nil {
			return err
		}
	}
	var err error
	a.web, err = web.Listen(web.Config{
		Addr:    a.cfg.Listen,
		Metrics: registry,
		Ready:   a.readiness,
		Profile: a.cfg.Pprof,
		Log:     a.log,
	})
	return err
}

func (a *agent) readiness() error {
	if !a.input.ready() {
		return errors.New("not capturing yet")
	}
	return a.input.idle()
}
