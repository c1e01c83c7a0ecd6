package packet

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"gortap/internal/flow"
)

func TestTunnelsAreOpened(t *testing.T) {
	p4, p6 := plain4(), plain6()
	frame := eth(0x0800, p4)
	inUDP := func(port uint16, payload []byte) []byte { return ip4(17, 9, 0, udp(port, payload)) }
	tests := []struct {
		name string
		data []byte
		v6   bool
		net  uint32
	}{
		{"VLAN", eth(0x8100, vlan(7, 0x0800, p4)), false, 7},
		{"priority tag", eth(0x8100, vlan(0, 0x0800, p4)), false, 0},
		{"priority tag in a VLAN", eth(0x8100, vlan(7, 0x8100, vlan(0, 0x0800, p4))), false, 7},
		{"QinQ", eth(0x88a8, vlan(3, 0x8100, vlan(9, 0x0800, p4))), false, 3<<12 | 9},
		{"QinQ, before the standard", eth(0x9100, vlan(3, 0x9200, vlan(9, 0x86dd, p6))), true, 3<<12 | 9},
		{"VLAN and 802.3", eth(0x8100, vlan(7, uint16(8+len(p4)), snap(0x0800, p4))), false, 7},
		{"IP in IP", ip4(4, 9, 0, p4), false, 0},
		{"6in4", ip4(41, 9, 0, p6), true, 0},
		{"4in6", ip6(4, p4), false, 0},
		{"GRE", ip4(47, 9, 0, cat(hx(t, "0000 0800"), p4)), false, 0},
		{"GRE, checksum and sequence", ip4(47, 9, 0, cat(hx(t, "9000 86dd 00000000 00000005"), p6)), true, 0},
		{"GRE in UDP", inUDP(4754, cat(hx(t, "0000 0800"), p4)), false, 0},
		{"Ethernet in GRE", ip4(47, 9, 0, cat(hx(t, "0000 6558"), frame)), false, 0},
		{"PPTP", ip4(47, 9, 0, cat(hx(t, "3081 880b 00300001 00000001 00000002 ff03 0021"), p4)), false, 0},
		{"ERSPAN I", ip4(47, 9, 0, cat(hx(t, "0000 88be"), frame)), false, 0},
		{"ERSPAN II", ip4(47, 9, 0, cat(hx(t, "1000 88be 00000001 1000000a 00000000"), frame)), false, 0},
		{"ERSPAN III", ip4(47, 9, 0, cat(hx(t, "1000 22eb 00000001 2000000a 00000000 00000000"), frame)), false, 0},
		{"ERSPAN III with a subheader", ip4(47, 9, 0, cat(hx(t, "1000 22eb 00000001 2000000a 00000000 00000001 0000000000000000"), frame)), false, 0},
		{"MPLS", eth(0x8847, mplsLabel(16, false, mplsLabel(17, true, p4))), false, 0},
		{"MPLS, IPv6", eth(0x8847, mplsLabel(16, true, p6)), true, 0},
		{"MPLS, frame", eth(0x8847, mplsLabel(16, true, frame)), false, 0},
		{"MPLS, frame behind a control word", eth(0x8847, mplsLabel(16, true, cat(u32(0), frame))), false, 0},
		{"MPLS, frame to an address that looks like IPv4", eth(0x8847, mplsLabel(16, true, cat([]byte{0x44}, frame[1:]))), false, 0},
		{"MPLS in UDP", inUDP(6635, mplsLabel(16, true, p4)), false, 0},
		{"MPLS in IP", ip4(137, 9, 0, mplsLabel(16, true, p6)), true, 0},
		{"Ethernet in IP", ip6(143, frame), false, 0},
		{"VXLAN", inUDP(4789, vxlanHeader(42, frame)), false, uint32(overlay(vxlanID, 42))},
		{"VXLAN, the kernel's port", inUDP(8472, vxlanHeader(42, frame)), false, uint32(overlay(vxlanID, 42))},
		{"VXLAN with a VLAN inside", inUDP(4789, vxlanHeader(42, eth(0x8100, vlan(7, 0x0800, p4)))), false, uint32(overlay(vxlanID, 42).vlan(7))},
		{"GENEVE", inUDP(6081, cat(hx(t, "0000 6558 00002a00"), frame)), false, uint32(overlay(geneveID, 42))},
		{"GENEVE with options", inUDP(6081, cat(hx(t, "0340 0800 00002a00 0102030000000000 00000000"), p4)), false, uint32(overlay(geneveID, 42))},
		{"GRE with a key", ip4(47, 9, 0, cat(hx(t, "2000 0800 00000005"), p4)), false, uint32(overlay(greKey, 5))},
		{"GRE with a checksum and a key", ip4(47, 9, 0, cat(hx(t, "a000 0800 00000000 00000005"), p4)), false, uint32(overlay(greKey, 5))},
		{"GRE, a reserved bit", ip4(47, 9, 0, cat(hx(t, "0080 0800"), p4)), false, 0},
		{"Ethernet in GRE with a key", ip4(47, 9, 0, cat(hx(t, "2000 6558 00012345"), frame)), false, uint32(overlay(greKey, 0x12345))},
		{"NVGRE", ip4(47, 9, 0, cat(hx(t, "2000 6558 00123477"), frame)), false, uint32(overlay(greKey, 0x1234))},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			link := Ethernet
			if v := tt.data[0] >> 4; v == 4 || v == 6 {
				link = Raw
			}
			got, stats := decodeAll(t, Options{}, Record{Data: tt.data, Link: link})
			if diff := cmp.Diff([]flow.Segment{wantSegment(tt.v6, tt.net)}, got); diff != "" {
				t.Errorf("segments (-want +got), %s:\n%s", outcome(stats), diff)
			}
		})
	}
}

