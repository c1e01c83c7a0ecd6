// Package e2e runs the agent's binary as a user would: in private networks, with
// real servers and clients. It needs root, nginx, wrk, curl and python3.
package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"gortap/internal/lab"
	"gortap/internal/testutil"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

const (
	listen    = "127.0.0.1:9464"
	startWait = 30 * time.Second
	stopWait  = 20 * time.Second
	pollEvery = 10 * time.Millisecond
)

// binary is the agent, built once for all tests by TestMain.
var binary string

func TestMain(m *testing.M) { os.Exit(testutil.RunWithAgent(m, &binary)) }

// agent is a running agent.
type agent struct {
	t       *testing.T
	ns      *lab.Namespace
	cmd     *exec.Cmd
	stdout  locked
	stderr  locked
	summary string
	ended   chan struct{}
	err     error // valid once ended is closed
}

// locked is a buffer that a process writes while a test reads.
type locked struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *locked) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *locked) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// launch starts the agent with a summary file and does not wait for it.
func launch(t *testing.T, n *lab.Namespace, flags ...string) *agent {
	t.Helper()
	a := &agent{t: t, ns: n, summary: filepath.Join(t.TempDir(), "summary.json"), ended: make(chan struct{})}
	a.cmd = exec.Command(binary, append([]string{"--summary", a.summary}, flags...)...)
	a.cmd.Stdout, a.cmd.Stderr = &a.stdout, &a.stderr
	if err := n.Start(a.cmd); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(a.ended)
		a.err = a.cmd.Wait()
	}()
	t.Cleanup(func() {
		_ = a.cmd.Process.Kill()
		<-a.ended
		if t.Failed() {
			t.Logf("agent's stderr:\n%s", a.stderr.String())
		}
	})
	return a
}

// start launches the agent and waits until it captures.
func start(t *testing.T, n *lab.Namespace, flags ...string) *agent {
	t.Helper()
	a := launch(t, n, flags...)
	a.await("the agent to be ready", func() bool {
		status, _ := a.get("/readyz")
		return status == http.StatusOK
	})
	return a
}

// await polls a condition until it holds; the agent must not end meanwhile.
func (a *agent) await(what string, holds func() bool) {
	a.t.Helper()
	deadline := time.After(startWait)
	for !holds() {
		select {
		case <-a.ended:
			a.t.Fatalf("wait for %s: the agent ended: %v\n%s", what, a.err, a.stderr.String())
		case <-deadline:
			a.t.Fatalf("wait for %s: not within %v\n%s", what, startWait, a.stderr.String())
		case <-time.After(pollEvery):
		}
	}
}

// get asks the agent's web server.
func (a *agent) get(path string) (int, []byte) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+listen+path, nil)
	if err != nil {
		a.t.Fatal(err)
	}
	client := http.Client{Transport: &http.Transport{DialContext: a.ns.DialContext, DisableKeepAlives: true}}
	res, err := client.Do(req)
	if err != nil {
		return 0, nil
	}
	defer res.Body.Close()
	var body bytes.Buffer
	if _, err := body.ReadFrom(res.Body); err != nil {
		return 0, nil
	}
	return res.StatusCode, body.Bytes()
}

// metric is one sample of /metrics.
type metric struct {
	labels map[string]string
	value  float64
}

