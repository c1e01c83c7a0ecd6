package filter

import (
	"encoding/binary"
	"slices"
	"testing"

	xbpf "golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// Every load around the place of a VLAN tag, of every size, by a constant offset
// and by X and a constant, against the bytes on the wire. One program makes all of
// them and matches if each was right.
func TestLoadsReadWhatIsOnTheWire(t *testing.T) {
	spec := probeSpec(t)
	data := make([]byte, 64)
	for i := range data {
		data[i] = byte(0x80 + i)
	}
	for _, p := range append(probes(Ethernet), probes(Raw)...) {
		wire := slices.Clone(p.wire(data))
		if got := p.verdictOn(t, spec, checkLoads(wire, 24), data); got != 1 {
			t.Errorf("%s: a load is wrong", p.name)
		}
		wire[15] ^= 1
		if got := p.verdictOn(t, spec, checkLoads(wire, 24), data); got != 0 {
			t.Errorf("%s: no load shows a byte that is not there", p.name)
		}
	}
}

// checkLoads returns a program of loads from the first bytes of a packet.
func checkLoads(wire []byte, n int) (code []xbpf.RawInstruction) {
	expect := func(load xbpf.RawInstruction, at int) {
		want := map[uint32]uint32{
			1: uint32(wire[at]),
			2: uint32(binary.BigEndian.Uint16(wire[at:])),
			4: binary.BigEndian.Uint32(wire[at:]),
		}[loadSize(load)]
		code = append(code, load,
			xbpf.RawInstruction{Op: unix.BPF_JMP | unix.BPF_JEQ, Jt: 1, K: want},
			xbpf.RawInstruction{Op: unix.BPF_RET | unix.BPF_K})
	}
	for _, size := range []uint16{unix.BPF_B, unix.BPF_H, unix.BPF_W} {
		for at := range n {
			expect(xbpf.RawInstruction{Op: unix.BPF_LD | size | unix.BPF_ABS, K: uint32(at)}, at)
			for _, x := range []int{0, 1, 2, 4, 11, 12, 16, at} {
				if x > at {
					continue
				}
				code = append(code, xbpf.RawInstruction{Op: unix.BPF_LDX | unix.BPF_IMM, K: uint32(x)})
				expect(xbpf.RawInstruction{Op: unix.BPF_LD | size | unix.BPF_IND, K: uint32(at - x)}, at)
			}
		}
	}
	for at := range n {
		code = append(code,
			xbpf.RawInstruction{Op: unix.BPF_LDX | unix.BPF_B | unix.BPF_MSH, K: uint32(at)},
			xbpf.RawInstruction{Op: unix.BPF_LD | unix.BPF_IMM, K: uint32(wire[at]&0xf) * 4},
			xbpf.RawInstruction{Op: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_X, Jt: 1},
			xbpf.RawInstruction{Op: unix.BPF_RET | unix.BPF_K})
	}
	return append(code, xbpf.RawInstruction{Op: unix.BPF_RET | unix.BPF_K, K: 1})
}

// The last byte is there, the one behind it is not.
func TestLoadsEndWithThePacket(t *testing.T) {
	spec := probeSpec(t)
	data := make([]byte, 64)
	matchAlways := xbpf.RawInstruction{Op: unix.BPF_RET | unix.BPF_K, K: 1}
	for _, p := range append(probes(Ethernet), probes(Raw)...) {
		end := len(p.wire(data))
		for _, size := range []int{1, 2, 4} {
			for at, want := range map[int]uint32{end - size: 1, end - size + 1: 0} {
				bits := map[int]uint16{1: unix.BPF_B, 2: unix.BPF_H, 4: unix.BPF_W}[size]
				constant := []xbpf.RawInstruction{{Op: unix.BPF_LD | bits | unix.BPF_ABS, K: uint32(at)}, matchAlways}
				indexed := []xbpf.RawInstruction{
					{Op: unix.BPF_LDX | unix.BPF_IMM, K: 20},
					{Op: unix.BPF_LD | bits | unix.BPF_IND, K: uint32(at - 20)}, matchAlways,
				}
				if got := p.verdictOn(t, spec, constant, data); got != want {
					t.Errorf("%s: %d bytes at %d of %d: verdict %d, want %d", p.name, size, at, end, got, want)
				}
				if got := p.verdictOn(t, spec, indexed, data); got != want {
					t.Errorf("%s: %d bytes at X + %d of %d: verdict %d, want %d", p.name, size, at-20, end, got, want)
				}
			}
		}
	}
}
