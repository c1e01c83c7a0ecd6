// Package api is what the JSON API of a running agent and its clients agree on: paths,
// parameters and answers. docs/api.md describes it for users.
//
// Within v1 parameters and members of answers are only added; what there is keeps its
// name and its meaning. Clients ignore what they do not know.
package api

import (
	"time"

	"gortap/internal/insight"
)

// The paths. All take GET.
const (
	Base          = "/api/v1/"
	ViewPath      = Base + "view"      // answers with an insight.View
	FindingsPath  = Base + "findings"  // with Findings
	EventsPath    = Base + "events"    // with Events
	ExchangesPath = Base + "exchanges" // with Exchanges
	HealthPath    = Base + "health"    // with Health
)

// Findings is an answer.
type Findings struct {
	Findings []insight.Finding `json:"findings"`
}

// Events is an answer.
type Events struct {
	Events []insight.Event `json:"events"`
}

// Exchanges is an answer. Started is the agent's start, from which Seq counts: another
// one than before means that it began again.
type Exchanges struct {
	Started   time.Time          `json:"started"`
	Exchanges []insight.Exchange `json:"exchanges"`
}

// Health is how the agent itself does: what it costs, what it lost.
type Health struct {
	Version   string    `json:"version"`
	GoVersion string    `json:"go_version"`
	Host      string    `json:"host"`
	Started   time.Time `json:"started"`
	Now       time.Time `json:"now"` // of the agent's clock, which relative times count from
	// Live says that traffic is captured, not read from files.
	Live   bool   `json:"live"`
	Source string `json:"source"` // what is captured or read, a sentence
	Ready  bool   `json:"ready"`
	Reason string `json:"reason,omitempty"` // why it is not ready
	Token  bool   `json:"token"`            // page and API want a token

	CPU    float64 `json:"cpu_cores"`    // over the last second; of files since the start
	Memory uint64  `json:"memory_bytes"` // with the kernel's rings and tables
	// The limits that are set; 0: none.
	CPULimit    float64 `json:"cpu_limit_cores"`
	MemoryLimit uint64  `json:"memory_limit_bytes"`

	RingFill    float64 `json:"ring_fill"` // of the fullest ring, 0 to 1
	Sample      float64 `json:"sample"`    // share of new connections that are copied from
	Flows       int     `json:"flows"`
	Connections int     `json:"connections"` // under reassembly

	// Level is how far the agent has stepped back to stay within its limits: "full",
	// "short", "sample-1/2", ..., "count".
	Level        string  `json:"level"`
	LevelChanges int     `json:"level_changes"`
	Degraded     []Spent `json:"degraded"` // time at levels below full

	// In packets and bytes of layer 3, matched = delivered + kernel and file drops.
	Matched   Volume   `json:"matched"`
	Delivered Volume   `json:"delivered"`
	Losses    []Drop   `json:"dropped"` // those that are not 0
	Outputs   []Output `json:"outputs"`
}

// Spent is time at a level.
type Spent struct {
	Level   string  `json:"level"`
	Seconds float64 `json:"seconds"`
}

// Volume is an amount of traffic.
type Volume struct {
	Packets uint64 `json:"packets"`
	Bytes   uint64 `json:"bytes"`
}

// Drop is what one stage let go for one reason: packets in the stages kernel and file,
// segments in reassembly, exchanges, packets or records in others.
type Drop struct {
	Stage  string `json:"stage"`
	Reason string `json:"reason"`
	Count  uint64 `json:"count"`
	Bytes  uint64 `json:"bytes"` // 0 where bytes are not counted
}

// Output is an output of exchanges or packets.
type Output struct {
	Name    string `json:"name"`
	Written uint64 `json:"written"`
	Dropped uint64 `json:"dropped"`
	Error   string `json:"error,omitempty"` // why it does not write now
}

// Drop adds a stage's loss, where there is one.
func (h *Health) Drop(stage, reason string, n, bytes uint64) {
	if n > 0 {
		h.Losses = append(h.Losses, Drop{Stage: stage, Reason: reason, Count: n, Bytes: bytes})
	}
}
