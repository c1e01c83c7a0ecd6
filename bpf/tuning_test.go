package bpf_test

import (
	"math"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/google/go-cmp/cmp"

	"gortap/internal/flow"
)

// tune changes a setting while the programs run, and back when the test ends.
func (k *kernel) tune(v *ebpf.Variable, value uint32) {
	k.t.Helper()
	var before uint32
	if err := v.Get(&before); err != nil {
		k.t.Fatal(err)
	}
	if err := v.Set(value); err != nil {
		k.t.Fatal(err)
	}
	k.t.Cleanup(func() {
		if err := v.Set(before); err != nil {
			k.t.Error(err)
		}
	})
}

// A replay wants all of the requests and the heads of the answers; who asks is told
// by the SYN, and without one it may be either.
func TestBudgetsGoByRole(t *testing.T) {
	const request, response, n = 900, 300, 1200
	k := newKernel(t, build{budget: request, response: response})
	for name, tc := range map[string]struct {
		opening        []segment
		client, server int
	}{
		"the client opened": {[]segment{client(syn, 0, 0, 0)}, request, response},
		"only the answer":   {[]segment{server(synAck, 0, 1, 0)}, request, response},
		"the server opened": {[]segment{server(syn, 0, 0, 0)}, response, request},
		"nobody knows":      {nil, request, request},
	} {
		t.Run(name, func(t *testing.T) {
			k.t = t
			k.reset()
			for _, s := range tc.opening {
				k.show(k.ingress(), s.frame(), 0)
			}
			k.records()
			k.show(k.ingress(), client(ack, 1, 1, n).frame(), 0)
			k.show(k.ingress(), server(ack, 1, n+1, n).frame(), 0)
			var got []int
			for _, r := range k.records() {
				got = append(got, len(r.Data))
			}
			if diff := cmp.Diff([]int{tc.client, tc.server}, got); diff != "" {
				t.Errorf("copied of client and server (-want +got):\n%s", diff)
			}
		})
	}
}

// One direction whole, the other not: and both where the client pipelines.
func TestAllOfOneDirection(t *testing.T) {
	const response = 300
	k := newKernel(t, build{response: response})
	show := func(s segment) int {
		k.t.Helper()
		k.records()
		k.show(k.ingress(), s.frame(), 0)
		n := 0
		for _, r := range k.records() {
			n += len(r.Data)
		}
		return n
	}
	show(client(syn, 0, 0, 0))
	for i, want := range []struct {
		segment
		copied int
	}{
		{client(ack, 1, 1, 3000), 3000},
		{client(push, 3001, 1, 3000), 3000},
		{server(ack, 1, 6001, 1000), response},
		{server(ack, 1001, 6001, 1000), 0},
		{segment{seq: 6001, ack: 1001, flags: push, payload: []byte("GET /next HTTP/1.1\r\n\r\n")}, 22},
		{server(ack, 2001, 6001, 1000), 1000},
	} {
		if got := show(want.segment); got != want.copied {
			t.Errorf("segment %d: copied %d bytes, want %d", i, got, want.copied)
		}
	}
}

// What is copied can be changed at any time, for connections that are open too.
func TestBudgetChangesOnTheWay(t *testing.T) {
	k := newKernel(t, build{budget: 500})
	show := func(seq uint32) int {
		k.show(k.ingress(), client(ack, seq, 1, 1000).frame(), 0)
		return len(k.records()[0].Data)
	}
	k.show(k.ingress(), client(syn, 0, 0, 0).frame(), 0)
	k.records()
	got := []int{show(1)}
	k.tune(k.CfgRequestBudget, 1800)
	got = append(got, show(1001))
	k.tune(k.CfgRequestBudget, copyAll)
	got = append(got, show(2001))
	k.tune(k.CfgResponseBudget, copyAll)
	got = append(got, show(3001))
	if diff := cmp.Diff([]int{500, 800, 1000, 1000}, got); diff != "" {
		t.Errorf("copied (-want +got):\n%s", diff)
	}
}

// Of a connection that is not in the sample everything is counted and nothing told,
// whatever its depth; that does not change while it lives, nor for those that are in it.
func TestSampleTakesWholeConnections(t *testing.T) {
	for name, budget := range map[string]uint32{"heads": 2048, "all": 0} {
		t.Run(name, func(t *testing.T) {
			k := newKernel(t, build{budget: budget})
			talk := opened(client(push, 1001, 5001, 100), server(push, 5001, 1101, 300), client(fin, 1101, 5301, 0))
			k.tune(k.CfgSample, 0)
			for i, s := range talk {
				k.show(k.ingress(), s.frame(), 0)
				if i == 2 {
					k.tune(k.CfgSample, copyAll)
					k.setDepth(flow.DepthAll, theKey())
				}
			}
			if n := len(k.records()); n > 0 {
				t.Errorf("%d records of a connection that is not in the sample", n)
			}
			bytes := uint64(len(talk)*40 + 400)
			if diff := cmp.Diff(counters{"COUNTED": {Packets: uint64(len(talk)), Bytes: bytes}}, k.moved()); diff != "" {
				t.Errorf("counters (-want +got):\n%s", diff)
			}
			k.evict(math.MaxUint64, theKey())
			end := k.records()[0].End
			if end.Unsampled != 1 || end.Dirs[flow.FromB].Payload != 100 || end.Dirs[flow.FromA].Payload != 300 {
				t.Errorf("end %+v, want unsampled with 100 and 300 bytes", end)
			}

			k.show(k.ingress(), talk[0].frame(), 0)
			k.tune(k.CfgSample, 0)
			for _, s := range talk[1:] {
				k.show(k.ingress(), s.frame(), 0)
			}
			told := k.records()
			if last := told[len(told)-1].Event; flow.Flags(last.Flags) != fin {
				t.Errorf("the last record is %+v, want the end of a connection that is in the sample", last)
			}
		})
	}
}

// The sample is of the size that was asked for, in every shard.
func TestSampleIsAShareOfTheConnections(t *testing.T) {
	const flows, shards = 4000, 4
	k := newKernel(t, build{budget: 2048, shards: shards})
	k.tune(k.CfgSample, copyAll/4)
	for port := range uint16(flows) {
		s := client4SYN()
		s.src = flowAddr(port)
		k.show(k.ingress(), s.frame(), 0)
	}
	var told [shards]int
	for _, r := range k.records() {
		told[r.Shard]++
	}
	for shard, n := range told {
		if n < flows/shards/4*7/10 || n > flows/shards/4*13/10 {
			t.Errorf("shard %d tells of %d connections, want about %d: %v", shard, n, flows/shards/4, told)
		}
	}
}
