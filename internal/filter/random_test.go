package filter

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/cilium/ebpf"
	xbpf "golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// randomProgram returns a classic BPF program of every instruction but those that
// libpcap leaves undefined, which are tested by themselves.
func randomProgram(rng *rand.Rand) []xbpf.RawInstruction {
	n := 4 + rng.IntN(40)
	code := make([]xbpf.RawInstruction, n, n+2)
	for i := range code {
		code[i] = randomInstruction(rng, n-i)
	}
	code = append(code,
		xbpf.RawInstruction{Op: unix.BPF_RET | unix.BPF_A},
		xbpf.RawInstruction{Op: unix.BPF_RET | unix.BPF_K, K: rng.Uint32N(2)})
	return defined(code)
}

// randomInstruction returns an instruction that may jump over as many as left - 1.
func randomInstruction(rng *rand.Rand, left int) xbpf.RawInstruction {
	size := uint16(rng.IntN(3)) * unix.BPF_H
	slot := rng.Uint32N(scratchSlots)
	src := uint16(rng.IntN(2)) * unix.BPF_X
	switch rng.IntN(20) {
	case 0, 1, 2:
		return xbpf.RawInstruction{Op: unix.BPF_LD | size | unix.BPF_ABS, K: randomOffset(rng)}
	case 3, 4, 5:
		return xbpf.RawInstruction{Op: unix.BPF_LD | size | unix.BPF_IND, K: randomOffset(rng)}
	case 6:
		return xbpf.RawInstruction{Op: unix.BPF_LDX | unix.BPF_B | unix.BPF_MSH, K: randomOffset(rng)}
	case 7:
		return xbpf.RawInstruction{Op: uint16(rng.IntN(2)) | unix.BPF_LEN}
	case 8:
		return xbpf.RawInstruction{Op: uint16(rng.IntN(2)) | unix.BPF_IMM, K: randomNumber(rng)}
	case 9:
		return xbpf.RawInstruction{Op: uint16(rng.IntN(2)) | unix.BPF_MEM, K: slot}
	case 10:
		return xbpf.RawInstruction{Op: unix.BPF_ST + uint16(rng.IntN(2)), K: slot}
	case 11:
		return xbpf.RawInstruction{Op: unix.BPF_MISC | uint16(rng.IntN(2))*unix.BPF_TXA}
	case 12, 13, 14, 15:
		op := uint16(rng.IntN(11)) << 4
		k := randomNumber(rng)
		switch op {
		case unix.BPF_DIV, unix.BPF_MOD:
			k = max(k, 1)
		case unix.BPF_NEG:
			src = 0
		case unix.BPF_LSH, unix.BPF_RSH:
			k %= 32
		}
		return xbpf.RawInstruction{Op: unix.BPF_ALU | op | src, K: k}
	case 16:
		return xbpf.RawInstruction{Op: unix.BPF_JMP | unix.BPF_JA, K: rng.Uint32N(uint32(left))}
	case 17, 18:
		op := uint16(1+rng.IntN(4)) << 4
		return xbpf.RawInstruction{Op: unix.BPF_JMP | op | src, Jt: uint8(rng.IntN(left)), Jf: uint8(rng.IntN(left)), K: randomNumber(rng)}
	}
	return xbpf.RawInstruction{Op: unix.BPF_LD | unix.BPF_B | unix.BPF_IND, K: rng.Uint32N(24)}
}

// randomOffset prefers what is in the packets, and the edges of the cases.
func randomOffset(rng *rand.Rand) uint32 {
	edges := []uint32{8, 11, 12, 13, 14, 15, 16, 17, maxDirect - 4, maxDirect, 1 << 16, maxOffset - 1, maxOffset, maxOffset + 1, 1 << 31, 0xfffffff0 - 1<<20}
	if rng.IntN(8) == 0 {
		return edges[rng.IntN(len(edges))]
	}
	return rng.Uint32N(70)
}

