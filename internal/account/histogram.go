package account

import (
	"math"
	"math/bits"
)

// Durations are counted in log-linear buckets: eight equal ones for each
// doubling, from 2^-17 s (8 us) to 2^7 s (128 s), so a quantile is off by less
// than an eighth. Powers of two of a second are bucket bounds, which makes the
// same counts exact for the exported histogram, whose bounds are those of a
// native histogram of schema 0.
const (
	subBits  = 3
	minExp   = -17
	maxExp   = 7
	buckets  = (maxExp-minExp)<<subBits + 2 // below, the octaves, above
	unitBits = 30                           // durations are counted in 2^-30 s

	minExportExp = -13 // 122 us
	maxExportExp = 6   // 64 s
)

// histogram counts durations. Buckets include their upper bound.
type histogram struct {
	counts [buckets]uint64
	sumNs  uint64
}

// bucketOf returns the bucket of a duration in nanoseconds.
func bucketOf(ns int64) int {
	if ns <= 0 {
		return 0
	}
	v := unitsBelow(uint64(ns))
	exp := bits.Len64(v) - 1
	switch {
	case exp < minExp+unitBits:
		return 0
	case exp >= maxExp+unitBits:
		return buckets - 1
	}
	return 1 + (exp-minExp-unitBits)<<subBits + int(v>>(exp-subBits))&(1<<subBits-1)
}

// unitsBelow returns how many units are less than a duration. It is in whole numbers,
// because a bound belongs to the bucket below it.
func unitsBelow(ns uint64) uint64 {
	if ns < 1<<(64-unitBits) { // 17 s: without a division of 128 bits
		return (ns<<unitBits - 1) / 1e9
	}
	hi, lo := bits.Mul64(ns, 1<<unitBits)
	lo, borrow := bits.Sub64(lo, 1, 0)
	v, _ := bits.Div64(hi-borrow, lo, 1e9)
	return v
}

// boundOf returns the upper bound of a bucket in seconds.
func boundOf(bucket int) float64 {
	if bucket >= buckets-1 {
		return math.Inf(1)
	}
	exp, sub := bucket>>subBits, bucket&(1<<subBits-1)
	return math.Ldexp(1+float64(sub)/(1<<subBits), exp+minExp)
}

func (h *histogram) add(o *histogram) {
	for i := range h.counts {
		h.counts[i] += o.counts[i]
	}
	h.sumNs += o.sumNs
}

func (h *histogram) count() (n uint64) {
	for _, c := range h.counts {
		n += c
	}
	return n
}

// export returns the cumulative counts by upper bound in seconds.
func (h *histogram) export() map[float64]uint64 {
	out := make(map[float64]uint64, maxExportExp-minExportExp+1)
	var n uint64
	next := minExportExp
	for i, c := range h.counts {
		n += c
		if next <= maxExportExp && boundOf(i) == math.Ldexp(1, next) {
			out[math.Ldexp(1, next)] = n
			next++
		}
	}
	return out
}

// quantile returns the duration in seconds below which a share q of counts
// lies, interpolated within its bucket; 0 where nothing was counted.
func quantile(counts *[buckets]uint64, q float64) float64 {
	var n uint64
	for _, c := range counts {
		n += c
	}
	if n == 0 {
		return 0
	}
	rank := q * float64(n)
	var below float64
	for i, c := range counts {
		if c == 0 || below+float64(c) < rank {
			below += float64(c)
			continue
		}
		low, high := 0.0, boundOf(i)
		if i > 0 {
			low = boundOf(i - 1)
		}
		if math.IsInf(high, 1) {
			return low
		}
		return low + (high-low)*(rank-below)/float64(c)
	}
	return boundOf(buckets - 2)
}
