package capture

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"runtime"
	"strings"

	"gortap/bpf"
	"gortap/internal/capture/ring"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/rlimit"
	"golang.org/x/sys/unix"
)

// DefaultShards is half the CPUs, as a power of two: a shard keeps one core busy
// only under a load that keeps several producing.
func DefaultShards() int {
	n := 1
	for n < 8 && n*4 <= runtime.NumCPU() {
		n *= 2
	}
	return n
}

func (c *Capture) load(f *filters) error {
	// Kernels before 5.11 account BPF memory by this limit. Without the
	// privilege for it there is none to load programs either: that error says more.
	if err := rlimit.RemoveMemlock(); err != nil && !errors.Is(err, os.ErrPermission) {
		return fmt.Errorf("raise memlock limit: %w", err)
	}
	spec, err := bpf.LoadCapture()
	if err != nil {
		return fmt.Errorf("read bpf object: %w", err)
	}
	if err := c.prepare(spec, f); err != nil {
		return err
	}
	if err := c.loadFor(c.opts.Hook, spec); err != nil {
		return err
	}
	return c.openRings(spec.Maps["bells"].InnerMap)
}

// loadFor loads the programs of one hook: those of XDP need a newer kernel than
// the others. The rest stay nil.
func (c *Capture) loadFor(hook Hook, spec *ebpf.CollectionSpec) error {
	unwanted := "xdp_"
	if hook == HookXDP {
		unwanted = "tc_"
	}
	maps.DeleteFunc(spec.Programs, func(name string, _ *ebpf.ProgramSpec) bool { return strings.HasPrefix(name, unwanted) })
	if !haveKernelTypes() {
		inlineStages(spec)
	}
	loaded, err := ebpf.NewCollection(spec)
	if err != nil {
		return explainLoad(err, Features(hook))
	}
	defer loaded.Close() // of what is not taken out of it
	c.objs = &bpf.CaptureObjects{CapturePrograms: bpf.CapturePrograms{
		Control:     loaded.DetachProgram(bpf.CaptureProgControl),
		TcL2Egress:  loaded.DetachProgram(bpf.CaptureProgTcL2Egress),
		TcL2Ingress: loaded.DetachProgram(bpf.CaptureProgTcL2Ingress),
		TcL3Egress:  loaded.DetachProgram(bpf.CaptureProgTcL3Egress),
		TcL3Ingress: loaded.DetachProgram(bpf.CaptureProgTcL3Ingress),
		XdpL2:       loaded.DetachProgram(bpf.CaptureProgXdpL2),
		XdpL3:       loaded.DetachProgram(bpf.CaptureProgXdpL3),
	}}
	if err := loaded.Assign(&c.objs.CaptureMaps); err != nil {
		return fmt.Errorf("load bpf maps: %w", err)
	}
	if err := loaded.Assign(&c.objs.CaptureVariables); err != nil {
		return fmt.Errorf("load bpf variables: %w", err)
	}
	if err := c.SetBudgets(c.opts.RequestBudget, c.opts.ResponseBudget); err != nil {
		return err
	}
	return c.SetSample(c.opts.Sample)
}

// prepare sets sizes and constants, and builds the filter into the programs.
func (c *Capture) prepare(spec *ebpf.CollectionSpec, f *filters) error {
	spec.Maps["flows"].MaxEntries = uint32(c.opts.MaxFlows)
	cpus, err := ebpf.PossibleCPU()
	if err != nil {
		return fmt.Errorf("count CPUs: %w", err)
	}
	c.layout = ring.LayoutOf(c.opts.Shards, cpus, c.opts.RingBytes)
	if err := c.layout.Apply(spec); err != nil {
		return err
	}
	if err := spec.Variables["cfg_windows"].Set(c.opts.windows()); err != nil {
		return fmt.Errorf("set windows: %w", err)
	}
	return f.inject(spec)
}

func (c *Capture) openRings(bell *ebpf.MapSpec) error {
	var err error
	if c.wishes, err = mapWishes(c.objs.WakeAt); err != nil {
		return err
	}
	if c.memory, err = ring.Map(c.layout, c.objs.Chunks.FD(), c.objs.Lanes.FD(), c.objs.Pool.FD()); err != nil {
		return err
	}
	for i := range c.opts.Shards {
		b, err := newBell(bell)
		if err != nil {
			return err
		}
		c.bells = append(c.bells, b)
		if err := c.objs.Bells.Put(uint32(i), b.m); err != nil {
			return fmt.Errorf("install bell %d: %w", i, err)
		}
		r := ring.New(c.layout, c.memory, i)
		c.rings = append(c.rings, r)
		sleeper, err := newSleeper(b, c.wishes.of(i), r.ChunkBytes(), r.Pending)
		if err != nil {
			return err
		}
		if c.opts.Nap {
			if sleeper.napper, err = newNapper(b.m.FD()); err != nil {
				return errors.Join(err, sleeper.close())
			}
		}
		c.shards = append(c.shards, &shard{ring: r, sleeper: sleeper, control: newControl(c.objs.Control, c.opts.Log)})
	}
	return nil
}

// explainLoad puts the remedy into the error. What the kernel says of a helper or a map
// type that it does not know differs from version to version: so what is needed is
// tried. The verifier's log, which can be megabytes, stays in the chain for those who
// ask (%+v of ebpf.VerifierError).
func explainLoad(err error, needed []Feature) error {
	var verifier *ebpf.VerifierError
	denied := errors.Is(err, os.ErrPermission) && !errors.As(err, &verifier) || errors.Is(err, unix.EPERM)
	if !denied {
		if missing := firstMissing(err, needed); missing != nil {
			return missing
		}
	}
	switch {
	case denied:
		return fmt.Errorf("load bpf programs: %w (needs CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON: run as root, or see README, Privileges)", errShort(err))
	case errors.As(err, &verifier):
		return &VerifierRejection{verifier}
	case errors.Is(err, ebpf.ErrNotSupported):
		return fmt.Errorf("load bpf programs: %w (needs Linux 5.18 or later; `agent doctor` tells what is missing)", errShort(err))
	default:
		return fmt.Errorf("load bpf programs: %w", errShort(err))
	}
}

// VerifierRejection is a program that this kernel refuses. Its message is one
// line; Log has the verifier's own words.
type VerifierRejection struct{ cause *ebpf.VerifierError }

func (e *VerifierRejection) Error() string {
	return fmt.Sprintf("load bpf programs: the kernel's verifier refused: %s (run with --verbose for its log; a shorter --bpf-filter may help; please report kernel version and filter)", e.cause)
}

// Unwrap returns the cause, for errors.Is.
func (e *VerifierRejection) Unwrap() error { return e.cause.Cause }

// Log returns the verifier's log.
func (e *VerifierRejection) Log() string { return fmt.Sprintf("%+v", e.cause) }

// errShort strips the chain of "field X: program Y:" that loading wraps around
// the cause.
func errShort(err error) error {
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err
		}
		err = inner
	}
}
