package main

import (
	"cmp"
	"slices"
	"strconv"

	"gortap/internal/output"
	"gortap/internal/record"
	"gortap/internal/replay/httpout"

	"github.com/HdrHistogram/hdrhistogram-go"
	"github.com/prometheus/client_golang/prometheus"
)

// Stages of gor_dropped_total that count records.
const (
	stageRecorder = "recorder"      // messages that are no records
	stageQueue    = "queue"         // records that were not dispatched
	stageProcess  = "process"       // filters and middleware
	stageOutput   = "record-output" // outputs of records, together
)

// volumes is where the records went: Messages = Recorded + those of stageRecorder,
// and so on from stage to stage.
func (r *records) volumes() *output.Records {
	v := &output.Records{Dropped: []output.RecordDrop{}}
	add := func(stage string, counts ...record.Count) {
		for _, c := range counts {
			i := slices.IndexFunc(v.Dropped, func(d output.RecordDrop) bool { return d.Stage == stage && d.Reason == c.Reason })
			if i < 0 {
				i = len(v.Dropped)
				v.Dropped = append(v.Dropped, output.RecordDrop{Stage: stage, Reason: c.Reason})
			}
			v.Dropped[i].Records += c.N
		}
	}
	for _, rec := range r.recorders {
		st := rec.Stats()
		v.Messages += st.Taken
		v.Recorded += st.Done
		v.Requests += st.Requests
		add(stageRecorder, st.Dropped...)
	}
	st := r.dispatcher.Stats()
	v.Dispatched = st.Taken
	add(stageQueue, record.Count{Reason: "outside-window", N: r.outside.Load()},
		record.Count{Reason: "stopped", N: st.Stopped}, record.Count{Reason: "late-reply", N: st.LateReplies})
	chain := r.chain.Stats()
	v.Passed = chain.Passed
	add(stageProcess, chain.Dropped...)
	for _, o := range r.outputs {
		add(stageOutput, o.Stats().Dropped...)
	}
	slices.SortStableFunc(v.Dropped, func(a, b output.RecordDrop) int { return cmp.Compare(a.Stage, b.Stage) })
	return v
}

// outcomes are the outputs for the summary.
func (r *records) outcomes() []output.Outcome {
	var all []output.Outcome
	for _, o := range r.outputs {
		st := o.Stats()
		sum := output.Outcome{Name: o.name, Taken: st.Taken, Sent: st.Done, Dropped: map[string]uint64{}}
		for _, c := range st.Dropped {
			if c.N > 0 {
				sum.Dropped[c.Reason] += c.N
			}
		}
		if r.paced {
			lag := st.MaxLag.Seconds()
			sum.LagSeconds = &lag
		}
		if t, ok := o.Output.(reporter); ok {
			report := t.Report()
			sum.Target = targetSummary(report)
			if r.paced && report.Lag.TotalCount() > 0 {
				lag := float64(report.Lag.ValueAtQuantile(99)) / 1e6
				sum.LagP99Seconds = &lag
			}
		}
		all = append(all, sum)
	}
	return all
}

// reporter is an output that is a target.
type reporter interface{ Report() httpout.Report }

func targetSummary(r httpout.Report) *output.Target {
	t := &output.Target{Connections: r.Opened, Statuses: map[string]uint64{}, Latency: map[string]float64{}}
	for status, n := range r.Statuses {
		t.Statuses[strconv.Itoa(status)] = n
	}
	for name, q := range map[string]float64{"p50": 50, "p90": 90, "p99": 99, "p99.9": 99.9, "max": 100} {
		t.Latency[name] = float64(r.Latency.ValueAtQuantile(q)) / 1e6
	}
	return t
}

// collectRecords tells what became of the records.
func (m *stageMetrics) collectRecords(out chan<- prometheus.Metric) {
	r := m.agent.records
	if r == nil {
		return
	}
	v := r.volumes()
	m.counter(out, m.recorded, v.Recorded)
	for _, d := range v.Dropped {
		m.counter(out, m.dropped, d.Records, d.Stage, d.Reason)
	}
	for _, o := range r.outputs {
		st := o.Stats()
		m.counter(out, m.sent, st.Done, o.name, "done")
		for _, c := range st.Dropped {
			m.counter(out, m.sent, c.N, o.name, c.Reason)
		}
		m.gauge(out, m.lag, st.MaxLag.Seconds(), o.name)
		if t, ok := o.Output.(reporter); ok {
			report := t.Report()
			m.times(out, m.replayLag, report.Lag, o.name)
			m.times(out, m.replayLatency, report.Latency, o.name)
		}
	}
}

// times tells a histogram of microseconds as a summary in seconds.
func (m *stageMetrics) times(out chan<- prometheus.Metric, d *prometheus.Desc, h *hdrhistogram.Histogram, labels ...string) {
	quantiles := map[float64]float64{}
	for _, q := range []float64{0.5, 0.9, 0.99, 0.999} {
		quantiles[q] = float64(h.ValueAtQuantile(q*100)) / 1e6
	}
	n := h.TotalCount()
	out <- prometheus.MustNewConstSummary(d, uint64(n), h.Mean()*float64(n)/1e6, quantiles, labels...)
}