func randomNumber(rng *rand.Rand) uint32 {
	switch rng.IntN(4) {
	case 0:
		return rng.Uint32()
	case 1:
		return 1<<31 - 2 + rng.Uint32N(5)
	case 2:
		return uint32(0) - rng.Uint32N(40)
	}
	return rng.Uint32N(80)
}

func TestKernelAgreesWithLibpcapOnRandomPrograms(t *testing.T) {
	spec := probeSpec(t)
	rng := rand.New(rand.NewPCG(7, 8))
	packets := frames()
	var runs, matches int
	for i := range 200 {
		f := &Filter{expr: "random", link: Ethernet, code: randomProgram(rng)}
		for _, p := range probes([]LinkType{Ethernet, Raw}[i%2]) {
			some := make([]packet, 12)
			for j := range some {
				some[j] = packets[rng.IntN(len(packets))]
			}
			r, m := p.agree(t, spec, f, slices.Values(some))
			runs, matches = runs+r, matches+m
		}
		if t.Failed() {
			t.Fatalf("program %d: %v", i, f.code)
		}
	}
	t.Logf("%d verdicts, %d of them matches", runs, matches)
	if matches < runs/20 || matches > runs*19/20 {
		t.Errorf("%d of %d verdicts matches prove little", matches, runs)
	}
}

// What libpcap leaves undefined or compiles away, and random numbers rarely hit.
func TestKernelComputesTheEdges(t *testing.T) {
	spec := probeSpec(t)
	retA := xbpf.RawInstruction{Op: unix.BPF_RET | unix.BPF_A}
	retYes := xbpf.RawInstruction{Op: unix.BPF_RET | unix.BPF_K, K: 1}
	ld := func(k uint32) xbpf.RawInstruction { return xbpf.RawInstruction{Op: unix.BPF_LD | unix.BPF_IMM, K: k} }
	ldx := func(k uint32) xbpf.RawInstruction { return xbpf.RawInstruction{Op: unix.BPF_LDX | unix.BPF_IMM, K: k} }
	ldb := func(k uint32) xbpf.RawInstruction {
		return xbpf.RawInstruction{Op: unix.BPF_LD | unix.BPF_B | unix.BPF_IND, K: k}
	}
	aluX := func(op uint16) xbpf.RawInstruction { return xbpf.RawInstruction{Op: unix.BPF_ALU | unix.BPF_X | op} }
	alu := func(op uint16, k uint32) xbpf.RawInstruction { return xbpf.RawInstruction{Op: unix.BPF_ALU | op, K: k} }
	tests := []struct {
		name string
		code []xbpf.RawInstruction
		want uint32
	}{
		{"division by constant 0 is no match", []xbpf.RawInstruction{ld(5), alu(unix.BPF_DIV, 0), retYes}, 0},
		{"remainder by constant 0 is no match", []xbpf.RawInstruction{ld(5), alu(unix.BPF_MOD, 0), retYes}, 0},
		{"shift left by 32 gives 0", []xbpf.RawInstruction{ld(5), alu(unix.BPF_LSH, 32), retA}, 0},
		{"shift right by 33 gives 0", []xbpf.RawInstruction{ld(5), alu(unix.BPF_RSH, 33), retA}, 0},
		{"shift by 31 does not", []xbpf.RawInstruction{ld(5), alu(unix.BPF_LSH, 31), retA}, 1},
		{"a sum wraps at 32 bits", []xbpf.RawInstruction{ld(0xffffffff), ldx(1), aluX(unix.BPF_ADD), retA}, 0},
		{"a product wraps at 32 bits", []xbpf.RawInstruction{ld(0x10000), ldx(0x10000), aluX(unix.BPF_MUL), retA}, 0},
		{"a shift by X drops bits", []xbpf.RawInstruction{ld(0x80000000), ldx(1), aluX(unix.BPF_LSH), retA}, 0},
		{"a difference wraps at 32 bits", []xbpf.RawInstruction{ld(0), ldx(1), aluX(unix.BPF_SUB), aluX(unix.BPF_RSH), alu(unix.BPF_XOR, 0x7fffffff), retA}, 0},
		{"a negative wraps at 32 bits", []xbpf.RawInstruction{ld(1), ldx(1), alu(unix.BPF_NEG, 0), aluX(unix.BPF_RSH), alu(unix.BPF_XOR, 0x7fffffff), retA}, 0},
		{"an offset wraps at no size", []xbpf.RawInstruction{ldx(0xfffffff0), ldb(0x20), retYes}, 0},
		{"a large offset is not a negative one", []xbpf.RawInstruction{ldx(0x80000000), ldb(0x80000010), retYes}, 0},
		{"an offset inside the packet is fine", []xbpf.RawInstruction{ldx(0x10), ldb(0x10), retYes}, 1},
		{"returning a large A is 1", []xbpf.RawInstruction{ld(0x80000000), retA}, 1},
		{"jumping nowhere", []xbpf.RawInstruction{{Op: unix.BPF_JMP | unix.BPF_JA}, retYes}, 1},
		{"a scratch word that was never written is 0", []xbpf.RawInstruction{{Op: unix.BPF_LD | unix.BPF_MEM, K: 15}, retA}, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, p := range append(probes(Ethernet), probes(Raw)...) {
				got := p.verdictOn(t, spec, defined(tt.code), frames()[0].data)
				if got != tt.want {
					t.Errorf("%s: verdict %d, want %d", p.name, got, tt.want)
				}
			}
		})
	}
}

