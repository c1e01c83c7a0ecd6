package filter

import (
	"fmt"

	"github.com/cilium/ebpf/asm"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// The registers of a translated filter. All of them outlive calls, so that the
// paths that call have nothing to save. A and X are 32 bits wide, the upper halves
// of their registers always 0.
const (
	regCtx   = asm.R6
	regShift = asm.R7 // hooks with hidden VLAN tags: 4, or 0 where the frame has one
	regA     = asm.R8
	regX     = asm.R9
)

const (
	rejectLabel = "reject"
	// maxInstructions keeps every jump inside the 16 bits of its offset.
	maxInstructions = 1<<15 - 1
	// maxLoops bounds how often a filter jumps back. Only protochain does, once
	// for each header of a packet.
	maxLoops = 16
)

// The stack, from its top: the loop counter, then the words of M[].
const loopCounter = -8

func slotOffset(slot uint32) int16 { return loopCounter - 4*int16(slot+1) }

// translator turns one classic BPF program into the body of an eBPF function that
// takes the hook's context in R1 and returns 1 for a match and 0 for none.
type translator struct {
	hook   *hook
	shape  *shape
	prefix string // of labels: those of a program are all in one space

	out     asm.Instructions
	slow    asm.Instructions // paths that packets rarely take, behind the others
	next    string           // label of the next instruction of out
	rejects bool             // something jumps to reject
}

// translate returns the eBPF for a classic BPF program at a hook.
func translate(code []bpf.RawInstruction, h *hook) (asm.Instructions, error) {
	s, err := survey(code)
	if err != nil {
		return nil, err
	}
	t := &translator{hook: h, shape: s, prefix: h.stub + "."}
	t.prologue()
	for i, ins := range code {
		if !s.reachable[i] {
			continue // the verifier refuses dead code
		}
		if s.target[i] {
			t.next = t.label(i)
		}
		t.instruction(i, ins)
	}
	if t.rejects {
		t.next = t.reject()
		t.ret(0)
	}
	body := append(t.out, t.slow...)
	if body.Size()/asm.InstructionSize > maxInstructions {
		return nil, fmt.Errorf("%w: %d BPF instructions where %d fit [%s]",
			ErrTooLarge, body.Size()/asm.InstructionSize, maxInstructions, useWiderTerms)
	}
	return body, nil
}

func (t *translator) label(i int) string { return fmt.Sprintf("%s%d", t.prefix, i) }

// reject returns the label where the program ends without a match.
func (t *translator) reject() string {
	t.rejects = true
	return t.prefix + rejectLabel
}

// emit appends to the straight path.
func (t *translator) emit(insns ...asm.Instruction) {
	if t.next != "" {
		insns[0] = insns[0].WithSymbol(t.next)
		t.next = ""
	}
	t.out = append(t.out, insns...)
}

// prologue sets up what the instructions rely on.
func (t *translator) prologue() {
	t.emit(asm.Mov.Reg(regCtx, asm.R1), asm.Mov.Imm32(regA, 0), asm.Mov.Imm32(regX, 0))
	if t.hook.hidesTags() {
		t.emit(
			asm.LoadMem(regShift, regCtx, t.hook.vlanPresent, asm.Word),
			asm.And.Imm32(regShift, 1),
			asm.Xor.Imm32(regShift, 1),
			asm.LSh.Imm32(regShift, 2))
	}
	if t.shape.loops {
		t.emit(asm.Mov.Imm(asm.R1, maxLoops+1), asm.StoreMem(asm.R10, loopCounter, asm.R1, asm.DWord))
	}
}

func (t *translator) instruction(i int, ins bpf.RawInstruction) {
	if neverMatches(ins) {
		t.emit(asm.Ja.Label(t.reject()))
		return
	}
	switch class(ins) {
	case unix.BPF_LD:
		t.load(i, regA, ins)
	case unix.BPF_LDX:
		t.load(i, regX, ins)
	case unix.BPF_ST:
		t.emit(asm.StoreMem(asm.R10, slotOffset(ins.K), regA, asm.Word))
	case unix.BPF_STX:
		t.emit(asm.StoreMem(asm.R10, slotOffset(ins.K), regX, asm.Word))
	case unix.BPF_ALU:
		t.alu(i, ins)
	case unix.BPF_JMP:
		t.jump(i, ins)
	case unix.BPF_RET:
		if ins.Op&rvalMask == unix.BPF_K {
			t.ret(ins.K)
			return
		}
		t.emit(asm.JEq.Imm(regA, 0, t.reject()))
		t.ret(1)
	case unix.BPF_MISC:
		if ins.Op&opMask == unix.BPF_TXA {
			t.emit(asm.Mov.Reg32(regA, regX))
			return
		}
		t.emit(asm.Mov.Reg32(regX, regA))
	}
}

// ret returns 1 for every k but 0: how much of a packet to keep is not the
// filter's business here.
func (t *translator) ret(k uint32) {
	t.emit(asm.Mov.Imm(asm.R0, int32(min(k, 1))), asm.Return())
}
