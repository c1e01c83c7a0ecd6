package main

import (
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"gortap/internal/flow"
	"gortap/internal/gorfile"
	"gortap/test/bench/gauge"

	"github.com/google/go-cmp/cmp"
)

func TestRecordingHoldsItsSchedule(t *testing.T) {
	path := t.TempDir() + "/a.gor"
	if err := record(path, 5, 2, time.Millisecond); err != nil {
		t.Fatal(err)
	}
	f, err := gorfile.Open([]string{path}, gorfile.Options{Damaged: func(d *gorfile.Damage) { t.Error(d) }})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	type seen struct {
		Place int
		At    int64
	}
	var got []seen
	ids := map[string]bool{}
	conns := map[uint64]bool{}
	for {
		r, err := f.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		i, ok := placeOf(r.Data)
		if !ok {
			t.Fatalf("no place in %q", r.Data)
		}
		got = append(got, seen{i, r.TimeNs - start})
		ids[r.ID] = true
		conns[r.Conn] = true
	}
	want := []seen{{0, 0}, {1, 1e6}, {2, 2e6}, {3, 3e6}, {4, 4e6}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if len(ids) != 5 || len(conns) != 2 {
		t.Errorf("ids %v, connections %v: want 5 of 2", ids, conns)
	}
}

func TestPlaceIsReadFromRequests(t *testing.T) {
	for text, want := range map[string]int{
		"GET /small?i=00001234 HTTP/1.1\r\n": 1234,
		"GET /small?i=00001234":              1234,
		"GET /small?i=0000123":               -1,
		"GET /small?i=0000x234 HTTP/1.1\r\n": -1,
		"HTTP/1.1 200 OK\r\n":                -1,
		"":                                   -1,
	} {
		got, ok := placeOf([]byte(text))
		if !ok {
			got = -1
		}
		if got != want {
			t.Errorf("%q: place %d, want %d", text, got, want)
		}
	}
}

func TestScheduleIsComparedWithTheRecording(t *testing.T) {
	const ms = int64(time.Millisecond)
	s := sender{name: "agent", requests: 6}
	// Due at 0, 10, 20, 30 and 40; the second is least late.
	row := scheduleRowOf(s, 10*time.Millisecond, map[int]int64{0: 1001 * ms, 1: 1010 * ms, 2: 1022 * ms, 3: 1033 * ms, 4: 1045 * ms})
	want := scheduleRow{Sender: "agent", Gap: "10ms", Recorded: 6, Sent: 5, Seconds: 0.044, Deviation: 10, P50: 2, P99: 5, Max: 5}
	if diff := cmp.Diff(want, row); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	// A part of the recording is compared with that part.
	part := scheduleRowOf(s, 10*time.Millisecond, map[int]int64{2: 5000 * ms, 4: 5020 * ms})
	if part.Deviation != 0 || part.Max != 0 {
		t.Errorf("%+v, want no error", part)
	}
}

func TestFirstOfARetransmittedRequestCounts(t *testing.T) {
	c := collector{}
	for _, s := range []flow.Segment{
		{TsNs: 5, Data: []byte("GET /small?i=00000001 HTTP/1.1")},
		{TsNs: 7, Data: []byte("GET /small?i=00000001 HTTP/1.1")},
		{TsNs: 8, Data: []byte("HTTP/1.1 200 OK")},
	} {
		c.Segment(&s)
	}
	if diff := cmp.Diff(collector{1: 5}, c); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestRateCountsWhatTheServerSaw(t *testing.T) {
	s := sender{name: "goreplay", requests: 100}
	row := rateRowOf(s, []sent{
		{requests: 100, connections: 100, took: time.Second, cpu: 10 * time.Millisecond},
		{requests: 90, connections: 90, took: time.Second, cpu: 18 * time.Millisecond},
	})
	want := rateRow{Sender: "goreplay", Requests: 100,
		Rate:        &gauge.Spread{Median: 95, Min: 90, Max: 100, Rounds: 2},
		CPU:         &gauge.Spread{Median: 150, Min: 100, Max: 200, Rounds: 2},
		Connections: &gauge.Spread{Median: 95, Min: 90, Max: 100, Rounds: 2},
		Lost:        &gauge.Spread{Median: 5, Min: 0, Max: 10, Rounds: 2},
	}
	if diff := cmp.Diff(want, row); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if free := rateRowOf(sender{name: "wrk"}, []sent{{requests: 3, took: time.Second}}); free.Lost != nil {
		t.Error("a sender without a recording loses requests")
	}
}

func TestFlagsAreChecked(t *testing.T) {
	good := options{gaps: "100us,10ms", runs: 1, requests: 1, slow: 1, connections: 1, length: time.Second, hang: time.Second, parts: "rate,schedule,shadow"}
	if parts, err := (&bench{options: good}).chosen(); err != nil || len(parts) != 3 {
		t.Errorf("%d parts, %v", len(parts), err)
	}
	for name, change := range map[string]func(*options){
		"gap":     func(o *options) { o.gaps = "100us,fast" },
		"no gap":  func(o *options) { o.gaps = "0s" },
		"length":  func(o *options) { o.length = time.Millisecond },
		"runs":    func(o *options) { o.runs = 0 },
		"hang":    func(o *options) { o.hang = 0 },
		"unknown": func(o *options) { o.parts = "rate,all" },
	} {
		bad := good
		change(&bad)
		if _, err := (&bench{options: bad}).chosen(); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestLostPacketsOfTcpdumpAreAnError(t *testing.T) {
	if err := complete("8 packets captured\n8 packets received by filter\n0 packets dropped by kernel\n"); err != nil {
		t.Error(err)
	}
	if complete("10 packets dropped by kernel\n") == nil {
		t.Error("dropped packets are no error")
	}
}

func TestReportIsATable(t *testing.T) {
	r := report{Machine: gauge.ThisMachine(), Failures: []string{"schedule of goreplay"}}
	r.Rate = []rateRow{rateRowOf(sender{name: "agent", requests: 1}, []sent{{requests: 1, took: time.Second}})}
	r.Schedule = []scheduleRow{{Sender: "agent", Gap: "10ms", Deviation: -0.25}}
	var text strings.Builder
	if err := r.print(&text, false); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"agent", "-0.250", "left out: schedule of goreplay"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("no %q in:\n%s", want, text.String())
		}
	}
}

func TestACopyIsAccountedFor(t *testing.T) {
	const summary = `{"records":{"messages":12,"requests":9,"dropped":[{"stage":"recorder","reason":"incomplete","records":1},{"stage":"record-output","reason":"queue-full","records":3}]},"outputs":[{"sent":%d}]}`
	got, err := shadowedOf(gauge.Load{Requests: 10}, strings.Replace(summary, "%d", "6", 1))
	if want := (shadowed{Load: gauge.Load{Requests: 10}, captured: 10, sent: 6, dropped: 4}); err != nil || got != want {
		t.Errorf("got %+v, %v", got, err)
	}
	for _, bad := range []string{strings.Replace(summary, "%d", "5", 1), `{"outputs":[{"sent":1}]}`, "killed"} {
		if _, err := shadowedOf(gauge.Load{}, bad); err == nil {
			t.Errorf("%s: no error", bad)
		}
	}
}
