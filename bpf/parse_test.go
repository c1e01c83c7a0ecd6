package bpf_test

import (
	"bytes"
	"net/netip"
	"slices"
	"testing"
	"unsafe"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"gortap/bpf"
	"gortap/internal/flow"
)

// parseCase is the valid segment in one kind of packet, or with one thing wrong.
type parseCase struct {
	name  string
	frame []byte
	// outcome is where the packet ends up; "" stands for EMITTED: the record
	// must then be that of the valid segment.
	outcome string
	// l3 is the packet's length from its IP header on, 0 where that is unknown
	// or of no interest: the frame is counted.
	l3    int
	noRaw bool // about what is before the IP header
	// noTC: the kernel makes no skb of it, by Linux 6.17 at the latest.
	noTC bool
}

const dataOffsetAt = etherLen + ipv4Len + 12

func theSegment() segment {
	return segment{
		src: client4, dst: server4, seq: 1000, ack: 2000,
		flags: flow.PSH | flow.ACK, window: 512, payload: []byte("hello, world"),
	}
}

// edited returns the valid IPv4 frame after a change.
func edited(edit func(b []byte) []byte) []byte { return edit(theSegment().frame()) }

func ipv4Cases() []parseCase {
	s := theSegment()
	valid := func() []byte { return s.frame() }
	l3 := len(valid()) - etherLen
	withOptions := ether(etherIPv4, ipv4(s.src.Addr(), s.dst.Addr(), protoTCP, make([]byte, 40), s.tcp()))
	timestamps := s
	timestamps.options = make([]byte, 12)
	allOptions := s
	allOptions.options = make([]byte, 40)
	headerTotal := func(total int) []byte { return put16(valid(), etherLen+2, total) }
	dataOffset := func(words byte) []byte {
		return edited(func(b []byte) []byte { b[dataOffsetAt] = words << 4; return b })
	}
	return []parseCase{
		{name: "valid", frame: valid(), l3: l3},
		{name: "IPv4 options", frame: withOptions, l3: l3 + 40},
		{name: "TCP options", frame: timestamps.frame(), l3: l3 + 12},
		{name: "all TCP options", frame: allOptions.frame(), l3: l3 + 40},
		{name: "Ethernet padding", frame: append(valid(), make([]byte, 30)...), l3: l3},
		{name: "total length 0 reaches to the end", frame: headerTotal(0), l3: l3},
		{name: "total length that cuts the TCP header", frame: headerTotal(ipv4Len + tcpLen - 1), outcome: "MALFORMED", l3: ipv4Len + tcpLen - 1},
		{name: "total length shorter than the IP header", frame: headerTotal(ipv4Len - 1), outcome: "MALFORMED"},
		{name: "total length longer than the frame", frame: headerTotal(l3 + 1), outcome: "MALFORMED"},
		{name: "total length of 65535", frame: headerTotal(0xffff), outcome: "MALFORMED"},
		{name: "IHL of 4 words", frame: edited(func(b []byte) []byte { b[etherLen] = 0x44; return b }), outcome: "MALFORMED"},
		{name: "IHL beyond the packet", frame: edited(func(b []byte) []byte { b[etherLen] = 0x4f; return b }), outcome: "MALFORMED"},
		{name: "data offset of 4 words", frame: dataOffset(4), outcome: "MALFORMED", l3: l3},
		{name: "data offset beyond the packet", frame: dataOffset(9), outcome: "MALFORMED", l3: l3},
		{name: "first fragment", frame: put16(valid(), etherLen+6, 0x2000), outcome: "FRAGMENT", l3: l3},
		{name: "last fragment", frame: put16(valid(), etherLen+6, 0x00b9), outcome: "FRAGMENT", l3: l3},
		{name: "do not fragment", frame: put16(valid(), etherLen+6, 0x4000), l3: l3},
		{name: "reserved fragment bit", frame: put16(valid(), etherLen+6, 0x8000), l3: l3},
		{name: "UDP", frame: edited(func(b []byte) []byte { b[etherLen+9] = 17; return b }), outcome: "NOT_TCP"},
		{name: "ICMP", frame: edited(func(b []byte) []byte { b[etherLen+9] = 1; return b }), outcome: "NOT_TCP"},
		{name: "UDP fragment", frame: put16(edited(func(b []byte) []byte { b[etherLen+9] = 17; return b }), etherLen+6, 0x00b9), outcome: "NOT_TCP"},
		{name: "frame ends in the IP header", frame: valid()[:etherLen+ipv4Len-1], outcome: "MALFORMED", noTC: true},
		{name: "frame ends in the TCP header", frame: valid()[:etherLen+ipv4Len+tcpLen-1], outcome: "MALFORMED"},
		{name: "version 5", frame: edited(func(b []byte) []byte { b[etherLen] = 0x55; return b }), outcome: "NOT_IP"},
	}
}

