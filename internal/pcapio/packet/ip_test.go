package packet

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gortap/internal/flow"
)

func TestThePacketEndsWhereIPSaysSo(t *testing.T) {
	tso4 := plain4()
	copy(tso4[2:], u16(0))
	tso6 := plain6()
	copy(tso6[4:], u16(0))
	// RFC 2675: the length is in a hop-by-hop option.
	jumbo := ip6(0, cat([]byte{6, 0, 0xc2, 4}, u32(uint32(8+20+len(hello))), tcpSegment(40000, 80, 1000, hello)))
	copy(jumbo[4:], u16(0))
	options := plain4()
	options = cat([]byte{0x47}, options[1:2], u16(uint16(len(options)+8)), options[4:20], make([]byte, 8), options[20:])

	tests := []struct {
		name string
		data []byte
		v6   bool
		more int // bytes of network layer headers beyond the usual
	}{
		{"padding", eth(0x0800, cat(plain4(), make([]byte, 11))), false, 0},
		{"padding, IPv6", eth(0x86dd, cat(plain6(), make([]byte, 3))), true, 0},
		{"total length 0 before offload", eth(0x0800, tso4), false, 0},
		{"payload length 0 before offload", eth(0x86dd, tso6), true, 0},
		{"jumbogram", eth(0x86dd, jumbo), true, 8},
		{"IPv4 options", eth(0x0800, options), false, 8},
		{"extension headers", eth(0x86dd, ip6(0, extension(60, 2, extension(43, 1, extension(6, 1, tcpSegment(40000, 80, 1000, hello)))))), true, 32},
		{"authentication header", eth(0x86dd, ip6(51, cat([]byte{6, 4}, make([]byte, 22), tcpSegment(40000, 80, 1000, hello)))), true, 24},
		{"authentication header in IPv4", eth(0x0800, ip4(51, 1, 0, cat([]byte{6, 4}, make([]byte, 22), tcpSegment(40000, 80, 1000, hello)))), false, 24},
		{"atomic fragment", eth(0x86dd, ip6(44, cat([]byte{6, 0}, u16(0), u32(5), tcpSegment(40000, 80, 1000, hello)))), true, 8},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			want := wantSegment(tt.v6, 0)
			want.NetBytes += tt.more
			got, stats := decodeAll(t, Options{}, Record{Data: tt.data, Link: Ethernet})
			if diff := cmp.Diff([]flow.Segment{want}, got); diff != "" {
				t.Errorf("segments (-want +got), %s:\n%s", outcome(stats), diff)
			}
		})
	}
}

func TestASnapLengthCutsDataAndNotLength(t *testing.T) {
	tests := []struct {
		name    string
		frame   []byte
		v6      bool
		headers int
	}{
		{"IPv4", eth(0x0800, plain4()), false, 14 + 20 + 20},
		{"IPv6 in VLAN", eth(0x8100, vlan(3, 0x86dd, plain6())), true, 18 + 40 + 20},
	}
	for _, tt := range tests {
		for snaplen := range tt.frame {
			want := wantSegment(tt.v6, 0)
			if tt.v6 {
				want.Key.Net = 3
			}
			want.Data, want.Cut = nil, flow.Truncated
			if snaplen > tt.headers {
				want.Data = []byte(hello)[:snaplen-tt.headers]
			}
			got, stats := decodeAll(t, Options{}, Record{Data: tt.frame[:snaplen], WireLen: len(tt.frame), Link: Ethernet})
			if snaplen < tt.headers-4 { // TCP's checksum and urgent pointer are not needed
				if len(got) != 0 || outcome(stats) != "truncated" {
					t.Errorf("%s, snap length %d: %d segments, %s", tt.name, snaplen, len(got), outcome(stats))
				}
			} else if diff := cmp.Diff([]flow.Segment{want}, got); diff != "" {
				t.Errorf("%s, snap length %d (-want +got):\n%s", tt.name, snaplen, diff)
			}
		}
	}
}

func TestAWrongWireLengthDoesNotHideThatThePacketIsCut(t *testing.T) {
	frame := eth(0x0800, plain4())
	got, _ := decodeAll(t, Options{}, Record{Data: frame[:60], WireLen: 60, Link: Ethernet})
	want := wantSegment(false, 0)
	want.Data, want.Cut = []byte(hello)[:6], flow.Truncated
	if diff := cmp.Diff([]flow.Segment{want}, got); diff != "" {
		t.Errorf("segments (-want +got):\n%s", diff)
	}
}

