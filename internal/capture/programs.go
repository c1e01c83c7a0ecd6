package capture

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// ProgramStats is what the kernel knows of one program. Runs and Time stay 0 unless
// the kernel keeps statistics (sysctl kernel.bpf_stats_enabled, or EnableStats).
type ProgramStats struct {
	Name string
	Runs uint64
	Time time.Duration // of all runs together
	// Verified is how many instructions the verifier looked at, and Size how
	// many bytes the program has as machine code; 0 where the kernel does not tell.
	Verified, Size uint32
}

// EnableStats has the kernel keep statistics, for every BPF program of the machine,
// until the result is closed or the process ends. They cost some 50 ns a run.
func EnableStats() (io.Closer, error) {
	c, err := ebpf.EnableStats(unix.BPF_STATS_RUN_TIME)
	if err != nil {
		return nil, fmt.Errorf("enable bpf statistics: %w (needs Linux 5.8 and CAP_SYS_ADMIN)", err)
	}
	return c, nil
}

// Programs returns what the kernel knows of the loaded programs. After Close
// there are none.
func (c *Capture) Programs() ([]ProgramStats, error) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if c.final != nil || c.objs == nil {
		return nil, nil
	}
	var all []ProgramStats
	for _, p := range []struct {
		name string
		*ebpf.Program
	}{
		{"tc_l2_ingress", c.objs.TcL2Ingress}, {"tc_l2_egress", c.objs.TcL2Egress},
		{"tc_l3_ingress", c.objs.TcL3Ingress}, {"tc_l3_egress", c.objs.TcL3Egress},
		{"xdp_l2", c.objs.XdpL2}, {"xdp_l3", c.objs.XdpL3}, {"control", c.objs.Control},
	} {
		if p.Program == nil {
			continue
		}
		s, err := programStats(p.Program)
		if err != nil {
			return nil, fmt.Errorf("read statistics of %s: %w", p.name, err)
		}
		s.Name = p.name
		all = append(all, s)
	}
	return all, nil
}

func programStats(p *ebpf.Program) (ProgramStats, error) {
	info, err := p.Info()
	if err != nil {
		return ProgramStats{}, err
	}
	stats, err := p.Stats()
	if err != nil && !errors.Is(err, ebpf.ErrNotSupported) {
		return ProgramStats{}, err
	}
	var s ProgramStats
	if stats != nil {
		s.Runs, s.Time = stats.RunCount, stats.Runtime
	}
	s.Verified, _ = info.VerifiedInstructions()
	s.Size, _ = info.JitedSize()
	return s, nil
}