func ipv6Cases() []parseCase {
	s := theSegment()
	s.src, s.dst = client6, server6
	tcp := s.tcp()
	l3 := ipv6Len + len(tcp)
	payloadLength := func(n int) []byte { return put16(s.frame(), etherLen+4, n) }
	cases := []parseCase{
		{name: "IPv6", frame: s.frame(), l3: l3},
		{name: "IPv6, Ethernet padding", frame: append(s.frame(), 0, 0, 0, 0), l3: l3},
		{name: "payload length 0 reaches to the end (BIG TCP)", frame: payloadLength(0), l3: l3},
		{name: "payload length longer than the frame", frame: payloadLength(len(tcp) + 1), outcome: "MALFORMED"},
		{name: "payload length of half a TCP header", frame: payloadLength(10), outcome: "MALFORMED", l3: ipv6Len + 10},
		{name: "UDP over IPv6", frame: chain(tcp, 17), outcome: "NOT_TCP"},
		{name: "ICMPv6", frame: chain(tcp, 58), outcome: "NOT_TCP"},
		{name: "ESP", frame: chain(tcp, 50), outcome: "NOT_TCP"},
		{name: "no next header", frame: chain(tcp, 59), outcome: "NOT_TCP"},
		{name: "UDP behind extension headers", frame: chain(tcp, 17, hopByHop, dstOpts), outcome: "NOT_TCP"},
		{name: "UDP behind 8 extension headers", frame: chain(tcp, 17, slices.Repeat([]extension{dstOpts}, 8)...), outcome: "NOT_TCP"},
		{name: "fragment behind extension headers", frame: chain(tcp, protoTCP, hopByHop, dstOpts, fragmentAt(1)), outcome: "FRAGMENT", l3: l3 + 24},
		{name: "first fragment of TCP", frame: chain(tcp, protoTCP, fragmentAt(1)), outcome: "FRAGMENT", l3: l3 + 8},
		{name: "last fragment of TCP", frame: chain(tcp, protoTCP, fragmentAt(0x05a8)), outcome: "FRAGMENT", l3: l3 + 8},
		{name: "fragment of UDP", frame: chain(tcp, 17, fragmentAt(1)), outcome: "NOT_TCP"},
		{name: "frame ends in the IPv6 header", frame: s.frame()[:etherLen+ipv6Len-1], outcome: "MALFORMED", noTC: true},
		{name: "frame ends in an extension header", frame: chain(tcp, protoTCP, dstOpts)[:etherLen+ipv6Len+1], outcome: "MALFORMED"},
		{name: "extension header longer than the packet", frame: chain(tcp, protoTCP, extension{60, append([]byte{0, 200}, make([]byte, 6)...)}), outcome: "MALFORMED"},
	}
	for name, headers := range map[string][]extension{
		"hop-by-hop options":    {hopByHop},
		"routing header":        {routing},
		"destination options":   {dstOpts},
		"24 bytes of options":   {dstOpts24},
		"authentication header": {auth},
		"mobility header":       {mobility},
		"atomic fragment":       {whole},
		"one of each":           {hopByHop, dstOpts24, routing, whole, auth, dstOpts, mobility},
		"8 extension headers":   slices.Repeat([]extension{dstOpts}, 8),
	} {
		f := chain(tcp, protoTCP, headers...)
		cases = append(cases, parseCase{name: name, frame: f, l3: len(f) - etherLen})
	}
	return append(cases, parseCase{
		name: "9 extension headers", frame: chain(tcp, protoTCP, slices.Repeat([]extension{dstOpts}, 9)...), outcome: "MALFORMED",
	})
}

