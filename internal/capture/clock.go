package capture

import (
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// clock turns the kernel's CLOCK_MONOTONIC into Unix time.
type clock struct {
	offset int64 // ns
}

// now reads both clocks and corrects the offset, so that a stepped wall clock
// shows within a batch.
func (c *clock) now() (unixNs int64, monotonicNs uint64) {
	var mono, wall unix.Timespec
	// These clocks exist on every kernel, so reading them cannot fail.
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &mono)
	_ = unix.ClockGettime(unix.CLOCK_REALTIME, &wall)
	c.offset = wall.Nano() - mono.Nano()
	return wall.Nano(), uint64(mono.Nano())
}

func (c *clock) unix(monotonicNs uint64) int64 { return int64(monotonicNs) + c.offset }

func monotonicNow() uint64 {
	var ts unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts)
	return uint64(ts.Nano())
}

// checkClock refuses a time namespace: the programs tell the time outside of it, and the
// reader of their records compares it with its own.
func checkClock(offsets string) error {
	text, err := os.ReadFile(offsets)
	if err != nil {
		return nil // Linux before 5.6, or no /proc: there is none
	}
	for line := range strings.Lines(string(text)) {
		f := strings.Fields(line)
		if len(f) == 3 && f[0] == "monotonic" && (f[1] != "0" || f[2] != "0") {
			return fmt.Errorf("capture: CLOCK_MONOTONIC is off by %s s in this time namespace, the kernel's programs use the host's (run the agent outside of it)", f[1])
		}
	}
	return nil
}
