package bpf_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/vishvananda/netlink"

	"gortap/internal/flow"
	"gortap/internal/testutil"
)

// place is a hook of an interface, where a packet shows up.
type place struct {
	hook    hook
	ifindex int
}

// inHost runs a test where there are interfaces to show packets on, loopback and
// two more, and gives it their hooks in the order of a packet's way.
func inHost(t *testing.T, k *kernel, test func(way []place)) {
	t.Helper()
	host := testutil.Namespace(t)
	err := host.Do(func() error {
		veth := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "pod"}, PeerName: "nic"}
		if err := netlink.LinkAdd(veth); err != nil {
			return fmt.Errorf("add veth: %w", err)
		}
		var way []place
		hooks := k.hooks()
		for _, name := range []string{"pod", "nic"} {
			link, err := netlink.LinkByName(name)
			if err != nil {
				return fmt.Errorf("find %s: %w", name, err)
			}
			in, out := hooks[0], hooks[1]
			way = append(way, place{in, link.Attrs().Index}, place{out, link.Attrs().Index})
		}
		test(way)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func (k *kernel) showAt(p place, s segment) { k.show(p.hook, s.frame(), p.ifindex) }

// A packet that passes several interfaces, in and out, is one packet.
func TestPacketSeenOnSeveralHooksCountsOnce(t *testing.T) {
	k := newKernel(t, build{budget: 2048})
	inHost(t, k, func(way []place) {
		conversation := opened(
			client(push, 1001, 5001, 100), server(ack, 5001, 1101, 0), server(push, 5001, 1101, 300),
			client(push, 1001, 5001, 100), client(ack, 1101, 5301, 0),
			client(fin, 1101, 5301, 0), server(fin, 5301, 1102, 0), client(ack, 1102, 5302, 0))
		bytes := uint64(0)
		for _, s := range conversation {
			bytes += uint64(len(s.frame()) - etherLen)
			for i := range way {
				p := way[i]
				if s.src == server4 {
					p = way[len(way)-1-i] // the answer comes the other way
				}
				k.showAt(p, s)
			}
		}
		n := uint64(len(conversation))
		f := k.flow()
		if got := f.Dirs[0].Packets + f.Dirs[1].Packets; got != n {
			t.Errorf("the flow has %d packets, want %d", got, n)
		}
		if got := f.Dirs[0].Bytes + f.Dirs[1].Bytes; got != bytes {
			t.Errorf("the flow has %d bytes, want %d", got, bytes)
		}
		if d := k.clientDir(); d.payload != 100 || d.retrans != 100 {
			t.Errorf("payload %d, again %d, want 100 and 100", d.payload, d.retrans)
		}
		moved := k.moved()
		if got := moved["DUPLICATE"].Packets; got != 3*n {
			t.Errorf("%d duplicates, want %d", got, 3*n)
		}
		if got := moved["EMITTED"].Packets + moved["COUNTED"].Packets; got != n {
			t.Errorf("%d packets told or counted, want %d", got, n)
		}
		if got, want := uint64(len(k.records())), moved["EMITTED"].Packets; got != want {
			t.Errorf("%d records of %d packets", got, want)
		}
	})
}

// One interface shows large packets (GSO), the next what was cut from them.
func TestSegmentsOfALargePacketAreDuplicates(t *testing.T) {
	k := newKernel(t, build{budget: 0})
	inHost(t, k, func(way []place) {
		k.showAt(way[0], client(ack, 1, 1, 3000))
		for at := uint32(0); at < 3000; at += 1000 {
			k.showAt(way[1], client(ack, 1+at, 1, 1000))
		}
		k.showAt(way[2], client(ack, 1, 1, 3000)) // put together again (GRO)
		if d := k.clientDir(); d.payload != 3000 || d.retrans != 0 {
			t.Errorf("payload %d, again %d, want 3000 and 0", d.payload, d.retrans)
		}
		want := counters{"EMITTED": {Packets: 1, Bytes: 3040}, "DUPLICATE": {Packets: 4, Bytes: 3*1040 + 3040}}
		if diff := cmp.Diff(want, k.moved()); diff != "" {
			t.Errorf("counters (-want +got):\n%s", diff)
		}
	})
}

// What only another hook shows moves the direction there: the old one has gone
// quiet. What it shows again does not.
func TestDirectionMovesWithItsTraffic(t *testing.T) {
	k := newKernel(t, build{budget: 2048})
	inHost(t, k, func(way []place) {
		for _, tc := range []struct {
			name  string
			after segment // the client's, on another hook
			want  string
		}{
			{"acknowledgement of more", client(ack, 1101, 5002, 0), "COUNTED"},
			{"the same acknowledgement", client(ack, 1101, 5001, 0), "DUPLICATE"},
			{"older acknowledgement", client(ack, 1101, 5000, 0), "DUPLICATE"},
			{"end", client(fin, 1101, 5001, 0), "EMITTED"},
			{"reset", client(rst, 1101, 0, 0), "EMITTED"},
			{"new connection", client(syn, 9000, 0, 0), "EMITTED"},
		} {
			t.Run(tc.name, func(t *testing.T) {
				k.t = t
				k.reset()
				k.showAt(way[0], client(push, 1001, 5001, 100))
				k.showAt(way[2], tc.after)
				k.showAt(way[1], tc.after)
				want := counters{}
				want.add("EMITTED", 140)
				want.add(tc.want, 40)
				want.add("DUPLICATE", 40)
				if diff := cmp.Diff(want, k.moved()); diff != "" {
					t.Errorf("counters (-want +got):\n%s", diff)
				}
			})
		}
	})
	k.t = t
	inHost(t, k, func(way []place) {
		k.reset()
		k.showAt(way[0], client(push, 1001, 5001, 100))
		k.showAt(way[1], client(push, 1001, 5001, 100)) // duplicate
		k.showAt(way[1], client(push, 1101, 5001, 100)) // it moves
		k.showAt(way[0], client(push, 1101, 5001, 100)) // now this is the duplicate
		k.showAt(way[1], client(push, 1101, 5001, 100)) // really sent again
		k.showAt(way[0], client(push, 1201, 5001, 100)) // and back
		if d := k.clientDir(); d.payload != 300 || d.retrans != 100 {
			t.Errorf("payload %d, again %d, want 300 and 100", d.payload, d.retrans)
		}
		if got := k.moved()["DUPLICATE"].Packets; got != 2 {
			t.Errorf("%d duplicates, want 2", got)
		}
	})
}

// What the connection before on these ports acknowledged says nothing of this one.
func TestDirectionMovesInTheNextConnectionToo(t *testing.T) {
	k := newKernel(t, build{budget: 2048})
	inHost(t, k, func(way []place) {
		for _, s := range opened(client(push, 1001, 5001, 100), client(ack, 1101, 5501, 0)) {
			k.showAt(way[0], s)
		}
		for _, s := range []segment{client(syn, 900, 0, 0), server(synAck, 4000, 901, 0), client(ack, 901, 4001, 0)} {
			k.showAt(way[0], s)
		}
		k.moved()
		k.showAt(way[2], client(ack, 901, 4001, 0))
		k.showAt(way[2], client(ack, 901, 4100, 0))
		want := counters{"DUPLICATE": {Packets: 1, Bytes: 40}, "COUNTED": {Packets: 1, Bytes: 40}}
		if diff := cmp.Diff(want, k.moved()); diff != "" {
			t.Errorf("counters (-want +got):\n%s", diff)
		}
	})
}

// However far the second interface lags behind, the counts are those of the first.
func TestLagOfTheSecondHookChangesNothing(t *testing.T) {
	k := newKernel(t, build{budget: 2048})
	inHost(t, k, func(way []place) {
		for seed := range uint64(30) {
			r := rand.New(rand.NewPCG(seed, 3))
			n := 1 + r.IntN(3000)
			model := &stream{seen: make([]bool, n)}
			sent := deal(r, n, 3)
			isn := r.Uint32()
			k.reset()
			k.showAt(way[0], client(syn, isn, 0, 0))
			second := 0
			show := func(p place, i int) {
				k.showAt(p, client(ack, isn+1+uint32(sent[i].from), 1, sent[i].to-sent[i].from))
			}
			for i, p := range sent {
				show(way[0], i)
				model.send(p)
				for ; second <= i && r.IntN(3) > 0; second++ {
					show(way[3], second)
				}
			}
			if model.holes > 0 || model.bytes[fresh] != uint64(n) {
				t.Fatalf("seed %d: the model says %+v", seed, model)
			}
			want := dirCount{payload: model.bytes[fresh], retrans: model.bytes[again]}
			if got := k.clientDir(); got != want {
				t.Errorf("seed %d: %+v, want %+v", seed, got, want)
			}
			moved := k.moved()
			if got := moved["EMITTED"].Packets; got != uint64(len(sent)+1) {
				t.Errorf("seed %d: %d packets told, want %d", seed, got, len(sent)+1)
			}
			if got := moved["DUPLICATE"].Packets; got != uint64(second) {
				t.Errorf("seed %d: %d duplicates, want %d", seed, got, second)
			}
		}
	})
}

// The hooks of one interface are different places, and so are XDP and tc: flows
// remember interface and direction.
func TestFlowRemembersTheHookThatCounts(t *testing.T) {
	k := newKernel(t, build{budget: 2048})
	inHost(t, k, func(way []place) {
		for _, p := range way {
			k.reset()
			k.showAt(p, client(push, 1, 1, 10))
			egress := uint32(0)
			if p.hook.prog == k.TcL2Egress {
				egress = 1
			}
			if got, want := k.flow().Dirs[flow.FromB].Owner, uint32(p.ifindex)<<1|egress; got != want {
				t.Errorf("%s on interface %d: owner %d, want %d", p.hook.name, p.ifindex, got, want)
			}
		}
	})
}
