package gauge

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Programs is what the kernel knows of all BPF programs of a process together.
type Programs struct {
	Count    int           // how many there are
	Runs     float64       // of all of them
	Time     time.Duration // of those runs; 0 unless the kernel keeps statistics
	Verified []float64     // instructions that the verifier looked at, by program
}

// ProgramsOf reads the programs that a process holds open, from the kernel's word
// on its descriptors. So it works for every process, not only our own.
func ProgramsOf(pid int) (Programs, error) {
	var p Programs
	paths, err := filepath.Glob(fmt.Sprintf("/proc/%d/fdinfo/*", pid))
	if err != nil || len(paths) == 0 {
		return p, fmt.Errorf("read bpf programs: no process %d", pid)
	}
	seen := map[float64]bool{}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // it has just been closed
		}
		p.add(string(text), seen)
	}
	return p, nil
}

// add counts a descriptor where it is a program that was not there yet.
func (p *Programs) add(fdinfo string, seen map[float64]bool) {
	id, ok := field(fdinfo, "prog_id:")
	runs, isProgram := field(fdinfo, "run_cnt:")
	if !ok || !isProgram || seen[id] {
		return
	}
	seen[id] = true
	ns, _ := field(fdinfo, "run_time_ns:")
	verified, _ := field(fdinfo, "verified_insns:")
	p.Count++
	p.Runs += runs
	p.Time += time.Duration(ns)
	p.Verified = append(p.Verified, verified)
}

const statsSwitch = "/proc/sys/kernel/bpf_stats_enabled"

// EnableStats has the kernel measure the time of BPF programs, which costs some
// itself. The function that it returns puts things back as they were.
func EnableStats() (restore func() error, err error) {
	before, err := os.ReadFile(statsSwitch)
	if err != nil {
		return nil, fmt.Errorf("enable bpf statistics: %w (needs Linux 5.1)", err)
	}
	set := func(value string) error {
		if err := os.WriteFile(statsSwitch, []byte(value), 0); err != nil {
			return fmt.Errorf("set bpf statistics: %w (needs root)", err)
		}
		return nil
	}
	if err := set("1"); err != nil {
		return nil, errors.Join(err, set(strings.TrimSpace(string(before))))
	}
	return func() error { return set(strings.TrimSpace(string(before))) }, nil
}
