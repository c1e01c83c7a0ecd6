package insight

import (
	"fmt"
	"testing"
)

// busy fills a Book with exchanges, one after each gap, of 200 endpoints and 300
// clients, and returns what comes next.
func busy(t testing.TB, exchanges int, gapNs int64) (*Book, func() *Observation) {
	t.Helper()
	b := NewBook(Config{})
	var all []*Observation
	for i := range 6000 {
		all = append(all, observation(day, fmt.Sprintf("s%d", i%10), fmt.Sprintf("/path/%d", i%200), fmt.Sprintf("10.0.%d.%d", i%3, i*7%100),
			[]int{200, 200, 200, 200, 304, 404}[i%6], int64(i*13%50000)))
	}
	n, now := 0, day
	next := func() *Observation {
		o := all[n%len(all)]
		now += gapNs
		o.StartNs, o.EndNs = now-second/1000, now
		n++
		return o
	}
	for range exchanges {
		b.Observe(next())
		if n%1000 == 0 {
			b.Tick(now)
		}
	}
	return b, next
}

func TestObservingAllocatesNothing(t *testing.T) {
	b, next := busy(t, 30_000, second/20000)
	if n := testing.AllocsPerRun(20000, func() { b.Observe(next()) }); n != 0 {
		t.Errorf("%v allocations an exchange", n)
	}
}

func BenchmarkObserve(b *testing.B) {
	for name, gapNs := range map[string]int64{"20000 a second": second / 20000, "100 a second": second / 100} {
		b.Run(name, func(b *testing.B) {
			book, next := busy(b, 360_000, gapNs)
			b.ReportAllocs()
			for b.Loop() {
				book.Observe(next())
			}
		})
	}
}

func BenchmarkView(b *testing.B) {
	book, _ := busy(b, 360_000, second/100) // an hour
	now := book.nowNs
	for name, q := range map[string]Query{
		"all": {}, "minute": {FromNs: now - 60*second}, "hour": {FromNs: now - 3600*second}, "endpoint": {Service: "s1", Path: "/path/1"}, "client": {Client: "10.0.1.7"},
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				book.View(q)
			}
			b.ReportMetric(float64(book.Stats().MemoryBytes)/(1<<20), "MiB")
		})
	}
}
