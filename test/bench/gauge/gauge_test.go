package gauge

import (
	"math"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestSpreadIsMedianAndEnds(t *testing.T) {
	for name, tc := range map[string]struct {
		values []float64
		want   *Spread
	}{
		"none":            {nil, nil},
		"one":             {[]float64{3}, &Spread{3, 3, 3, 1}},
		"odd":             {[]float64{9, 1, 2}, &Spread{2, 1, 9, 3}},
		"even":            {[]float64{4, 1, 2, 9}, &Spread{3, 1, 9, 4}},
		"without numbers": {[]float64{math.NaN(), 5, math.Inf(1)}, &Spread{5, 5, 5, 1}},
		"no numbers":      {[]float64{math.NaN()}, nil},
	} {
		if diff := cmp.Diff(tc.want, SpreadOf(tc.values)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestSpreadDoesNotReorderItsValues(t *testing.T) {
	values := []float64{3, 1, 2}
	SpreadOf(values)
	if diff := cmp.Diff([]float64{3, 1, 2}, values); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestSpreadText(t *testing.T) {
	var none *Spread
	s := SpreadOf([]float64{0.9, 1, 1})
	for want, got := range map[string]string{
		"-":                 none.Text("%.2f"),
		"1.00":              s.Text("%.2f"),
		"1.00 (0.90..1.00)": s.Range("%.2f"),
		"-0.9":              SpreadOf([]float64{-0.9}).Range("%.1f"),
		"1.00 (min 0.90)":   s.Worst("%.2f"),
		"1.0":               SpreadOf([]float64{1, 1}).Worst("%.1f"),
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	if none.Range("%f") != "-" || none.Worst("%f") != "-" {
		t.Error("what was not measured is not a dash")
	}
}

func TestQuantile(t *testing.T) {
	hundred := make([]float64, 100)
	for i := range hundred {
		hundred[len(hundred)-1-i] = float64(i + 1)
	}
	for q, want := range map[float64]float64{0: 1, 0.5: 50, 0.99: 99, 1: 100} {
		if got := Quantile(hundred, q); got != want {
			t.Errorf("quantile %v is %v, want %v", q, got, want)
		}
	}
	if !math.IsNaN(Quantile(nil, 0.5)) {
		t.Error("a quantile of nothing is a number")
	}
}

func TestWrkOutputIsRead(t *testing.T) {
	const out = `Running 3s test @ http://127.0.0.1/small
  1 threads and 64 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     1.02ms    2.00ms  30.00ms   95.00%
    Req/Sec    90.00k     9.00k  100.00k    70.00%
  Latency Distribution
     50%  650.00us
     75%    0.90ms
     90%    1.40ms
     99%    5.37ms
  270311 requests in 3.00s, 45.63MB read
  Socket errors: connect 0, read 3, write 1, timeout 2
  Non-2xx or 3xx responses: 7
Requests/sec:  90103.67
Transfer/sec:     15.21MB
`
	got, err := ParseWrk(out)
	if err != nil {
		t.Fatal(err)
	}
	want := Load{Requests: 270311, PerSecond: 90103.67, P99: 5370 * time.Microsecond, Failed: 13}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if _, err := ParseWrk("unable to connect to 127.0.0.1:80 Connection refused\n"); err == nil {
		t.Error("a run without requests is no error")
	}
}

func TestH2loadOutputIsRead(t *testing.T) {
	const out = `finished in 1.00s, 83368.00 req/s, 5.73MB/s
requests: 83368 total, 83496 started, 83368 done, 83360 succeeded, 8 failed, 0 errored, 0 timeout
status codes: 83360 2xx, 0 3xx, 8 4xx, 0 5xx
`
	got, err := ParseH2load(out)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(Load{Requests: 83360, PerSecond: 83368, Failed: 8}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if _, err := ParseH2load("finished in 250us, 0.00 req/s, 0B/s\nrequests: 1 total, 0 started, 0 done, 0 succeeded, 1 failed, 1 errored, 0 timeout\n"); err == nil {
		t.Error("a run without requests is no error")
	}
}

func TestH2loadLogGivesLatency(t *testing.T) {
	if got := H2loadP99("1790000000000001\t200\t150\n1790000000000002\t200\t90\n17900"); got != 150*time.Microsecond {
		t.Errorf("got %s, want the slower of two and nothing of the line that is cut", got)
	}
	if got := H2loadP99(""); got != 0 {
		t.Errorf("got %s of an empty log", got)
	}
}

func TestNginxStatusIsRead(t *testing.T) {
	before, err := parseStatus("Active connections: 2 \nserver accepts handled requests\n 12 12 345 \nReading: 0 Writing: 1 Waiting: 1 \n")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(Counts{Connections: 12, Requests: 345}, before); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	// The second question is a connection and a request too.
	if diff := cmp.Diff(Counts{2, 100}, Counts{15, 446}.Since(before)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if _, err := parseStatus("<html>404</html>"); err == nil {
		t.Error("another page is no error")
	}
}

func TestProgramsAreCountedOnce(t *testing.T) {
	const prog = "pos:\t0\nprog_type:\t3\nprog_jited:\t1\nprog_id:\t%ID\nrun_time_ns:\t1500\nrun_cnt:\t10\nrecursion_misses:\t0\nverified_insns:\t300\n"
	const link = "pos:\t0\nlink_type:\ttcx\nlink_id:\t4\nprog_tag:\tabc\nprog_id:\t7\n"
	with := func(id string) string { return strings.ReplaceAll(prog, "%ID", id) }
	var p Programs
	seen := map[float64]bool{}
	for _, text := range []string{with("7"), with("7"), link, with("8"), "pos:\t0\nflags:\t02\n", "map_id:\t3\n"} {
		p.add(text, seen)
	}
	want := Programs{Count: 2, Runs: 20, Time: 3 * time.Microsecond, Verified: []float64{300, 300}}
	if diff := cmp.Diff(want, p); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestIdleTimeIsIdleWaitAndSteal(t *testing.T) {
	got, err := idleTime("cpu  1 2 3 400 50 6 7 8 0 0\ncpu0 1 2 3 4 5 6 7 8 0 0\n")
	if err != nil || got != 4580*time.Millisecond {
		t.Errorf("got %s, %v, want 458 ticks", got, err)
	}
	for _, text := range []string{"", "cpu  1 2 3\n", "cpu  1 2 3 x 5 6 7 8\n"} {
		if _, err := idleTime(text); err == nil {
			t.Errorf("%q: no error", text)
		}
	}
}

func TestFigureOfAProcess(t *testing.T) {
	pid := os.Getpid()
	if cpu, err := CPUTime(pid); err != nil || cpu <= 0 {
		t.Errorf("cpu time %s, %v", cpu, err)
	}
	if rss, err := PeakRSS(pid); err != nil || rss < 1 {
		t.Errorf("resident size %v MiB, %v", rss, err)
	}
	if n, err := Switches(pid); err != nil || n < 1 {
		t.Errorf("%v context switches, %v", n, err)
	}
	if p, err := ProgramsOf(pid); err != nil || p.Count != 0 {
		t.Errorf("programs %+v, %v, want none", p, err)
	}
	cmd := exec.Command("true")
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	if _, err := CPUTime(cmd.Process.Pid); err == nil {
		t.Error("a process that is gone has cpu time")
	}
	if _, err := Switches(cmd.Process.Pid); err == nil {
		t.Error("a process that is gone has context switches")
	}
}

func TestChildren(t *testing.T) {
	cmd := exec.Command("cat")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		in.Close()
		cmd.Wait()
	}()
	if pids, err := Children(cmd.Process.Pid); err != nil || len(pids) != 0 {
		t.Errorf("children of cat: %v, %v", pids, err)
	}
	if _, err := Children(-1); err == nil {
		t.Error("no process has children")
	}
}

func TestMachineSaysWhatItIs(t *testing.T) {
	m := ThisMachine()
	if m.Cores < 1 || m.Kernel == "" || m.Go == "" || m.Processor == "" {
		t.Errorf("%+v", m)
	}
	if got := processor("processor\t: 0\nmodel name\t: Some: CPU\n"); got != "Some: CPU" {
		t.Errorf("got %q", got)
	}
}

func TestTableIsAlignedOrMarkdown(t *testing.T) {
	table := Table{Title: "Loads", Head: "load|kept"}
	var text strings.Builder
	if err := table.Write(&text, false); err != nil || text.Len() > 0 {
		t.Errorf("without rows: %q, %v", text.String(), err)
	}
	table.Add("%s|%.2f", "small", 0.9)
	for markdown, want := range map[bool]string{
		false: "\nLoads\n   load  kept\n  small  0.90\n",
		true:  "\nLoads:\n\n| load | kept |\n|---|---|\n| small | 0.90 |\n",
	} {
		text.Reset()
		if err := table.Write(&text, markdown); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, text.String()); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
}
