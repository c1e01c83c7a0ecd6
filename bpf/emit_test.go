package bpf_test

import (
	"fmt"
	"testing"
	"unsafe"

	"github.com/google/go-cmp/cmp"

	"gortap/bpf"
	"gortap/internal/flow"
)

const slice = 16384 // of the largest chunks

// piece is what a test wants of one record.
type piece struct {
	Seq, Len, NetBytes uint32
	Flags              flow.Flags
	Data, Tail         string
}

func pieces(t testing.TB, records []record) (all []piece) {
	t.Helper()
	for _, r := range records {
		if r.Event == nil {
			t.Fatalf("unexpected end of flow %+v", r.End)
		}
		e := r.Event
		all = append(all, piece{
			Seq: e.Seq, Len: e.Len, NetBytes: e.NetBytes, Flags: flow.Flags(e.Flags),
			Data: r.Data, Tail: r.Tail,
		})
	}
	return all
}

// maxTCPayload fits the frame of a test run of tc: a page less headroom. XDP takes 64 KiB.
const maxTCPayload = 3600

// Whatever its size, the payload arrives as it is: in one record, or in slices
// that say together what one would.
func TestPayloadIsCopiedWhole(t *testing.T) {
	k := newKernel(t, build{budget: 0})
	var sizes []int
	for _, class := range []int{160, slice} {
		sizes = append(sizes, class-1, class, class+1)
	}
	sizes = append(sizes, 1, 3600, 40<<10, 0xffff-ipv4Len-tcpLen)
	for _, h := range k.hooks() {
		for _, n := range sizes {
			if !h.xdp && n > maxTCPayload {
				continue
			}
			t.Run(fmt.Sprintf("%s/%d", h.name, n), func(t *testing.T) {
				k.t = t
				k.reset()
				s := segment{seq: 0xffff8000, flags: flow.PSH | flow.FIN | flow.ACK, payload: pattern(n)}
				frame := s.frame()
				if h.raw {
					frame = frame[etherLen:]
				}
				k.show(h, frame, 0)
				l3 := uint32(ipv4Len + tcpLen + n)
				want := []piece{{Seq: s.seq, Len: uint32(n), NetBytes: l3, Flags: s.flags, Data: string(s.payload)}}
				if n > slice {
					want = nil
					for at := 0; at < n; at += slice {
						end := min(at+slice, n)
						want = append(want, piece{Seq: s.seq + uint32(at), Len: uint32(end - at), Flags: flow.ACK, Data: string(s.payload[at:end])})
					}
					want[0].NetBytes, want[len(want)-1].Flags = l3, s.flags
				}
				if diff := cmp.Diff(want, pieces(t, k.records())); diff != "" {
					t.Errorf("records (-want +got):\n%s", diff)
				}
				if diff := cmp.Diff(counters{"EMITTED": {Packets: 1, Bytes: uint64(l3)}}, k.moved()); diff != "" {
					t.Errorf("counters (-want +got):\n%s", diff)
				}
			})
		}
	}
}

// A SYN takes a place in the sequence space, before the data of its segment.
func TestSlicesOfADataSYNFitTogether(t *testing.T) {
	k := newKernel(t, build{budget: 0})
	s := segment{seq: 100, flags: flow.SYN | flow.PSH, payload: pattern(slice + 10)}
	k.show(k.xdp(), s.frame(), 0)
	want := []piece{
		{Seq: 100, Len: slice, NetBytes: slice + 10 + ipv4Len + tcpLen, Flags: flow.SYN, Data: string(s.payload[:slice])},
		{Seq: 101 + slice, Len: 10, Flags: flow.PSH, Data: string(s.payload[slice:])},
	}
	if diff := cmp.Diff(want, pieces(t, k.records())); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
}

