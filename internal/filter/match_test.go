package filter

import (
	"slices"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcap"
)

// The oracle of the kernel tests is Match. Its own is another binding of libpcap.
func TestMatchAgreesWithGopacket(t *testing.T) {
	packets := frames()
	all, table := expressions(0)
	for _, expr := range all[:table] {
		f := compiled(t, expr, Ethernet)
		if slices.ContainsFunc(f.code, readsSlot) {
			continue // what it finds in a scratch word that it never wrote is undefined there
		}
		oracle, err := pcap.NewBPF(layers.LinkTypeEthernet, snapLen, expr)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range packets {
			for _, captured := range []int{len(p.data), len(p.data) / 2} {
				ci := gopacket.CaptureInfo{CaptureLength: captured, Length: len(p.data)}
				want := oracle.Matches(ci, p.data[:captured])
				if got := f.Match(p.data[:captured], len(p.data)); got != want {
					t.Errorf("%q on %d bytes of %s: %v, gopacket says %v", expr, captured, p.name, got, want)
				}
			}
		}
	}
}

func TestMatchUsesTheLengthOnTheWire(t *testing.T) {
	data := frames()[0].data[:20]
	for expr, want := range map[string]bool{"greater 1000": true, "less 999": false, "ip": true, "tcp": false, "len = 1000": true} {
		if got := compiled(t, expr, Ethernet).Match(data, 1000); got != want {
			t.Errorf("%s: %v, want %v", expr, got, want)
		}
	}
}

func TestMatchOfNothing(t *testing.T) {
	for expr, want := range map[string]bool{"": true, "ip": false, "not ip": false, "len = 0": true} {
		if got := compiled(t, expr, Ethernet).Match(nil, 0); got != want {
			t.Errorf("%q: %v, want %v", expr, got, want)
		}
	}
}

func TestLinkTypesOfFiles(t *testing.T) {
	ip := ip4(ipA, ipB, 6, 0, nil, tcp(1, 80, 2, nil))
	ip6 := ip6(ip6A, ip6B, 6, tcp(1, 80, 2, nil))
	tests := []struct {
		name string
		link LinkType
		data []byte
	}{
		{"Ethernet", 1, eth(0x800, ip)},
		{"raw, as in files", 101, ip},
		{"raw, as in libpcap", 12, ip6},
		{"IPv4", 228, ip},
		{"IPv6", 229, ip6},
		{"null", 0, join([]byte{2, 0, 0, 0}, ip)},
		{"loop", 108, join([]byte{0, 0, 0, 2}, ip)},
		{"Linux cooked", 113, join(be16(0, 1, 6), macA, be16(0, 0x800), ip)},
		{"Linux cooked v2", 276, join(be16(0x800, 0, 0, 1, 1), []byte{0, 6}, macA, be16(0), ip)},
		{"PPP", 9, join([]byte{0xff, 3}, be16(0x21), ip)},
		{"Cisco HDLC", 104, join([]byte{0x0f, 0}, be16(0x800), ip)},
	}
	for _, tt := range tests {
		yes, no := compiled(t, "tcp port 80", tt.link), compiled(t, "tcp port 81", tt.link)
		if !yes.Match(tt.data, len(tt.data)) {
			t.Errorf("%s: tcp port 80 does not match", tt.name)
		}
		if no.Match(tt.data, len(tt.data)) {
			t.Errorf("%s: tcp port 81 matches", tt.name)
		}
	}
}

func TestMatchDoesNotAllocate(t *testing.T) {
	f, p := compiled(t, "tcp port 80", Ethernet), frames()[0].data
	if n := testing.AllocsPerRun(100, func() { f.Match(p, len(p)) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
