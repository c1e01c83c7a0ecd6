package filter

import (
	"github.com/cilium/ebpf/asm"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// alu translates arithmetic on A, 32 bits wide. The operations have the same
// codes in both machines.
func (t *translator) alu(i int, ins bpf.RawInstruction) {
	op, byX := asm.ALUOp(ins.Op&opMask), ins.Op&srcMask == unix.BPF_X
	switch op {
	case asm.Neg:
		t.emit(op.Imm32(regA, 0))
		return
	case asm.Div, asm.Mod:
		if byX {
			t.emit(asm.JEq.Imm(regX, 0, t.reject()))
		}
	case asm.LSh, asm.RSh:
		// To shift all bits out gives 0 in libpcap, which folds constants by the
		// same rule, where eBPF would look at the low 5 bits of the count.
		if byX {
			t.emit(asm.JGT.Imm(regX, 31, t.detour(i, asm.Mov.Imm32(regA, 0))))
		} else if ins.K > 31 {
			t.emit(asm.Mov.Imm32(regA, 0))
			return
		}
	}
	if byX {
		t.emit(op.Reg32(regA, regX))
		return
	}
	t.emit(op.Imm32(regA, int32(ins.K)))
}

// jump translates a jump. Those that compare have the same codes, too.
func (t *translator) jump(i int, ins bpf.RawInstruction) {
	targets := jumpTargets(ins, i)
	yes, no := targets[0], targets[len(targets)-1]
	if yes == no {
		t.jumpAlways(i, yes)
		return
	}
	op := asm.JumpOp(ins.Op & opMask)
	if inverse, ok := inverse(op); ok && yes == i+1 {
		op, yes, no = inverse, no, yes
	}
	if ins.Op&srcMask == unix.BPF_X {
		t.emit(op.Reg32(regA, regX, t.label(yes)))
	} else {
		t.emit(op.Imm32(regA, int32(ins.K), t.label(yes)))
	}
	if no != i+1 {
		t.emit(asm.Ja.Label(t.label(no)))
	}
}

func inverse(op asm.JumpOp) (asm.JumpOp, bool) {
	switch op {
	case asm.JEq:
		return asm.JNE, true
	case asm.JGT:
		return asm.JLE, true
	case asm.JGE:
		return asm.JLT, true
	}
	return op, false
}

// jumpAlways counts jumps back, as the verifier takes only loops that end.
func (t *translator) jumpAlways(i, to int) {
	if to <= i {
		t.emit(
			asm.LoadMem(asm.R1, asm.R10, loopCounter, asm.DWord),
			asm.Sub.Imm(asm.R1, 1),
			asm.JEq.Imm(asm.R1, 0, t.reject()),
			asm.StoreMem(asm.R10, loopCounter, asm.R1, asm.DWord))
	}
	t.emit(asm.Ja.Label(t.label(to)))
}