// Of a turn the budget is copied, and of a write that goes on behind it the end:
// there a parser finds what ends a message.
func TestCopyEndsWithTheBudget(t *testing.T) {
	const budget = 2048
	k := newKernel(t, build{budget: budget})
	push := flow.PSH | flow.ACK
	for _, tc := range []struct {
		name      string
		n         int
		flags     flow.Flags
		cap, tail int
	}{
		{"less", budget - 1, push, budget - 1, 0},
		{"as much", budget, push, budget, 0},
		{"more to come", budget + 1, flow.ACK, budget, 0},
		{"a lot more to come", 3500, flow.ACK, budget, 0},
		{"end right behind the budget is copied with it", budget + 1, push, budget + 1, 0},
		{"end a tail behind the budget", budget + 16, push, budget + 16, 0},
		{"end further behind", budget + 17, push, budget, 16},
		{"end far behind", 3500, push, budget, 16},
		{"last segment of the stream", 3500, flow.FIN | flow.ACK, budget, 16},
	} {
		t.Run(tc.name, func(t *testing.T) {
			k.t = t
			k.reset()
			s := segment{seq: 1, flags: tc.flags, payload: pattern(tc.n)}
			k.show(k.ingress(), s.frame(), 0)
			want := []piece{{
				Seq: 1, Len: uint32(tc.n), NetBytes: uint32(ipv4Len + tcpLen + tc.n), Flags: tc.flags,
				Data: string(s.payload[:tc.cap]), Tail: string(s.payload[tc.n-tc.tail:]),
			}}
			if diff := cmp.Diff(want, pieces(t, k.records())); diff != "" {
				t.Errorf("records (-want +got):\n%s", diff)
			}
		})
	}
}

// Later segments of a turn are told together and without their payload, with the
// end of the write.
func TestRestOfATurnIsToldByHeader(t *testing.T) {
	const budget = 2048
	k := newKernel(t, build{budget: budget})
	body := pattern(2 * budget)
	send := func(from, to int, flags flow.Flags) {
		k.show(k.ingress(), segment{seq: uint32(from), flags: flags, payload: body[from:to]}.frame(), 0)
	}
	send(0, budget-10, flow.ACK)
	send(budget-10, budget+200, flow.ACK)
	send(budget+200, budget+300, flow.ACK)
	send(budget+300, budget+320, flow.PSH|flow.ACK)
	send(budget+320, budget+330, flow.PSH|flow.ACK)
	const headers = ipv4Len + tcpLen
	want := []piece{
		{Seq: 0, Len: budget - 10, NetBytes: budget - 10 + headers, Flags: flow.ACK, Data: string(body[:budget-10])},
		{Seq: budget - 10, Len: 210, NetBytes: 210 + headers, Flags: flow.ACK, Data: string(body[budget-10 : budget])},
		{Seq: budget + 200, Len: 120, NetBytes: 20 + headers, Flags: flow.PSH | flow.ACK, Tail: string(body[budget+304 : budget+320])},
		{Seq: budget + 320, Len: 10, NetBytes: 10 + headers, Flags: flow.PSH | flow.ACK, Data: string(body[budget+320 : budget+330])},
	}
	if diff := cmp.Diff(want, pieces(t, k.records())); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
}

// What was sent before begins no turn: the budget stays used up.
func TestRetransmissionIsNoTurn(t *testing.T) {
	k := newKernel(t, build{budget: 2048})
	request := client(push, 1001, 5001, 100)
	for _, s := range opened(request, server(ack, 5001, 1101, 3000), request) {
		k.show(k.ingress(), s.frame(), 0)
	}
	k.records()
	k.show(k.ingress(), server(push, 8001, 1101, 3000).frame(), 0)
	if got := k.records()[0].Data; got != "" {
		t.Errorf("copied %d bytes beyond the budget of the turn", len(got))
	}
}

// However long a turn, its budget is spent once: sequence numbers wrap at 4 GiB,
// and half of that looks like a retransmission.
func TestTurnOfGigabytesHasOneBudget(t *testing.T) {
	k := newKernel(t, build{budget: 2048})
	k.show(k.ingress(), client(ack, 0, 1, 3000).frame(), 0)
	seq := uint32(3000)
	for i := range 12 {
		k.records()
		k.show(k.ingress(), client(push, seq, 1, 100).frame(), 0)
		if got := k.records(); len(got) != 1 || got[0].Data != "" {
			t.Fatalf("step %d, sequence %d: copied %d bytes", i, seq, len(got[0].Data))
		}
		seq += 1<<30 - 1000
	}
}

