package bpf_test

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"
	"github.com/google/go-cmp/cmp"

	"gortap/bpf"
	"gortap/internal/flow"
)

// Go reads the kernel's memory through these structs. Sizes, offsets and the
// order of fields come from the object that is loaded, not from its source.
func TestGoLayoutsAreThoseOfTheKernel(t *testing.T) {
	spec, err := bpf.LoadCapture()
	if err != nil {
		t.Fatal(err)
	}
	for name, shared := range map[string]any{
		"counter":       bpf.CaptureCounter{},
		"flow_key":      bpf.CaptureFlowKey{},
		"flow":          bpf.CaptureFlow{},
		"event":         bpf.CaptureEvent{},
		"flow_end":      bpf.CaptureFlowEnd{},
		"control_input": bpf.CaptureControlInput{},
	} {
		t.Run(name, func(t *testing.T) {
			want := kernelLayout(t, spec.Types, name)
			if diff := cmp.Diff(want, goLayout(reflect.TypeOf(shared))); diff != "" {
				t.Errorf("layout (-kernel +go):\n%s", diff)
			}
		})
	}
	t.Run("flow.Key", func(t *testing.T) {
		want := kernelLayout(t, spec.Types, "flow_key")
		if diff := cmp.Diff(want, goLayout(reflect.TypeFor[flow.Key]())); diff != "" {
			t.Errorf("layout (-kernel +go):\n%s", diff)
		}
	})
}

// The compiler pads nothing: padding that nobody names is never zeroed.
func TestSharedStructsHaveNoHiddenPadding(t *testing.T) {
	spec, err := bpf.LoadCapture()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{
		"counter", "flow_key", "flow_dir", "dir_rare", "skip", "flow", "event", "dir_totals", "flow_end", "control_input",
	} {
		var s *btf.Struct
		if err := spec.Types.TypeByName(name, &s); err != nil {
			t.Fatal(err)
		}
		end := uint32(0)
		for _, m := range s.Members {
			if m.Offset.Bytes() != end {
				t.Errorf("struct %s: hole of %d bytes before %s", name, m.Offset.Bytes()-end, m.Name)
			}
			end = m.Offset.Bytes() + sizeOf(t, m.Type)
		}
		if end != s.Size {
			t.Errorf("struct %s: %d bytes of padding at the end", name, s.Size-end)
		}
	}
}

// The enums that Go has under names of its own.
func TestGoNamesTheKernelsEnums(t *testing.T) {
	spec, err := bpf.LoadCapture()
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]map[string]uint64{
		"mark": {"REPLAY_MARK": flow.ReplayMark},
		"dir":  {"FROM_A": uint64(flow.FromA), "FROM_B": uint64(flow.FromB)},
		"depth": {
			"DEPTH_DEFAULT": uint64(flow.DepthDefault), "DEPTH_ALL": uint64(flow.DepthAll), "DEPTH_NONE": uint64(flow.DepthNone),
		},
	} {
		var e *btf.Enum
		if err := spec.Types.TypeByName(name, &e); err != nil {
			t.Fatal(err)
		}
		got := map[string]uint64{}
		for _, v := range e.Values {
			got[v.Name] = v.Value
		}
		if diff := cmp.Diff(got, want); diff != "" {
			t.Errorf("enum %s (-kernel +go):\n%s", name, diff)
		}
	}
}

// The verifier gives up at a million instructions, and each one costs time at the
// start: an unlucky loop shows here before it shows there. Filters come on top.
func TestVerifierHasLittleToDo(t *testing.T) {
	k := newKernel(t, build{budget: 2048})
	const limit = 40_000
	for name, p := range map[string]*ebpf.Program{
		"tc_l2_ingress": k.TcL2Ingress, "tc_l3_egress": k.TcL3Egress, "xdp_l2": k.XdpL2, "control": k.Control,
	} {
		info, err := p.Info()
		if err != nil {
			t.Fatal(err)
		}
		n, ok := info.VerifiedInstructions()
		if !ok {
			t.Skip("the kernel does not tell how many instructions it verified (5.16)")
		}
		if n > limit {
			t.Errorf("%s: %d instructions verified, want %d at most", name, n, limit)
		}
	}
}

// field is a place in a struct: name without case and underscores, since Go
// writes names its own way; arrays of structs by their first element.
type field struct {
	Name         string
	Offset, Size uint32
}

func kernelLayout(t *testing.T, types *btf.Spec, name string) []field {
	t.Helper()
	var s *btf.Struct
	if err := types.TypeByName(name, &s); err != nil {
		t.Fatal(err)
	}
	return append(kernelFields(t, s, "", 0), field{"(whole)", 0, s.Size})
}

func kernelFields(t *testing.T, s *btf.Struct, prefix string, base uint32) (fields []field) {
	t.Helper()
	for _, m := range s.Members {
		name := prefix + strings.ReplaceAll(m.Name, "_", "")
		at := base + m.Offset.Bytes()
		fields = append(fields, field{name, at, sizeOf(t, m.Type)})
		inner := btf.UnderlyingType(m.Type)
		if array, ok := inner.(*btf.Array); ok {
			inner = btf.UnderlyingType(array.Type)
		}
		if nested, ok := inner.(*btf.Struct); ok {
			fields = append(fields, kernelFields(t, nested, name+".", at)...)
		}
	}
	return fields
}

func sizeOf(t *testing.T, of btf.Type) uint32 {
	t.Helper()
	n, err := btf.Sizeof(of)
	if err != nil {
		t.Fatal(err)
	}
	return uint32(n)
}

func goLayout(of reflect.Type) []field {
	return append(goFields(of, "", 0), field{"(whole)", 0, uint32(of.Size())})
}

func goFields(of reflect.Type, prefix string, base uint32) (fields []field) {
	for i := range of.NumField() {
		f := of.Field(i)
		if f.Name == "_" {
			continue // structs.HostLayout
		}
		name := prefix + strings.ToLower(f.Name)
		at := base + uint32(f.Offset)
		fields = append(fields, field{name, at, uint32(f.Type.Size())})
		inner := f.Type
		if inner.Kind() == reflect.Array {
			inner = inner.Elem()
		}
		if inner.Kind() == reflect.Struct {
			fields = append(fields, goFields(inner, name+".", at)...)
		}
	}
	return fields
}

func (f field) String() string { return fmt.Sprintf("%s at %d, %d bytes", f.Name, f.Offset, f.Size) }
