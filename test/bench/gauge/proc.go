// Package gauge is what the benchmarks measure with: processor time, memory and
// context switches of a process, what the kernel knows of its BPF programs, what an
// nginx has served, and the spread of a figure over its rounds.
package gauge

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// CPUTime returns the user and system time of a process so far, ended threads
// included. It is what /proc/PID/stat shows, without being rounded to 10 ms.
func CPUTime(pid int) (time.Duration, error) {
	const cpuClockSched = 2 // include/linux/posix-timers_types.h
	var ts unix.Timespec
	if err := unix.ClockGettime(int32(^pid<<3|cpuClockSched), &ts); err != nil {
		return 0, fmt.Errorf("read cpu time of process %d: %w", pid, err)
	}
	return time.Duration(ts.Nano()), nil
}

// CPUTimes is the CPUTime of several processes together.
func CPUTimes(pids []int) (sum time.Duration, err error) {
	for _, pid := range pids {
		t, err := CPUTime(pid)
		if err != nil {
			return 0, err
		}
		sum += t
	}
	return sum, nil
}

// PeakRSS returns the largest resident size of a process so far, in MiB.
func PeakRSS(pid int) (float64, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, fmt.Errorf("read resident size: %w", err)
	}
	kib, ok := field(string(status), "VmHWM:")
	if !ok {
		return 0, fmt.Errorf("read resident size: no VmHWM for process %d", pid)
	}
	return kib / 1024, nil
}

// Switches returns how often the threads of a process that still run have been
// switched away from.
func Switches(pid int) (float64, error) {
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", pid))
	if err != nil || len(tasks) == 0 {
		return 0, fmt.Errorf("read context switches: no process %d", pid)
	}
	sum := 0.0
	for _, task := range tasks {
		status, err := os.ReadFile(task)
		if err != nil {
			continue // it has just ended
		}
		own, _ := field(string(status), "voluntary_ctxt_switches:")
		forced, _ := field(string(status), "nonvoluntary_ctxt_switches:")
		sum += own + forced
	}
	return sum, nil
}

// field reads the number behind a name at the beginning of a line.
func field(text, name string) (float64, bool) {
	for line := range strings.Lines(text) {
		rest, ok := strings.CutPrefix(line, name)
		if !ok {
			continue
		}
		fields := strings.Fields(rest)
		if len(fields) == 0 {
			return 0, false
		}
		v, err := strconv.ParseFloat(fields[0], 64)
		return v, err == nil
	}
	return 0, false
}

// Children returns the processes that a process has started.
func Children(pid int) ([]int, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	if err != nil {
		return nil, fmt.Errorf("list children of process %d: %w", pid, err)
	}
	var pids []int
	for _, f := range strings.Fields(string(text)) {
		child, err := strconv.Atoi(f)
		if err != nil {
			return nil, fmt.Errorf("list children of process %d: %w", pid, err)
		}
		pids = append(pids, child)
	}
	return pids, nil
}

// IdleTime returns how long the machine's cores have been idle, together. What a
// hypervisor took away counts as idle.
func IdleTime() (time.Duration, error) {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, fmt.Errorf("read idle time: %w", err)
	}
	return idleTime(string(text))
}

func idleTime(stat string) (time.Duration, error) {
	const ticksPerSecond = 100 // USER_HZ, on every Linux that Go runs on
	first, _, _ := strings.Cut(stat, "\n")
	fields := strings.Fields(first)
	if len(fields) < 9 || fields[0] != "cpu" {
		return 0, fmt.Errorf("read idle time: unknown form of /proc/stat: %q", first)
	}
	var ticks int64
	for _, i := range []int{4, 5, 8} { // idle, iowait, steal
		n, err := strconv.ParseInt(fields[i], 10, 64)
		if err != nil {
			return 0, fmt.Errorf("read idle time: %w", err)
		}
		ticks += n
	}
	return time.Duration(ticks) * time.Second / ticksPerSecond, nil
}
