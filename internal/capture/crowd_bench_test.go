package capture

import (
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"gortap/internal/account"
	"gortap/internal/flow"
	"gortap/internal/pipeline"
	"gortap/internal/reassembly"
)

// ticking is a shard that notes the longest time between two Ticks while something
// comes in, and the most that its goroutine worked between two.
type ticking struct {
	*pipeline.Shard
	last              time.Time
	worked            time.Duration
	longest, mostWork atomic.Int64
	updates           atomic.Int64
}

func (h *ticking) Update(t *flow.Totals) {
	h.updates.Add(1)
	h.Shard.Update(t)
}

func (h *ticking) Tick(nowNs int64) {
	h.Shard.Tick(nowNs)
	if h.last.IsZero() {
		runtime.LockOSThread() // work is a thread's
	}
	now, worked := time.Now(), threadTime()
	if !h.last.IsZero() {
		h.longest.Store(max(h.longest.Load(), int64(now.Sub(h.last))))
		h.mostWork.Store(max(h.mostWork.Load(), int64(worked-h.worked)))
	}
	h.last, h.worked = now, worked
}

// threadTime is what this thread has used, to the nanosecond.
func threadTime() time.Duration {
	var ts unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &ts)
	return time.Duration(ts.Nano())
}

// BenchmarkCrowd opens 200,000 connections, tells what a new one costs, what each
// keeps, and for how long the shard is away from its ring while a sweep tells of
// all of them and the traffic goes on. Then connections come and go.
func BenchmarkCrowd(b *testing.B) {
	const flows = 200_000
	heap := heapInUse()
	_, next := bookkeeping(b, account.Config{MaxFlows: 2 * flows}, reassembly.Config{MaxConns: 2 * flows})
	h := &ticking{Shard: next}
	c := running(b, Options{MaxFlows: 2 * flows, RequestBudget: 2048, ResponseBudget: 2048, SweepEvery: time.Hour}, h)
	empty, err := c.Memory()
	if err != nil {
		b.Fatal(err)
	}
	w := newCrowd(b, c, 100_000, false)
	runtime.LockOSThread() // to tell what this thread uses from what the shard does
	defer runtime.UnlockOSThread()
	user, kernel := usage(func() {
		for i := range flows {
			w.connect(i)
		}
		for c.RingFill() > 0 {
			time.Sleep(time.Millisecond)
		}
	})
	b.ReportMetric(float64(user)/flows, "user-ns/conn")
	b.ReportMetric(float64(kernel)/flows, "testrun-ns/conn")
	full, err := c.Memory()
	if err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(full-empty)/flows, "kernel-B/flow")

	s := newSweeper(c)
	done := make(chan error, 1)
	h.longest.Store(0)
	h.mostWork.Store(0)
	conns := flows
	again := newCrowd(b, c, 100_000, false)
	began := time.Now()
	go func() {
		err := s.once()
		b.ReportMetric(float64(time.Since(began).Milliseconds()), "sweep-ms")
		for !c.shards[0].idle() {
			time.Sleep(time.Millisecond)
		}
		done <- err
	}()
	for i := flows; ; i++ {
		again.connect(i) // so that it does not sleep
		select {
		case err := <-done:
			if err != nil {
				b.Fatal(err)
			}
		default:
			continue
		}
		conns = i + 1
		break
	}
	b.ReportMetric(float64(h.longest.Load())/1e6, "longest-gap-ms")
	b.ReportMetric(float64(h.updates.Load()), "updates")
	b.ReportMetric(float64(h.mostWork.Load())/1e6, "most-cpu-ms/gap")
	for c.RingFill() > 0 {
		time.Sleep(time.Millisecond)
	}
	b.ReportMetric(float64(conns), "conns")
	b.ReportMetric(float64(heapInUse()-heap)/float64(conns), "user-B/flow")
	runtime.KeepAlive(s)
	before := cpuTime()
	endCrowd(b, c)
	b.ReportMetric(float64(cpuTime()-before)/float64(conns), "end-ns/conn")
	b.ReportMetric(0, "ns/op")
}

// heapInUse is what lives on the heap.
func heapInUse() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// usage returns the CPU time of this process while f runs, without this thread's,
// and this thread's.
func usage(f func()) (others, own time.Duration) {
	all, mine := cpuTime(), threadTime()
	f()
	own = threadTime() - mine
	return cpuTime() - all - own, own
}
