package main

import (
	"runtime"

	"gortap/internal/output"
	"gortap/internal/reassembly"

	"github.com/prometheus/client_golang/prometheus"
)

// stageMetrics tells, at each scrape, what every stage took in and let go. What
// the traffic was is the account's to tell.
type stageMetrics struct {
	agent *agent

	build, packets, packetBytes, dropped, droppedBytes *prometheus.Desc
	ringFill, ringBytes, sample, flows                 *prometheus.Desc
	conns, buffered, written                           *prometheus.Desc
	recorded, sent, lag, replayLag, replayLatency      *prometheus.Desc
	governed                                           governMetrics
}

var _ prometheus.Collector = (*stageMetrics)(nil)

func newStageMetrics(a *agent) *stageMetrics {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(name, help, labels, nil)
	}
	return &stageMetrics{
		agent:         a,
		build:         desc("gor_build_info", "1, with the version as label.", "version", "goversion"),
		packets:       desc("gor_capture_packets_total", "Packets that the hooks saw, by what became of them.", "outcome"),
		packetBytes:   desc("gor_capture_bytes_total", "Bytes of the packets that the hooks saw: layer 3, or the frame where it was ignored.", "outcome"),
		dropped:       desc("gor_dropped_total", "What a stage let go: packets (kernel, file), segments (reassembly), exchanges or packets (output), messages or records (recorder, queue, process, record-output).", "stage", "reason"),
		droppedBytes:  desc("gor_dropped_bytes_total", "Bytes of what a stage let go: layer 3 (kernel, file) or payload (reassembly).", "stage", "reason"),
		ringFill:      desc("gor_ring_fill_ratio", "Fill of the fullest kernel ring, 0 to 1."),
		ringBytes:     desc("gor_ring_bytes_total", "Bytes that passed the kernel rings: the payload that was copied, and what each record has beside it."),
		sample:        desc("gor_sample_ratio", "Share of new connections that are copied from, 0 to 1. Requests are counted of those alone, bytes of all."),
		flows:         desc("gor_flows", "Flows in the kernel's table at the last look."),
		conns:         desc("gor_connections", "Connections under reassembly."),
		buffered:      desc("gor_buffered_bytes", "Bytes held for order."),
		recorded:      desc("gor_records_total", "Messages that were recorded, for files or targets."),
		sent:          desc("gor_output_records_total", "Records that an output of records was given, by outcome: done, or why not.", "output", "outcome"),
		lag:           desc("gor_output_lag_seconds", "How late the latest record of an output was sent, beside the schedule.", "output"),
		replayLag:     desc("gor_replay_lag_seconds", "How late requests of a recording were sent to a target, beside the schedule.", "output"),
		replayLatency: desc("gor_replay_response_seconds", "From the first byte of a request to a target to the last one of its response.", "output"),
		governed:      newGovernMetrics(desc),
		written:       desc("gor_output_written_total", "What an output has written: exchanges, or packets where it writes packets.", "output"),
	}
}

// Describe implements prometheus.Collector.
func (m *stageMetrics) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		m.build, m.packets, m.packetBytes, m.dropped, m.droppedBytes,
		m.ringFill, m.ringBytes, m.sample, m.flows, m.conns, m.buffered, m.written,
		m.recorded, m.sent, m.lag, m.replayLag, m.replayLatency,
	} {
		out <- d
	}
	m.governed.describe(out)
}

// Collect implements prometheus.Collector.
func (m *stageMetrics) Collect(out chan<- prometheus.Metric) {
	out <- prometheus.MustNewConstMetric(m.build, prometheus.GaugeValue, 1, version, runtime.Version())
	m.collectInput(out)
	m.collectReassembly(out)
	m.collectOutputs(out)
	m.collectRecords(out)
	if m.agent.governor != nil {
		m.governed.collect(out, m.agent.governor)
	}
}

func (m *stageMetrics) collectOutputs(out chan<- prometheus.Metric) {
	var dropped [output.NumDropReasons]uint64
	for _, o := range m.agent.outputs {
		stats := o.Stats()
		m.counter(out, m.written, stats.Written, o.Name())
		for why, n := range stats.Dropped {
			dropped[why] += n
		}
	}
	for why, n := range dropped {
		m.counter(out, m.dropped, n, "output", output.DropReason(why).String())
	}
}

func (m *stageMetrics) counter(out chan<- prometheus.Metric, d *prometheus.Desc, n uint64, labels ...string) {
	out <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(n), labels...)
}

func (m *stageMetrics) gauge(out chan<- prometheus.Metric, d *prometheus.Desc, v float64, labels ...string) {
	out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
}

func (m *stageMetrics) collectInput(out chan<- prometheus.Metric) {
	v, err := m.agent.input.volumes()
	if err != nil {
		out <- prometheus.NewInvalidMetric(m.packets, err)
		return
	}
	for _, o := range v.outcomes {
		m.counter(out, m.packets, o.Packets, o.name)
		m.counter(out, m.packetBytes, o.Bytes, o.name)
	}
	for _, d := range v.dropped {
		m.counter(out, m.dropped, d.Packets, d.Stage, d.Reason)
		m.counter(out, m.droppedBytes, d.Bytes, d.Stage, d.Reason)
	}
	if v.live {
		m.gauge(out, m.ringFill, v.ringFill)
		m.counter(out, m.ringBytes, v.copied)
		m.gauge(out, m.sample, v.sample)
		m.gauge(out, m.flows, float64(v.flows))
	}
}

func (m *stageMetrics) collectReassembly(out chan<- prometheus.Metric) {
	var sum reassembly.Stats
	for _, s := range m.agent.shards {
		st := s.Stats()
		sum.Conns += st.Conns
		sum.Buffered += st.Buffered
		for i := range st.Dropped {
			sum.Dropped[i].N += st.Dropped[i].N
			sum.Dropped[i].Bytes += st.Dropped[i].Bytes
		}
	}
	m.gauge(out, m.conns, float64(sum.Conns))
	m.gauge(out, m.buffered, float64(sum.Buffered))
	for i, d := range sum.Dropped {
		reason := reassembly.DropReason(i).String()
		m.counter(out, m.dropped, d.N, "reassembly", reason)
		m.counter(out, m.droppedBytes, d.Bytes, "reassembly", reason)
	}
}
