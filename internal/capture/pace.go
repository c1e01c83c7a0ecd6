package capture

import "time"

const (
	minSleep = 500 * time.Microsecond
	// maxSleep bounds how late an exchange is seen while there is traffic.
	maxSleep = 6 * time.Millisecond
	// napSleep is maxSleep where a sleep costs little and more than napBytes have come:
	// what has gathered is read at a stretch, which a server on the same CPU feels in its
	// slowest answers.
	napSleep = 3 * time.Millisecond
	napBytes = 64 << 10
	// idleSleep is between two Ticks where there is none: the next record wakes.
	idleSleep = 250 * time.Millisecond
	// quietRounds of maxSleep without a record make a shard idle: with more than
	// about 80 records a second it polls, and the kernel never has to wake it.
	quietRounds = 2
)

// pace decides how long a shard sleeps between two looks into its ring. It aims at
// finding a sixteenth of the ring filled: rarely enough to cost little, and long
// before the ring is full. A burst that is faster than that ends the sleep at a
// quarter.
type pace struct {
	size  int  // of the ring
	naps  bool // a sleep costs little
	quiet int  // rounds
}

// next returns the sleep after a round that took elapsed, sleep included, read so
// many bytes and left pending ones; and the fill at which it shall end early.
func (p *pace) next(elapsed time.Duration, read, pending int) (sleep time.Duration, fill int) {
	fill = p.size / 4
	longest := maxSleep
	if p.naps && read > napBytes {
		longest = napSleep
	}
	switch {
	case pending > p.size/32:
		p.quiet = 0
		return 0, fill
	case read == 0 && pending == 0:
		if p.quiet++; p.quiet > quietRounds {
			return idleSleep, 1
		}
		return longest, fill
	}
	p.quiet = 0
	sleep = time.Duration(float64(elapsed) * float64(p.size/16) / float64(max(read, 1)))
	return min(max(sleep, minSleep), longest), fill
}
