package filter

import (
	"fmt"
	"slices"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"
)

// Inject puts a filter in the place of a stub function of bpf/include/filter.h:
// filter_tc_l2, filter_tc_l3, filter_xdp_l2 or filter_xdp_l3. The l2 stubs take
// filters for Ethernet, the l3 stubs filters for Raw. A nil filter matches
// everything, as the stubs do, and changes nothing.
//
// spec is changed in place; it must come from a loaded CollectionSpec (copy that
// to use it again) and call the stub, and each of its stubs can be replaced once.
// Filters that cannot be translated give errors that wrap ErrTooLarge.
func Inject(spec *ebpf.ProgramSpec, stub string, f *Filter) error {
	if f == nil {
		return nil
	}
	h, ok := hookOf(stub)
	if !ok {
		return fmt.Errorf("inject filter: no stub is called %q", stub)
	}
	if f.link.dlt() != h.link {
		return fmt.Errorf("inject filter %q into %s: it is compiled for %s [compile it for %s]", f.expr, stub, f.link, h.link)
	}
	body, err := translate(f.code, h)
	if err != nil {
		return fmt.Errorf("inject filter into %s: %w", stub, err)
	}
	if err := replace(spec, stub, body); err != nil {
		return fmt.Errorf("inject filter into %s: %w", stub, err)
	}
	return nil
}

// replace exchanges the body of a function. The first instruction keeps the name,
// the BTF of the function and the source line, which the kernel wants there.
func replace(spec *ebpf.ProgramSpec, name string, body asm.Instructions) error {
	functions := split(spec.Instructions)
	i := slices.IndexFunc(functions, func(f asm.Instructions) bool { return f.Name() == name })
	if i < 0 {
		return fmt.Errorf("program %s does not call it", spec.Name)
	}
	body[0] = body[0].WithMetadata(functions[i][0].Metadata)
	functions[i] = body
	spec.Instructions = slices.Concat(reachable(functions)...)
	return nil
}

// split cuts a program into its functions.
func split(insns asm.Instructions) (functions []asm.Instructions) {
	start := 0
	for i := 1; i <= len(insns); i++ {
		if i == len(insns) || btf.FuncMetadata(&insns[i]) != nil {
			functions = append(functions, insns[start:i:i])
			start = i
		}
	}
	return functions
}

// reachable leaves out functions that nothing calls any more: the kernel refuses
// programs that have such.
func reachable(functions []asm.Instructions) (kept []asm.Instructions) {
	called := map[string]bool{functions[0].Name(): true}
	for grown := true; grown; {
		grown = false
		for _, f := range functions {
			if !called[f.Name()] {
				continue
			}
			for _, ref := range f.FunctionReferences() {
				grown = grown || !called[ref]
				called[ref] = true
			}
		}
	}
	for _, f := range functions {
		if called[f.Name()] {
			kept = append(kept, f)
		}
	}
	return kept
}
