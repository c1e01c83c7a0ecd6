package bpf_test

import (
	"math"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// BenchmarkPacket tells the kernel's time for one packet of a flow that is known
// already, and how many instructions the verifier looked at.
func BenchmarkPacket(b *testing.B) {
	for name, set := range map[string]struct {
		build
		segment
	}{
		"ack":     {build{budget: 2048}, client(ack, 1, 1, 0)},
		"header":  {build{budget: 2048}, client(ack, 4000, 1, 1400)},
		"200":     {build{budget: 2048}, client(push, 1, 1, 200)},
		"2KiB":    {build{budget: 2048}, client(ack, 1, 1, 2048)},
		"nomatch": {build{budget: 2048, filter: "tcp port 81"}, client(push, 1, 1, 200)},
		"match":   {build{budget: 2048, filter: "tcp port 80"}, client(ack, 1, 1, 0)},
	} {
		b.Run(name, func(b *testing.B) {
			const ring = 16 << 20
			set.ring = ring
			k := newKernel(b, set.build)
			for _, s := range []segment{client(syn, 0, 0, 0), client(ack, 1, 1, 3000)} {
				k.show(k.ingress(), s.frame(), 0)
			}
			for _, h := range []hook{k.ingress(), k.xdp()} {
				b.Run(h.name, func(b *testing.B) { k.bench(b, h, set.frame(), ring) })
			}
		})
	}
}

// BenchmarkColdFlow tells the time for a packet of one of many flows, none of which
// is in the CPU's cache: what a busy machine has.
func BenchmarkColdFlow(b *testing.B) {
	k := newKernel(b, build{budget: 2048})
	stats, err := ebpf.EnableStats(unix.BPF_STATS_RUN_TIME)
	if err != nil {
		b.Skipf("needs kernel statistics (Linux 5.8): %v", err)
	}
	defer stats.Close()
	const flows = 20_000
	frames := make([][]byte, flows)
	for i := range frames {
		s := client(ack, 1, 1, 0)
		s.src = flowAddr(uint16(i))
		frames[i] = s.frame()
		k.show(k.ingress(), frames[i], 0)
	}
	prog := k.ingress().prog
	before, err := prog.Stats()
	if err != nil {
		b.Fatal(err)
	}
	for i := range b.N {
		if _, err := prog.Run(&ebpf.RunOptions{Data: frames[i%flows]}); err != nil {
			b.Fatal(err)
		}
	}
	after, err := prog.Stats()
	if err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(after.Runtime-before.Runtime)/float64(after.RunCount-before.RunCount), "ns/packet")
	b.ReportMetric(0, "ns/op")
}

// bench runs the program in rounds that fit the ring, and takes the kernel's word
// for the time: the Go side between them does not count.
func (k *kernel) bench(b *testing.B, h hook, frame []byte, ring int) {
	k.discard()
	k.show(h, frame, 0)
	round := b.N
	if size := k.rings[0].Pending(); size > 0 {
		round = ring / 2 / size
	}
	var total time.Duration
	for left := b.N; left > 0; left -= round {
		n := min(left, round)
		_, each, err := h.prog.Benchmark(frame, n, nil)
		if err != nil {
			b.Fatal(err)
		}
		total += each * time.Duration(n)
		k.discard()
	}
	b.ReportMetric(float64(total.Nanoseconds())/float64(b.N), "ns/packet")
	b.ReportMetric(0, "ns/op")
	if info, err := h.prog.Info(); err == nil {
		if n, ok := info.VerifiedInstructions(); ok {
			b.ReportMetric(float64(n), "verified")
		}
	}
}

// discard empties the first ring.
func (k *kernel) discard() {
	for k.rings[0].Pending() > 0 {
		k.rings[0].Drain(math.MaxInt, math.MaxUint64, func([]byte) {})
	}
}
