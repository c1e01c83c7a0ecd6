package capture

import (
	"errors"
	"fmt"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
)

// relay is a program that jumps to another and lets the packet pass where there
// is none. The other one stands in a program array, which the kernel clears when
// the last process that has it open is gone, however it went: then the relay is
// all that is left, and the capture's programs and rings are freed.
type relay struct {
	prog  *ebpf.Program
	id    ebpf.ProgramID
	array *ebpf.Map
}

// newRelay returns a relay to a tc program. Closing it disarms it, wherever it
// is still attached.
func newRelay(target *ebpf.Program) (*relay, error) {
	array, err := ebpf.NewMap(&ebpf.MapSpec{
		Name: "gortap_relay", Type: ebpf.ProgramArray, KeySize: 4, ValueSize: 4, MaxEntries: 1,
	})
	if err != nil {
		return nil, fmt.Errorf("create program array: %w", err)
	}
	r := &relay{array: array}
	if err := r.load(target); err != nil {
		return nil, errors.Join(err, r.Close())
	}
	return r, nil
}

func (r *relay) load(target *ebpf.Program) error {
	const next = -1 // TC_ACT_UNSPEC
	var err error
	r.prog, err = ebpf.NewProgram(&ebpf.ProgramSpec{
		Name: "gortap_relay",
		Type: ebpf.SchedCLS,
		Instructions: asm.Instructions{
			asm.LoadMapPtr(asm.R2, r.array.FD()),
			asm.Mov.Imm(asm.R3, 0),
			asm.FnTailCall.Call(),
			asm.Mov.Imm(asm.R0, next),
			asm.Return(),
		},
		License: "GPL",
	})
	if err != nil {
		return fmt.Errorf("load relay: %w", errShort(err))
	}
	info, err := r.prog.Info()
	if err != nil {
		return fmt.Errorf("inspect relay: %w", err)
	}
	r.id, _ = info.ID()
	if err := r.array.Put(uint32(0), target); err != nil {
		return fmt.Errorf("fill program array: %w", err)
	}
	return nil
}

func (r *relay) Close() error { return errors.Join(r.prog.Close(), r.array.Close()) }
