package capture

import (
	"errors"
	"fmt"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/features"
)

// Feature is something that the programs of a hook cannot do without.
type Feature struct {
	Name  string
	Since string // the first Linux that has it
	probe func() error
}

// Features lists what the programs of a hook need of the kernel, oldest first. What is
// older than Linux 5.1 is not listed.
func Features(hook Hook) []Feature {
	kind := ebpf.SchedCLS
	if hook == HookXDP {
		kind = ebpf.XDP
	}
	helper := func(name, since string, fn asm.BuiltinFunc) Feature {
		return Feature{"the BPF helper " + name, since, func() error { return features.HaveProgramHelper(kind, fn) }}
	}
	list := []Feature{
		{"version 3 of the BPF instruction set", "5.1", features.HaveV3ISA},
		{"bounded loops in BPF programs", "5.3", features.HaveBoundedLoops},
		{"BPF arrays that can be mapped (BPF_F_MMAPABLE)", "5.5", func() error { return features.HaveMapFlag(features.BPF_F_MMAPABLE) }},
		{"BPF ring buffers (BPF_MAP_TYPE_RINGBUF)", "5.8", func() error { return features.HaveMapType(ebpf.RingBuf) }},
		helper("bpf_ktime_get_coarse_ns", "5.11", asm.FnKtimeGetCoarseNs),
		helper("bpf_loop", "5.17", asm.FnLoop), // and with it atomic exchanges, of 5.12
	}
	if hook == HookXDP {
		list = append(list,
			helper("bpf_xdp_get_buff_len", "5.18", asm.FnXdpGetBuffLen),
			helper("bpf_xdp_load_bytes", "5.18", asm.FnXdpLoadBytes))
	}
	return list
}

// Missing reports whether the kernel lacks the feature: only where it says so itself.
func (f Feature) Missing() bool { return errors.Is(f.probe(), ebpf.ErrNotSupported) }

// MissingFeature is the error of a kernel that is too old, or built without what the
// programs need.
type MissingFeature struct {
	Name, Since string
	cause       error
}

func (e *MissingFeature) Error() string {
	return fmt.Sprintf("load bpf programs: this kernel lacks %s (needs Linux %s or later; `agent doctor` lists what is missing)", e.Name, e.Since)
}

// Unwrap returns the kernel's own words.
func (e *MissingFeature) Unwrap() error { return e.cause }

// firstMissing turns an error of loading into one that names what is missing. It is
// nil where nothing is, or nothing that we know of.
func firstMissing(cause error, needed []Feature) error {
	for _, f := range needed {
		if f.Missing() {
			return &MissingFeature{Name: f.Name, Since: f.Since, cause: cause}
		}
	}
	return nil
}
