package compare

import "math"

// chance is how seldom a difference that is noise is taken for one that is not.
const chance = 0.001

// counts are of the exchanges in which a place differed, among those that had a
// second response of the old version. (Those without one are in place.count.)
type counts struct {
	candidate uint64 // the candidate alone
	noise     uint64 // the old version alone
	both      uint64
}

// isNoise decides whether the old version differs from itself at a place as the
// candidate does. exchanges is how many had a second response.
//
// Once may be an accident: the old version must have differed twice, or in half of
// the exchanges. And the candidate may not differ more often, by a sign test over
// the exchanges where only one of the two did.
func (c *counts) isNoise(exchanges uint64) bool {
	noisy := c.noise + c.both
	if noisy < 2 && (noisy == 0 || 2*noisy < exchanges) {
		return false
	}
	return !moreThanChance(c.candidate, c.noise)
}

// moreThanChance reports whether heads came up against tails more often than a
// fair coin allows for.
func moreThanChance(heads, tails uint64) bool {
	if heads <= tails {
		return false
	}
	n := float64(heads + tails)
	if n > 1000 {
		const deviations = 3.09 // of chance, one-sided
		return (float64(heads)-float64(tails))/math.Sqrt(n) > deviations
	}
	choose := func(k float64) float64 {
		a, _ := math.Lgamma(n + 1)
		b, _ := math.Lgamma(k + 1)
		c, _ := math.Lgamma(n - k + 1)
		return a - b - c
	}
	var p float64
	for k := heads; k <= heads+tails; k++ {
		p += math.Exp(choose(float64(k)) - n*math.Ln2)
	}
	return p < chance
}

// maxDistinct is how many values are remembered to see whether they repeat.
const maxDistinct = 32

// distinct sees whether a place has another value each time, like a clock or an
// id.
type distinct struct {
	values  []uint64
	repeats bool
}

func (d *distinct) add(hash uint64) {
	if d.repeats || len(d.values) == maxDistinct {
		return
	}
	for _, v := range d.values {
		if v == hash {
			d.repeats, d.values = true, nil
			return
		}
	}
	d.values = append(d.values, hash)
}
