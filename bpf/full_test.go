package bpf_test

import (
	"testing"
	"unsafe"

	"github.com/google/go-cmp/cmp"

	"gortap/bpf"
	"gortap/internal/flow"
)

// A full ring loses the record and says so. The flow counts on, and the ring is
// good again once there is room.
func TestFullRingLosesRecordsOnly(t *testing.T) {
	k := newKernel(t, build{budget: 0, ring: smallRing})
	const chunks, perRecord = 2, int(unsafe.Sizeof(bpf.CaptureEvent{})) + 504
	k.room(chunks)
	fits := chunks * (1 + k.layout.Last()/perRecord)
	const sent, n = 20, 500
	for i := range sent {
		k.show(k.ingress(), segment{seq: uint32(i * n), flags: flow.ACK, payload: pattern(n)}.frame(), 0)
	}
	const packet = n + ipv4Len + tcpLen
	want := counters{
		"EMITTED":   {Packets: uint64(fits), Bytes: uint64(fits * packet)},
		"RING_FULL": {Packets: uint64(sent - fits), Bytes: uint64((sent - fits) * packet)},
	}
	if diff := cmp.Diff(want, k.moved()); diff != "" {
		t.Errorf("counters (-want +got):\n%s", diff)
	}
	if d := k.flow().Dirs[flow.FromB]; d.Packets != sent || d.Bytes != sent*packet || d.Payload != sent*n {
		t.Errorf("flow counts %d packets, %d bytes, %d payload, want all %d packets", d.Packets, d.Bytes, d.Payload, sent)
	}
	if got := len(k.records()); got != fits {
		t.Errorf("%d records, want %d", got, fits)
	}
	k.show(k.ingress(), segment{seq: sent * n, flags: flow.ACK, payload: pattern(n)}.frame(), 0)
	if got := len(k.records()); got != 1 {
		t.Errorf("%d records after the ring was emptied, want 1", got)
	}
}

// Where a slice does not fit, the packet is lost: the ring has a part of it, and
// nothing behind the place where it broke off.
func TestFullRingBreaksSlicesOff(t *testing.T) {
	k := newKernel(t, build{budget: 0})
	k.room(1) // for three slices
	s := segment{seq: 1, flags: flow.PSH | flow.ACK, payload: pattern(60000)}
	k.show(k.xdp(), s.frame(), 0)
	if diff := cmp.Diff(counters{"RING_FULL": {Packets: 1, Bytes: 60040}}, k.moved()); diff != "" {
		t.Errorf("counters (-want +got):\n%s", diff)
	}
	want := []piece{
		{Seq: 1, Len: slice, NetBytes: 60040, Flags: flow.ACK, Data: string(s.payload[:slice])},
		{Seq: 1 + slice, Len: slice, Flags: flow.ACK, Data: string(s.payload[slice : 2*slice])},
		{Seq: 1 + 2*slice, Len: slice, Flags: flow.ACK, Data: string(s.payload[2*slice : 3*slice])},
	}
	if diff := cmp.Diff(want, pieces(t, k.records())); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
}

// Nor is there anything behind it that would fit.
func TestFullRingTakesNoLaterSlice(t *testing.T) {
	k := newKernel(t, build{budget: 0})
	k.room(1)
	k.show(k.xdp(), segment{seq: 1, flags: flow.ACK, payload: pattern(3 * slice)}.frame(), 0)
	k.show(k.xdp(), segment{seq: 1 + 3*slice, flags: flow.ACK, payload: pattern(slice + 100)}.frame(), 0)
	if got := len(k.records()); got != 3 {
		t.Errorf("%d records, want those of the first packet alone", got)
	}
	if got := k.moved()["RING_FULL"].Packets; got != 1 {
		t.Errorf("%d packets lost, want 1", got)
	}
}

// Without any chunk a shard's packets are lost.
func TestMissingRingLosesRecords(t *testing.T) {
	k := newKernel(t, build{budget: 2048})
	k.room(0)
	k.show(k.ingress(), segment{flags: flow.SYN}.frame(), 0)
	if diff := cmp.Diff(counters{"RING_FULL": {Packets: 1, Bytes: 40}}, k.moved()); diff != "" {
		t.Errorf("counters (-want +got):\n%s", diff)
	}
}

func TestFullFlowTableLosesNewFlows(t *testing.T) {
	k := newKernel(t, build{maxFlows: 2})
	for port := range uint16(3) {
		s := theSegment()
		s.src = flowAddr(port)
		k.show(k.ingress(), s.frame(), 0)
	}
	s := theSegment()
	s.src = flowAddr(0)
	s.seq += uint32(len(s.payload))
	k.show(k.ingress(), s.frame(), 0)
	want := counters{"EMITTED": {Packets: 3, Bytes: 3 * 52}, "FLOW_TABLE_FULL": {Packets: 1, Bytes: 52}}
	if diff := cmp.Diff(want, k.moved()); diff != "" {
		t.Errorf("counters (-want +got):\n%s", diff)
	}
	if got := len(k.flows()); got != 2 {
		t.Errorf("%d flows, want 2", got)
	}
}
