// Package govern keeps the agent within what it may cost. A Controller turns
// readings of CPU time, memory and ring fill into a Level: how much is copied and
// parsed. It only decides; who measures and who acts are handed in. At every level
// the kernel counts every byte.
package govern

import (
	"fmt"
	"math"
)

// Level is how far the agent has stepped back: the higher, the less it copies.
type Level int

// The levels. Between Short and Count lie samples of whole connections: one in 2,
// in 4, and so on.
const (
	Full  Level = 0 // all that the outputs want
	Short Level = 1 // the same of less: a shorter turn budget
	Count Level = 8 // nothing is copied
)

// NumLevels is how many levels there are.
const NumLevels = int(Count) + 1

// ShortBudget is the turn budget from Short on, in bytes: most heads fit.
const ShortBudget = 1024

// Sample is the share of the connections that is copied from, 0 to 1.
func (l Level) Sample() float64 {
	switch {
	case l >= Count:
		return 0
	case l <= Short:
		return 1
	}
	return math.Ldexp(1, -int(l-Short))
}

// String is the label: "full", "short", "sample-1/2", ..., "count".
func (l Level) String() string {
	switch {
	case l <= Full:
		return "full"
	case l == Short:
		return "short"
	case l >= Count:
		return "count"
	}
	return fmt.Sprintf("sample-1/%d", 1<<int(l-Short))
}

// Limits are what the agent may use. 0 is no limit.
type Limits struct {
	CPU    float64 // of one core, of the process: 0.05 is 5 %
	Memory uint64  // bytes: Go heap, BPF maps and rings
	// KeepBudget leaves the turn budget alone: an output needs whole messages,
	// of fewer connections where it must be.
	KeepBudget bool
}

// Reading is what the agent used between two looks.
type Reading struct {
	CPU      float64 // cores, in the mean
	Memory   uint64  // bytes, now
	RingFill float64 // of the fullest ring, now
	RingLost uint64  // records that did not fit a ring since the reading before
}

// Reason is why a level changed.
type Reason int

// The reasons.
const (
	Calm Reason = iota // all was well for long
	OverCPU
	OverMemory
	OverRing
)

// String is the word for it: "calm", "cpu", "memory", "ring".
func (r Reason) String() string { return [...]string{"calm", "cpu", "memory", "ring"}[r] }
