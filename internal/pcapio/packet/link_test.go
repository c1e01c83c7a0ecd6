package packet

import (
	"encoding/binary"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gortap/internal/flow"
)

func TestEachLinkTypeLeadsToTheSegment(t *testing.T) {
	le32 := func(v uint32) []byte { return binary.LittleEndian.AppendUint32(nil, v) }
	p4, p6 := plain4(), plain6()
	wifiData := "0801 0000 020000000001 020000000002 020000000003 0000"
	tests := []struct {
		name string
		link LinkType
		data []byte
		v6   bool
	}{
		{"ethernet", Ethernet, eth(0x0800, p4), false},
		{"ethernet, IPv6", Ethernet, eth(0x86dd, p6), true},
		{"ethernet, SNAP", Ethernet, eth(uint16(8+len(p4)), snap(0x0800, p4)), false},
		{"ethernet, IP in LLC", Ethernet, eth(uint16(3+len(p4)), cat([]byte{6, 6, 3}, p4)), false},
		{"raw, IPv4", Raw, p4, false},
		{"raw, IPv6", Raw, p6, true},
		{"raw, as DLT_RAW", rawBSD, p4, false},
		{"IPv4", IPv4, p4, false},
		{"IPv6", IPv6, p6, true},
		{"null, little endian", Null, cat(le32(2), p4), false},
		{"null, big endian", Null, cat(u32(2), p4), false},
		{"null, IPv6 of Linux", Null, cat(le32(10), p6), true},
		{"null, IPv6 of FreeBSD", Null, cat(le32(28), p6), true},
		{"null, IPv6 of Darwin", Null, cat(u32(30), p6), true},
		{"loop", Loop, cat(u32(24), p6), true},
		{"enc", Enc, cat(le32(2), make([]byte, 8), p4), false},
		{"pflog", PFLog, cat([]byte{61, 2}, make([]byte, 62), p4), false},
		{"fddi", FDDI, cat([]byte{0x50}, make([]byte, 12), snap(0x0800, p4)), false},
		{"SLL", SLL, cat(hx(t, "0000 0001 0006 0200000000010000 0800"), p4), false},
		{"SLL, LLC", SLL, cat(hx(t, "0000 0001 0006 0200000000010000 0004"), snap(0x0800, p4)), false},
		{"SLL, VLAN", SLL, cat(hx(t, "0000 0001 0006 0200000000010000 8100"), vlan(9, 0x0800, p4)), false},
		{"SLL2", SLL2, cat(hx(t, "86dd 0000 00000003 0001 04 06 0200000000010000"), p6), true},
		{"802.11, to the access point", WiFi, cat(hx(t, wifiData), snap(0x0800, p4)), false},
		{"802.11, four addresses", WiFi,
			cat(hx(t, "0803 0000 020000000001 020000000002 020000000003 0000 020000000004"), snap(0x0800, p4)), false},
		{"802.11, QoS", WiFi, cat(hx(t, "88"+wifiData[2:]+"0000"), snap(0x0800, p4)), false},
		{"802.11, QoS and HT control", WiFi,
			cat(hx(t, "8882 0000 020000000001 020000000002 020000000003 0000 0000 00000000"), snap(0x86dd, p6)), true},
		{"radiotap", Radiotap, cat(hx(t, "0000 0900 02000000 10"+wifiData), snap(0x0800, p4)), false},
		{"radiotap, timestamp, padded body", Radiotap,
			cat(hx(t, "0000 1900 03000080 00000000 00000000 0102030405060708 20"+"88"+wifiData[2:]+"0000 0000"), snap(0x0800, p4)), false},
		{"prism", Prism, cat(le32(0x44), le32(144), make([]byte, 136), hx(t, wifiData), snap(0x0800, p4)), false},
		{"AVS", AVS, cat(u32(0x80211001), u32(64), make([]byte, 56), hx(t, wifiData), snap(0x0800, p4)), false},
		{"PPI", PPI, cat(hx(t, "0000 0c00 01000000 00000000"), eth(0x0800, p4)), false},
		{"PKTAP", PKTAP, cat(le32(108), le32(1), le32(1), make([]byte, 96), eth(0x0800, p4)), false},
		{"PPP", PPP, cat(hx(t, "ff03 0021"), p4), false},
		{"PPP, compressed", PPP, cat(hx(t, "57"), p6), true},
		{"PPP in HDLC", PPPHDLC, cat(hx(t, "ff03 0057"), p6), true},
		{"Cisco in PPP_HDLC", PPPHDLC, cat(hx(t, "0f00 0800"), p4), false},
		{"Cisco HDLC", CHDLC, cat(hx(t, "8f00 86dd"), p6), true},
		{"Cisco HDLC with direction", CHDLCDir, cat(hx(t, "01 0f00 0800"), p4), false},
		{"PPP with direction", PPPDir, cat(hx(t, "00 ff03 0021"), p4), false},
		{"pppd", PPPD, cat(hx(t, "01 03 0021"), p4), false},
		{"PPPoE", PPPoE, cat(hx(t, "1100 0001"), u16(uint16(2+len(p4))), hx(t, "0021"), p4), false},
		{"PPPoE in ethernet, padded", Ethernet,
			eth(0x8864, cat(hx(t, "1100 0001"), u16(uint16(2+len(p4))), hx(t, "0021"), p4, make([]byte, 9))), false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, stats := decodeAll(t, Options{VerifyChecksums: false}, Record{Data: tt.data, Link: tt.link})
			if diff := cmp.Diff([]flow.Segment{wantSegment(tt.v6, 0)}, got); diff != "" {
				t.Errorf("segments (-want +got), %s:\n%s", outcome(stats), diff)
			}
		})
	}
}