// metrics scrapes one family.
func (a *agent) metrics(name string) []metric {
	a.t.Helper()
	status, text := a.get("/metrics")
	if status != http.StatusOK {
		a.t.Fatalf("scrape: status %d", status)
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(bytes.NewReader(text))
	if err != nil {
		a.t.Fatalf("scrape: %v", err)
	}
	var out []metric
	for _, m := range families[name].GetMetric() {
		out = append(out, metric{labelsOf(m), m.GetCounter().GetValue() + m.GetGauge().GetValue() + m.GetUntyped().GetValue()})
	}
	return out
}

func labelsOf(m *dto.Metric) map[string]string {
	labels := map[string]string{}
	for _, l := range m.GetLabel() {
		labels[l.GetName()] = l.GetValue()
	}
	return labels
}

// sum adds up the samples of a family whose labels include all of with.
func (a *agent) sum(name string, with ...string) float64 {
	a.t.Helper()
	total := 0.0
	for _, m := range a.metrics(name) {
		if hasLabels(m.labels, with) {
			total += m.value
		}
	}
	return total
}

func hasLabels(labels map[string]string, with []string) bool {
	for i := 0; i+1 < len(with); i += 2 {
		if labels[with[i]] != with[i+1] {
			return false
		}
	}
	return true
}

// stop ends the agent with SIGTERM and returns its exit status.
func (a *agent) stop() int {
	a.t.Helper()
	_ = a.cmd.Process.Signal(syscall.SIGTERM)
	return a.wait()
}

// wait waits for the agent's own end and returns its exit status.
func (a *agent) wait() int {
	a.t.Helper()
	select {
	case <-a.ended:
	case <-time.After(stopWait):
		_ = a.cmd.Process.Signal(syscall.SIGQUIT) // what its goroutines wait for goes to stderr
		<-a.ended
		a.t.Fatalf("the agent did not end within %v", stopWait)
	}
	var exit *exec.ExitError
	if errors.As(a.err, &exit) {
		return exit.ExitCode()
	}
	return 0
}

// summaryOf is what the tests read of the JSON summary.
type summaryOf struct {
	Matched         counts                   `json:"matched"`
	Delivered       counts                   `json:"delivered"`
	Dropped         []dropped                `json:"dropped"`
	TCPPayloadBytes uint64                   `json:"tcp_payload_bytes"`
	MessageBytes    uint64                   `json:"message_bytes"`
	Unattributed    map[string]uint64        `json:"unattributed_bytes"`
	Exchanges       uint64                   `json:"exchanges"`
	Sampled         bool                     `json:"sampled"`
	Estimate        uint64                   `json:"exchanges_estimate"`
	Messages        uint64                   `json:"messages"`
	Incomplete      map[string]uint64        `json:"incomplete"`
	Outputs         []outputOf               `json:"outputs"`
	Degraded        []struct{ Level string } `json:"degraded"`
	Records         recordsOf                `json:"records"`
}

// recordsOf is what became of the messages that were recorded.
type recordsOf struct {
	Messages, Recorded, Requests, Dispatched, Passed uint64
	Dropped                                          []struct {
		Stage, Reason string
		Records       uint64
	}
}

type outputOf struct {
	Name    string            `json:"name"`
	Lag     *float64          `json:"lag_seconds"`
	LagP99  *float64          `json:"lag_p99_seconds"`
	Taken   uint64            `json:"taken"`
	Sent    uint64            `json:"sent"`
	Dropped map[string]uint64 `json:"dropped"`
}

type counts struct{ Packets, Bytes uint64 }

type dropped struct {
	Stage, Reason  string
	Packets, Bytes uint64
}

func (a *agent) readSummary() summaryOf {
	a.t.Helper()
	text, err := os.ReadFile(a.summary)
	if err != nil {
		a.t.Fatal(err)
	}
	var s summaryOf
	if err := json.Unmarshal(text, &s); err != nil {
		a.t.Fatalf("summary %s: %v", text, err)
	}
	return s
}

// conserved checks matched = delivered + dropped, in packets and in bytes, and of each
// output taken = sent + dropped.
func (s *summaryOf) conserved(t *testing.T) {
	t.Helper()
	sum := s.Delivered
	for _, d := range s.Dropped {
		sum.Packets += d.Packets
		sum.Bytes += d.Bytes
	}
	if sum != s.Matched {
		t.Errorf("matched %+v, delivered and dropped %+v: %+v", s.Matched, sum, s.Dropped)
	}
	for _, o := range s.Outputs {
		if o.Taken != o.Sent+total(o.Dropped) {
			t.Errorf("%s took %d, sent %d and dropped %v", o.Name, o.Taken, o.Sent, o.Dropped)
		}
	}
}
