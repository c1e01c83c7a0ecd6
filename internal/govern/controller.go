package govern

import "math"

const (
	// ringHigh is the fill that is taken for an overload that comes.
	ringHigh = 0.75
	// A step back to more may double the cost: it is only tried where at most this
	// much of a limit is used,
	roomy = 0.45
	// for so many readings in a row. Each step that had to be taken back doubles
	// their number, up to the other.
	calmReadings, maxCalmReadings = 10, 320
	// A step was wrong if it is taken back within so many readings.
	trial = 30
)

// Controller decides the level, a reading at a time. It knows no clock: readings
// come about once a second. The zero value of level is Full.
type Controller struct {
	limits Limits
	level  Level

	calm   int // readings in a row with room
	wanted int // of them for the next step back to more
	since  int // readings since the last such step
}

// New returns a Controller at level Full.
func New(limits Limits) *Controller {
	return &Controller{limits: limits, wanted: calmReadings, since: trial}
}

// Level is the present one.
func (c *Controller) Level() Level { return c.level }

// Next takes a reading and returns the level from now on, and the reason where it
// changed.
func (c *Controller) Next(r Reading) (level Level, why Reason, changed bool) {
	c.since++
	load, why := c.load(r)
	before := c.level
	switch {
	case load > 1:
		c.calm = 0
		c.down(load)
	case load > roomy:
		c.calm = 0
	default:
		c.calm++
		if c.level > Full && c.calm >= c.wanted {
			c.calm, c.since, why = 0, 0, Calm
			c.up()
		}
	}
	if c.since == trial {
		c.wanted = calmReadings
	}
	return c.level, why, c.level != before
}

// load is how much of the tightest limit is used, above 1 where it is exceeded.
func (c *Controller) load(r Reading) (load float64, why Reason) {
	consider := func(x float64, reason Reason) {
		if x > load {
			load, why = x, reason
		}
	}
	if c.limits.CPU > 0 {
		consider(r.CPU/c.limits.CPU, OverCPU)
	}
	// What memory is used does not fall by halves with the sample: near the limit
	// is near the limit.
	if c.limits.Memory > 0 && r.Memory > c.limits.Memory {
		consider(float64(r.Memory)/float64(c.limits.Memory), OverMemory)
	}
	consider(r.RingFill/ringHigh, OverRing)
	if r.RingLost > 0 {
		consider(2, OverRing)
	}
	return load, why
}

// down steps to less: as many levels as it takes where each halves the cost.
func (c *Controller) down(load float64) {
	if c.since < trial && c.level < Count {
		c.wanted = min(2*c.wanted, maxCalmReadings)
	}
	c.since = trial + 1 // not a second time for the same step
	c.level = min(c.level+Level(max(1, math.Ceil(math.Log2(load)))), Count)
	if c.level == Short && c.limits.KeepBudget {
		c.level++
	}
}

// up steps to more, one level.
func (c *Controller) up() {
	c.level--
	if c.level == Short && c.limits.KeepBudget {
		c.level--
	}
}
