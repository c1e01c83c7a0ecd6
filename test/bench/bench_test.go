package main

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gortap/internal/testutil"
	"gortap/test/bench/gauge"

	"github.com/google/go-cmp/cmp"
)

func run1(observer string, round int, perSecond float64, p99 time.Duration) result {
	r := result{observer: observer, load: "small", round: round, counted: uncounted()}
	r.PerSecond, r.P99 = perSecond, p99
	return r
}

func TestRowIsRelativeToTheSameRound(t *testing.T) {
	watched := run1("agent", 0, 80, 3*time.Millisecond)
	watched.served, watched.seen, watched.dropped = 1000, 999, 2
	watched.cpu, watched.rss = 2*time.Millisecond, 30
	watched.reasons = map[string]float64{"kernel ring-full": 2, "kernel fragment": 0}
	later := run1("agent", 1, 90, 2*time.Millisecond)
	later.served, later.seen, later.dropped, later.cpu = 1000, 1000, 0, 4*time.Millisecond
	results := []result{
		run1("none", 0, 100, 2*time.Millisecond), watched,
		later, run1("none", 1, 200, time.Millisecond),
		run1("agent", 2, 70, time.Millisecond), // nothing to compare it with
	}
	row, ok := serverRowOf(results, "small", "agent")
	want := serverRow{
		Load: "small", Observer: "agent",
		Rate:       &gauge.Spread{Median: 80, Min: 70, Max: 90, Rounds: 3},
		Kept:       &gauge.Spread{Median: (0.8 + 0.45) / 2, Min: 0.45, Max: 0.8, Rounds: 2},
		P99:        &gauge.Spread{Median: 1.75, Min: 1.5, Max: 2, Rounds: 2},
		CPU:        &gauge.Spread{Median: 3, Min: 2, Max: 4, Rounds: 2},
		RSS:        &gauge.Spread{Median: 15, Min: 0, Max: 30, Rounds: 2},
		SeenServed: &gauge.Spread{Median: 0.9995, Min: 0.999, Max: 1, Rounds: 2},
		Dropped:    &gauge.Spread{Median: 1, Min: 0, Max: 2, Rounds: 2},
		Reasons:    map[string]float64{"kernel ring-full": 2},
	}
	if diff := cmp.Diff(want, row); !ok || diff != "" {
		t.Errorf("%v (-want +got):\n%s", ok, diff)
	}
	if _, ok := serverRowOf(results, "10k", "agent"); ok {
		t.Error("a row without a run")
	}
}

func TestFixedRateAddsBesideTheSameRound(t *testing.T) {
	row, ok := rateRowOf([]rateRun{
		{observer: "none", round: 0, rate: 10, machine: 100, processes: 50},
		{observer: "agent", round: 0, rate: 10, machine: 104, processes: 53, observing: 2},
		{observer: "agent", round: 1, rate: 10, machine: 108, processes: 57, observing: 3},
		{observer: "none", round: 1, rate: 10, machine: 102, processes: 52},
	}, "agent")
	if !ok || row.AddedMachine.Median != 5 || row.AddedMachine.Max != 6 || row.AddedProcesses.Median != 4 || row.Observing.Median != 2.5 {
		t.Errorf("%v %+v", ok, row)
	}
	base, _ := rateRowOf([]rateRun{{observer: "none", machine: 1}}, "none")
	if base.AddedMachine != nil {
		t.Error("no observer adds something to itself")
	}
}

func TestKernelTimeIsPerRunAndPerPacket(t *testing.T) {
	row := kernelRowOf("10k", "head", []kernelRun{{runs: 400, ns: 40000, records: 300, served: 100}, {runs: 0, ns: 0}})
	if row.PerRun.Median != 100 || row.PerRecord.Median != 40000.0/300 || row.Runs.Median != 4 || row.Records.Median != 3 || row.PerRun.Rounds != 1 {
		t.Errorf("%+v", row)
	}
}

