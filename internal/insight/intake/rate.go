package intake

import (
	"math"
	"time"
)

// limiter decides which exchanges of a shard are looked at, so that they are no more
// than so many a second. Each has the same chance, whatever it is of and whenever it
// comes: the chance is made anew for each slice of time from what came in the one
// before. Credit, which comes with time, bounds what chance cannot know of: in no time
// are more let in than its rate allows and what credit there was.
type limiter struct {
	credit  float64
	arrived int // in the slice that goes on
	chance  uint64
	random  uint64
	sinceNs int64
}

const (
	rateSlice = 50 * time.Millisecond
	// maxCredit is how many slices of the rate, above leastCredit exchanges, may have
	// been saved up.
	maxCredit   = 4
	leastCredit = 100
	// certain is the chance of all, in parts of 2^32.
	certain = uint64(1) << 32
)

// newLimiter begins with the credit of the whole rate.
func newLimiter(perSecond float64, seed uint64) limiter {
	return limiter{credit: creditOf(perSecond), chance: certain, random: seed | 1}
}

func creditOf(perSecond float64) float64 {
	return leastCredit + maxCredit*perSecond*rateSlice.Seconds()
}

// admit says whether the exchange that begins is looked at.
func (l *limiter) admit() bool {
	l.arrived++
	if l.chance < certain {
		// xorshift64: no name in the traffic can be in step with it.
		l.random ^= l.random << 13
		l.random ^= l.random >> 7
		l.random ^= l.random << 17
		if l.random>>32 >= l.chance {
			return false
		}
	}
	if l.credit < 1 {
		return false
	}
	l.credit--
	return true
}

// tick tells the time, and how many a second this limiter may let in by now.
func (l *limiter) tick(nowNs int64, perSecond float64) {
	elapsed := nowNs - l.sinceNs
	if elapsed < int64(rateSlice) {
		return
	}
	if l.sinceNs == 0 {
		elapsed = int64(rateSlice)
	}
	seconds := float64(elapsed) / 1e9
	l.credit = min(l.credit+perSecond*seconds, creditOf(perSecond))
	// Half of the credit is for the slice that comes. So it settles where as much is
	// spent as comes in, with as much again for what comes unforeseen.
	expected := float64(l.arrived) * rateSlice.Seconds() / seconds
	l.chance = certain
	if aim := l.credit / 2; expected > aim {
		l.chance = uint64(math.Floor(aim / expected * float64(certain)))
	}
	l.arrived, l.sinceNs = 0, nowNs
}
