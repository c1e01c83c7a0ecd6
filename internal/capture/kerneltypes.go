package capture

import (
	"os"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"
)

// kernelTypes is where a kernel that was built with type information shows it.
const kernelTypes = "/sys/kernel/btf/vmlinux"

func haveKernelTypes() bool {
	_, err := os.Stat(kernelTypes)
	return err == nil
}

// inlineStages makes the functions that take a packet's context static. The verifier
// checks a global function once and by itself, for which it must know by its type that
// the argument is a context; and it takes that type from the kernel's own type
// information (btf_get_prog_ctx_type in kernel/bpf/btf.c). A static function it follows
// from each call, with what it knows there: that needs no types, and ten times the work.
func inlineStages(spec *ebpf.CollectionSpec) {
	for _, p := range spec.Programs {
		for i := range p.Instructions {
			// The first one is the program itself.
			if fn := btf.FuncMetadata(&p.Instructions[i]); i > 0 && fn != nil && takesContext(fn) {
				fn.Linkage = btf.StaticFunc
			}
		}
	}
}

func takesContext(fn *btf.Func) bool {
	s := firstArgument(fn)
	return s != nil && (s.Name == "__sk_buff" || s.Name == "xdp_md")
}

// firstArgument returns the struct that a function's first argument points to.
func firstArgument(fn *btf.Func) *btf.Struct {
	proto, ok := fn.Type.(*btf.FuncProto)
	if !ok || len(proto.Params) == 0 {
		return nil
	}
	pointer, ok := proto.Params[0].Type.(*btf.Pointer)
	if !ok {
		return nil
	}
	s, _ := pointer.Target.(*btf.Struct)
	return s
}
