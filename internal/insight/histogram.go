package insight

import (
	"math"
	"math/bits"
)

// Sizes and durations are counted in bins: four of equal width for each doubling, so
// that a quantile is off by less than a quarter, and by the least and the greatest
// value that were seen.
const (
	subBits = 2

	minSizeExp, maxSizeExp         = 4, 33  // 16 B to 8 GiB
	minDurationExp, maxDurationExp = 13, 38 // 8 us to 4.6 min
	sizeBins                       = (maxSizeExp-minSizeExp)<<subBits + 2
	durationBins                   = (maxDurationExp-minDurationExp)<<subBits + 2
)

// binOf returns the bin of v: the first one is below 1<<lowest, the last one is of
// 1<<highest and more.
func binOf(v int64, lowest, highest int) int {
	if v < 1<<lowest {
		return 0
	}
	exp := bits.Len64(uint64(v)) - 1
	if exp >= highest {
		return (highest-lowest)<<subBits + 1
	}
	return 1 + (exp-lowest)<<subBits + int(v>>(exp-subBits))&(1<<subBits-1)
}

// boundsOf returns what a bin holds: from low, below high.
func boundsOf(bin, lowest, highest int) (low, high int64) {
	bound := func(b int) int64 { // where bin b, from 1, begins
		exp, sub := (b-1)>>subBits+lowest, (b-1)&(1<<subBits-1)
		return 1<<exp + int64(sub)<<(exp-subBits)
	}
	switch last := (highest-lowest)<<subBits + 1; bin {
	case 0:
		return 0, 1 << lowest
	case last:
		return 1 << highest, math.MaxInt64
	}
	return bound(bin), bound(bin + 1)
}

// extent are the least and the greatest of the values that were counted.
type extent struct{ least, most int64 }

func (e *extent) add(v int64, first bool) {
	if first {
		*e = extent{v, v}
		return
	}
	e.least, e.most = min(e.least, v), max(e.most, v)
}

// distribution is how sizes and durations of a time were spread.
type distribution struct {
	number          int64 // of its step
	sizes           [sizeBins]uint32
	durations       [durationBins]uint32
	nSizes, nTimes  uint32
	sizeRange, time extent
}

func (d *distribution) add(size, durationNs int64) {
	if size >= 0 {
		d.sizeRange.add(size, d.nSizes == 0)
		d.nSizes++
		d.sizes[binOf(size, minSizeExp, maxSizeExp)]++
	}
	if durationNs >= 0 {
		d.time.add(durationNs, d.nTimes == 0)
		d.nTimes++
		d.durations[binOf(durationNs, minDurationExp, maxDurationExp)]++
	}
}

func (d *distribution) merge(o *distribution) {
	if o.nSizes > 0 {
		d.sizeRange.add(o.sizeRange.least, d.nSizes == 0)
		d.sizeRange.add(o.sizeRange.most, false)
		d.nSizes += o.nSizes
		for i, n := range o.sizes {
			d.sizes[i] += n
		}
	}
	if o.nTimes > 0 {
		d.time.add(o.time.least, d.nTimes == 0)
		d.time.add(o.time.most, false)
		d.nTimes += o.nTimes
		for i, n := range o.durations {
			d.durations[i] += n
		}
	}
}

// spread is the sum of distributions.
type spread struct {
	sizes           [sizeBins]uint64
	durations       [durationBins]uint64
	sizeRange, time extent
	nSizes, nTimes  uint64
}

func (s *spread) add(d *distribution) {
	if d.nSizes > 0 {
		s.sizeRange.add(d.sizeRange.least, s.nSizes == 0)
		s.nSizes += uint64(d.nSizes)
		s.sizeRange.add(d.sizeRange.most, false)
		for i, n := range d.sizes {
			s.sizes[i] += uint64(n)
		}
	}
	if d.nTimes > 0 {
		s.time.add(d.time.least, s.nTimes == 0)
		s.nTimes += uint64(d.nTimes)
		s.time.add(d.time.most, false)
		for i, n := range d.durations {
			s.durations[i] += uint64(n)
		}
	}
}

