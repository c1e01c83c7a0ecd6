package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
)

// userRow is a Go benchmark of the user side alone: from a segment, as it lies in the
// ring, to the metrics.
type userRow struct {
	Benchmark   string  `json:"benchmark"`
	Nanoseconds float64 `json:"ns_per_exchange"`
	Allocations float64 `json:"allocations_per_exchange"`
}

// userBenchmarks are packages and what to run of them.
func userBenchmarks() [][2]string {
	return [][2]string{{"./internal/pipeline", "Exchange"}}
}

func (b *bench) measureUser(ctx context.Context) {
	for _, which := range userBenchmarks() {
		fmt.Fprintf(os.Stderr, "user side: benchmarks of %s\n", which[0])
		cmd := exec.CommandContext(ctx, "go", "test", "-run", "^$", "-bench", which[1], "-benchmem", "-benchtime", b.duration.String(), "-count", strconv.Itoa(min(b.rounds, 3)), which[0])
		out, err := cmd.CombinedOutput()
		if ctx.Err() != nil {
			return
		}
		rows := parseBenchmarks(string(out))
		if err != nil || len(rows) == 0 {
			b.report.fail("user side, %s: %v: %s", which[0], err, strings.TrimSpace(string(out)))
			continue
		}
		b.report.User = append(b.report.User, rows...)
	}
}

var benchmarkLine = regexp.MustCompile(`(?m)^Benchmark(\S+?)(?:-\d+)?\s+\d+\s+([\d.]+) ns/op(?:.*?\s([\d.]+) allocs/op)?`)

// parseBenchmarks reads the output of go test -bench. Of a benchmark that was run
// several times the fastest counts: whatever else ran on the machine made it slower.
func parseBenchmarks(out string) []userRow {
	var rows []userRow
	index := map[string]int{}
	for _, m := range benchmarkLine.FindAllStringSubmatch(out, -1) {
		ns, err := strconv.ParseFloat(m[2], 64)
		if err != nil {
			continue
		}
		allocs, _ := strconv.ParseFloat(m[3], 64) // absent: 0
		i, ok := index[m[1]]
		if !ok {
			index[m[1]] = len(rows)
			rows = append(rows, userRow{m[1], ns, allocs})
			continue
		}
		rows[i].Nanoseconds = min(rows[i].Nanoseconds, ns)
		rows[i].Allocations = max(rows[i].Allocations, allocs)
	}
	return rows
}