// Two beginnings of a turn lead to a stream without turns: from there on all is
// copied, in both directions, without a word from user space.
func TestStreamWithoutTurnsIsCopiedWhole(t *testing.T) {
	const budget, n = 2048, 3000
	k := newKernel(t, build{budget: budget})
	begin := func(text string) []byte { return append([]byte(text), pattern(n)...)[:n] }
	for _, tc := range []struct {
		name  string
		turn  segment
		whole bool
	}{
		{"HTTP/2 preface", segment{flags: ack, payload: begin("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")}, true},
		{"HTTP/2 preface, pushed", segment{flags: push, payload: begin("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")}, true},
		{"upgrade", segment{flags: push, payload: begin("HTTP/1.1 101 Switching Protocols\r\n")}, true},
		{"another status", segment{flags: push, payload: begin("HTTP/1.1 200 OK\r\n")}, false},
		{"another request", segment{flags: push, payload: begin("GET / HTTP/1.1\r\n")}, false},
		{"another version", segment{flags: push, payload: begin("PRI * HTTP/3.0\r\n")}, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			k.t = t
			k.reset()
			s := tc.turn
			s.seq, s.ack = 1001, 5001
			for _, h := range handshake() {
				k.show(k.ingress(), h.frame(), 0)
			}
			k.records()
			k.show(k.ingress(), s.frame(), 0)
			k.show(k.ingress(), server(ack, 5001, 1001+n, n).frame(), 0)
			k.show(k.ingress(), server(push, 5001+n, 1001+n, n).frame(), 0)
			want := []int{n, n, n}
			if !tc.whole {
				want = []int{budget, budget, 0}
			}
			var got []int
			for _, p := range pieces(t, k.records()) {
				got = append(got, len(p.Data))
				if tc.whole && p.Tail != "" {
					t.Errorf("a tail beside the whole payload: %q", p.Tail)
				}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("bytes copied of each segment (-want +got):\n%s", diff)
			}
		})
	}
	t.Run("in the middle of a turn it is data", func(t *testing.T) {
		k.t = t
		k.reset()
		k.show(k.ingress(), client(ack, 1, 1, 10).frame(), 0)
		k.show(k.ingress(), segment{seq: 11, ack: 1, flags: ack, payload: begin("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")}.frame(), 0)
		if got := len(k.records()[1].Data); got != budget-10 {
			t.Errorf("copied %d bytes, want %d", got, budget-10)
		}
	})
	t.Run("depth none stays", func(t *testing.T) {
		k.t = t
		k.reset()
		k.show(k.ingress(), client(syn, 1000, 0, 0).frame(), 0)
		k.setDepth(flow.DepthNone, theKey())
		k.records()
		k.show(k.ingress(), segment{seq: 1001, flags: ack, payload: begin("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")}.frame(), 0)
		if got := k.records(); len(got) > 0 || k.flow().Depth != uint8(flow.DepthNone) {
			t.Errorf("told %d records, depth %d", len(got), k.flow().Depth)
		}
	})
}

// A client that asks again before it has the answer does not wait for turns.
func TestPipelinedRequestsAreCopiedWhole(t *testing.T) {
	const budget, n = 2048, 3000
	k := newKernel(t, build{budget: budget})
	text := func(s segment, text string) segment {
		copy(s.payload, text)
		return s
	}
	first := text(client(push, 1001, 5001, n), "GET /1 HTTP/1.1")
	answer := text(server(push, 5001, 1001+n, n), "HTTP/1.1 200 OK")
	for _, tc := range []struct {
		name  string
		moves []segment
		last  int // bytes copied of the last segment
	}{
		{"second request in the first one's turn",
			opened(first, text(client(push, 1001+n, 5001, n), "POST /2 HTTP/1.1")), n},
		{"what follows it",
			opened(first, text(client(push, 1001+n, 5001, n), "GET /2 HTTP/1.1"), client(ack, 1001+2*n, 5001, n)), n},
		{"second request while the answer comes",
			opened(first, answer, text(client(push, 1001+n, 5001+100, n), "DELETE /2 HTTP/1.1")), n},
		{"second request after the answer",
			opened(first, answer, text(client(ack, 1001+n, 5001+n, n), "GET /2 HTTP/1.1")), budget},
		{"an upload goes on",
			opened(first, client(push, 1001+n, 5001, n)), 0},
		{"an answer that looks like a request",
			opened(first, answer, text(server(push, 5001+n, 1001+n, n), "GET /2 HTTP/1.1")), 0},
		{"who asks is not known",
			[]segment{first, text(client(push, 1001+n, 5001, n), "GET /2 HTTP/1.1")}, 0},
		{"who asks is not known, from the other end",
			[]segment{answer, text(server(push, 5001+n, 1001+n, n), "GET /2 HTTP/1.1")}, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			k.t = t
			k.reset()
			for _, s := range tc.moves {
				k.show(k.ingress(), s.frame(), 0)
			}
			all := pieces(t, k.records())
			if got := len(all[len(all)-1].Data); got != tc.last {
				t.Errorf("copied %d bytes of the last segment, want %d", got, tc.last)
			}
		})
	}
}

