package insight

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

func TestBinsHoldWhatIsBetweenTheirBounds(t *testing.T) {
	for bin := range sizeBins {
		low, high := boundsOf(bin, minSizeExp, maxSizeExp)
		for _, v := range []int64{low, low + (high-low)/2, high - 1} {
			if got := binOf(v, minSizeExp, maxSizeExp); got != bin {
				t.Errorf("%d is in bin %d, want %d: from %d below %d", v, got, bin, low, high)
			}
		}
		if bin > 0 {
			if _, before := boundsOf(bin-1, minSizeExp, maxSizeExp); before != low {
				t.Errorf("bin %d begins at %d, the one before ends at %d", bin, low, before)
			}
		}
	}
}

// TestQuantilesAreNear: within a quarter of the exact ones, whatever the values, and
// exact where all are the same.
func TestQuantilesAreNear(t *testing.T) {
	var r *rand.Rand
	for name, value := range map[string]func() int64{
		"uniform":     func() int64 { return 100 + r.Int64N(100000) },
		"exponential": func() int64 { return 64 + int64(r.ExpFloat64()*1e6) },
		"two humps":   func() int64 { return []int64{500, 500, 15 << 20}[r.IntN(3)] + r.Int64N(50) },
		"one value":   func() int64 { return 15_000_000 },
	} {
		r = rand.New(rand.NewPCG(3, 4))
		b := NewBook(Config{})
		var all []int64
		for i := range 5000 {
			o := observation(day+int64(i)*second/10, "s", "/", "10.0.0.1", 200, value())
			o.Duration = time.Duration(o.ResponseSize * 100)
			all = append(all, o.ResponseSize)
			b.Observe(o)
		}
		slices.Sort(all)
		v := b.View(Query{})
		for _, q := range []struct {
			share     float64
			got, time int64
		}{{0.5, v.Total.SizeP50, v.Total.DurationP50}, {0.99, v.Total.SizeP99, v.Total.DurationP99}, {0.99, v.Endpoints[0].SizeP99, v.Endpoints[0].DurationP99}} {
			want := float64(all[int(q.share*float64(len(all)))])
			if math.Abs(float64(q.got)-want) > want/4 || math.Abs(float64(q.time)-100*want) > 100*want/4 {
				t.Errorf("%s: the %v quantile is %d and %d ns, want %v and %v", name, q.share, q.got, q.time, want, 100*want)
			}
		}
		var sizes, times uint64
		for _, bin := range v.Sizes {
			sizes += bin.Count
		}
		for _, bin := range v.Durations {
			times += bin.Count
		}
		if sizes != 5000 || times != 5000 {
			t.Errorf("%s: the bins hold %d sizes and %d durations", name, sizes, times)
		}
	}
}

// TestDistributionsAreOfTheirTime: what was before From is not in them.
func TestDistributionsAreOfTheirTime(t *testing.T) {
	b := NewBook(Config{})
	for minute := range int64(180) {
		o := observation(day+minute*60*second, "s", "/", "10.0.0.1", 200, 1000)
		if minute >= 120 {
			o.ResponseSize = 50000
		}
		b.Observe(o)
	}
	v := b.View(Query{FromNs: day + 120*60*second})
	if v.Total.SizeP50 != 50000 || v.Total.Requests != 60 {
		t.Errorf("got %+v", v.Total)
	}
	if v = b.View(Query{FromNs: day, ToNs: day + 60*60*second}); v.Total.SizeP99 != 1000 || v.Total.Requests != 60 {
		t.Errorf("got %+v", v.Total)
	}
}
