package filter

import (
	"testing"

	"github.com/cilium/ebpf"
)

// What a filter costs a packet in the kernel. "no filter" is what the kernel's
// test run and the call of the stub cost by themselves; take it off the others.
func BenchmarkKernel(b *testing.B) {
	spec := probeSpec(b)
	packets := map[string][]byte{
		"tcp":   eth(0x800, ip4(ipA, ipB, 6, 0, nil, tcp(40000, 443, 0x10, tcpOptions, payload))),
		"tcp6":  eth(0x86dd, ip6(ip6A, ip6B, 6, tcp(40000, 443, 0x10, tcpOptions, payload))),
		"udp":   eth(0x800, ip4(ipA, ipB, 17, 0, nil, udp(40000, 443, payload))),
		"match": eth(0x800, ip4(ipA, ipB, 6, 0, nil, tcp(40000, 80, 0x10, tcpOptions, payload))),
	}
	tests := []struct {
		name, expr, packet string
		probe              int
	}{
		{"tc/no filter", "", "tcp", 0},
		{"tc/tcp port 80/other port", "tcp port 80", "tcp", 0},
		{"tc/tcp port 80/other port, IPv6", "tcp port 80", "tcp6", 0},
		{"tc/tcp port 80/udp", "tcp port 80", "udp", 0},
		{"tc/tcp port 80/match", "tcp port 80", "match", 0},
		{"tc tag/no filter", "", "tcp", 2},
		{"tc tag/vlan and tcp port 80/other port", "vlan and tcp port 80", "tcp", 2},
		{"tc/100 hosts", hosts(100), "tcp", 0},
		{"xdp/no filter", "", "tcp", 5},
		{"xdp/tcp port 80/other port", "tcp port 80", "tcp", 5},
	}
	for _, tt := range tests {
		b.Run(tt.name, func(b *testing.B) {
			p := probes(Ethernet)[tt.probe]
			prog := spec.Programs[p.program].Copy()
			if tt.expr != "" {
				if err := Inject(prog, p.stub, compiled(b, tt.expr, Ethernet)); err != nil {
					b.Fatal(err)
				}
			}
			loaded, err := ebpf.NewProgram(prog)
			if err != nil {
				b.Fatal(err)
			}
			defer loaded.Close()
			opts := ebpf.RunOptions{Data: packets[tt.packet], Repeat: uint32(b.N), Context: p.context()}
			b.ResetTimer()
			if _, err := loaded.Run(&opts); err != nil {
				b.Fatal(err)
			}
		})
	}
}

func BenchmarkMatch(b *testing.B) {
	f, p := compiled(b, "tcp port 80", Ethernet), frames()[0].data
	b.ReportAllocs()
	for b.Loop() {
		f.Match(p, len(p))
	}
}

func BenchmarkCompile(b *testing.B) {
	for b.Loop() {
		if _, err := Compile("tcp port 80 and host 10.0.0.1", Ethernet); err != nil {
			b.Fatal(err)
		}
	}
}