func (s *spread) size(q float64) int64 {
	return quantile(s.sizes[:], s.nSizes, q, minSizeExp, maxSizeExp, s.sizeRange)
}

func (s *spread) duration(q float64) int64 {
	return quantile(s.durations[:], s.nTimes, q, minDurationExp, maxDurationExp, s.time)
}

// quantile returns the value below which a share q of counts lies, interpolated
// within its bin; 0 where nothing was counted.
func quantile(counts []uint64, n uint64, q float64, lowest, highest int, seen extent) int64 {
	if n == 0 {
		return 0
	}
	rank, below := q*float64(n), 0.0
	for bin, c := range counts {
		if c == 0 || below+float64(c) < rank {
			below += float64(c)
			continue
		}
		low, high := boundsOf(bin, lowest, highest)
		low, high = max(low, seen.least), min(high, seen.most)
		return low + int64(float64(high-low)*(rank-below)/float64(c))
	}
	return seen.most
}

// bins lists what is not empty, and what is between.
func bins(counts []uint64, lowest, highest int, seen extent) []Bin {
	first, last := -1, -1
	for i, n := range counts {
		if n > 0 {
			if first < 0 {
				first = i
			}
			last = i
		}
	}
	if first < 0 {
		return []Bin{}
	}
	out := make([]Bin, 0, last-first+1)
	for i := first; i <= last; i++ {
		low, high := boundsOf(i, lowest, highest)
		if high == math.MaxInt64 {
			high = max(seen.most, low) + 1
		}
		out = append(out, Bin{Low: low, High: high, Count: counts[i]})
	}
	return out
}

// The distributions are kept by longer steps than the sums: 10 minutes by minutes,
// two hours by ten minutes, a day by hours.
const numSpreads = 3

func spreadSteps() [numSpreads]struct{ everyNs, slots int64 } {
	const minute = int64(60e9)
	return [numSpreads]struct{ everyNs, slots int64 }{{minute, 11}, {10 * minute, 13}, {60 * minute, 25}}
}

// distributions are those of an endpoint over time. The minute that goes on waits in
// current.
type distributions struct {
	current *distribution
	rings   [numSpreads][]*distribution
}

func (ds *distributions) add(ns, size, durationNs int64) {
	number := ns / spreadSteps()[0].everyNs
	switch {
	case ds.current == nil:
		ds.current = &distribution{number: number}
	case number > ds.current.number:
		ds.flush()
		*ds.current = distribution{number: number}
	case number < ds.current.number: // late
		var one distribution
		one.add(size, durationNs)
		one.number = number
		ds.put(&one)
		return
	}
	ds.current.add(size, durationNs)
}

// flush brings current into the rings; it is to be emptied then.
func (ds *distributions) flush() {
	if d := ds.current; d != nil && d.nSizes+d.nTimes > 0 {
		ds.put(d)
	}
}

// put adds what happened in a minute.
func (ds *distributions) put(d *distribution) {
	steps := spreadSteps()
	for i, s := range steps {
		if ds.rings[i] == nil {
			ds.rings[i] = make([]*distribution, s.slots)
		}
		number := d.number * steps[0].everyNs / s.everyNs
		at := &ds.rings[i][number%s.slots]
		switch {
		case *at == nil:
			*at = &distribution{number: number}
		case (*at).number > number:
			continue // too old
		case (*at).number < number:
			**at = distribution{number: number}
		}
		(*at).merge(d)
	}
}

// sum adds what is of [fromNs, toNs), in whole steps, to s. nowNs decides which steps
// are still there.
func (ds *distributions) sum(s *spread, fromNs, toNs, nowNs int64) {
	steps := spreadSteps()
	level := 0
	for level < numSpreads-1 && fromNs/steps[level].everyNs <= nowNs/steps[level].everyNs-steps[level].slots {
		level++
	}
	add := func(d *distribution, everyNs int64) {
		if d != nil && d.number*everyNs < toNs && (d.number+1)*everyNs > fromNs {
			s.add(d)
		}
	}
	for _, d := range ds.rings[level] {
		add(d, steps[level].everyNs)
	}
	add(ds.current, steps[0].everyNs)
}
