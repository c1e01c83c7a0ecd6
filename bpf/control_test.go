package bpf_test

import (
	"bytes"
	"encoding/binary"
	"math"
	"testing"
	"unsafe"

	"github.com/cilium/ebpf"
	"github.com/google/go-cmp/cmp"

	"gortap/bpf"
	"gortap/internal/flow"
)

// command runs the control program and returns how many flows it changed.
func (k *kernel) command(c bpf.CaptureControlInput) int {
	k.t.Helper()
	var b bytes.Buffer
	if err := binary.Write(&b, binary.LittleEndian, c); err != nil {
		k.t.Fatal(err)
	}
	n, err := k.Control.Run(&ebpf.RunOptions{Data: b.Bytes()})
	if err != nil {
		k.t.Fatal(err)
	}
	return int(n)
}

func (k *kernel) evict(idleBefore uint64, keys ...bpf.CaptureFlowKey) int {
	k.t.Helper()
	c := bpf.CaptureControlInput{
		Command: uint8(bpf.CaptureCommandCMD_EVICT), IdleBefore: idleBefore, Count: uint16(len(keys)),
	}
	copy(c.Keys[:], keys)
	return k.command(c)
}

func (k *kernel) setDepth(d flow.Depth, keys ...bpf.CaptureFlowKey) int {
	k.t.Helper()
	c := bpf.CaptureControlInput{
		Command: uint8(bpf.CaptureCommandCMD_SET_DEPTH), Depth: uint8(d), Count: uint16(len(keys)),
	}
	copy(c.Keys[:], keys)
	return k.command(c)
}

// theKey is the key of the connection between client4 and server4.
func theKey() bpf.CaptureFlowKey {
	key, _ := flow.NewKey(client4, server4, 0)
	return kernelKey(key)
}

func TestEvictedFlowSaysItsTotalsLast(t *testing.T) {
	k := newKernel(t, build{budget: 2048})
	for _, s := range opened(client(push, 1001, 5001, 100), client(push, 1001, 5001, 100), server(push, 5001, 1101, 300)) {
		k.show(k.ingress(), s.frame(), 0)
	}
	f := k.flow()
	before := monotonic(t)
	if n := k.evict(math.MaxUint64, theKey()); n != 1 {
		t.Errorf("evicted %d flows, want 1", n)
	}
	records := k.records()
	end := records[len(records)-1].End
	if end == nil {
		t.Fatalf("the last record is %+v, want the flow's end", records[len(records)-1])
	}
	want := bpf.CaptureFlowEnd{
		Size: uint32(unsafe.Sizeof(bpf.CaptureFlowEnd{})),
		TsNs: end.TsNs, Type: uint8(bpf.CaptureEventTypeEVENT_FLOW_END), Key: theKey(),
		Opener: uint8(flow.FromB), OpenerKnown: 1, FirstNs: f.FirstNs, LastNs: lastNs(&f),
	}
	server, client := &want.Dirs[flow.FromA], &want.Dirs[flow.FromB]
	server.Packets, server.Bytes, server.Payload = 2, 2*40+300, 300
	client.Packets, client.Bytes, client.Payload, client.Retrans = 4, 4*40+200, 100, 100
	if diff := cmp.Diff(want, *end); diff != "" {
		t.Errorf("end (-want +got):\n%s", diff)
	}
	if end.TsNs < before || end.FirstNs == 0 || end.FirstNs > end.LastNs {
		t.Errorf("evicted at %d, after %d; first %d, last %d", end.TsNs, before, end.FirstNs, end.LastNs)
	}
	if n := len(k.flows()); n != 0 {
		t.Errorf("%d flows are left", n)
	}
	if n := k.evict(math.MaxUint64, theKey()); n != 0 || len(k.records()) > 0 {
		t.Errorf("a flow that is gone was evicted again")
	}

	k.show(k.ingress(), client4SYN().frame(), 0)
	if d := k.flow().Dirs[flow.FromB]; d.Packets != 1 {
		t.Errorf("the next flow begins with %d packets, want 1", d.Packets)
	}
}

func client4SYN() segment { return client(syn, 1000, 0, 0) }

// What had a packet since the decision to evict it stays.
func TestOnlyIdleFlowsAreEvicted(t *testing.T) {
	k := newKernel(t, build{budget: 2048})
	k.show(k.ingress(), client4SYN().frame(), 0)
	f := k.flow()
	last := lastNs(&f)
	k.records()
	for _, idleBefore := range []uint64{0, last - 1, last} {
		if n := k.evict(idleBefore, theKey()); n != 0 {
			t.Errorf("idle before %d evicted a flow with a packet at %d", idleBefore, last)
		}
		if n := k.rings[0].Pending(); n != 0 {
			t.Errorf("a flow that is not evicted took %d bytes of the ring", n)
		}
	}
	k.show(k.ingress(), client(push, 1001, 1, 10).frame(), 0)
	if n := k.evict(last+1, theKey()); n != 0 {
		t.Error("evicted a flow that is in use again")
	}
	if got := k.moved(); got["EMITTED"].Packets != 2 || len(got) != 1 {
		t.Errorf("counters %+v, want 2 packets told", got)
	}
	f = k.flow()
	if n := k.evict(lastNs(&f)+1, theKey()); n != 1 {
		t.Errorf("evicted %d idle flows, want 1", n)
	}
}

