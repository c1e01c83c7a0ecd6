package gauge

import (
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Machine is where figures come from.
type Machine struct {
	Cores     int       `json:"cores"`
	Processor string    `json:"processor"`
	Kernel    string    `json:"kernel"`
	Go        string    `json:"go"`
	Time      time.Time `json:"time"`
	// Load is the mean number of programs that ran in the minute before: on a quiet
	// machine about 0.
	Load string `json:"load"`
}

// ThisMachine describes the machine.
func ThisMachine() Machine {
	m := Machine{Cores: runtime.NumCPU(), Go: runtime.Version(), Time: time.Now().UTC().Truncate(time.Second)}
	var u unix.Utsname
	if unix.Uname(&u) == nil {
		m.Kernel = unix.ByteSliceToString(u.Release[:])
	}
	if text, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		m.Processor = processor(string(text))
	}
	if text, err := os.ReadFile("/proc/loadavg"); err == nil {
		m.Load, _, _ = strings.Cut(string(text), " ")
	}
	return m
}

func processor(cpuinfo string) string {
	for line := range strings.Lines(cpuinfo) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return runtime.GOARCH
}

// String is one line.
func (m Machine) String() string {
	return fmt.Sprintf("%d cores, %s, Linux %s, %s, load %s before", m.Cores, m.Processor, m.Kernel, m.Go, m.Load)
}

// WriteJSON writes a report to a file.
func WriteJSON(path string, report any) error {
	text, err := json.MarshalIndent(report, "", "  ")
	if err != nil {
		return fmt.Errorf("write json: %w", err)
	}
	if err := os.WriteFile(path, append(text, '\n'), 0o644); err != nil {
		return fmt.Errorf("write json: %w", err)
	}
	return nil
}
