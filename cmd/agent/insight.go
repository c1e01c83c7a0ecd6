package main

import (
	"log/slog"

	"gortap/internal/account"
	"gortap/internal/govern"
	"gortap/internal/insight"
	"gortap/internal/insight/detect"
	"gortap/internal/insight/intake"
	"gortap/internal/output"
	"gortap/internal/process/redact"

	"github.com/prometheus/client_golang/prometheus"
)

// insights is the part of a run that keeps exchanges to be looked at: on the web page,
// in agent top, in reports. It is nil with --insight=false.
type insights struct {
	store     *insight.Store
	detectors *detect.Set // behind the store's lock
	intake    *intake.Intake
	statePath string // of the baselines; empty: they are not kept
}

// insightShare is the part of --max-memory that insight may have.
const insightShare = 16

// openInsights makes it. mayCopy says whether the capture may copy more at the moment.
func openInsights(cfg *Config, mayCopy func() bool, log *slog.Logger) (*insights, error) {
	if !cfg.Insight {
		return nil, nil
	}
	files := len(cfg.InputFile) > 0
	in := &insights{statePath: cfg.InsightState}
	in.store, in.detectors = newStore(cfg, [3]insight.Steps{}, files, log)
	c, err := intakeConfig(cfg, in.store)
	if err != nil {
		return nil, err
	}
	c.Wait = files
	if !files {
		c.Rate = cfg.InsightRate
	}
	if cfg.Depth == "auto" && !files {
		c.Whole = mayCopy
	}
	in.intake = intake.New(c)
	return in, nil
}

// newStore makes what keeps exchanges, by the steps given or the default ones, and what
// looks for waste in them.
func newStore(cfg *Config, steps [3]insight.Steps, files bool, log *slog.Logger) (*insight.Store, *detect.Set) {
	memory := int(cfg.InsightMemory)
	if cfg.MaxMemory > 0 {
		memory = min(memory, int(cfg.MaxMemory)/insightShare)
	}
	set := newDetectors(cfg, memory, files, log)
	return insight.NewStore(insight.NewBook(insight.Config{MemoryBytes: memory, Steps: steps}), set), set
}

func intakeConfig(cfg *Config, store *insight.Store) (intake.Config, error) {
	c := intake.Config{Store: store}
	if !cfg.Redact {
		return c, nil
	}
	var err error
	c.Redact, err = redact.New(redact.Config{Parameters: append(output.SensitiveParameters(), cfg.RedactParams...)})
	if err != nil {
		return c, usageError{err}
	}
	return c, nil
}

// mayCopy says that the capture is within its limits.
func (a *agent) mayCopy() bool {
	return a.governor == nil || a.governor.snapshot().level == govern.Full
}

// resentOf tells what a shard's connections sent again.
func resentOf(s *account.Shard) intake.Resent {
	return func(tell func(string, uint64)) {
		s.Lock()
		defer s.Unlock()
		s.Resent(tell)
	}
}

// summary tells how much of the exchanges was looked at.
func (in *insights) summary() *output.Insight {
	st := in.intake.Stats()
	s := &output.Insight{Taken: st.Taken, Missing: map[string]uint64{}}
	for why, n := range st.Missing {
		if n > 0 {
			s.Missing[intake.Reason(why).String()] = n
		}
	}
	return s
}

// source is what shows ask; nil where there is none.
func (a *agent) source() insight.Source {
	if a.insights == nil {
		return nil
	}
	return a.insights.store
}

// insightMetrics tells what insight holds and what it missed.
type insightMetrics struct {
	agent *agent

	exchanges, late, rows, memory, missing, wholes *prometheus.Desc
}

var _ prometheus.Collector = (*insightMetrics)(nil)

func newInsightMetrics(a *agent) *insightMetrics {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(name, help, labels, nil)
	}
	return &insightMetrics{
		agent:     a,
		exchanges: desc("gor_insight_exchanges_total", "Exchanges that insight has counted."),
		missing:   desc("gor_insight_missing_total", "Exchanges that insight left out (over-rate) or missed (queue-full), or whose headers it did not look at.", "reason"),
		wholes:    desc("gor_insight_whole_connections_total", "Connections that were copied whole for a few exchanges, to look at their bodies."),
		late:      desc("gor_insight_late_total", "Exchanges that ended longer ago than insight keeps anything; counted when they were seen."),
		rows:      desc("gor_insight_rows", "Names that insight keeps apart; what has no room is summed up in (rest).", "kind"),
		memory:    desc("gor_insight_memory_bytes", "Memory of insight's sums over time."),
	}
}

// Describe implements prometheus.Collector.
func (m *insightMetrics) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{m.exchanges, m.missing, m.late, m.wholes, m.rows, m.memory} {
		out <- d
	}
}

// Collect implements prometheus.Collector.
func (m *insightMetrics) Collect(out chan<- prometheus.Metric) {
	in := m.agent.insights
	if in == nil {
		return
	}
	put := func(d *prometheus.Desc, kind prometheus.ValueType, n float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, kind, n, labels...)
	}
	st := in.store.Stats()
	put(m.exchanges, prometheus.CounterValue, float64(st.Observed))
	put(m.late, prometheus.CounterValue, float64(st.Late))
	put(m.memory, prometheus.GaugeValue, float64(st.MemoryBytes))
	put(m.rows, prometheus.GaugeValue, float64(st.Services), "service")
	put(m.rows, prometheus.GaugeValue, float64(st.Endpoints), "endpoint")
	put(m.rows, prometheus.GaugeValue, float64(st.Clients), "client")
	put(m.rows, prometheus.GaugeValue, float64(st.Combinations), "combination")
	taken := in.intake.Stats()
	put(m.wholes, prometheus.CounterValue, float64(taken.Wholes))
	for i, n := range taken.Missing {
		put(m.missing, prometheus.CounterValue, float64(n), intake.Reason(i).String())
	}
}
