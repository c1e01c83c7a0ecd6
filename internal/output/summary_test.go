package output

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gortap/internal/account"
	"gortap/internal/proto"
)

func testSummary(t *testing.T) *Summary {
	t.Helper()
	s := &Summary{
		Version: "1.0", Started: time.Date(2024, 2, 1, 9, 0, 0, 0, time.UTC), Seconds: 12.5,
		Matched:   Volume{100, 120_000},
		Delivered: Volume{90, 100_000},
		Dropped: []Drop{
			{"ring", "full", Volume{10, 20_000}},
			{"decode", "fragment", Volume{}},
		},
	}
	totals := account.Totals{
		NetworkBytes: 120_000, PayloadBytes: 110_000, RetransmittedBytes: 5, MessageBytes: 90_000,
		Exchanges: 7, Messages: 13,
	}
	totals.Unattributed[proto.Lost] = 20_000
	totals.Incomplete[proto.Lost] = 2
	totals.Incomplete[proto.NoResponse] = 1
	s.AddAccount(totals)
	s.AddOutput(&JSONL{cfg: JSONLConfig{Path: "x"}, writer: &writer{}})
	out := &JSONL{cfg: JSONLConfig{Path: "-"}, writer: &writer{}}
	out.taken.Store(7)
	out.writer.written.Store(6)
	out.drop(1, NoSpace)
	s.AddOutput(out)
	return s
}

func TestSummaryAsJSON(t *testing.T) {
	var b strings.Builder
	if err := testSummary(t).WriteJSON(&b); err != nil {
		t.Fatal(err)
	}
	want := `{"version":"1.0","started":"2024-02-01T09:00:00Z","seconds":12.5,` +
		`"matched":{"packets":100,"bytes":120000},"delivered":{"packets":90,"bytes":100000},` +
		`"dropped":[{"stage":"ring","reason":"full","packets":10,"bytes":20000},{"stage":"decode","reason":"fragment","packets":0,"bytes":0}],` +
		`"network_bytes":120000,"tcp_payload_bytes":110000,"retransmitted_bytes":5,"message_bytes":90000,"unattributed_bytes":{"lost":20000},` +
		`"exchanges":7,"sampled":false,"sample_ratio":0,"exchanges_estimate":7,"messages":13,"incomplete":{"lost":2,"no-response":1},"degraded":[],"reconcile_error_bytes":0,"unreconciled_bytes":0,` +
		`"outputs":[{"name":"jsonl:x","taken":0,"sent":0,"dropped":{},"lag_seconds":null,"lag_p99_seconds":null},` +
		`{"name":"jsonl:-","taken":7,"sent":6,"dropped":{"no-space":1},"lag_seconds":null,"lag_p99_seconds":null}]}` + "\n"
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Errorf("summary (-want +got):\n%s", diff)
	}
}

func TestEmptySummaryHasNoNulls(t *testing.T) {
	var b strings.Builder
	if err := new(Summary).WriteJSON(&b); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(b.String(), "null") {
		t.Errorf("summary is %s", b.String())
	}
}

func TestSummaryAsText(t *testing.T) {
	want := `
matched     100 packets, 120 kB
delivered   90 packets, 100 kB
dropped     10 packets, 20.0 kB: ring, full
payload     110 kB, 90.0 kB of it in messages
            20.0 kB lost
exchanges   7 in 13 messages
incomplete  2 lost
incomplete  1 no-response
output      jsonl:x: 0 sent
output      jsonl:-: 6 sent, 1 dropped (no-space)
`
	if diff := cmp.Diff(want, "\n"+testSummary(t).Text()); diff != "" {
		t.Errorf("summary (-want +got):\n%s", diff)
	}
	if s := (&Summary{ReconcileErrorBytes: 3}).Text(); !strings.Contains(s, "error       3 bytes more") {
		t.Errorf("a reconcile error is not told:\n%s", s)
	}
}

