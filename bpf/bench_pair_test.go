package bpf_test

import (
	"runtime"
	"sync"
	"testing"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"gortap/internal/flow"
)

// BenchmarkTwoCPUs tells the time for a packet where requests come on one CPU and answers
// on another, each after the other: what a busy server has. Repeating one packet on one
// CPU shows nothing of the cache lines that go to and fro.
func BenchmarkTwoCPUs(b *testing.B) {
	for name, depth := range map[string]flow.Depth{"head": flow.DepthDefault, "counted": flow.DepthNone} {
		b.Run(name, func(b *testing.B) {
			k := newKernel(b, build{budget: 2048, ring: 32 << 20})
			stats, err := ebpf.EnableStats(unix.BPF_STATS_RUN_TIME)
			if err != nil {
				b.Skipf("needs kernel statistics (Linux 5.8): %v", err)
			}
			defer stats.Close()
			for _, s := range handshake() {
				k.show(k.ingress(), s.frame(), 0)
			}
			k.setDepth(depth, theKey())
			frames := exchanges(20_000)
			prog := k.ingress().prog
			before, err := prog.Stats()
			if err != nil {
				b.Fatal(err)
			}
			for range b.N {
				k.alternate(b, prog, frames)
				k.discard()
			}
			after, err := prog.Stats()
			if err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(float64(after.Runtime-before.Runtime)/float64(after.RunCount-before.RunCount), "ns/packet")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// exchanges returns the packets of both sides of a connection behind the handshake.
func exchanges(n int) (frames [2][][]byte) {
	const request, answer = 120, 300
	for i := range uint32(n) {
		asked, answered := 1001+i*request, 5001+i*answer
		frames[0] = append(frames[0], client(push, asked, answered, request).frame())
		frames[1] = append(frames[1], server(push, answered, asked+request, answer).frame())
	}
	return frames
}

// alternate shows the frames of both sides in turn, each side's on a CPU of its own.
func (k *kernel) alternate(b *testing.B, prog *ebpf.Program, frames [2][][]byte) {
	b.Helper()
	var cpus unix.CPUSet
	if err := unix.SchedGetaffinity(0, &cpus); err != nil {
		b.Fatal(err)
	}
	var own []int
	for cpu := 0; len(own) < len(frames) && cpu < len(cpus)*64; cpu++ {
		if cpus.IsSet(cpu) {
			own = append(own, cpu)
		}
	}
	if len(own) < len(frames) {
		b.Skip("needs two CPUs")
	}
	meet := newBarrier(2)
	var wg sync.WaitGroup
	for side := range frames {
		wg.Go(func() {
			runtime.LockOSThread() // and never unlocked: the thread ends with its affinity
			var cpu unix.CPUSet
			cpu.Set(own[side])
			if err := unix.SchedSetaffinity(0, &cpu); err != nil {
				b.Error(err)
			}
			for i := range 2 * len(frames[side]) {
				if i%2 == side {
					if _, err := prog.Run(&ebpf.RunOptions{Data: frames[side][i/2]}); err != nil {
						b.Error(err)
					}
				}
				meet.wait(i)
			}
		})
	}
	wg.Wait()
}