func linkCases() []parseCase {
	s := theSegment()
	l3 := len(s.frame()) - etherLen
	tags := func(n int, proto uint16) []byte {
		f := s.frame()
		for range n {
			f = tagged(f, proto)
		}
		return f
	}
	return []parseCase{
		{name: "VLAN", frame: tags(1, etherVLAN), l3: l3, noRaw: true},
		{name: "QinQ", frame: tagged(tags(1, etherVLAN), etherQinQ), l3: l3, noRaw: true},
		{name: "4 tags", frame: tags(4, etherVLAN), l3: l3, noRaw: true},
		{name: "5 tags", frame: tags(5, etherVLAN), outcome: "NOT_IP", noRaw: true},
		{name: "frame ends in a tag", frame: tags(1, etherVLAN)[:etherLen+2], outcome: "NOT_IP", noRaw: true},
		{name: "ARP", frame: ether(etherARP, make([]byte, 28)), outcome: "NOT_IP", noRaw: true},
		{name: "802.3", frame: ether(46, s.frame()[etherLen:]), outcome: "NOT_IP", noRaw: true},
		{name: "MPLS", frame: ether(etherMPLS, append([]byte{0, 1, 1, 64}, s.frame()[etherLen:]...)), outcome: "NOT_IP", noRaw: true},
		{name: "PPPoE", frame: ether(etherPPPoE, append(make([]byte, 8), s.frame()[etherLen:]...)), outcome: "NOT_IP", noRaw: true},
		{name: "nothing but an Ethernet header", frame: ether(etherIPv4, nil), outcome: "NOT_IP", noRaw: true, noTC: true},
	}
}

// Each program sees each packet once: the verdict, the packet, every counter, the
// record and the flow are as they should be, and nothing else has moved.
func TestEveryPacketEndsUpInOneOutcome(t *testing.T) {
	k := newKernel(t, build{budget: 2048})
	cases := slices.Concat(ipv4Cases(), ipv6Cases(), linkCases())
	for _, h := range k.hooks() {
		for _, tc := range cases {
			if h.raw && tc.noRaw || !h.xdp && tc.noTC {
				continue
			}
			t.Run(h.name+"/"+tc.name, func(t *testing.T) {
				k.t = t
				k.reset()
				frame := tc.frame
				if h.raw {
					frame = frame[etherLen:]
				}
				before := monotonic(t)
				k.show(h, frame, 0)
				tc.check(k, len(frame), before)
			})
		}
	}
}

