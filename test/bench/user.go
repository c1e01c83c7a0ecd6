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

// userRow is a Go benchmark of the user side alone: from records, as they lie in the
// ring, or from segments, to the books.
type userRow struct {
	Benchmark   string  `json:"benchmark"`
	Nanoseconds float64 `json:"ns_per_exchange"`
	Allocations float64 `json:"allocations_per_exchange"`
}

// userBenchmarks are packages and what to run of them.
func userBenchmarks() [][2]string {
	return [][2]string{{"./internal/capture", "^BenchmarkShard$"}, {"./internal/pipeline", "^BenchmarkCrowd$"}}
}

func (b *bench) measureUser(ctx context.Context) {
	for _, which := range userBenchmarks() {
		fmt.Fprintf(os.Stderr, "user side: benchmarks of %s\n", which[0])
		cmd := exec.CommandContext(ctx, "go", "test", "-pgo=cmd/agent/default.pgo", "-run", "^$", "-bench", which[1], "-benchmem", "-benchtime", "500ms", "-count", strconv.Itoa(min(b.rounds, 3)), which[0])
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

var (
	benchmarkLine = regexp.MustCompile(`(?m)^Benchmark(\S+?)(?:-\d+)?\s+\d+\s+([\d.]+ ns/op.*)$`)
	benchmarkUnit = regexp.MustCompile(`([\d.]+) (\S+)`)
)

// parseBenchmarks reads the output of go test -bench. Of a benchmark that was run
// several times the fastest counts: whatever else ran on the machine made it slower.
// Where it tells its processor time, that is its time.
func parseBenchmarks(out string) []userRow {
	var rows []userRow
	index := map[string]int{}
	for _, m := range benchmarkLine.FindAllStringSubmatch(out, -1) {
		figures := map[string]float64{}
		for _, u := range benchmarkUnit.FindAllStringSubmatch(m[2], -1) {
			figures[u[2]], _ = strconv.ParseFloat(u[1], 64) // digits
		}
		ns, allocs := figures["ns/op"], figures["allocs/op"]
		if cpu, ok := figures["cpu-ns/op"]; ok {
			ns = cpu
		}
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