func TestWhatOnlyLooksLikeATunnelIsNone(t *testing.T) {
	frame := eth(0x0800, plain4())
	tests := map[string][]byte{
		"VXLAN without its flag":      udp(4789, cat([]byte{0}, vxlanHeader(42, frame)[1:])),
		"VXLAN with a reserved byte":  udp(4789, replace(vxlanHeader(42, frame), 7, 1)),
		"GENEVE of another version":   udp(6081, cat(hx(t, "4000 6558 00002a00"), frame)),
		"a tunnel's port as a source": cat(u16(4789), u16(53), u16(uint16(16+len(frame))), u16(0), vxlanHeader(42, frame)),
	}
	for name, payload := range tests {
		_, stats := decodeAll(t, Options{}, Record{Data: ip4(17, 1, 0, payload), Link: Raw})
		if got := outcome(stats); got != "not-tcp" {
			t.Errorf("%s: %s", name, got)
		}
	}
}

func TestNetworksSeparateWhatIsNotTheSame(t *testing.T) {
	var n network
	seen := make(map[network]string)
	for name, id := range map[string]network{
		"untagged": n, "VLAN 1": n.vlan(1), "VLAN 2": n.vlan(2), "VLAN 1 in 2": n.vlan(2).vlan(1), "VLAN 2 in 1": n.vlan(1).vlan(2),
		"VLAN 3 in 2 in 1": n.vlan(1).vlan(2).vlan(3), "VLAN 4 in 2 in 1": n.vlan(1).vlan(2).vlan(4),
		"VXLAN 0": overlay(vxlanID, 0), "VXLAN 1": overlay(vxlanID, 1),
		"GENEVE 1": overlay(geneveID, 1), "GRE 1": overlay(greKey, 1), "VLAN 1 in VXLAN 1": overlay(vxlanID, 1).vlan(1),
	} {
		if other, dup := seen[id]; dup {
			t.Errorf("%s and %s are both %#x", name, other, id)
		}
		seen[id] = name
	}
}

func TestAHostsOwnNetworksAreOne(t *testing.T) {
	header := hx(t, "8100 0000 00000003 0001 04 06 0200000000010000")
	got, _ := decodeAll(t, Options{}, Record{Data: cat(header, vlan(7, 0x0800, plain4())), Link: SLL2},
		Record{Data: cat(replace(replace(header, 0, 8), 1, 0), ip4(17, 9, 0, udp(8472, vxlanHeader(42, eth(0x0800, plain4()))))), Link: SLL2})
	for _, s := range got {
		if s.Key.Net != 0 {
			t.Errorf("network %#x, want 0 as in live capture", s.Key.Net)
		}
	}
	if len(got) != 2 {
		t.Errorf("got %d segments, want 2", len(got))
	}
}
