package bpf_test

import (
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gortap/internal/flow"
)

// marked is a packet, and whether it carries the mark of a replay.
type marked struct {
	segment
	mark bool
}

// A connection whose first packet carries the mark is none of ours, and leaves
// nothing behind; any other mark, or the same one later, means nothing.
func TestReplaysAreIgnored(t *testing.T) {
	k := newKernel(t, build{budget: 2048})
	talk := []segment{
		client(syn, 1000, 0, 0), server(synAck, 5000, 1001, 0), client(push, 1001, 5001, 100),
		server(push, 5001, 1101, 300), client(fin, 1101, 5301, 0), server(fin, 5301, 1102, 0),
	}
	const bytes = 6*40 + 400
	for name, tc := range map[string]struct {
		marks   [6]uint32
		ignored bool
	}{
		"client marks":           {[6]uint32{flow.ReplayMark, 0, flow.ReplayMark, 0, flow.ReplayMark, 0}, true},
		"mark on the first only": {[6]uint32{flow.ReplayMark}, true},
		"no mark":                {},
		"another mark":           {marks: [6]uint32{1, 0, 1, 0, 1, 0}},
		"mark later":             {marks: [6]uint32{0, 0, flow.ReplayMark}},
	} {
		t.Run(name, func(t *testing.T) {
			k.t = t
			k.reset()
			for i, s := range talk {
				k.showMarked(k.ingress(), s.frame(), 0, tc.marks[i])
			}
			want := counters{"EMITTED": {Packets: 6, Bytes: bytes}}
			if tc.ignored {
				want = counters{"REPLAY": {Packets: 6, Bytes: bytes}}
			}
			if diff := cmp.Diff(want, k.moved()); diff != "" {
				t.Errorf("counters (-want +got):\n%s", diff)
			}
			f := k.flow()
			if f.Closed == 0 || (f.Replay != 0) != tc.ignored {
				t.Errorf("closed %d, replay %d", f.Closed, f.Replay)
			}
			if n := k.evict(math.MaxUint64, theKey()); n != 1 || len(k.flows()) > 0 {
				t.Errorf("evicted %d flows, want 1", n)
			}
			if got := len(k.records()); got > 0 == tc.ignored {
				t.Errorf("%d records, its end among them", got)
			}
		})
	}
}

// Each connection on a four-tuple is looked at by itself.
func TestPortsOfAReplayAreUsedAgain(t *testing.T) {
	k := newKernel(t, build{budget: 2048})
	replay := []marked{{client(syn, 9000, 0, 0), true}, {client(push, 9001, 1, 10), true}}
	again := []marked{{client(syn, 9000, 0, 0), false}, {client(push, 9011, 1, 10), false}}
	other := []marked{{client(syn, 1000, 0, 0), false}, {client(push, 1001, 1, 20), false}}
	ends := []marked{{client(rst, 9011, 1, 0), true}}
	replayed := func(n, bytes uint64) counters { return counters{"REPLAY": {Packets: n, Bytes: bytes}} }
	for name, tc := range map[string]struct {
		packets []marked
		want    counters
	}{
		"a replay, then another": {
			append(append(append([]marked{}, replay...), ends...), other...),
			counters{"REPLAY": {Packets: 3, Bytes: 130}, "EMITTED": {Packets: 2, Bytes: 100}},
		},
		"another, then a replay": {
			append(append([]marked{}, other...), replay...),
			counters{"REPLAY": {Packets: 2, Bytes: 90}, "EMITTED": {Packets: 2, Bytes: 100}},
		},
		"the SYN again, without its mark": {append(append([]marked{}, replay...), again...), replayed(4, 180)},
	} {
		t.Run(name, func(t *testing.T) {
			k.t = t
			k.reset()
			for _, p := range tc.packets {
				mark := uint32(0)
				if p.mark {
					mark = flow.ReplayMark
				}
				k.showMarked(k.ingress(), p.frame(), 0, mark)
			}
			if diff := cmp.Diff(tc.want, k.moved()); diff != "" {
				t.Errorf("counters (-want +got):\n%s", diff)
			}
			if told := k.evictedPackets(); told != tc.want["EMITTED"].Packets {
				t.Errorf("the end tells of %d packets, want %d", told, tc.want["EMITTED"].Packets)
			}
		})
	}
}

// evictedPackets ends the flow and returns what it said of the client's packets.
func (k *kernel) evictedPackets() uint64 {
	k.t.Helper()
	k.evict(math.MaxUint64, theKey())
	records := k.records()
	if len(records) == 0 || records[len(records)-1].End == nil {
		return 0
	}
	return records[len(records)-1].End.Dirs[flow.FromB].Packets
}

// A replay needs no room in a ring to be forgotten.
func TestReplayIsForgottenThoughTheRingIsFull(t *testing.T) {
	k := newKernel(t, build{budget: 2048})
	k.room(0)
	k.showMarked(k.ingress(), client4SYN().frame(), 0, flow.ReplayMark)
	f := k.flow()
	if n := k.evict(lastNs(&f), theKey()); n != 0 {
		t.Errorf("evicted %d flows that are not idle", n)
	}
	if n := k.evict(math.MaxUint64, theKey()); n != 1 {
		t.Errorf("evicted %d flows, want 1", n)
	}
}

// Where the SYN was before the capture, the first packet that is seen tells.
func TestReplayIsKnownFromTheMiddle(t *testing.T) {
	k := newKernel(t, build{budget: 2048})
	k.showMarked(k.ingress(), client(push, 1001, 5001, 100).frame(), 0, flow.ReplayMark)
	k.show(k.ingress(), server(push, 5001, 1101, 300).frame(), 0)
	if diff := cmp.Diff(counters{"REPLAY": {Packets: 2, Bytes: 480}}, k.moved()); diff != "" {
		t.Errorf("counters (-want +got):\n%s", diff)
	}
}

// A replay is over when both ends say so, each time anew.
func TestEachReplayOnTheSamePortsEnds(t *testing.T) {
	k := newKernel(t, build{budget: 2048})
	for i := range uint32(2) {
		isn := i * 10_000
		for _, step := range []struct {
			segment
			closed uint8
		}{
			{client(syn, isn, 0, 0), 0},
			{client(fin, isn+1, 1, 0), 0},
			{server(fin, 1, isn+2, 0), 1},
		} {
			k.showMarked(k.ingress(), step.frame(), 0, flow.ReplayMark)
			if got := k.flow().Closed; got != step.closed {
				t.Errorf("replay %d, %v: closed is %d, want %d", i, step.flags, got, step.closed)
			}
		}
	}
}
