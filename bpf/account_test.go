package bpf_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"gortap/internal/flow"
)

const (
	syn    = flow.SYN
	synAck = flow.SYN | flow.ACK
	ack    = flow.ACK
	push   = flow.PSH | flow.ACK
	fin    = flow.FIN | flow.ACK
	rst    = flow.RST
)

// client and server make segments of the one connection, by what changes: n is
// the number of payload bytes.
func client(flags flow.Flags, seq, ackno uint32, n int) segment {
	return segment{src: client4, dst: server4, flags: flags, seq: seq, ack: ackno, payload: pattern(n)}
}

func server(flags flow.Flags, seq, ackno uint32, n int) segment {
	return segment{src: server4, dst: client4, flags: flags, seq: seq, ack: ackno, payload: pattern(n)}
}

// handshake opens the connection: the client's data begins at 1001, the server's at 5001.
func handshake() []segment {
	return []segment{client(syn, 1000, 0, 0), server(synAck, 5000, 1001, 0), client(ack, 1001, 5001, 0)}
}

// opened is a handshake and what follows.
func opened(then ...segment) []segment { return append(handshake(), then...) }

// tally is what the flow says of the connection.
type tally struct {
	ClientPayload, ClientRetrans uint64
	ServerPayload, ServerRetrans uint64
	OpenedBy                     string
	Closed                       bool
	Lost                         uint64 // segments told as out of window
}

const wrap = 0xffffff00 // 256 bytes before sequence numbers begin again at 0

