package gauge

import (
	"fmt"
	"os"
	"path/filepath"
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