// What carries nothing for user space costs no record.
func TestPureACKIsCountedOnly(t *testing.T) {
	k := newKernel(t, build{budget: 2048})
	k.show(k.ingress(), segment{flags: flow.ACK, ack: 7}.frame(), 0)
	if diff := cmp.Diff(counters{"COUNTED": {Packets: 1, Bytes: 40}}, k.moved()); diff != "" {
		t.Errorf("counters (-want +got):\n%s", diff)
	}
	if got := k.records(); len(got) > 0 {
		t.Errorf("records %+v, want none", got)
	}
	if d := k.flow().Dirs[flow.FromB]; d.Packets != 1 || d.Bytes != 40 || d.Payload != 0 {
		t.Errorf("flow counts %d packets, %d bytes, %d payload, want 1, 40, 0", d.Packets, d.Bytes, d.Payload)
	}
}

func TestControlBitsAreToldWithoutPayload(t *testing.T) {
	k := newKernel(t, build{budget: 2048})
	for _, flags := range []flow.Flags{
		flow.SYN, flow.SYN | flow.ACK, flow.FIN | flow.ACK, flow.RST, flow.RST | flow.ACK,
		0xff, // the bits that Go does not name too: CWR, ECE, URG
	} {
		k.reset()
		k.show(k.ingress(), segment{seq: 5, ack: 6, flags: flags}.frame(), 0)
		want := []piece{{Seq: 5, NetBytes: 40, Flags: flags}}
		if diff := cmp.Diff(want, pieces(t, k.records())); diff != "" {
			t.Errorf("flags %#x: records (-want +got):\n%s", flags, diff)
		}
	}
}

// A record takes no more than its payload.
func TestRecordsTakeTheSpaceOfTheirPayload(t *testing.T) {
	k := newKernel(t, build{budget: 0})
	const event = int(unsafe.Sizeof(bpf.CaptureEvent{}))
	for n, takes := range map[int]int{0: 0, 1: 8, 8: 8, 200: 200, 1001: 1008, 8191: 8192, slice: slice} {
		k.reset()
		k.newRing(0, k.layout.Chunks) // no record is at the end of a chunk
		k.show(k.xdp(), segment{flags: flow.FIN, payload: pattern(n)}.frame(), 0)
		if got, want := k.rings[0].Pending(), event+takes; got != want {
			t.Errorf("%d bytes of payload took %d bytes of the ring, want %d", n, got, want)
		}
	}
}

// A flow keeps its shard, and flows spread over all of them.
func TestFlowsSpreadOverShards(t *testing.T) {
	const shards, flows = 8, 400
	k := newKernel(t, build{shards: shards})
	for range 2 {
		for port := range uint16(flows) {
			there, back := theSegment(), theSegment()
			there.src = flowAddr(port)
			back.src, back.dst = there.dst, there.src
			k.show(k.ingress(), there.frame(), 0)
			k.show(k.ingress(), back.frame(), 0)
		}
	}
	shardOf := map[bpf.CaptureFlowKey]int{}
	load := make([]int, shards)
	for _, r := range k.records() {
		first, known := shardOf[r.Event.Key]
		if known && first != r.Shard {
			t.Fatalf("flow %+v in shard %d and in shard %d", r.Event.Key, first, r.Shard)
		}
		if !known {
			shardOf[r.Event.Key] = r.Shard
			load[r.Shard]++
		}
	}
	if len(shardOf) != flows {
		t.Errorf("%d flows, want %d", len(shardOf), flows)
	}
	for shard, n := range load {
		if n < flows/shards/2 || n > flows/shards*2 {
			t.Errorf("shard %d has %d of %d flows: %v", shard, n, flows, load)
		}
	}
}