func TestEachPayloadByteIsCountedOnce(t *testing.T) {
	k := newKernel(t, build{budget: 2048})
	for _, tc := range []struct {
		name  string
		moves []segment
		want  tally
	}{
		{"request and response",
			opened(client(push, 1001, 5001, 100), server(push, 5001, 1101, 300)),
			tally{ClientPayload: 100, ServerPayload: 300}},
		{"across the wrap of sequence numbers",
			[]segment{client(syn, wrap-1, 0, 0), client(ack, wrap, 1, 256), client(ack, 0, 1, 50), client(push, 50, 1, 50)},
			tally{ClientPayload: 356}},
		{"a segment over the wrap, and again",
			[]segment{client(syn, wrap-1, 0, 0), client(ack, wrap, 1, 300), client(ack, wrap, 1, 300), client(push, 44, 1, 6)},
			tally{ClientPayload: 306, ClientRetrans: 300}},
		{"a hole over the wrap, filled",
			[]segment{client(syn, wrap-1, 0, 0), client(ack, wrap, 1, 100), client(ack, 100, 1, 20), client(ack, wrap+100, 1, 256)},
			tally{ClientPayload: 376}},
		{"retransmission",
			opened(client(push, 1001, 5001, 100), client(push, 1001, 5001, 100)),
			tally{ClientPayload: 100, ClientRetrans: 100}},
		{"retransmission with new data behind it",
			opened(client(push, 1001, 5001, 100), client(push, 1001, 5001, 150)),
			tally{ClientPayload: 150, ClientRetrans: 100}},
		{"overlap of the end",
			opened(client(push, 1001, 5001, 100), client(push, 1051, 5001, 100)),
			tally{ClientPayload: 150, ClientRetrans: 50}},
		{"two segments again as one, with more",
			opened(client(ack, 1001, 5001, 50), client(ack, 1051, 5001, 50), client(push, 1001, 5001, 120)),
			tally{ClientPayload: 120, ClientRetrans: 100}},
		{"late segment fills its hole",
			opened(client(ack, 1101, 5001, 100), client(ack, 1001, 5001, 100)),
			tally{ClientPayload: 200}},
		{"hole filled from its start",
			opened(client(ack, 1101, 5001, 100), client(ack, 1001, 5001, 40), client(ack, 1041, 5001, 60)),
			tally{ClientPayload: 200}},
		{"hole filled from its end",
			opened(client(ack, 1101, 5001, 100), client(ack, 1061, 5001, 40), client(ack, 1001, 5001, 60)),
			tally{ClientPayload: 200}},
		{"hole filled from its middle",
			opened(client(ack, 1101, 5001, 100), client(ack, 1031, 5001, 20), client(ack, 1001, 5001, 30), client(ack, 1051, 5001, 50)),
			tally{ClientPayload: 200}},
		{"hole that stays is not counted",
			opened(client(ack, 1101, 5001, 100), client(ack, 1031, 5001, 20)),
			tally{ClientPayload: 120}},
		{"hole filled and more than that sent again",
			opened(client(ack, 1001, 5001, 50), client(ack, 1101, 5001, 100), client(ack, 1001, 5001, 250)),
			tally{ClientPayload: 250, ClientRetrans: 150}},
		{"one segment fills several holes",
			opened(client(ack, 1011, 5001, 10), client(ack, 1031, 5001, 10), client(ack, 1051, 5001, 10), client(ack, 1001, 5001, 60)),
			tally{ClientPayload: 60, ClientRetrans: 30}},
		{"as many holes as are remembered",
			opened(client(ack, 1011, 5001, 10), client(ack, 1031, 5001, 10), client(ack, 1051, 5001, 10), client(ack, 1071, 5001, 10)),
			tally{ClientPayload: 40}},
		{"one more hole is taken as seen, and is not counted when it is filled",
			opened(client(ack, 1011, 5001, 10), client(ack, 1031, 5001, 10), client(ack, 1051, 5001, 10), client(ack, 1071, 5001, 10),
				client(ack, 1091, 5001, 10), client(ack, 1081, 5001, 10)),
			tally{ClientPayload: 60, ClientRetrans: 10}},
		{"keep-alive probes without data",
			opened(client(push, 1001, 5001, 100), client(ack, 1100, 5001, 0), client(ack, 1100, 5001, 0)),
			tally{ClientPayload: 100}},
		{"keep-alive probes with a byte",
			opened(client(push, 1001, 5001, 100), client(ack, 1100, 5001, 1), client(ack, 1100, 5001, 1)),
			tally{ClientPayload: 100, ClientRetrans: 2}},
		{"zero-window probes",
			opened(client(push, 1001, 5001, 100), client(ack, 1101, 5001, 1), client(ack, 1101, 5001, 1), client(push, 1101, 5001, 50)),
			tally{ClientPayload: 150, ClientRetrans: 2}},
		{"middle of a stream",
			[]segment{server(ack, 7000, 100, 500), client(ack, 100, 7500, 20), server(push, 7500, 120, 10)},
			tally{ClientPayload: 20, ServerPayload: 510}},
		{"middle of a stream, begun by an acknowledgement",
			[]segment{client(ack, 100, 7000, 0), server(push, 7000, 100, 10)},
			tally{ServerPayload: 10}},
		{"far out of the window",
			opened(client(push, 1001, 5001, 100), client(push, 0x80000000, 5001, 100), client(push, 1101, 5001, 100)),
			tally{ClientPayload: 200, Lost: 1}},
		{"two that fit each other far out of the window: it was us",
			opened(client(push, 1001, 5001, 100), client(push, 0x80000000, 5001, 100), client(push, 0x80000064, 5001, 60), client(push, 0x800000a0, 5001, 10)),
			tally{ClientPayload: 170, Lost: 1}},
		{"jump of less than a gigabyte is a hole",
			opened(client(push, 1001, 5001, 100), client(push, 1001+1<<29, 5001, 100)),
			tally{ClientPayload: 200}},
	} {
		t.Run(tc.name, func(t *testing.T) { k.play(t, tc.moves, tc.want, false) })
	}
}

