// Package replay says when recorded messages are sent again. Clock is the schedule,
// a pure function of the recorded instants; Sleeper waits for an instant of it; Pacer
// puts both together for an input. What sends the messages lives in the folders
// below.
package replay

import (
	"errors"
	"fmt"
	"math"
	"time"
)

// Timing says how a recording is played.
type Timing struct {
	// Speed is 1 for the recorded speed, 2 for twice as fast. Infinity has no
	// waits at all.
	Speed float64
	// MaxWait is the longest time between two messages, as they are sent;
	// longer gaps are shortened to it. 0 is no limit.
	MaxWait time.Duration
}

// maxSpeed is the largest factor that is not infinite, 10000 %, and minSpeed what
// still ends.
const (
	maxSpeed = 100
	minSpeed = 0.0001
)

// Validate says what is wrong with t.
func (t Timing) Validate() error {
	if math.IsNaN(t.Speed) || t.Speed < minSpeed || t.Speed > maxSpeed && !math.IsInf(t.Speed, 1) {
		return fmt.Errorf("speed %v is out of range [0.01%% to 10000%%]", t.Speed)
	}
	if t.MaxWait < 0 {
		return errors.New("maximal wait is negative")
	}
	return nil
}

// Clock is the schedule of a replay. Every instant is computed from the start, not
// from the one before, so that nothing adds up over a long recording. It reads no
// time. One goroutine may use it.
type Clock struct {
	timing Timing
	// An instant r is due at base + (r - origin) / speed. Both move where a gap
	// is shortened, and where the recording begins anew.
	origin int64
	base   time.Duration

	began  bool // origin is set
	latest int64
	last   time.Duration // what latest was due at
	first  time.Duration // what the first of this pass was due at
	n      int64         // instants of this pass
}

// NewClock makes a schedule that begins with the first instant that it is asked for.
func NewClock(t Timing) *Clock { return &Clock{timing: t} }

// Due returns when what was recorded at recordedNs is to be sent, counted from the
// start. Instants may go back a little, as those of several merged recordings do,
// and are due earlier then.
func (c *Clock) Due(recordedNs int64) time.Duration {
	c.n++
	if !c.began {
		c.began = true
		c.origin, c.latest, c.last, c.first = recordedNs, recordedNs, c.base, c.base
		return c.base
	}
	due := c.base + c.scale(recordedNs-c.origin)
	if recordedNs <= c.latest {
		return max(due, 0)
	}
	if m := c.timing.MaxWait; m > 0 && due-c.last > m {
		c.origin, c.base = recordedNs, c.last+m
		due = c.base
	}
	c.latest, c.last = recordedNs, due
	return due
}

// Again begins another pass of the recording: its first instant is due one mean gap
// after the last one of the pass before.
func (c *Clock) Again() {
	gap := time.Duration(0)
	switch {
	case math.IsInf(c.timing.Speed, 1):
	case c.n > 1:
		gap = (c.last - c.first) / time.Duration(c.n-1)
	default: // one message has no gaps to go by
		gap = c.scale(int64(time.Second))
	}
	c.base, c.n, c.began = c.last+gap, 0, false
}

func (c *Clock) scale(ns int64) time.Duration {
	return time.Duration(math.Round(float64(ns) / c.timing.Speed))
}
