package account

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

func TestBucketsIncludeTheirUpperBound(t *testing.T) {
	for i := range buckets - 1 {
		ns := boundOf(i) * 1e9
		if got := bucketOf(int64(math.Floor(ns))); got != i {
			t.Errorf("%v ns, up to the bound of bucket %d, is in bucket %d", ns, i, got)
		}
		if got := bucketOf(int64(math.Floor(ns)) + 1); got != i+1 {
			t.Errorf("%v ns, beyond the bound of bucket %d, is in bucket %d", ns+1, i, got)
		}
	}
	for ns, want := range map[int64]int{-5: 0, 0: 0, 1: 0, math.MaxInt64: buckets - 1} {
		if got := bucketOf(ns); got != want {
			t.Errorf("%d ns is in bucket %d, want %d", ns, got, want)
		}
	}
}

func TestExportedHistogramIsExact(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	var h histogram
	var all []float64
	for range 10000 {
		ns := int64(math.Exp(rng.Float64() * 26))
		h.counts[bucketOf(ns)]++
		all = append(all, float64(ns)/1e9)
	}
	got := h.export()
	if len(got) != maxExportExp-minExportExp+1 {
		t.Fatalf("%d bounds", len(got))
	}
	for bound, n := range got {
		var want uint64
		for _, s := range all {
			if s <= bound {
				want++
			}
		}
		if n != want {
			t.Errorf("%d durations up to %v s, want %d", n, bound, want)
		}
	}
}

func TestQuantileIsOffByAnEighthAtMost(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for range 100 {
		var h histogram
		var all []float64
		for range 1 + rng.IntN(500) {
			ns := int64(10_000 * math.Exp(rng.Float64()*15))
			h.counts[bucketOf(ns)]++
			all = append(all, float64(ns)/1e9)
		}
		slices.Sort(all)
		for _, q := range []float64{0.01, 0.5, 0.99, 1} {
			want := all[max(int(math.Ceil(q*float64(len(all))))-1, 0)]
			if got := quantile(&h.counts, q); got < want/1.125 || got > want*1.125 {
				t.Errorf("quantile %v of %d is %v, want %v", q, len(all), got, want)
			}
		}
	}
	if got := quantile(&[buckets]uint64{}, 0.5); got != 0 {
		t.Errorf("quantile of nothing is %v", got)
	}
	if got := quantile(&[buckets]uint64{buckets - 1: 1}, 0.5); got != (128 * time.Second).Seconds() {
		t.Errorf("quantile beyond the last bound is %v", got)
	}
}