// Who opened, and what ends a connection or begins the next one on its ports.
func TestConnectionsBeginAndEnd(t *testing.T) {
	k := newKernel(t, build{budget: 2048})
	closedByFIN := opened(client(push, 1001, 5001, 100), client(fin, 1101, 5001, 0), server(fin, 5001, 1102, 0), client(ack, 1102, 5002, 0))
	closedByRST := opened(client(push, 1001, 5001, 100), server(rst, 5001, 0, 0))
	// The next connection begins anywhere: here both sequences begin lower.
	second := []segment{client(syn, 900, 0, 0), server(synAck, 4000, 901, 0), client(push, 901, 4001, 30), server(push, 4001, 931, 40)}
	with := func(first []segment, then ...segment) []segment {
		return append(append([]segment{}, first...), then...)
	}
	for _, tc := range []struct {
		name  string
		moves []segment
		want  tally
	}{
		{"opened by the client", handshake(), tally{OpenedBy: "client"}},
		{"opened by the end with the lower port",
			[]segment{server(syn, 5000, 0, 0), client(synAck, 1000, 5001, 0)}, tally{OpenedBy: "server"}},
		{"its SYN-ACK alone tells who opened", []segment{server(synAck, 5000, 1001, 0)}, tally{OpenedBy: "client"}},
		{"SYN sent again",
			[]segment{client(syn, 1000, 0, 0), client(syn, 1000, 0, 0), server(synAck, 5000, 1001, 0), server(synAck, 5000, 1001, 0), client(push, 1001, 5001, 10)},
			tally{ClientPayload: 10, OpenedBy: "client"}},
		{"SYN-ACK sent again after data",
			opened(client(push, 1001, 5001, 10), server(synAck, 5000, 1001, 0), client(push, 1001, 5001, 10), server(push, 5001, 1011, 20)),
			tally{ClientPayload: 10, ClientRetrans: 10, ServerPayload: 20, OpenedBy: "client"}},
		{"simultaneous open",
			[]segment{client(syn, 1000, 0, 0), server(syn, 5000, 0, 0), client(synAck, 1000, 5001, 0), server(synAck, 5000, 1001, 0),
				client(push, 1001, 5001, 10), server(push, 5001, 1011, 20)},
			tally{ClientPayload: 10, ServerPayload: 20, OpenedBy: "client"}},
		{"half closed",
			opened(client(fin, 1001, 5001, 0), server(push, 5001, 1002, 20)), tally{ServerPayload: 20, OpenedBy: "client"}},
		{"FIN with data",
			opened(client(fin, 1001, 5001, 10), server(fin, 5001, 1012, 20)),
			tally{ClientPayload: 10, ServerPayload: 20, OpenedBy: "client", Closed: true}},
		{"FIN of both", closedByFIN, tally{ClientPayload: 100, OpenedBy: "client", Closed: true}},
		{"late retransmission after FIN of both",
			with(closedByFIN, client(push, 1001, 5001, 100)),
			tally{ClientPayload: 100, ClientRetrans: 100, OpenedBy: "client", Closed: true}},
		{"RST", closedByRST, tally{ClientPayload: 100, OpenedBy: "client", Closed: true}},
		{"what a RST carries is not of the stream",
			opened(server(rst, 5001, 0, 60)), tally{OpenedBy: "client", Closed: true}},
		{"RST that did not end it",
			with(closedByRST, client(push, 1101, 5001, 10), server(push, 5001, 1111, 20)),
			tally{ClientPayload: 110, ServerPayload: 20, OpenedBy: "client"}},
		{"ports used again after FIN", with(closedByFIN, second...), tally{ClientPayload: 130, ServerPayload: 40, OpenedBy: "client"}},
		{"ports used again after RST", with(closedByRST, second...), tally{ClientPayload: 130, ServerPayload: 40, OpenedBy: "client"}},
		{"ports used again though no end was seen",
			with(opened(client(push, 1001, 5001, 100)), second...), tally{ClientPayload: 130, ServerPayload: 40, OpenedBy: "client"}},
		{"ports used again after a refusal",
			with([]segment{client(syn, 1000, 0, 0), server(rst|ack, 0, 1001, 0)}, second...),
			tally{ClientPayload: 30, ServerPayload: 40, OpenedBy: "client"}},
		{"ports used again in the middle of a stream",
			with([]segment{client(ack, 1001, 5001, 10), server(ack, 5001, 1011, 10)}, second...),
			tally{ClientPayload: 40, ServerPayload: 50, OpenedBy: "client"}},
		{"ports used again after FIN, the answer to the SYN not seen",
			with(closedByFIN, client(syn, 900, 0, 0), client(push, 1001, 4001, 100), client(push, 901, 4001, 100), server(push, 4001, 1101, 40)),
			tally{ClientPayload: 300, ServerPayload: 40, OpenedBy: "client"}},
		{"half an end before is none of the next connection",
			with(opened(client(fin, 1001, 5001, 0)), client(syn, 900, 0, 0), server(synAck, 4000, 901, 0), server(fin, 4001, 901, 0)),
			tally{OpenedBy: "client"}},
		{"late copy of the SYN-ACK",
			opened(server(push, 5001, 1001, 20), server(synAck, 5000, 1001, 0), server(push, 5001, 1001, 20), client(push, 1001, 5021, 10)),
			tally{ClientPayload: 10, ServerPayload: 20, ServerRetrans: 20, OpenedBy: "client"}},
		{"stray SYN, and a SYN-ACK that does not answer it",
			[]segment{client(push, 1001, 5001, 100), client(syn, 0x80000077, 0, 0), server(synAck, 5000, 1101, 0), client(push, 1101, 5001, 100)},
			tally{ClientPayload: 200, OpenedBy: "client"}},
		{"data in a SYN that waited, sent again",
			opened(client(push, 1001, 5001, 100), client(syn, 900, 0, 50), server(synAck, 4000, 951, 0), client(push, 901, 4001, 60)),
			tally{ClientPayload: 160, ClientRetrans: 50, OpenedBy: "client"}},
		{"a hole of the connection before is none of this one",
			with(opened(client(push, 1101, 5001, 100), server(rst, 5001, 0, 0)), opened(client(push, 1001, 5001, 100), client(push, 1001, 5001, 100))...),
			tally{ClientPayload: 200, ClientRetrans: 100, OpenedBy: "client"}},
		{"the same ports three times",
			with(closedByFIN, with(second, with([]segment{server(rst, 4041, 931, 0)}, opened(client(push, 1001, 5001, 5))...)...)...),
			tally{ClientPayload: 135, ServerPayload: 40, OpenedBy: "client"}},
		{"stray SYN on a live connection",
			opened(client(push, 1001, 5001, 100), client(syn, 77, 0, 0), server(ack, 5001, 1101, 0), client(push, 1101, 5001, 100), server(push, 5001, 1201, 7)),
			tally{ClientPayload: 200, ServerPayload: 7, OpenedBy: "client"}},
		{"stray SYN from the other end",
			opened(client(push, 1001, 5001, 100), server(syn, 77, 0, 0), client(ack, 1101, 5001, 0), server(push, 5001, 1101, 7), client(push, 1101, 5008, 100)),
			tally{ClientPayload: 200, ServerPayload: 7, OpenedBy: "client"}},
		{"data in the SYN (TFO)",
			[]segment{client(syn, 1000, 0, 50), server(synAck, 5000, 1051, 0), client(push, 1051, 5001, 10), server(push, 5001, 1061, 20)},
			tally{ClientPayload: 60, ServerPayload: 20, OpenedBy: "client"}},
		{"data in the SYN, refused and sent again",
			[]segment{client(syn, 1000, 0, 50), server(synAck, 5000, 1001, 0), client(push, 1001, 5001, 60)},
			tally{ClientPayload: 60, ClientRetrans: 50, OpenedBy: "client"}},
		{"data in the SYN of the next connection",
			with(closedByFIN, client(syn, 900, 0, 50), server(synAck, 4000, 951, 25), client(push, 951, 4026, 10)),
			tally{ClientPayload: 160, ServerPayload: 25, OpenedBy: "client"}},
		{"data in the SYN though no end was seen",
			opened(client(push, 1001, 5001, 100), client(syn, 900000, 0, 50), server(synAck, 4000, 900051, 25), client(push, 900051, 4026, 10)),
			tally{ClientPayload: 160, ServerPayload: 25, OpenedBy: "client"}},
		{"data in the SYN though no end was seen, sequence lower",
			opened(client(push, 1001, 5001, 100), client(syn, 900, 0, 50), server(synAck, 4000, 951, 25), client(push, 951, 4026, 10)),
			tally{ClientPayload: 160, ServerPayload: 25, OpenedBy: "client"}},
		{"data in the SYN though no end was seen, refused",
			opened(client(push, 1001, 5001, 100), client(syn, 900, 0, 50), server(synAck, 4000, 901, 25), client(push, 901, 4026, 60)),
			tally{ClientPayload: 160, ServerPayload: 25, OpenedBy: "client"}},
		{"only one direction is seen (XDP)",
			[]segment{client(syn, 1000, 0, 0), client(ack, 1001, 5001, 0), client(push, 1001, 5001, 100), client(fin, 1101, 5001, 0)},
			tally{ClientPayload: 100, OpenedBy: "client", Closed: true}},
		{"only one direction is seen, ports used again",
			[]segment{client(syn, 1000, 0, 0), client(push, 1001, 5001, 100), client(syn, 900, 0, 0), client(ack, 901, 4001, 0), client(push, 901, 4001, 30)},
			tally{ClientPayload: 130, OpenedBy: "client"}},
		{"only one direction is seen, ports used again, its data first",
			[]segment{client(syn, 1000, 0, 0), client(push, 1001, 5001, 100), client(syn, 0x90000000, 0, 0), client(push, 0x90000001, 4001, 30)},
			tally{ClientPayload: 130, OpenedBy: "client"}},
		{"the other direction appears after the end of one",
			[]segment{client(fin, 1001, 5001, 10), server(push, 5001, 1012, 20)},
			tally{ClientPayload: 10, ServerPayload: 20}},
	} {
		t.Run(tc.name, func(t *testing.T) { k.play(t, tc.moves, tc.want, true) })
	}
}

