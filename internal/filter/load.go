package filter

import (
	"github.com/cilium/ebpf/asm"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

const (
	tagAt  = 12 // where a VLAN tag stands in an Ethernet frame
	tagEnd = tagAt + 4

	// What is accessed directly, X and a constant offset each: the verifier follows
	// packet pointers up to 64 KiB.
	directBits = 15
	maxDirect  = 1<<directBits - 1
)

// load translates whatever writes A or X from elsewhere.
func (t *translator) load(i int, dst asm.Register, ins bpf.RawInstruction) {
	switch ins.Op & modeMask {
	case unix.BPF_IMM:
		t.emit(asm.Mov.Imm32(dst, int32(ins.K)))
	case unix.BPF_MEM:
		t.emit(asm.LoadMem(dst, asm.R10, slotOffset(ins.K), asm.Word))
	case unix.BPF_LEN:
		t.length(dst)
	default:
		if ad, ok := ancillary(ins); ok {
			t.metadata(i, ad)
			return
		}
		t.packet(i, dst, ins)
	}
}

// length loads the length of the packet, a hidden tag included.
func (t *translator) length(dst asm.Register) {
	if t.hook.xdp {
		t.emit(asm.Mov.Reg(asm.R1, regCtx), asm.FnXdpGetBuffLen.Call(), asm.Mov.Reg32(dst, asm.R0))
		return
	}
	t.emit(asm.LoadMem(dst, regCtx, skbLen, asm.Word))
	if t.hook.hidesTags() {
		t.emit(asm.Add.Imm32(dst, tagEnd-tagAt), asm.Sub.Reg32(dst, regShift))
	}
}

// metadata loads what the kernel knows of the packet. The packet type says nothing
// at a tc hook, where the direction shows in whether the device that has the
// packet is the one that it came in by.
func (t *translator) metadata(i int, ad metadata) {
	switch {
	case ad == ifIndex && t.hook.xdp:
		t.emit(asm.LoadMem(regA, regCtx, xdpIngressIfindex, asm.Word))
	case ad == ifIndex:
		t.emit(asm.LoadMem(regA, regCtx, skbIfindex, asm.Word))
	case t.hook.xdp:
		t.emit(asm.Mov.Imm32(regA, 0))
	default:
		t.emit(
			asm.Mov.Imm32(regA, 0),
			asm.LoadMem(asm.R1, regCtx, skbIfindex, asm.Word),
			asm.LoadMem(asm.R2, regCtx, skbIngressIfindex, asm.Word),
			asm.JNE.Reg(asm.R1, asm.R2, t.detour(i, asm.Mov.Imm32(regA, pktOutgoing))))
	}
}

// detour puts instructions behind the straight path, to go on after instruction i,
// and returns the label to jump to.
func (t *translator) detour(i int, insns ...asm.Instruction) string {
	label := t.label(i) + ".detour"
	insns[0] = insns[0].WithSymbol(label)
	t.slow = append(t.slow, insns...)
	t.slow = append(t.slow, asm.Ja.Label(t.label(i+1)))
	return label
}

// packet loads from the packet: directly where the bytes are in its linear part,
// by a call into filter.h where not.
//
// The verifier looks at what follows once for each state that it can be reached
// in, so the two paths leave the same. The bounds of the packet are read anew each
// time, in place of kept in registers, and no comparison is made on a register
// that lives on, or on a copy that the verifier knows for one: it would remember
// the outcome in both. Without that, large filters grow beyond what it does.
func (t *translator) packet(i int, dst asm.Register, ins bpf.RawInstruction) {
	d, ok := t.reach(ins)
	if !ok || t.hook.callAlways {
		t.emit(t.call(dst, ins)...)
		return
	}
	far := t.detour(i, t.call(dst, ins)...)
	if d.untagged {
		t.emit(
			asm.Mov.Reg(asm.R2, regShift),
			asm.And.Imm(asm.R2, tagEnd-tagAt),
			asm.JEq.Imm(asm.R2, 0, far))
	}
	if d.indexed {
		t.emit(
			asm.Mov.Reg(asm.R2, regX),
			asm.RSh.Imm(asm.R2, directBits),
			asm.JNE.Imm(asm.R2, 0, far),
			asm.Mov.Reg(asm.R2, regX),
			asm.And.Imm(asm.R2, maxDirect))
		if d.minX > 0 {
			t.emit(asm.JLT.Imm(asm.R2, d.minX, far))
		}
		if d.adjust != 0 {
			t.emit(asm.Add.Imm(asm.R2, d.adjust))
		}
	}
	t.emit(asm.LoadMem(asm.R1, regCtx, t.hook.data, asm.Word))
	if d.indexed {
		t.emit(asm.Add.Reg(asm.R1, asm.R2))
	}
	if d.shifted {
		t.emit(asm.Add.Reg(asm.R1, regShift))
	}
	size := loadSize(ins)
	t.emit(
		asm.Mov.Reg(asm.R2, asm.R1),
		asm.Add.Imm(asm.R2, int32(d.displacement)+int32(size)),
		asm.LoadMem(asm.R3, regCtx, t.hook.dataEnd, asm.Word),
		asm.JGT.Reg(asm.R2, asm.R3, far),
		asm.LoadMem(dst, asm.R1, d.displacement, asmSize(size)))
	if size > 1 {
		t.emit(asm.HostTo(asm.BE, dst, asmSize(size)))
	}
	t.emit(headerLength(dst, ins)...)
}

// direct says how a load finds its bytes in the linear part of the packet.
type direct struct {
	displacement int16
	indexed      bool // by X
	shifted      bool // the bytes are behind the place of a VLAN tag
	untagged     bool // the bytes touch that place: no direct way if the tag is hidden
	// The verifier wants no offset that could be negative: what goes off X, and
	// from which X on.
	adjust int32
	minX   int32
}

// reach returns how to load directly, or false if there is no such way.
func (t *translator) reach(ins bpf.RawInstruction) (direct, bool) {
	size := loadSize(ins)
	if ins.K > maxDirect-size {
		return direct{}, false
	}
	k := int16(ins.K)
	d := direct{displacement: k, indexed: ins.Op&modeMask == unix.BPF_IND}
	if !t.hook.hidesTags() || !d.indexed && ins.K+size <= tagAt {
		return d, true
	}
	if !d.indexed && ins.K < tagEnd {
		d.untagged = true
		return d, true
	}
	d.shifted = true
	d.minX = max(0, tagEnd-int32(k))
	if k < tagEnd-tagAt {
		d.adjust = tagAt - tagEnd
	} else {
		d.displacement -= tagEnd - tagAt
	}
	return d, true
}

// call loads by a call of the hook's C function.
func (t *translator) call(dst asm.Register, ins bpf.RawInstruction) []asm.Instruction {
	insns := []asm.Instruction{asm.Mov.Reg(asm.R1, regCtx)}
	if ins.Op&modeMask == unix.BPF_IND {
		// 64 bits wide, so that an offset beyond 4 GiB does not wrap into the packet.
		insns = append(insns, asm.Mov.Reg(asm.R2, regX), asm.Add.Imm(asm.R2, int32(ins.K)))
	} else {
		insns = append(insns, asm.Mov.Imm(asm.R2, int32(ins.K)))
	}
	insns = append(insns,
		asm.Mov.Imm(asm.R3, int32(loadSize(ins))),
		asm.Call.Label(t.hook.load),
		asm.JSLT.Imm(asm.R0, 0, t.reject()),
		asm.Mov.Reg32(dst, asm.R0))
	switch loadSize(ins) { // bounds, as the verifier knows them of a direct load
	case 1:
		insns = append(insns, asm.And.Imm32(dst, 0xff))
	case 2:
		insns = append(insns, asm.And.Imm32(dst, 0xffff))
	}
	return append(insns, headerLength(dst, ins)...)
}

// headerLength makes the length of an IPv4 header of its first byte, where that is
// what the instruction is for.
func headerLength(dst asm.Register, ins bpf.RawInstruction) []asm.Instruction {
	if ins.Op&modeMask != unix.BPF_MSH {
		return nil
	}
	return []asm.Instruction{asm.And.Imm32(dst, 0xf), asm.LSh.Imm32(dst, 2)}
}

func asmSize(size uint32) asm.Size {
	switch size {
	case 1:
		return asm.Byte
	case 2:
		return asm.Half
	}
	return asm.Word
}
