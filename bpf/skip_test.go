package bpf_test

import (
	"math"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/google/go-cmp/cmp"

	"gortap/internal/flow"
)

// smallRing has the smallest chunks, few of them.
const smallRing = 4096

// fill leaves no room in the ring for any record, by the SYNs of other connections.
func (k *kernel) fill() {
	k.t.Helper()
	k.moved()
	for port := uint16(0); ; port++ {
		s := client(syn, 1000, 0, 0)
		s.src = flowAddr(1000 + port)
		k.show(k.ingress(), s.frame(), 0)
		if k.moved()["RING_FULL"].Packets > 0 {
			return
		}
	}
}

// drain empties the ring of what fill wrote.
func (k *kernel) drain() {
	k.t.Helper()
	for key := range k.flows() {
		if key != theKey() {
			if err := k.Flows.Delete(&key); err != nil {
				k.t.Fatal(err)
			}
		}
	}
	k.records()
	k.moved()
}

// begin shows the segments, the last of which should be kept back. Where the machine
// was so busy that too much time passed for that, it begins again.
func (k *kernel) begin(segments []segment, kept int) {
	k.t.Helper()
	for range 50 {
		k.reset()
		for _, s := range segments {
			k.show(k.ingress(), s.frame(), 0)
		}
		k.records()
		if int(k.flow().Skip.Len) == kept {
			return
		}
	}
	k.t.Fatalf("%d bytes are kept back, want %d", k.flow().Skip.Len, kept)
}

// A record that finds no room is lost. What was skipped before it is not: that counts
// as delivered, and the next record that fits tells of it.
func TestAFullRingLosesNothingThatWasSkipped(t *testing.T) {
	const budget, n = 100, 1000
	k := newKernel(t, build{budget: budget, ring: smallRing})
	k.room(2)
	// The server's second segment is kept back: it ends at 7001, the client's request at 6001.
	turn := []segment{
		client(syn, 5950, 0, 0), server(synAck, 5000, 5951, 0),
		client(push, 5951, 5001, 50), server(ack, 5001, 6001, n), server(ack, 6001, 6001, n),
	}
	skip := piece{Seq: 6001, Len: n}
	for _, tc := range []struct {
		name       string
		lost, then segment
		want       []piece
	}{
		{"as a part of its record", server(push, 7001, 6001, n), server(push, 7001, 6001, n),
			[]piece{{Seq: 6001, Len: 2 * n, Tail: string(pattern(n)[n-16:])}}},
		{"before a copy", server(push, 7001, 6001, n), client(push, 6001, 8001, 40),
			[]piece{skip, {Seq: 6001, Len: 40, Data: string(pattern(40))}}},
		{"before what follows the lost one", server(push, 7001, 6001, n), server(ack, 8001, 6001, n),
			[]piece{skip, {Seq: 8001, Len: n}}},
		{"before the other direction, which goes on at the same number", client(ack, 6001, 7001, n), client(ack, 7001, 7001, n),
			[]piece{skip, {Seq: 7001, Len: n}}},
		{"before the end", server(fin, 7001, 6001, 0), server(rst, 7002, 6001, 0),
			[]piece{skip, {Seq: 7002}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			k.t = t
			k.begin(turn, n)
			k.fill()
			packet := uint64(ipv4Len + tcpLen + len(tc.lost.payload))
			for range 2 { // the second one is a retransmission
				k.show(k.ingress(), tc.lost.frame(), 0)
				if diff := cmp.Diff(counters{"RING_FULL": {Packets: 1, Bytes: packet}}, k.moved()); diff != "" {
					t.Errorf("counters (-want +got):\n%s", diff)
				}
			}
			if s := k.flows()[theKey()].Skip; s.Len != n || s.End != 7001 || s.Packets != 1 || s.NetBytes != n+ipv4Len+tcpLen {
				t.Errorf("the flow keeps %+v", s)
			}
			k.drain()
			k.show(k.ingress(), tc.then.frame(), 0)
			got := pieces(t, k.records())
			for i := range got {
				got[i].NetBytes, got[i].Flags = 0, 0
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("records (-want +got):\n%s", diff)
			}
			if s := k.flow().Skip; s.Len != 0 || s.Packets != 0 || s.NetBytes != 0 {
				t.Errorf("the flow still keeps %+v", s)
			}
		})
	}
}

// What is not the next byte of its direction is told at once: kept back, it would be
// missing in totals that do not hold it.
func TestOnlyWhatIsInOrderIsKeptBack(t *testing.T) {
	const budget, n = 100, 1000
	k := newKernel(t, build{budget: budget})
	turn := opened(client(push, 1001, 5001, 50), server(ack, 5001, 1051, n))
	for name, s := range map[string]segment{
		"sent again":           server(ack, 5501, 1051, n/2),
		"behind a hole":        server(ack, 5001+2*n, 1051, n),
		"overlaps what is new": server(ack, 5501, 1051, n),
	} {
		t.Run(name, func(t *testing.T) {
			k.t = t
			k.begin(turn, 0)
			k.show(k.ingress(), s.frame(), 0)
			if got := pieces(t, k.records()); len(got) != 1 || got[0].Seq != s.seq || k.flow().Skip.Len != 0 {
				t.Errorf("records %+v, and %d bytes are kept back", got, k.flow().Skip.Len)
			}
			// Nor is what follows the hole, while it is open.
			if s.seq > 5001+n {
				s.seq += n
				k.show(k.ingress(), s.frame(), 0)
				if got := k.flow().Skip.Len; got != 0 {
					t.Errorf("%d bytes behind a hole are kept back", got)
				}
			}
		})
	}
}

