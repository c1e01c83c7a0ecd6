package bpf_test

import (
	"math"
	"runtime"
	"sync"
	"testing"
	"unsafe"

	"github.com/cilium/ebpf"
	"github.com/google/go-cmp/cmp"

	"gortap/bpf"
	"gortap/internal/flow"
)

// What a lock's low bits say.
const (
	free  = uint32(bpf.CaptureLockStateLOCK_FREE)
	taken = uint32(bpf.CaptureLockStateLOCK_TAKEN)
	ended = uint32(bpf.CaptureLockStateLOCK_ENDED)
)

// freeLock is the lock of a flow's direction that nobody has.
func freeLock(key flow.Key) uint64 { return uint64(key.Hash())<<32 | uint64(free) }

func lockState(f *bpf.CaptureFlow, dir flow.Dir) uint32 { return uint32(f.Dirs[dir].Lock) }

// lastNs is when the flow's last packet came.
func lastNs(f *bpf.CaptureFlow) uint64 { return max(f.Dirs[0].LastNs, f.Dirs[1].LastNs) }

// setLocks changes what the only flow's locks say.
func (k *kernel) setLocks(states [2]uint32) {
	k.t.Helper()
	f, key := k.flow(), theKey()
	for i, state := range states {
		f.Dirs[i].Lock = f.Dirs[i].Lock>>32<<32 | uint64(state)
	}
	if err := k.Flows.Update(&key, &f, ebpf.UpdateExist); err != nil {
		k.t.Fatal(err)
	}
}

// The other direction is on another CPU, and so is its cache line: data in order and
// bare acknowledgements, of which nearly all traffic is, write one line only.
func TestUsualPacketsWriteTheLineOfTheirDirection(t *testing.T) {
	const line = 64
	var f bpf.CaptureFlow
	at, size, rare := unsafe.Offsetof(f.Dirs), unsafe.Sizeof(f.Dirs[0]), unsafe.Offsetof(f.Dirs[0].Rare)
	if at != line/2 || size != 2*line || rare != line {
		t.Fatalf("directions of %d bytes begin at %d, what is rare after %d", size, at, rare)
	}
	for name, budget := range map[string]uint32{"heads": 2048, "all": 0} {
		t.Run(name, func(t *testing.T) {
			k := newKernel(t, build{budget: budget})
			for _, s := range opened(client(push, 1001, 5001, 100), server(ack, 5001, 1101, 1000)) {
				k.show(k.ingress(), s.frame(), 0)
			}
			for i, s := range []segment{
				server(push, 6001, 1101, 1000), client(ack, 1101, 7001, 0), client(push, 1101, 7001, 200),
				server(ack, 7001, 1301, 0), server(push, 7001, 1301, 3000), client(push, 1301, 10_001, 50),
			} {
				before := k.flow()
				k.show(k.ingress(), s.frame(), 0)
				after := k.flow()
				_, dir := flow.NewKey(s.src, s.dst, 0)
				if after.Dirs[dir].Packets != before.Dirs[dir].Packets+1 {
					t.Errorf("packet %d is not counted", i)
				}
				rare := after.Dirs[dir].Rare
				after.Dirs[dir] = before.Dirs[dir]
				after.Dirs[dir].Rare = rare
				if diff := cmp.Diff(before, after); diff != "" {
					t.Errorf("packet %d changed more than its direction (-before +after):\n%s", i, diff)
				}
			}
		})
	}
}

// A packet does not wait for ever: it is lost, and says so. The lock that it had by
// then is free again.
func TestPacketDoesNotWaitForEver(t *testing.T) {
	k := newKernel(t, build{budget: 2048})
	for _, tc := range []struct {
		name   string
		locks  [2]uint32 // of the server's direction, of the client's
		packet segment
		want   string
	}{
		{"own direction", [2]uint32{free, taken}, client(push, 1001, 5001, 10), "CONTENDED"},
		{"the other direction", [2]uint32{taken, free}, client(push, 1001, 5001, 10), "EMITTED"},
		{"the other direction, at the end", [2]uint32{taken, free}, client(fin, 1001, 5001, 10), "CONTENDED"},
		{"the second of both", [2]uint32{free, taken}, server(rst, 5001, 1001, 10), "CONTENDED"},
		{"a flow that ends", [2]uint32{ended, ended}, client(push, 1001, 5001, 10), "EVICTING"},
		{"half of which has ended", [2]uint32{ended, free}, client(fin, 1001, 5001, 10), "EVICTING"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			k.t = t
			k.reset()
			for _, s := range handshake() {
				k.show(k.ingress(), s.frame(), 0)
			}
			k.setLocks(tc.locks)
			k.moved()
			before := k.flow()
			k.show(k.ingress(), tc.packet.frame(), 0)
			if diff := cmp.Diff(counters{tc.want: {Packets: 1, Bytes: 50}}, k.moved()); diff != "" {
				t.Errorf("counters (-want +got):\n%s", diff)
			}
			after := k.flow()
			if tc.want != "EMITTED" {
				if diff := cmp.Diff(before, after); diff != "" {
					t.Errorf("flow (-before +after):\n%s", diff)
				}
			}
			if got := [2]uint32{lockState(&after, 0), lockState(&after, 1)}; got != tc.locks {
				t.Errorf("the locks are %v, were %v", got, tc.locks)
			}
		})
	}
}

