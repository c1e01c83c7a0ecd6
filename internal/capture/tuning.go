package capture

import (
	"fmt"
	"math"
)

// Budget is how many payload bytes are copied of each turn: of what one side
// sends until the other does.
type Budget uint32

// CopyAll copies all of every turn.
const CopyAll Budget = math.MaxUint32

// Sample says which new connections are copied from. Of the others the kernel
// only keeps count, to the byte.
type Sample uint32

// All of the connections, or none of them.
const (
	SampleAll  Sample = math.MaxUint32
	SampleNone Sample = 1
)

// SampleRatio is the Sample that takes this share of the connections, 0 to 1.
func SampleRatio(share float64) Sample {
	return Sample(min(max(share*float64(SampleAll), float64(SampleNone)), float64(SampleAll)))
}

// Ratio is the share of the connections that is copied from, 0 to 1.
func (s Sample) Ratio() float64 {
	if s <= SampleNone {
		return 0
	}
	return float64(s) / float64(SampleAll)
}

// SetBudgets changes how much is copied, of all connections and from now on. A
// budget of 0 means CopyAll. It may be called from any goroutine, until Close.
func (c *Capture) SetBudgets(request, response Budget) error {
	if request == 0 {
		request = CopyAll
	}
	if response == 0 {
		response = CopyAll
	}
	return c.tune(func() error {
		if err := c.objs.CfgRequestBudget.Set(uint32(request)); err != nil {
			return fmt.Errorf("set request budget: %w", err)
		}
		if err := c.objs.CfgResponseBudget.Set(uint32(response)); err != nil {
			return fmt.Errorf("set response budget: %w", err)
		}
		return nil
	})
}

// SetSample changes which connections are copied from. It is decided at a
// connection's first packet and then stays: those that are open keep what they
// have. It may be called from any goroutine, until Close.
func (c *Capture) SetSample(s Sample) error {
	threshold := uint32(s)
	if s == SampleNone {
		threshold = 0 // no hash is below
	}
	return c.tune(func() error {
		if err := c.objs.CfgSample.Set(threshold); err != nil {
			return fmt.Errorf("set sample: %w", err)
		}
		return nil
	})
}

// Sample returns which new connections are copied from.
func (c *Capture) Sample() (s Sample, err error) {
	err = c.tune(func() error {
		var threshold uint32
		if err := c.objs.CfgSample.Get(&threshold); err != nil {
			return fmt.Errorf("read sample: %w", err)
		}
		s = max(Sample(threshold), SampleNone)
		return nil
	})
	return s, err
}

func (c *Capture) tune(do func() error) error {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if c.final != nil {
		return nil
	}
	return do()
}