// play shows the segments to one hook and checks what the flow makes of them.
func (k *kernel) play(t *testing.T, moves []segment, want tally, ends bool) {
	t.Helper()
	k.t = t
	k.reset()
	var wantPackets, wantBytes [2]uint64
	for _, s := range moves {
		k.show(k.ingress(), s.frame(), 0)
		_, dir := flow.NewKey(s.src, s.dst, 0)
		wantPackets[dir]++
		wantBytes[dir] += uint64(ipv4Len + tcpLen + len(s.payload))
	}
	f := k.flow()
	c, s := sent(&f, flow.FromB), sent(&f, flow.FromA)
	got := tally{
		ClientPayload: c.payload, ClientRetrans: c.retrans,
		ServerPayload: s.payload, ServerRetrans: s.retrans,
		Lost: k.moved()["OUT_OF_WINDOW"].Packets,
	}
	if ends {
		got.Closed = f.Closed != 0
		if f.OpenerKnown != 0 {
			got.OpenedBy = [2]string{"server", "client"}[f.Opener]
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("flow (-want +got):\n%s", diff)
	}
	for dir := range f.Dirs {
		d := f.Dirs[dir]
		if d.Packets != wantPackets[dir] || d.Bytes != wantBytes[dir] {
			t.Errorf("direction %d: %d packets, %d bytes, want %d, %d", dir, d.Packets, d.Bytes, wantPackets[dir], wantBytes[dir])
		}
	}
}

// The last packet's time is exact where a packet tells something, and never goes
// back: an acknowledgement's is that of the last tick.
func TestTimeOfTheLastPacketGoesForward(t *testing.T) {
	k := newKernel(t, build{budget: 2048})
	const tick = 10_000_000 // CONFIG_HZ is 100 or more
	last := uint64(0)
	for i, s := range opened(client(push, 1001, 5001, 100), server(ack, 5001, 1101, 0), client(ack, 1101, 5001, 0), client(fin, 1101, 5001, 0)) {
		before := monotonic(t)
		k.show(k.ingress(), s.frame(), 0)
		f := k.flow()
		if exact := len(s.payload) > 0 || s.flags.Has(flow.SYN|flow.FIN); exact && lastNs(&f) < before {
			t.Errorf("packet %d: last packet at %d, but it came after %d", i, lastNs(&f), before)
		}
		if lastNs(&f) < last || lastNs(&f)+tick < before || lastNs(&f) > monotonic(t) {
			t.Errorf("packet %d: last packet at %d, the one before at %d, now %d", i, lastNs(&f), last, before)
		}
		last = lastNs(&f)
	}
}