// Whenever the ring is full: each packet is told in full, or counted as lost.
func TestEveryByteIsToldOrCountedAsLost(t *testing.T) {
	k := newKernel(t, build{budget: 256, ring: smallRing})
	k.room(3) // one each is where a lane writes
	lostBytes, keptOnce := 0, false
	for seed := range uint64(100) {
		r := rand.New(rand.NewPCG(seed, 4))
		m := &told{t: t, isn: [2]uint32{r.Uint32(), -uint32(r.IntN(20_000))}}
		k.reset()
		k.show(k.ingress(), client(syn, m.isn[flow.FromB], 0, 0).frame(), 0)
		k.show(k.ingress(), server(synAck, m.isn[flow.FromA], m.isn[flow.FromB]+1, 0).frame(), 0)
		k.moved()
		var lost [2][]bool
		hear := func() {
			for _, rec := range k.records() {
				m.take(rec)
			}
		}
		hear()
		for _, turn := range conversation(r) {
			dir, other := turn.Dir, turn.Dir.Other()
			m.have[dir] = append(m.have[dir], make([]byte, turn.n)...)
			lost[dir] = append(lost[dir], make([]bool, turn.n)...)
			for at := 0; at < turn.n; {
				n := min(turn.n-at, 1+r.IntN(300))
				s := segment{src: client4, dst: server4}
				if dir == flow.FromA {
					s.src, s.dst = s.dst, s.src
				}
				s.flags = ack
				if r.IntN(8) == 0 {
					s.flags = push
				}
				s.seq = m.isn[dir] + 1 + uint32(turn.at+at)
				s.ack = m.isn[other] + 1 + uint32(len(m.have[other]))
				s.payload = pattern(n)
				before := k.flow().Skip.Len
				k.show(k.ingress(), s.frame(), 0)
				if k.moved()["RING_FULL"].Packets > 0 {
					keptOnce = keptOnce || before > 0
					lostBytes += n
					for i := range n {
						lost[dir][turn.at+at+i] = true
						m.have[dir][turn.at+at+i] = byName // nobody waits for it
					}
				}
				at += n
				if r.IntN(40) == 0 {
					hear()
				}
			}
			m.sent[dir] += turn.n
		}
		hear()
		k.evict(math.MaxUint64, theKey())
		hear()
		for dir := range m.have {
			for i, how := range m.have[dir] {
				if how == 0 {
					t.Fatalf("seed %d: byte %d of direction %d counts as delivered and was never told", seed, i, dir)
				}
			}
		}
	}
	if lostBytes == 0 || !keptOnce {
		t.Errorf("%d bytes were lost, behind a skip: %v: that tests nothing", lostBytes, keptOnce)
	}
}

// Two CPUs write to one connection whose ring is full most of the time, and a third
// evicts it: each byte of a packet that counts as delivered is told.
func TestSkipsOfTwoCPUsMeetAFullRing(t *testing.T) {
	const packets, n = 40_000, 400
	k := newKernel(t, build{budget: 100, ring: smallRing})
	prog := k.ingress().prog
	var frames [2][][]byte
	for i := range packets {
		flags := ack
		if i%4 == 0 {
			flags = push // has a record
		}
		frames[0] = append(frames[0], client(flags, uint32(i*n), 1, n).frame())
		frames[1] = append(frames[1], server(flags, uint32(i*n), 1, n).frame())
	}
	var wg sync.WaitGroup
	for side := range frames {
		wg.Go(func() {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			for _, f := range frames[side] {
				if _, err := prog.Run(&ebpf.RunOptions{Data: f}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	sent := make(chan struct{})
	go func() { wg.Wait(); close(sent) }()
	heard := 0
	hear := func() {
		for _, rec := range k.records() {
			if rec.End != nil {
				heard += int(rec.End.Skip.Len)
			} else {
				heard += int(rec.Event.Len)
			}
		}
	}
	for going := true; going; {
		select {
		case <-sent:
			going = false
		default:
		}
		if going && k.rings[0].Fill() < 1 {
			runtime.Gosched()
			continue
		}
		hear()
		k.evict(math.MaxUint64, theKey())
	}
	for range 2 {
		hear()
		k.evict(math.MaxUint64, theKey())
	}
	moved := k.moved()
	if delivered := int(moved["EMITTED"].Packets+moved["COUNTED"].Packets) * n; delivered != heard {
		t.Errorf("%d bytes count as delivered, %d were told: %+v", delivered, heard, moved)
	}
	if moved["RING_FULL"].Packets == 0 || moved["COUNTED"].Packets == 0 {
		t.Errorf("the ring was never full, or nothing was kept back: %+v", moved)
	}
}
