package capture

import (
	"fmt"
	"log/slog"
	"unsafe"

	"gortap/bpf"
	"gortap/internal/flow"

	"github.com/cilium/ebpf"
)

// control runs the kernel's control program, which changes flows under their
// lock: a map update from here would overwrite counts that arrive meanwhile.
// Not safe for concurrent use.
type control struct {
	prog  *ebpf.Program
	log   *slog.Logger
	input bpf.CaptureControlInput // pending depth changes, all to input.Depth
	stuck bool
}

func newControl(prog *ebpf.Program, log *slog.Logger) *control {
	return &control{prog: prog, log: log}
}

// setDepth asks for a depth; flush sends what is pending.
func (c *control) setDepth(k flow.Key, d flow.Depth) {
	if c.input.Count > 0 && (c.input.Depth != uint8(d) || int(c.input.Count) == len(c.input.Keys)) {
		c.flush()
	}
	c.input.Command = uint8(bpf.CaptureCommandCMD_SET_DEPTH)
	c.input.Depth = uint8(d)
	c.input.Keys[c.input.Count] = *kernelKey(&k)
	c.input.Count++
}

func (c *control) flush() {
	if c.input.Count == 0 {
		return
	}
	if _, err := c.run(); err != nil && !c.stuck {
		// The flows keep the depth they have: dearer, or less deep, not wrong.
		c.log.Warn("change copy depth", "error", err)
		c.stuck = true
	}
	c.input.Count = 0
}

// evict ends those of keys whose last packet is older than idleBefore
// (CLOCK_MONOTONIC, ns) and returns how many. The kernel writes each flow's
// totals into its ring; where that is full the flow stays.
func (c *control) evict(keys []bpf.CaptureFlowKey, idleBefore uint64) (int, error) {
	done := 0
	for len(keys) > 0 {
		n := copy(c.input.Keys[:], keys)
		c.input.Command = uint8(bpf.CaptureCommandCMD_EVICT)
		c.input.IdleBefore = idleBefore
		c.input.Count = uint16(n)
		evicted, err := c.run()
		c.input.Count = 0
		if err != nil {
			return done, fmt.Errorf("evict flows: %w", err)
		}
		done += evicted
		keys = keys[n:]
	}
	return done, nil
}

func (c *control) run() (int, error) {
	data := unsafe.Slice((*byte)(unsafe.Pointer(&c.input)), unsafe.Sizeof(c.input))
	n, err := c.prog.Run(&ebpf.RunOptions{Data: data})
	return int(n), err
}
