package capture

import (
	"bytes"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"
	"golang.org/x/sys/unix"

	"gortap/bpf"
	"gortap/internal/testutil"
)

const unknownToTheKernel = 9999

// refusals are what a kernel says to what it does not know: two of its own words, and
// what older ones answer.
func refusals(t *testing.T) map[string]error {
	t.Helper()
	_, helper := ebpf.NewProgram(&ebpf.ProgramSpec{
		Type:         ebpf.SchedCLS,
		Instructions: asm.Instructions{asm.BuiltinFunc(unknownToTheKernel).Call(), asm.Return()},
	})
	_, mapType := ebpf.NewMap(&ebpf.MapSpec{Type: ebpf.MapType(unknownToTheKernel), KeySize: 4, ValueSize: 4, MaxEntries: 1})
	if helper == nil || mapType == nil {
		t.Fatalf("the kernel knows helper or map type %d: %v, %v", unknownToTheKernel, helper, mapType)
	}
	const enotsupp = unix.Errno(524)
	return map[string]error{
		"a helper": helper, "a map type": mapType,
		"EINVAL": fmt.Errorf("load program: %w", unix.EINVAL), "ENOTSUPP": fmt.Errorf("create map: %w", enotsupp),
	}
}

func TestAMissingFeatureIsNamedOnOneLine(t *testing.T) {
	testutil.RequireRoot(t)
	causes := refusals(t)
	for _, hook := range []Hook{HookTC, HookXDP} {
		for i, f := range Features(hook) {
			needed := Features(hook)
			needed[i].probe = func() error { return fmt.Errorf("probe: %w", ebpf.ErrNotSupported) }
			for name, cause := range causes {
				err := explainLoad(cause, needed)
				want := "this kernel lacks " + f.Name + " (needs Linux " + f.Since + " or later"
				var missing *MissingFeature
				if !errors.As(err, &missing) || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
					t.Errorf("%s refused: %q, want one line with %q", name, err, want)
				}
				if !errors.Is(err, cause) {
					t.Errorf("%s refused: the cause is lost", name)
				}
			}
		}
	}
}

// A probe that fails for another reason says nothing of the kernel; nor does a
// privilege that is missing.
func TestNoFeatureIsBlamedForAnotherFault(t *testing.T) {
	failing := Features(HookTC)
	for i := range failing {
		failing[i].probe = func() error { return unix.EPERM }
	}
	lacking := Features(HookTC)
	lacking[0].probe = func() error { return ebpf.ErrNotSupported }
	for name, err := range map[string]error{
		"failing probe":     explainLoad(unix.EINVAL, failing),
		"missing privilege": explainLoad(unix.EPERM, lacking),
	} {
		var missing *MissingFeature
		if errors.As(err, &missing) {
			t.Errorf("%s: %q", name, err)
		}
	}
}

func TestThisKernelHasAllFeatures(t *testing.T) {
	testutil.RequireRoot(t)
	for _, hook := range []Hook{HookTC, HookXDP} {
		for _, f := range Features(hook) {
			if err := f.probe(); err != nil {
				t.Errorf("hook %s, %s: %v", hook, f.Name, err)
			}
		}
	}
}