func TestSourceRoutesLeadToTheLastAddress(t *testing.T) {
	final := netip.MustParseAddr("2001:db8::99").As16()
	other := netip.MustParseAddr("2001:db8::77").As16()
	segment := tcpSegment(40000, 80, 1000, hello)
	tests := []struct {
		name   string
		header []byte
		want   string
	}{
		{"type 0", cat([]byte{6, 4, 0, 2}, u32(0), other[:], final[:]), "2001:db8::99"},
		{"type 2", cat([]byte{6, 2, 2, 1}, u32(0), final[:]), "2001:db8::99"},
		{"segment routing", cat([]byte{6, 4, 4, 1, 1, 0, 0, 0}, final[:], other[:]), "2001:db8::99"},
		{"segment routing with a TLV", cat([]byte{6, 3, 4, 1, 0, 0, 0, 0}, final[:], make([]byte, 8)), "2001:db8::99"},
		{"all visited", cat([]byte{6, 2, 0, 0}, u32(0), other[:]), server6},
		{"no room for an address", []byte{6, 0, 0, 1, 0, 0, 0, 0}, server6},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, stats := decodeAll(t, Options{}, Record{Data: ip6(43, cat(tt.header, segment)), Link: Raw})
			if len(got) != 1 {
				t.Fatalf("got %d segments, %s", len(got), outcome(stats))
			}
			if dst := got[0].Key.Source(got[0].Dir.Other()); dst.Addr().String() != tt.want {
				t.Errorf("destination %s, want %s", dst.Addr(), tt.want)
			}
		})
	}
}

func TestKeysAreThoseOfNewKey(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	ports := []uint16{0, 80, 443, 40000, 65535}
	for range 2000 {
		p4, p6 := plain4(), plain6()
		sp, dp := ports[rng.IntN(len(ports))], ports[rng.IntN(len(ports))]
		for i, p := range [][]byte{p4, p6} {
			src, dst, tcp := p[12:16], p[16:20], p[20:]
			if i == 1 {
				src, dst, tcp = p[8:24], p[24:40], p[40:]
			}
			src[len(src)-1], dst[len(dst)-1] = byte(rng.IntN(3)), byte(rng.IntN(3))
			copy(tcp, cat(u16(sp), u16(dp)))
			s, _ := netip.AddrFromSlice(src)
			d, _ := netip.AddrFromSlice(dst)
			key, dir := flow.NewKey(netip.AddrPortFrom(s, sp), netip.AddrPortFrom(d, dp), 0)
			got, _ := decodeAll(t, Options{}, Record{Data: p, Link: Raw})
			if len(got) != 1 || got[0].Key != key || got[0].Dir != dir {
				t.Fatalf("%v:%d -> %v:%d: got %+v, want key %v, direction %d", s, sp, d, dp, got, key, dir)
			}
		}
	}
}

func TestControlBitsPassUnchanged(t *testing.T) {
	p := plain4()
	for bits := range 256 {
		p[20+13] = byte(bits)
		got, _ := decodeAll(t, Options{}, Record{Data: p, Link: Raw})
		if len(got) != 1 || got[0].Flags != flow.Flags(bits) {
			t.Fatalf("flags %#x: got %+v", bits, got)
		}
	}
}

func TestChecksumsAreVerifiedOnlyWhenAsked(t *testing.T) {
	fill := func(p []byte) []byte {
		ip, tcp := p[12:20], p[20:]
		if p[0]>>4 == 6 {
			ip, tcp = p[8:40], p[40:]
		}
		binary.BigEndian.PutUint16(tcp[16:], Fold(Sum(Sum(0, cat(ip, u32(uint32(len(tcp))), u32(protoTCP))), tcp)))
		return p
	}
	flip := func(p []byte, at int) []byte { p[at] ^= 1; return p }
	tests := []struct {
		name string
		data []byte
		wire int
		want string
	}{
		{"right", fill(plain4()), 0, "delivered"},
		{"right, IPv6", fill(plain6()), 0, "delivered"},
		{"payload changed", flip(fill(plain4()), 45), 0, "bad-checksum"},
		{"payload changed, IPv6", flip(fill(plain6()), 65), 0, "bad-checksum"},
		{"IPv4 header changed", flip(fill(plain4()), 8), 0, "bad-checksum"},
		{"cut, so that nothing can be said", flip(fill(plain4()), 45)[:50], len(plain4()), "delivered"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, verify := range []bool{true, false} {
				want := tt.want
				if !verify {
					want = "delivered"
				}
				_, stats := decodeAll(t, Options{VerifyChecksums: verify}, Record{Data: tt.data, WireLen: tt.wire, Link: Raw})
				if got := outcome(stats); got != want {
					t.Errorf("verify %v: %s, want %s", verify, got, want)
				}
			}
		})
	}
}

// RFC 1071, 3, has this example.
func TestChecksumOfTheStandard(t *testing.T) {
	b := []byte{0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7}
	if got := ^Fold(Sum(0, b)); got != 0xddf2 {
		t.Errorf("sum %#x, want 0xddf2", got)
	}
	for n := range len(b) {
		var naive uint64
		for i, v := range b[:n] {
			naive += uint64(v) << (8 * (1 - i%2))
		}
		if got, want := Fold(Sum(0, b[:n])), Fold(naive); got != want {
			t.Errorf("%d bytes: %#x, want %#x", n, got, want)
		}
	}
}