// What a user of a replay wants to know is on the terminal too.
func TestSummaryTellsHowATargetAnswered(t *testing.T) {
	s := Summary{Exchanges: 3, RequestsOnly: true, Incomplete: map[string]uint64{"no-response": 2, "unfinished": 1, "lost": 4}}
	s.Outputs = []Outcome{{
		Name: "http://a", Sent: 3,
		Target: &Target{Connections: 2, Statuses: map[string]uint64{"503": 1, "200": 2}, Latency: map[string]float64{"p50": 0.001, "p99": 0.002, "max": 1}},
	}}
	want := `exchanges   3, of which the recording has the requests only
incomplete  4 lost
output      http://a: 3 sent; answered in 1ms p50, 2ms p99
            answers 2 with status 200, 1 with 503; 2 connections
`
	_, got, _ := strings.Cut(s.Text(), "messages\n")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("summary (-want +got):\n%s", diff)
	}
}

type failingWriter struct{ error }

func (w failingWriter) Write([]byte) (int, error) { return 0, w.error }

func TestSummaryErrorIsTold(t *testing.T) {
	broken := errors.New("broken")
	if err := new(Summary).WriteJSON(failingWriter{broken}); !errors.Is(err, broken) || !strings.HasPrefix(err.Error(), "write summary: ") {
		t.Errorf("error %v", err)
	}
}

// What was only counted makes of the exchanges an estimate, by bytes, and says so.
func TestSummaryOfASampleIsAnEstimate(t *testing.T) {
	totals := account.Totals{PayloadBytes: 10_000, Exchanges: 10}
	totals.Unattributed[proto.Unsampled] = 9_000
	s := Summary{SampleRatio: 0.1}
	s.AddAccount(totals)
	if !s.Sampled || s.ExchangesEstimate != 100 {
		t.Errorf("sampled %v, estimate %d, want true, 100", s.Sampled, s.ExchangesEstimate)
	}
	if text := s.Text(); !strings.Contains(text, "sample of 10% of the connections; about 100 in all") {
		t.Errorf("text does not say that it is an estimate:\n%s", text)
	}
	s.Degraded = []Degradation{{"short", 1}}
	if text := s.Text(); strings.Contains(text, "10%") || !strings.Contains(text, "sample of the connections that changed with the levels below; about 100 in all") {
		t.Errorf("one share is told where there were several:\n%s", text)
	}
	totals.Unattributed[proto.Unsampled] = 10_000 // nothing to estimate from
	totals.Exchanges = 0
	s.AddAccount(totals)
	if !s.Sampled || s.ExchangesEstimate != 0 {
		t.Errorf("sampled %v, estimate %d, want true, 0", s.Sampled, s.ExchangesEstimate)
	}
}

func TestWhatInsightMissedIsTold(t *testing.T) {
	s := Summary{Insight: &Insight{Taken: 50, Missing: map[string]uint64{"queue-full": 3, "over-rate": 40}}}
	if text := s.Text(); !strings.Contains(text, "insight     50 exchanges, 40 over-rate, 3 queue-full\n") {
		t.Errorf("it is not in\n%s", text)
	}
	s.Insight.Missing = nil
	if text := s.Text(); strings.Contains(text, "insight") {
		t.Errorf("nothing was missed, and it is told:\n%s", text)
	}
}

func TestTheLineOfATargetTellsItsTimes(t *testing.T) {
	lag, p99 := 0.0012, 0.00008
	s := Summary{Outputs: []Outcome{
		{Name: "http://a", Sent: 3, LagSeconds: &lag, LagP99Seconds: &p99, Target: &Target{Latency: map[string]float64{"p50": 0.0004, "p99": 0.003, "max": 0.003}}},
		{Name: "http://b", LagSeconds: new(float64), Target: &Target{Latency: map[string]float64{"max": 0}}},
	}}
	for _, want := range []string{
		"http://a: 3 sent; late by 80µs p99, 1.2ms at most; answered in 400µs p50, 3ms p99\n", "http://b: 0 sent\n",
	} {
		if got := s.Text(); !strings.Contains(got, want) {
			t.Errorf("%q is not in\n%s", want, got)
		}
	}
}
