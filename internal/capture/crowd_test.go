package capture

import (
	"encoding/binary"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cilium/ebpf"

	"gortap/internal/flow"
)

// ticking is a handler that notes the longest time between two Ticks and counts what
// it is told.
type ticking struct {
	last                    time.Time
	longest                 atomic.Int64
	segments, updates, ends atomic.Int64
}

func (h *ticking) Segment(*flow.Segment) { h.segments.Add(1) }
func (h *ticking) Update(*flow.Totals)   { h.updates.Add(1) }
func (h *ticking) End(*flow.Totals)      { h.ends.Add(1) }
func (h *ticking) Tick(int64) {
	now := time.Now()
	if gap := int64(now.Sub(h.last)); !h.last.IsZero() && gap > h.longest.Load() {
		h.longest.Store(gap)
	}
	h.last = now
}

// BenchmarkManyFlows shows 200,000 flows to the programs, a packet each, and lets the
// sweep read them: what the kernel keeps of each, how long a sweep takes, and how long
// the shard was away from its ring at most.
func BenchmarkManyFlows(b *testing.B) {
	const flows = 200_000
	h := &ticking{}
	c := running(b, Options{MaxFlows: flows, RequestBudget: 2048, ResponseBudget: 2048, SweepEvery: time.Hour}, h)
	empty, err := c.Memory()
	if err != nil {
		b.Fatal(err)
	}
	frame := testFrame(0, false, flow.PSH|flow.ACK, 1, 1, make([]byte, 100))
	opts := ebpf.RunOptions{Data: frame}
	before := cpuTime()
	for i := range flows {
		binary.BigEndian.PutUint16(frame[28:], uint16(i>>15)) // the client's address and port
		binary.BigEndian.PutUint16(frame[34:], uint16(20_000+i&0x7fff))
		if _, err := c.objs.TcL2Ingress.Run(&opts); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(cpuTime()-before)/flows, "cpu-ns/flow")
	full, err := c.Memory()
	if err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(full-empty)/flows, "kernel-B/flow")
	s := newSweeper(c)
	began := time.Now()
	before = cpuTime()
	if err := s.once(); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(time.Since(began).Milliseconds()), "sweep-ms")
	b.ReportMetric(float64((cpuTime() - before).Milliseconds()), "sweep-cpu-ms")
	for !c.shards[0].idle() {
		time.Sleep(time.Millisecond)
	}
	b.ReportMetric(float64(h.longest.Load())/1e6, "longest-gap-ms")
	b.ReportMetric(float64(c.Flows()), "flows")
	b.ReportMetric(float64(h.updates.Load()), "updates")
	b.ReportMetric(0, "ns/op")
}