func TestBenchmarksAreReadWithTheFastestRun(t *testing.T) {
	const out = `goos: linux
BenchmarkExchange/http1-2         	  600000	      2067 ns/op	       0 B/op	       0 allocs/op
BenchmarkExchange/http1-2         	  600000	      1500.5 ns/op	       0 B/op	       1 allocs/op
BenchmarkExchange/http2         	  400000	      2721 ns/op
BenchmarkShard-16 	   10000	     33731 ns/op	      2580 cpu-ns/op	       0 B/op	       2 allocs/op
PASS
ok  	gortap/internal/pipeline	5.1s
`
	want := []userRow{{"Exchange/http1", 1500.5, 1}, {"Exchange/http2", 2721, 0}, {"Shard", 2580, 2}}
	if diff := cmp.Diff(want, parseBenchmarks(out)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestCountsOfObserversAreRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "summary.json")
	text := `{"exchanges":12,"dropped":[{"stage":"kernel","reason":"ring-full","packets":3,"bytes":9},{"stage":"kernel","reason":"fragment","packets":1}]}`
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := agentCounted(path, "")
	if err != nil || got.seen != 12 || got.dropped != 4 || got.reasons["kernel ring-full"] != 3 {
		t.Errorf("%+v, %v", got, err)
	}
	if got, err := agentDropped(path, ""); err != nil || got.seen >= 0 || got.dropped != 4 {
		t.Errorf("%+v, %v: want no exchanges", got, err)
	}
	if _, err := agentCounted(path+"x", ""); err == nil {
		t.Error("a missing summary is no error")
	}
	dump, err := tcpdumpCounted("", "1 packet captured\n5 packets received by filter\n17 packets dropped by kernel\n")
	if err != nil || dump.dropped != 17 || dump.seen >= 0 {
		t.Errorf("%+v, %v", dump, err)
	}
	if _, err := tcpdumpCounted("", "tcpdump: permission denied"); err == nil {
		t.Error("no counts are no error")
	}
}

func TestFlagsChooseByName(t *testing.T) {
	loads, err := pick("http2,small", allLoads())
	if err != nil || len(loads) != 2 || loads[0].name != "http2" || loads[1].name != "small" {
		t.Errorf("%+v, %v", loads, err)
	}
	if all, err := pick("", allLoads()); err != nil || len(all) != len(allLoads()) {
		t.Errorf("%d loads, %v", len(all), err)
	}
	if usual, err := pick("", allObservers(options{})); err != nil || names(usual) != "agent,agent-bare,agent-count,agent-nomatch,floor,tcpdump" {
		t.Errorf("%s, %v", names(usual), err)
	}
	if asked, err := pick("floor-all", allObservers(options{})); err != nil || len(asked) != 1 {
		t.Errorf("%s, %v", names(asked), err)
	}
	if _, err := pick("small,huge", allLoads()); err == nil || !strings.Contains(err.Error(), "huge") {
		t.Errorf("an unknown load gives %v", err)
	}
}

// An observer that ends at once, or never watches, costs its row and not the run.
func TestObserversThatFail(t *testing.T) {
	testutil.CheckLeaks(t)
	a := &arena{server: testutil.Namespace(t), device: "lo"}
	shell := func(script string) func(place) (*exec.Cmd, error) {
		return func(place) (*exec.Cmd, error) { return exec.Command("sh", "-c", script), nil }
	}
	_, err := observer{name: "broken", command: shell("echo cannot; exit 3"), ready: said("ready")}.start(t.Context(), a, "80")
	if err == nil || !strings.Contains(err.Error(), "cannot") {
		t.Errorf("one that ends at once: %v, want its own words", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := (observer{name: "slow", command: shell("exec sleep 60"), ready: said("ready")}).start(ctx, a, "80"); err == nil {
		t.Error("an interrupted start is no error")
	}
	w, err := observer{name: "fine", command: shell("echo ready; exec sleep 60"), ready: said("ready"), counted: tcpdumpCounted}.start(t.Context(), a, "80")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.stop(); err == nil {
		t.Error("one that is killed by the signal is no error")
	}
	if _, err := os.Stat(w.dir.Path); !os.IsNotExist(err) {
		t.Errorf("it leaves its folder: %v", err)
	}
}

func TestReportIsTableAndJSON(t *testing.T) {
	r := report{Machine: gauge.ThisMachine(), Rounds: 1, Seconds: 1, Failures: []string{}}
	row, _ := serverRowOf([]result{run1("none", 0, 100, time.Millisecond)}, "small", "none")
	r.Server = append(r.Server, row)
	r.Idle = &idleRow{10, 0.1, 20, 30}
	r.fail("goreplay under load %s", "small")
	var text strings.Builder
	if err := r.print(&text, false); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"small", "none", "context switches/s", "left out: goreplay under load small", "cores"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("no %q in:\n%s", want, text.String())
		}
	}
	path := filepath.Join(t.TempDir(), "figures.json")
	if err := gauge.WriteJSON(path, &r); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var back struct {
		Machine struct {
			Cores      int
			Kernel, Go string
		}
		Server []serverRow
	}
	if err := json.Unmarshal(data, &back); err != nil {
		t.Fatal(err)
	}
	if back.Machine.Cores < 1 || back.Machine.Kernel == "" || back.Machine.Go == "" || len(back.Server) != 1 {
		t.Errorf("%s", data)
	}
}