func TestOtherPacketsAreCountedByReason(t *testing.T) {
	p4 := plain4()
	wifiTail := "0000 020000000001 020000000002 020000000003 0000"
	tests := []struct {
		name string
		link LinkType
		data []byte
		want Reason
	}{
		{"unknown link type", 9999, p4, Unsupported},
		{"ARP", Ethernet, eth(0x0806, make([]byte, 28)), NotIP},
		{"spanning tree", Ethernet, eth(38, cat([]byte{0x42, 0x42, 3}, make([]byte, 35))), NotIP},
		{"UDP", Raw, ip4(17, 1, 0, udp(53, make([]byte, 12))), NotTCP},
		{"ICMPv6", Raw, ip6(58, make([]byte, 8)), NotTCP},
		{"no next header", Raw, ip6(59, nil), NotTCP},
		{"fragment of ICMP", Raw, ip4(1, 1, 0x2000, make([]byte, 64)), NotTCP},
		{"ESP", Raw, ip4(50, 1, 0, make([]byte, 64)), Encrypted},
		{"MACsec", Ethernet, eth(0x88e5, p4), Encrypted},
		{"beacon", WiFi, cat(hx(t, "8000"+wifiTail), make([]byte, 40)), NotIP},
		{"802.11 without a body", WiFi, hx(t, "4801"+wifiTail), NotIP},
		{"802.11, WPA", WiFi, cat(hx(t, "0841"+wifiTail), snap(0x0800, p4)), Encrypted},
		{"802.11, first fragment", WiFi, cat(hx(t, "0805"+wifiTail), snap(0x0800, p4)), Unsupported},
		{"802.11, bad frame checksum", Radiotap, cat(hx(t, "0000 0900 02000000 40 0801"+wifiTail), snap(0x0800, p4)), BadChecksum},
		{"PPP multilink", PPP, cat(hx(t, "ff03 003d"), p4), Unsupported},
		{"PPPoE discovery", PPPoE, cat(hx(t, "1109 0000 0004 0101 0000")), NotIP},
		{"IPv4, header length", Raw, cat([]byte{0x44}, p4[1:]), Malformed},
		{"IPv4, total length", Raw, cat(p4[:2], u16(10), p4[4:]), Malformed},
		{"IPv4 by EtherType, version 5", Ethernet, eth(0x0800, cat([]byte{0x55}, p4[1:])), Malformed},
		{"TCP, data offset below the header", Raw, ip4(6, 1, 0, replace(tcpSegment(1, 2, 3, ""), 12, 0x40)), Malformed},
		{"TCP, data offset beyond the packet", Raw, ip4(6, 1, 0, replace(tcpSegment(1, 2, 3, ""), 12, 0xf0)), Malformed},
		{"TCP, a header of 19 bytes", Raw, ip4(6, 1, 0, tcpSegment(1, 2, 3, "")[:12]), Malformed},
		{"ethernet, nothing", Ethernet, nil, Malformed},
		{"20 VLAN tags", Ethernet, eth(0x8100, tags(20, p4)), Nesting},
		{"source-routed GRE", Raw, ip4(47, 1, 0, cat(hx(t, "4000 0800"), p4)), Unsupported},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, stats := decodeAll(t, Options{}, Record{Data: tt.data, Link: tt.link})
			if len(got) != 0 || outcome(stats) != tt.want.String() {
				t.Errorf("got %d segments, %q, want none, %q", len(got), outcome(stats), tt.want)
			}
		})
	}
}

func replace(b []byte, at int, v byte) []byte { b[at] = v; return b }

func tags(n int, payload []byte) []byte {
	b := vlan(5, 0x0800, payload)
	for range n - 1 {
		b = vlan(5, 0x8100, b)
	}
	return b
}

func TestAnAggregateGivesEachOfItsPackets(t *testing.T) {
	sub := func(etherType uint16, p []byte) []byte {
		b := cat(make([]byte, 12), u16(uint16(8+len(p))), snap(etherType, p))
		return cat(b, make([]byte, (4-len(b)%4)%4))
	}
	header := hx(t, "8801 0000 020000000001 020000000002 020000000003 0000 8000")
	frame := cat(header, sub(0x0806, make([]byte, 28)), sub(0x8100, vlan(7, 0x0800, plain4())), sub(0x86dd, plain6()), make([]byte, 4))
	got, stats := decodeAll(t, Options{}, Record{Data: frame, Link: WiFi})
	if diff := cmp.Diff([]flow.Segment{wantSegment(false, 7), wantSegment(true, 0)}, got); diff != "" {
		t.Errorf("segments (-want +got):\n%s", diff)
	}
	if stats.Delivered.Packets != 1 {
		t.Errorf("the frame counts as %+v, want 1 delivered", stats.Delivered)
	}
	frame = cat(header, sub(0x0806, make([]byte, 28)), sub(0x0800, ip4(17, 1, 0, udp(53, nil))), make([]byte, 4))
	if _, stats := decodeAll(t, Options{}, Record{Data: frame, Link: WiFi}); outcome(stats) != "not-tcp" {
		t.Errorf("without TCP it counts as %s", outcome(stats))
	}
}

func TestReasonsHaveDistinctLabels(t *testing.T) {
	seen := make(map[string]Reason)
	for r := range NumReasons {
		name := r.String()
		if other, dup := seen[name]; dup || name == "" {
			t.Errorf("reason %d is called %q, as is %d", r, name, other)
		}
		seen[name] = r
	}
	for _, r := range []Reason{Delivered, NotIP, NotTCP, Duplicate} {
		if r.Loss() {
			t.Errorf("%s counts as a loss", r)
		}
	}
	if !Truncated.Loss() || !FragmentOverlap.Loss() {
		t.Error("losses do not count as such")
	}
}