// verdictOn runs a program once.
func (p probe) verdictOn(t testing.TB, spec *ebpf.CollectionSpec, code []xbpf.RawInstruction, data []byte) uint32 {
	t.Helper()
	prog := p.load(t, spec, code)
	defer prog.Close()
	got, err := prog.Run(&ebpf.RunOptions{Data: data, Context: p.context()})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestTranslationRefusesWhatIsNotClassicBPF(t *testing.T) {
	ret := xbpf.RawInstruction{Op: unix.BPF_RET | unix.BPF_K}
	tests := []struct {
		name string
		code []xbpf.RawInstruction
	}{
		{"no instruction", nil},
		{"no return", []xbpf.RawInstruction{{Op: unix.BPF_LD | unix.BPF_IMM}}},
		{"jump past the end", []xbpf.RawInstruction{{Op: unix.BPF_JMP | unix.BPF_JA, K: 1}, ret}},
		{"jump before the start", []xbpf.RawInstruction{{Op: unix.BPF_JMP | unix.BPF_JA, K: 0xfffffff0}, ret}},
		{"branch past the end", []xbpf.RawInstruction{{Op: unix.BPF_JMP | unix.BPF_JEQ, Jf: 9}, ret}},
		{"scratch slot 16", []xbpf.RawInstruction{{Op: unix.BPF_ST, K: 16}, ret}},
		{"return X", []xbpf.RawInstruction{{Op: unix.BPF_RET | unix.BPF_X}}},
		{"load of 8 bytes", []xbpf.RawInstruction{{Op: unix.BPF_LD | 0x18 | unix.BPF_ABS}, ret}},
		{"unknown arithmetic", []xbpf.RawInstruction{{Op: unix.BPF_ALU | 0xb0}, ret}},
		{"unknown jump", []xbpf.RawInstruction{{Op: unix.BPF_JMP | 0x50}, ret}},
		{"wide opcode", []xbpf.RawInstruction{{Op: 0x100}, ret}},
		{"load of X from the packet", []xbpf.RawInstruction{{Op: unix.BPF_LDX | unix.BPF_ABS}, ret}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h, _ := hookOf("filter_tc_l2")
			if body, err := translate(tt.code, h); err == nil {
				t.Errorf("translated to\n%v", body)
			}
		})
	}
}