func (tc *parseCase) check(k *kernel, frameLen int, before uint64) {
	k.t.Helper()
	length := tc.l3
	if length == 0 {
		length = frameLen
	}
	outcome := tc.outcome
	if outcome == "" {
		outcome = "EMITTED"
	}
	want := counters{outcome: {Packets: 1, Bytes: uint64(length)}}
	if diff := cmp.Diff(want, k.moved()); diff != "" {
		k.t.Errorf("counters (-want +got):\n%s", diff)
	}
	records := k.records()
	if outcome != "EMITTED" {
		if len(records) > 0 || len(k.flows()) > 0 {
			k.t.Errorf("left %d records and %d flows", len(records), len(k.flows()))
		}
		return
	}
	s := theSegment()
	if tc.frame[etherLen]>>4 == 6 || bytes.Contains(tc.frame, server6.Addr().AsSlice()) {
		s.src, s.dst = client6, server6
	}
	key, dir := flow.NewKey(s.src, s.dst, 0)
	wantRecord := bpf.CaptureEvent{
		Size: uint32(unsafe.Sizeof(bpf.CaptureEvent{})) + uint32(len(s.payload)+7)&^7,
		Type: uint8(bpf.CaptureEventTypeEVENT_SEGMENT), Dir: uint8(dir), Flags: uint8(s.flags),
		Seq: s.seq, Ack: s.ack, Len: uint32(len(s.payload)), Cap: uint16(len(s.payload)),
		NetBytes: uint32(length), Window: s.window, Key: kernelKey(key),
	}
	if len(records) != 1 || records[0].Event == nil {
		k.t.Fatalf("records %+v, want one segment", records)
	}
	got := *records[0].Event
	if after := monotonic(k.t); got.TsNs < before || got.TsNs > after {
		k.t.Errorf("time %d is not between %d and %d", got.TsNs, before, after)
	}
	if diff := cmp.Diff(wantRecord, got, cmpopts.IgnoreFields(got, "TsNs")); diff != "" {
		k.t.Errorf("record (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(string(s.payload), records[0].Data); diff != "" {
		k.t.Errorf("payload (-want +got):\n%s", diff)
	}
	tc.checkFlow(k, key, dir, s, length, got.TsNs)
}

func (tc *parseCase) checkFlow(k *kernel, key flow.Key, dir flow.Dir, s segment, length int, ts uint64) {
	k.t.Helper()
	got, ok := k.flows()[kernelKey(key)]
	if !ok {
		k.t.Fatalf("no flow %+v", key)
	}
	want := bpf.CaptureFlow{FirstNs: ts}
	for i := range want.Dirs {
		want.Dirs[i].LastNs, want.Dirs[i].Lock = ts, freeLock(key)
	}
	d := &want.Dirs[dir]
	d.Packets, d.Bytes, d.Payload = 1, uint64(length), uint64(len(s.payload))
	d.Nxt = s.seq + uint32(len(s.payload))
	d.TurnSeq, want.Dirs[dir].Rare.OowNxt = s.seq, s.seq
	d.Ack, d.TurnAck = s.ack, s.ack
	d.Flags = uint8(bpf.CaptureDirFlagDIR_SEEN | bpf.CaptureDirFlagDIR_SEQ | bpf.CaptureDirFlagDIR_ACK | bpf.CaptureDirFlagDIR_TURN)
	// The owner is the hook: its value is tested with the hooks.
	d.Owner = got.Dirs[dir].Owner
	if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(want, want.Dirs[0], want.Dirs[0].Rare, want.Skip)); diff != "" {
		k.t.Errorf("flow (-want +got):\n%s", diff)
	}
}

// A is the end with the lower port; with equal ports, the lower address. Go must
// say the same, for it looks flows up by key.
func TestKeysOfKernelAndGoAreEqual(t *testing.T) {
	k := newKernel(t, build{budget: 2048})
	ports := []uint16{1, 80, 255, 256, 40000, 65535}
	addrs := []string{"192.0.2.1", "192.0.2.2", "192.0.3.1", "1.0.0.255", "2001:db8::1", "2001:db8::100", "2001:db8:1::", "ff00::"}
	for _, a := range addrs {
		for _, b := range addrs {
			src, dst := netip.MustParseAddr(a), netip.MustParseAddr(b)
			if src.Is4() != dst.Is4() {
				continue
			}
			for _, sport := range ports {
				for _, dport := range ports {
					k.reset()
					s := theSegment()
					s.src, s.dst = netip.AddrPortFrom(src, sport), netip.AddrPortFrom(dst, dport)
					k.show(k.ingress(), s.frame(), 0)
					key, dir := flow.NewKey(s.src, s.dst, 0)
					rec := k.records()[0].Event
					if rec.Key != kernelKey(key) || rec.Dir != uint8(dir) {
						t.Errorf("%v -> %v: kernel has %+v, direction %d; Go has %+v, direction %d", s.src, s.dst, rec.Key, rec.Dir, key, dir)
					}
				}
			}
		}
	}
}