// A flow that a packet is at work on is not idle: it stays, and takes packets on.
func TestFlowWithATakenLockIsNotEvicted(t *testing.T) {
	k := newKernel(t, build{budget: 2048})
	for _, locks := range [][2]uint32{{taken, free}, {free, taken}, {taken, taken}} {
		k.reset()
		for _, s := range handshake() {
			k.show(k.ingress(), s.frame(), 0)
		}
		k.records()
		k.setLocks(locks)
		if n := k.evict(math.MaxUint64, theKey()); n != 0 {
			t.Errorf("locks %v: evicted", locks)
		}
		f := k.flow()
		if got := [2]uint32{lockState(&f, 0), lockState(&f, 1)}; got != locks {
			t.Errorf("the locks are %v, were %v", got, locks)
		}
		if n := len(k.records()); n > 0 {
			t.Errorf("locks %v: %d records of a flow that lives", locks, n)
		}
		k.setLocks([2]uint32{free, free})
		if n := k.evict(math.MaxUint64, theKey()); n != 1 {
			t.Errorf("after locks %v: evicted %d flows, want 1", locks, n)
		}
	}
}

// Two CPUs show packets of one direction, and two those of both, among them what takes
// both locks; a third one changes depths and evicts. Each packet is in the totals of
// one flow, or lost and counted as such.
func TestEveryPacketIsInTheTotalsOfOneFlow(t *testing.T) {
	for name, sides := range map[string][2][]segment{
		"one direction": {{client(ack, 1, 1, 0)}, {client(ack, 1, 1, 0)}},
		"two directions": {
			{client(ack, 1, 1, 0), client(ack, 1, 1, 10), client(fin, 1, 1, 0), client(rst, 1, 1, 0)},
			{server(ack, 1, 1, 0), server(ack, 1, 1, 10), server(syn, 0, 1, 0)},
		},
	} {
		t.Run(name, func(t *testing.T) {
			k := newKernel(t, build{budget: 2048, ring: 16 << 20})
			const rounds, repeat = 400, 200
			var wg sync.WaitGroup
			for _, side := range sides {
				wg.Go(func() {
					runtime.LockOSThread()
					defer runtime.UnlockOSThread()
					for n := range rounds {
						frame := side[n%len(side)].frame()
						if _, err := k.ingress().prog.Run(&ebpf.RunOptions{Data: frame, Repeat: repeat}); err != nil {
							t.Error(err)
							return
						}
					}
				})
			}
			sent := make(chan struct{})
			go func() { wg.Wait(); close(sent) }()
			var told bpf.CaptureCounter
			hear := func() {
				for _, r := range k.records() {
					if r.End == nil {
						continue
					}
					for _, d := range r.End.Dirs {
						told.Packets += d.Packets
						told.Bytes += d.Bytes
					}
				}
			}
			for going := true; going; {
				select {
				case <-sent:
					going = false
				default:
				}
				k.setDepth(flow.DepthNone, theKey())
				k.evict(math.MaxUint64, theKey())
				hear()
			}
			k.evict(math.MaxUint64, theKey())
			hear()
			booked := bpf.CaptureCounter{}
			moved := k.moved()
			for outcome, n := range moved {
				if outcome != "EVICTING" && outcome != "CONTENDED" {
					booked.Packets += n.Packets
					booked.Bytes += n.Bytes
				}
			}
			if told != booked {
				t.Errorf("flows tell of %+v, counted are %+v: %+v", told, booked, moved)
			}
			if booked.Packets < rounds {
				t.Errorf("hardly any packet met a flow: %+v", moved)
			}
		})
	}
}
