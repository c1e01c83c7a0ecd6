package filter

import (
	"fmt"
	"slices"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// The fields of a classic BPF opcode, linux/bpf_common.h.
const (
	classMask = 0x07
	sizeMask  = 0x18
	modeMask  = 0xe0
	opMask    = 0xf0
	srcMask   = 0x08
	rvalMask  = 0x18
)

func class(ins bpf.RawInstruction) uint16 { return ins.Op & classMask }

// loadSize returns how many bytes of the packet a load takes.
func loadSize(ins bpf.RawInstruction) uint32 {
	switch ins.Op & sizeMask {
	case unix.BPF_B:
		return 1
	case unix.BPF_H:
		return 2
	}
	return 4
}

// isPacketLoad reports whether an instruction loads from the packet.
func isPacketLoad(ins bpf.RawInstruction) bool {
	switch ins.Op & modeMask {
	case unix.BPF_ABS, unix.BPF_IND:
		return class(ins) == unix.BPF_LD
	case unix.BPF_MSH:
		return class(ins) == unix.BPF_LDX
	}
	return false
}

// The metadata of a packet that libpcap asks for at offsets that no packet has
// (linux/filter.h, SKF_AD_*).
type metadata uint32

const (
	adOff                = 0xfffff000 // SKF_AD_OFF
	pktType     metadata = 4          // SKF_AD_PKTTYPE
	ifIndex     metadata = 8          // SKF_AD_IFINDEX
	pktOutgoing          = 4          // PACKET_OUTGOING
)

// ancillary returns which metadata an instruction loads.
func ancillary(ins bpf.RawInstruction) (metadata, bool) {
	if class(ins) != unix.BPF_LD || ins.Op&modeMask != unix.BPF_ABS {
		return 0, false
	}
	ad := metadata(ins.K - adOff)
	return ad, ad == pktType || ad == ifIndex
}

// maxOffset is beyond every packet: an skb's length is an int.
const maxOffset = 1<<31 - 8

// neverMatches reports whether an instruction ends the program without a match
// whatever the packet is: division by zero, and loads from beyond every packet.
func neverMatches(ins bpf.RawInstruction) bool {
	if op := ins.Op & opMask; class(ins) == unix.BPF_ALU && ins.Op&srcMask == unix.BPF_K {
		return ins.K == 0 && (op == unix.BPF_DIV || op == unix.BPF_MOD)
	}
	_, ok := ancillary(ins)
	return isPacketLoad(ins) && ins.K > maxOffset && !ok
}

// hasDetour reports whether the translation of an instruction has a path that
// comes back to what follows it.
func hasDetour(ins bpf.RawInstruction) bool {
	if op := ins.Op & opMask; class(ins) == unix.BPF_ALU && ins.Op&srcMask == unix.BPF_X {
		return op == unix.BPF_LSH || op == unix.BPF_RSH
	}
	return isPacketLoad(ins) && !neverMatches(ins)
}

// shape is what the translation has to know of a program before it begins.
type shape struct {
	reachable []bool
	target    []bool // something jumps there
	loops     bool   // something jumps back
}

// survey follows a program from its start. It returns an error if the program
// leaves its own end or has an instruction that classic BPF does not know.
func survey(code []bpf.RawInstruction) (*shape, error) {
	s := &shape{reachable: make([]bool, len(code)), target: make([]bool, len(code))}
	pending := []int{0}
	for len(pending) > 0 {
		i := pending[len(pending)-1]
		pending = pending[:len(pending)-1]
		if i < 0 || i >= len(code) {
			return nil, fmt.Errorf("classic BPF runs past its end of %d instructions", len(code))
		}
		if s.reachable[i] {
			continue
		}
		s.reachable[i] = true
		ins := code[i]
		if !known(ins) {
			return nil, fmt.Errorf("classic BPF instruction %d: unknown opcode %#x", i, ins.Op)
		}
		if neverMatches(ins) || class(ins) == unix.BPF_RET {
			continue
		}
		if class(ins) != unix.BPF_JMP {
			pending = append(pending, i+1)
			continue
		}
		jumps := jumpTargets(ins, i)
		pending = append(pending, jumps...)
		for _, to := range jumps {
			if to >= 0 && to < len(code) {
				s.target[to] = true
			}
			s.loops = s.loops || to <= i
		}
	}
	for i, ins := range code {
		if s.reachable[i] && hasDetour(ins) {
			s.target[i+1] = true
		}
	}
	return s, nil
}

// defined returns the program with a store to each scratch slot that it reads in
// front. libpcap's programs for geneve read slots that they may not have written,
// and its interpreter leaves in them what was on the stack.
func defined(code []bpf.RawInstruction) []bpf.RawInstruction {
	var stores []bpf.RawInstruction
	for slot := range uint32(scratchSlots) {
		if slices.ContainsFunc(code, func(ins bpf.RawInstruction) bool { return readsSlot(ins) && ins.K == slot }) {
			stores = append(stores, bpf.RawInstruction{Op: unix.BPF_ST, K: slot}) // A is 0 at the start
		}
	}
	return append(stores, code...)
}

func readsSlot(ins bpf.RawInstruction) bool {
	return (class(ins) == unix.BPF_LD || class(ins) == unix.BPF_LDX) && ins.Op&modeMask == unix.BPF_MEM
}

// jumpTargets returns where a jump can go. The offset of an unconditional jump is
// signed: libpcap builds the loops of protochain so.
func jumpTargets(ins bpf.RawInstruction, i int) []int {
	if ins.Op&opMask == unix.BPF_JA {
		return []int{i + 1 + int(int32(ins.K))}
	}
	return []int{i + 1 + int(ins.Jt), i + 1 + int(ins.Jf)}
}

// known reports whether an opcode is one of classic BPF, and its constant valid.
func known(ins bpf.RawInstruction) bool {
	if ins.Op > 0xff {
		return false
	}
	mode, op := ins.Op&modeMask, ins.Op&opMask
	switch class(ins) {
	case unix.BPF_LD:
		if mode == unix.BPF_ABS || mode == unix.BPF_IND {
			return ins.Op&sizeMask <= unix.BPF_B
		}
		return knownWordLoad(ins, mode)
	case unix.BPF_LDX:
		if mode == unix.BPF_MSH {
			return ins.Op&sizeMask == unix.BPF_B
		}
		return knownWordLoad(ins, mode)
	case unix.BPF_ST, unix.BPF_STX:
		return ins.Op == class(ins) && ins.K < scratchSlots
	case unix.BPF_ALU:
		return op <= unix.BPF_XOR
	case unix.BPF_JMP:
		return op <= unix.BPF_JSET
	case unix.BPF_RET:
		return ins.Op&rvalMask == unix.BPF_K || ins.Op&rvalMask == unix.BPF_A
	}
	return ins.Op == unix.BPF_MISC|unix.BPF_TAX || ins.Op == unix.BPF_MISC|unix.BPF_TXA
}

// scratchSlots is BPF_MEMWORDS, how many words M[] has.
const scratchSlots = 16

func knownWordLoad(ins bpf.RawInstruction, mode uint16) bool {
	if ins.Op&sizeMask != unix.BPF_W {
		return false
	}
	return mode == unix.BPF_IMM || mode == unix.BPF_LEN || mode == unix.BPF_MEM && ins.K < scratchSlots
}
