package capture

import "golang.org/x/sys/unix"

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
