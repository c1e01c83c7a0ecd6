package way

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var (
	testTarget = netip.MustParseAddrPort("198.51.100.2:7000")
	testClient = netip.MustParseAddrPort("203.0.113.7:20001")
)

// ipv4 is a packet with a header of 20 bytes.
func ipv4(proto byte, from, to netip.Addr, payload ...byte) []byte {
	b := make([]byte, 20)
	b[0], b[9] = 0x45, proto
	copy(b[12:], from.AsSlice())
	copy(b[16:], to.AsSlice())
	return append(b, payload...)
}

func tcp(from, to netip.AddrPort, flags byte) []byte {
	b := make([]byte, 20)
	b[0], b[1], b[2], b[3], b[13] = byte(from.Port()>>8), byte(from.Port()), byte(to.Port()>>8), byte(to.Port()), flags
	return ipv4(6, from.Addr(), to.Addr(), b...)
}

func TestWhatComesIsToldByConnection(t *testing.T) {
	router := netip.MustParseAddr("192.0.2.1")
	refusal := func(kind, code byte) []byte {
		return ipv4(1, router, testClient.Addr(), append([]byte{kind, code, 0, 0, 0, 0, 0, 0}, tcp(testClient, testTarget, flagSYN)[:28]...)...)
	}
	other := netip.AddrPortFrom(testClient.Addr(), 20002)
	type packet struct {
		out   bool
		bytes []byte
	}
	for _, c := range []struct {
		name    string
		packets []packet
		want    seen
	}{
		{"nothing", nil, seen{}},
		{"SYN", []packet{{true, tcp(testClient, testTarget, flagSYN)}}, seen{syn: true}},
		{"SYN of another port", []packet{{true, tcp(other, testTarget, flagSYN)}}, seen{}},
		{"reset", []packet{{false, tcp(testTarget, testClient, flagRST)}}, seen{reset: true}},
		{"reset of another port", []packet{{false, tcp(testTarget, other, flagRST)}}, seen{}},
		{"own reset", []packet{{true, tcp(testClient, testTarget, flagRST)}}, seen{}},
		{"prohibited, twice", []packet{{false, refusal(3, 13)}, {false, refusal(3, 13)}}, seen{icmp: []icmp{{router, prohibited}}}},
		{"echo", []packet{{false, refusal(8, 0)}}, seen{}},
	} {
		w := &watcher{}
		for _, p := range c.packets {
			o := observed{out: p.out}
			if o.parse(p.bytes, etherIPv4) {
				w.packets = append(w.packets, o)
			}
		}
		c.want.watched = true
		got := w.of(testClient, testTarget, "eth0")
		if diff := cmp.Diff(c.want, got, cmp.AllowUnexported(seen{}, icmp{}), cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
}

func FuzzNoPacketHurts(f *testing.F) {
	f.Add(tcp(testClient, testTarget, flagSYN), uint16(etherIPv4))
	f.Add(make([]byte, 28), uint16(etherARP))
	f.Add(make([]byte, 60), uint16(etherIPv6))
	f.Add(ipv4(1, testTarget.Addr(), testClient.Addr(), append([]byte{3, 13, 0, 0, 0, 0, 0, 0}, tcp(testClient, testTarget, flagSYN)...)...), uint16(etherIPv4))
	f.Fuzz(func(t *testing.T, b []byte, ether uint16) {
		var p observed
		if p.parse(b, ether) && !p.from.IsValid() {
			t.Errorf("a packet from nobody: %x", b)
		}
	})
}