// Without room for its last word a flow lives on, and misses no packet.
func TestFlowOutlivesAFullRing(t *testing.T) {
	k := newKernel(t, build{budget: 0, ring: smallRing})
	k.room(2)
	k.show(k.ingress(), client(push, 0, 1, 3000).frame(), 0)
	for seq := uint32(3000); seq < 3200; seq++ {
		k.show(k.ingress(), client(push, seq, 1, 1).frame(), 0)
	}
	if k.moved()["RING_FULL"].Packets < 50 {
		t.Fatal("the ring is not full")
	}
	before := k.flow()
	if n := k.evict(math.MaxUint64, theKey()); n != 0 {
		t.Fatalf("evicted %d flows into a full ring", n)
	}
	if got := k.flow(); lockState(&got, 0) != free || lockState(&got, 1) != free {
		t.Error("the flow has ended")
	}
	k.moved()
	k.show(k.ingress(), client(ack, 0, 2, 0).frame(), 0)
	if got := k.moved(); got["COUNTED"].Packets != 1 {
		t.Errorf("counters %+v, want a packet counted", got)
	}
	k.records()
	if n := k.evict(math.MaxUint64, theKey()); n != 1 {
		t.Errorf("evicted %d flows once there is room, want 1", n)
	}
	want := before.Dirs[flow.FromB].Packets + 1
	if got := k.records()[0].End.Dirs[flow.FromB].Packets; got != want {
		t.Errorf("the end says %d packets, want %d", got, want)
	}
}

// A packet that meets its flow while it dies, or meets what another flow has made
// of the memory, is lost, and says so.
func TestPacketOfADyingFlowIsLost(t *testing.T) {
	k := newKernel(t, build{budget: 2048})
	for name, add := range map[string]uint64{
		"dying":      uint64(ended),
		"used again": 1 << 32, // another hash
	} {
		t.Run(name, func(t *testing.T) {
			k.t = t
			k.reset()
			k.show(k.ingress(), client4SYN().frame(), 0)
			f, key := k.flow(), theKey()
			for i := range f.Dirs {
				f.Dirs[i].Lock += add
			}
			if err := k.Flows.Update(&key, &f, ebpf.UpdateExist); err != nil {
				t.Fatal(err)
			}
			k.moved()
			k.records()
			k.show(k.ingress(), client(push, 1001, 1, 10).frame(), 0)
			if diff := cmp.Diff(counters{"EVICTING": {Packets: 1, Bytes: 50}}, k.moved()); diff != "" {
				t.Errorf("counters (-want +got):\n%s", diff)
			}
			if n := len(k.records()); n > 0 {
				t.Errorf("%d records", n)
			}
			if lockState(&f, 0) == ended && k.evict(math.MaxUint64, key) != 0 {
				t.Error("evicted twice")
			}
		})
	}
}

func TestCommandsTakeManyKeys(t *testing.T) {
	k := newKernel(t, build{budget: 2048})
	var keys []bpf.CaptureFlowKey
	for port := range uint16(len(bpf.CaptureControlInput{}.Keys)) {
		s := client4SYN()
		s.src = flowAddr(port)
		k.show(k.ingress(), s.frame(), 0)
		key, _ := flow.NewKey(s.src, s.dst, 0)
		keys = append(keys, kernelKey(key))
	}
	if n := k.setDepth(flow.DepthAll, keys...); n != len(keys) {
		t.Errorf("set the depth of %d flows, want %d", n, len(keys))
	}
	if n := k.evict(math.MaxUint64, keys[1:]...); n != len(keys)-1 {
		t.Errorf("evicted %d flows, want %d", n, len(keys)-1)
	}
	left := k.flows()
	if _, ok := left[keys[0]]; !ok || len(left) != 1 {
		t.Errorf("left are %v, want the one that was not named", left)
	}
}

// The kernel side does not trust the count, and takes no nonsense.
func TestNonsenseCommandsChangeNothing(t *testing.T) {
	k := newKernel(t, build{budget: 2048})
	k.show(k.ingress(), client4SYN().frame(), 0)
	for name, c := range map[string]bpf.CaptureControlInput{
		"no command":      {Count: 1},
		"unknown command": {Count: 1, Command: 99},
		"no keys":         {Command: uint8(bpf.CaptureCommandCMD_EVICT), IdleBefore: math.MaxUint64},
	} {
		c.Keys[0] = theKey()
		if n := k.command(c); n != 0 {
			t.Errorf("%s: changed %d flows", name, n)
		}
	}
	c := bpf.CaptureControlInput{Command: uint8(bpf.CaptureCommandCMD_EVICT), Count: math.MaxUint16, IdleBefore: math.MaxUint64}
	c.Keys[len(c.Keys)-1] = theKey()
	if n := k.command(c); n != 1 {
		t.Errorf("with a count beyond the keys: changed %d flows, want 1", n)
	}
	n, err := k.Control.Run(&ebpf.RunOptions{Data: make([]byte, 64)})
	if err != nil || n != 0 {
		t.Errorf("short input: changed %d flows, %v", n, err)
	}
}
