package govern

import (
	"fmt"
	"runtime/metrics"
	"time"

	"golang.org/x/sys/unix"
)

// Meter measures this process. Not safe for concurrent use.
type Meter struct {
	cpu     time.Duration // at the last look
	at      time.Time
	samples []metrics.Sample
}

// NewMeter begins to measure.
func NewMeter() (*Meter, error) {
	m := &Meter{samples: []metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}}
	if _, err := m.CPU(); err != nil {
		return nil, err
	}
	return m, nil
}

// CPU returns how many cores the process has kept busy since the last call.
func (m *Meter) CPU() (cores float64, err error) {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		return 0, fmt.Errorf("read cpu time: %w", err)
	}
	cpu, now := time.Duration(u.Utime.Nano()+u.Stime.Nano()), time.Now()
	if elapsed := now.Sub(m.at); !m.at.IsZero() && elapsed > 0 {
		cores = float64(cpu-m.cpu) / float64(elapsed)
	}
	m.cpu, m.at = cpu, now
	return cores, nil
}

// Memory returns what the Go runtime has from the system, in bytes: heap, stacks and
// its own.
func (m *Meter) Memory() uint64 {
	metrics.Read(m.samples)
	return m.samples[0].Value.Uint64() - m.samples[1].Value.Uint64()
}