// attachTo without TCX: as a kernel before 6.6 answers.
func TestWithoutTCXClsactIsTaken(t *testing.T) {
	for _, tc := range []struct {
		how    Attach
		answer error
		want   string // an attachment, or a part of an error
	}{
		{AttachAuto, unix.EINVAL, "clsact"},
		{AttachAuto, ebpf.ErrNotSupported, "clsact"},
		{AttachAuto, unix.ENOMEM, "cannot allocate memory"},
		{AttachTCX, unix.EINVAL, "needs Linux 6.6 or later; use --tc-attach auto"},
	} {
		t.Run(fmt.Sprintf("%s, %v", tc.how, tc.answer), func(t *testing.T) {
			testutil.CheckLeaks(t)
			c := openIdle(t, Options{Attach: tc.how})
			c.tcx = func(n nic, _ programs) (*attachment, error) { return nil, explainAttach("tcx", n, tc.answer) }
			got := ""
			err := testutil.Namespace(t).Do(func() error {
				a, err := c.attachTo(nic{name: "lo", index: 1, loopback: true, up: true})
				if err != nil {
					return err
				}
				got = a.how
				return a.Close()
			})
			if err != nil {
				got = err.Error()
			}
			if !strings.Contains(got, tc.want) || strings.Contains(got, "\n") {
				t.Errorf("got %q, want %q", got, tc.want)
			}
			if err := c.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// hideContexts makes the kernel see what one without type information sees: it does
// not know by its type that an argument is a packet's context.
func hideContexts(spec *ebpf.CollectionSpec) {
	for _, p := range spec.Programs {
		for i := range p.Instructions {
			if fn := btf.FuncMetadata(&p.Instructions[i]); fn != nil && takesContext(fn) {
				firstArgument(fn).Name = "unheard_of"
			}
		}
	}
}

func TestTheProgramsLoadOnAKernelWithoutTypes(t *testing.T) {
	testutil.RequireRoot(t)
	empty := emptyTypes(t)
	filter := "tcp portrange 80-90 and host 10.0.0.1 and not (port 85 or ip6)"
	for _, tc := range []struct {
		name             string
		hook             Hook
		filter           string
		inline, unlinked bool
		loads            bool
	}{
		{name: "global stages, known contexts", hook: HookTC, loads: true},
		{name: "global stages", hook: HookTC, unlinked: true},
		{name: "tc", hook: HookTC, inline: true, unlinked: true, loads: true},
		{name: "tc with a filter", hook: HookTC, filter: filter, inline: true, unlinked: true, loads: true},
		{name: "XDP", hook: HookXDP, inline: true, unlinked: true, loads: true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			spec, err := bpf.LoadCapture()
			if err != nil {
				t.Fatal(err)
			}
			f, err := compileFilters(tc.filter)
			if err != nil {
				t.Fatal(err)
			}
			if err := f.inject(spec); err != nil {
				t.Fatal(err)
			}
			if tc.inline {
				inlineStages(spec)
			}
			if tc.unlinked {
				hideContexts(spec)
			}
			spec.Programs = map[string]*ebpf.ProgramSpec{"x": spec.Programs[map[Hook]string{HookTC: "tc_l2_ingress", HookXDP: "xdp_l2"}[tc.hook]]}
			c, err := ebpf.NewCollectionWithOptions(spec, ebpf.CollectionOptions{Programs: ebpf.ProgramOptions{KernelTypes: empty}})
			if (err == nil) != tc.loads {
				t.Fatalf("loads: %v, want %v", err, tc.loads)
			}
			if err != nil {
				return
			}
			defer c.Close()
			info, err := c.Programs["x"].Info()
			if err != nil {
				t.Fatal(err)
			}
			// A million is the kernel's limit.
			if n, ok := info.VerifiedInstructions(); ok && n > 800_000 {
				t.Errorf("%d instructions verified: too near to the limit", n)
			} else {
				t.Logf("%d instructions verified", n)
			}
		})
	}
}

// emptyTypes is the type information of a kernel that has none.
func emptyTypes(t *testing.T) *btf.Spec {
	t.Helper()
	builder, err := btf.NewBuilder([]btf.Type{&btf.Int{Name: "unused", Size: 4}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := builder.Marshal(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	spec, err := btf.LoadSpecFromReader(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	return spec
}

// A thread of its own file system view has no /sys/kernel/btf.
func TestCaptureWorksWhereKernelTypesAreHidden(t *testing.T) {
	testutil.RequireRoot(t)
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // and the thread ends with its view
		done <- withoutKernelTypes(func() error {
			if haveKernelTypes() {
				return errors.New("they are still there")
			}
			return errors.Join(Probe(HookTC, AttachAuto), Probe(HookXDP, AttachAuto))
		})
	}()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func withoutKernelTypes(do func() error) error {
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
		return err
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return err
	}
	if err := unix.Mount("none", "/sys/kernel/btf", "tmpfs", 0, ""); err != nil {
		return err
	}
	return do()
}
