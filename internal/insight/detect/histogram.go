package detect

import "math/bits"

// sizeBins has four bins an octave, from 64 bytes to 1 GB.
const (
	sizeBins     = 100
	sizeSmallest = 6 // log2
)

// sizeHistogram counts sizes; what is older counts less.
type sizeHistogram struct {
	bins [sizeBins]float32
	n    float64
	sum  float64
}

func sizeBin(v int64) int {
	if v < 1<<sizeSmallest {
		return 0
	}
	octave := bits.Len64(uint64(v)) - 1
	return min(sizeBins-1, 4*(octave-sizeSmallest)+int(v>>(octave-2)&3))
}

// sizeOf returns the middle of a bin.
func sizeOf(bin int) int64 {
	low := int64(1) << (sizeSmallest + bin/4)
	quarter := low / 4
	return low + int64(bin%4)*quarter + quarter/2
}

func (h *sizeHistogram) add(v int64) {
	h.bins[sizeBin(v)]++
	h.n++
	h.sum += float64(v)
}

// fold takes another's counts, after its own are made weigh so much.
func (h *sizeHistogram) fold(o *sizeHistogram, keep float64) {
	for i := range h.bins {
		h.bins[i] = h.bins[i]*float32(keep) + o.bins[i]
	}
	h.n = h.n*keep + o.n
	h.sum = h.sum*keep + o.sum
}

func (h *sizeHistogram) mean() float64 {
	if h.n == 0 {
		return 0
	}
	return h.sum / h.n
}

// p99 returns the size that 99 % of all are at most.
func (h *sizeHistogram) p99() int64 {
	rest := 0.99 * h.n
	for i, c := range h.bins {
		rest -= float64(c)
		if rest <= 0 && c > 0 {
			return sizeOf(i)
		}
	}
	return sizeOf(sizeBins - 1)
}

// above returns how many are larger than v, by bins.
func (h *sizeHistogram) above(v int64) float64 {
	var n float64
	for i := sizeBin(v) + 1; i < sizeBins; i++ {
		n += float64(h.bins[i])
	}
	return n
}
