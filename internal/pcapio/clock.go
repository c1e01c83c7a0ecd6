package pcapio

import "time"

// clock is the capture's clock, which the packets drive. It tells when a batch
// ends: often enough that timers work, seldom enough to cost nothing.
type clock struct {
	now, tickedNs int64
	started       bool
	leapNs        int64 // a time far ahead, not believed yet
	packets       int   // since the last tick
}

const (
	tickPackets = 1024
	tickNs      = int64(100 * time.Millisecond)
	// leap is how far one packet may carry the clock. One damaged timestamp
	// would expire every connection; a second packet confirms it.
	leap = int64(24 * time.Hour)
	// stepBack is how far packets may be out of order. Beyond that the
	// capturing host's clock was set back, and ours follows.
	stepBack = int64(time.Second)
)

// advance moves the clock to a packet's time and reports whether a tick is due
// before that packet: a pause must expire what was idle before it, as it would
// have in live capture.
func (c *clock) advance(ts int64) bool {
	if !c.started {
		c.started, c.now, c.tickedNs = true, ts, ts
	}
	// Subtractions may overflow for absurd times; the clock only wobbles then.
	switch ahead := ts - c.now; {
	case ahead > leap && ts-c.leapNs > leap:
		c.leapNs = ts
	case ahead > 0 || ahead < -stepBack:
		c.now, c.leapNs = ts, 0
	}
	c.packets++
	if since := c.now - c.tickedNs; c.packets < tickPackets && since >= 0 && since < tickNs {
		return false
	}
	c.packets, c.tickedNs = 0, c.now
	return true
}
