package main

import (
	"cmp"
	"math"

	"gortap/internal/capture"
	"gortap/internal/govern"

	"github.com/prometheus/client_golang/prometheus"
)

// ledgers is for how many flows a shard's account has room: no fewer than the kernel's
// table has, and all may be of one shard.
func ledgers(cfg *Config) int {
	_, flows := liveSizes(cfg, true)
	return max(flows, leastLedgers)
}

// leastLedgers are as many as connections can be parsed by default, and more.
const leastLedgers = 1 << 17

// connections and buffered are how many connections are parsed at once and how many
// bytes they hold, in all: as configured, and no more than --max-memory has room for.
func connections(cfg *Config) int {
	if cfg.MaxMemory == 0 {
		return cfg.MaxConnections
	}
	return min(cfg.MaxConnections, fit(cfg, true).MaxFlows)
}

func buffered(cfg *Config) int {
	if cfg.MaxMemory == 0 {
		return int(cfg.MaxBuffered)
	}
	return fit(cfg, true).Buffered
}

// liveSizes are the sizes of a ring and of the flow table: as configured, else as
// --max-memory allows, else 0 for the capture's defaults.
func liveSizes(cfg *Config, copyAll bool) (ringBytes, maxFlows int) {
	if cfg.MaxMemory == 0 {
		return int(cfg.RingSize), cfg.MaxFlows
	}
	s := fit(cfg, copyAll)
	return s.RingBytes, s.MaxFlows
}

func fit(cfg *Config, copyAll bool) govern.Sizes {
	shards := cmp.Or(cfg.Shards, capture.DefaultShards())
	want := govern.Sizes{RingBytes: capture.DefaultRing(copyAll), MaxFlows: capture.DefaultMaxFlows, Buffered: int(cfg.MaxBuffered)}
	if cfg.records() || cfg.sessions() || len(cfg.packetFiles()) > 0 || cfg.OutputLink != "" {
		want.Records = int(cfg.RecordMaxOpen) + 2*int(cfg.RecordQueue) + int(cfg.SessionMemory)
	}
	s := govern.Fit(uint64(cfg.MaxMemory), shards, want)
	s.RingBytes, s.MaxFlows = cmp.Or(int(cfg.RingSize), s.RingBytes), cmp.Or(cfg.MaxFlows, s.MaxFlows)
	return s
}

// Parts of what --max-memory leaves for records: half for messages that are not over
// yet, the rest for what waits on its way.
const (
	openPart    = 2
	sessionPart = 4
	packetPart  = 4
	queuePart   = 8
)

// fitRecords makes what recording and replay may hold smaller, where --max-memory has
// no room for as much. Of files only what waits: it is waited for, and a smaller
// message would be lost.
func (c *Config) fitRecords() {
	if c.MaxMemory == 0 {
		return
	}
	room := Size(fit(c, true).Records)
	c.RecordQueue = min(c.RecordQueue, room/queuePart)
	c.SessionMemory = min(c.SessionMemory, room/sessionPart)
	if len(c.InputFile) > 0 {
		return
	}
	c.RecordMaxOpen = min(c.RecordMaxOpen, room/openPart)
	c.RecordMaxMessage = min(c.RecordMaxMessage, c.RecordMaxOpen/Size(cmp.Or(c.Shards, capture.DefaultShards())))
}

// packetQueue bounds the segments that wait for a file of packets; 0 for its default.
func packetQueue(cfg *Config) int {
	if cfg.MaxMemory == 0 {
		return 0
	}
	return fit(cfg, true).Records / packetPart
}

// heapLimit is the soft limit of the Go heap, 0 for none: as configured, or what
// --max-memory leaves beside the kernel's part.
func heapLimit(cfg *Config) int64 {
	if cfg.MemoryMax > 0 || cfg.MaxMemory == 0 {
		return int64(cfg.MemoryMax)
	}
	return int64(fit(cfg, true).HeapBytes)
}

// governMetrics tell what the agent costs, and what it does about that.
type governMetrics struct{ level, changes, budget, cpu, memory, seconds *prometheus.Desc }

func newGovernMetrics(desc func(name, help string, labels ...string) *prometheus.Desc) governMetrics {
	return governMetrics{
		level:   desc("gor_degradation_level", "How far the agent has stepped back to stay within its limits: 0 full, 1 shorter turns, 2 to 7 one connection in 2 to 64, 8 counts only."),
		changes: desc("gor_degradation_changes_total", "Changes of the level."),
		seconds: desc("gor_degradation_seconds_total", "Time spent at each level.", "level"),
		budget:  desc("gor_turn_budget_bytes", "Bytes copied of each turn of a direction at present; +Inf where all is.", "direction"),
		cpu:     desc("gor_agent_cpu_cores", "Cores that the agent kept busy in the last second."),
		memory:  desc("gor_agent_memory_bytes", "Memory of the agent: Go runtime, BPF maps and rings."),
	}
}

func (m *governMetrics) describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{m.level, m.changes, m.budget, m.cpu, m.memory, m.seconds} {
		out <- d
	}
}

func (m *governMetrics) collect(out chan<- prometheus.Metric, g *governor) {
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	s := g.snapshot()
	gauge(m.level, float64(s.level))
	gauge(m.cpu, s.reading.CPU)
	gauge(m.memory, float64(s.reading.Memory))
	request, response, _ := g.at(s.level)
	gauge(m.budget, budgetBytes(request), "request")
	gauge(m.budget, budgetBytes(response), "response")
	out <- prometheus.MustNewConstMetric(m.changes, prometheus.CounterValue, float64(s.changes))
	for level, spent := range s.spent {
		out <- prometheus.MustNewConstMetric(m.seconds, prometheus.CounterValue, spent.Seconds(), govern.Level(level).String())
	}
}

// budgetBytes is a budget as a number: what is as good as all is infinite.
func budgetBytes(b capture.Budget) float64 {
	if b >= capture.CopyAll-1 {
		return math.Inf(1)
	}
	return float64(b)
}
