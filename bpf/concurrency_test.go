package bpf_test

import (
	"math"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/google/go-cmp/cmp"

	"gortap/bpf"
	"gortap/internal/flow"
)

// Packets may come on one CPU while another evicts their flow. Each is then in
// the totals of one flow, or lost and counted as such.
func TestPacketsMeetEvictions(t *testing.T) {
	k := newKernel(t, build{budget: 2048, ring: 8 << 20})
	const runs, repeat = 500, 1000
	const enough = 10 // evictions: on a busy machine few of them meet packets
	var packets uint64
	var evicted atomic.Int64
	frame := client(ack, 1, 1, 0).frame()
	prog := k.ingress().prog
	sent := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		defer close(sent)
		for n := 0; n < runs || evicted.Load() < enough; n++ {
			packets += repeat
			if _, err := prog.Run(&ebpf.RunOptions{Data: frame, Repeat: repeat}); err != nil {
				t.Error(err)
				return
			}
		}
	})
	again := slices.Repeat([]bpf.CaptureFlowKey{theKey()}, len(bpf.CaptureControlInput{}.Keys))
	for going := true; going && evicted.Load() < 30_000; { // what the ring takes
		select {
		case <-sent:
			going = false
		default:
		}
		evicted.Add(int64(k.evict(math.MaxUint64, again...)))
	}
	wg.Wait()
	evicted.Add(int64(k.evict(math.MaxUint64, theKey())))
	told, ends := uint64(0), int64(0)
	for _, r := range k.records() {
		ends++
		told += r.End.Dirs[flow.FromB].Packets
	}
	moved := k.moved()
	lost := moved["EVICTING"].Packets
	delete(moved, "EVICTING")
	want := counters{"COUNTED": {Packets: told, Bytes: 40 * told}}
	if diff := cmp.Diff(want, moved); diff != "" || ends != evicted.Load() {
		t.Errorf("%d ends of %d evictions; their packets (-want +got):\n%s", ends, evicted.Load(), diff)
	}
	if told+lost < packets { // an interrupted run is repeated
		t.Errorf("%d packets told and %d lost of %d", told, lost, packets)
	}
}

// Two CPUs may see the first packets of a connection at the same time, when the
// capture starts in the middle. Neither packet gets lost.
func TestFlowBeginsOnTwoCPUsAtOnce(t *testing.T) {
	k := newKernel(t, build{budget: 2048})
	const flows = 20_000
	prog := k.ingress().prog
	var wg sync.WaitGroup
	frames := make([][2][]byte, flows)
	for i := range frames {
		there, back := client(ack, 1, 1, 0), server(ack, 1, 1, 0)
		there.src = flowAddr(uint16(i))
		back.dst = there.src
		frames[i] = [2][]byte{there.frame(), back.frame()}
	}
	meet := newBarrier(2)
	for side := range 2 {
		wg.Go(func() {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			for i := range frames {
				meet.wait(i)
				if _, err := prog.Run(&ebpf.RunOptions{Data: frames[i][side]}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if diff := cmp.Diff(counters{"COUNTED": {Packets: 2 * flows, Bytes: 2 * flows * 40}}, k.moved()); diff != "" {
		t.Errorf("counters (-want +got):\n%s", diff)
	}
}

// barrier lets its parties go on together, as close in time as spinning gets.
type barrier struct {
	parties int64
	arrived atomic.Int64
}

func newBarrier(parties int64) *barrier { return &barrier{parties: parties} }

func (b *barrier) wait(round int) {
	b.arrived.Add(1)
	for b.arrived.Load() < b.parties*int64(round+1) {
		runtime.Gosched()
	}
}

// Two CPUs that want a chunk at the same moment both get one, while there are any.
func TestTwoCPUsTakeChunksAtOnce(t *testing.T) {
	k := newKernel(t, build{budget: 2048, ring: 128 << 10})
	const rounds = 300
	each := k.layout.Chunks/2 - 2 // one that it has, one of luck
	records := each * k.layout.Last() / 288
	var frames [2][]byte
	for side := range frames {
		s := client(push, 1, 1, 200)
		s.src = flowAddr(uint16(side))
		frames[side] = s.frame()
	}
	for range rounds {
		var wg sync.WaitGroup
		for _, frame := range frames {
			wg.Go(func() {
				runtime.LockOSThread()
				defer runtime.UnlockOSThread()
				if _, err := k.ingress().prog.Run(&ebpf.RunOptions{Data: frame, Repeat: uint32(records)}); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		k.records()
		if moved := k.moved(); moved["RING_FULL"].Packets > 0 {
			t.Fatalf("%d packets found no room in a ring of %d chunks, for %d records of each CPU: %+v", moved["RING_FULL"].Packets, k.layout.Chunks, records, moved)
		}
	}
}
