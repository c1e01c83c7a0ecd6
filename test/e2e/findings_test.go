package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"gortap/internal/insight"
	"gortap/internal/lab"
	"gortap/internal/testutil"
	"gortap/internal/testutil/scenario"
)

// findings asks the agent what it found.
func (a *agent) findings() []insight.Finding {
	a.t.Helper()
	status, body := a.get("/api/v1/findings")
	var answer struct{ Findings []insight.Finding }
	if status != http.StatusOK {
		return nil
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		a.t.Fatalf("findings: %v in %.200q", err, body)
	}
	return answer.Findings
}

func listed(all []insight.Finding) string {
	var b strings.Builder
	for _, f := range all {
		fmt.Fprintf(&b, "\n  %s, saves %d: %s", f.Kind, f.Saves, f.Title)
	}
	return b.String()
}

// find waits until the agent has all kinds for a host, and returns all that it has.
func (a *agent) find(host string, kinds ...insight.Kind) []insight.Finding {
	a.t.Helper()
	var all []insight.Finding
	missing := func() (of []insight.Kind) {
		for _, k := range kinds {
			if !slices.ContainsFunc(all, func(f insight.Finding) bool { return f.Kind == k && f.Service == host }) {
				of = append(of, k)
			}
		}
		return of
	}
	deadline := time.After(startWait)
	for {
		all = a.findings()
		if len(missing()) == 0 {
			return all
		}
		select {
		case <-deadline:
			a.t.Fatalf("%s: no finding of %v; there are%s", host, missing(), listed(all))
		case <-time.After(pollEvery):
		}
	}
}

// waste is traffic of all kinds at once.
type waste struct {
	t    *testing.T
	pair *lab.Pair

	mu    sync.Mutex
	first error
}

func (w *waste) client(i int) *http.Client {
	return scenario.Client(w.t, w.pair.Client, lab.ClientIP(i))
}

func (w *waste) failed(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.first == nil {
		w.first = err
	}
}

func (w *waste) check() {
	w.t.Helper()
	if w.first != nil {
		w.t.Error(w.first)
	}
}

// get fetches from where the host is served.
func (w *waste) get(c *http.Client, host, target string, fields ...string) {
	port := map[string]string{wasteHost: ":8001", goodHost: ":8002", filesHost: ":80"}[host]
	if _, _, err := scenario.Get(w.t.Context(), c, lab.ServerIP().String()+port, host, target, fields...); err != nil {
		w.failed(err)
	}
}

// play runs each kind beside the others.
func (w *waste) play() {
	cookie := []string{"Cookie", "session=" + strings.Repeat("0123456789abcdef", 70)}
	var all sync.WaitGroup
	times := func(client, n int, host string, target func(i int) string, fields ...string) {
		all.Go(func() {
			c := w.client(client)
			for i := range n {
				w.get(c, host, target(i), fields...)
			}
		})
	}
	same := func(target string) func(int) string { return func(int) string { return target } }
	times(6, 3, wasteHost, func(i int) string { return fmt.Sprint("/dump?day=", i) })
	times(7, 40, wasteHost, same("/events"))
	times(8, 1500, wasteHost, func(i int) string { return fmt.Sprint("/feed?after=", i) }, cookie...)
	times(9, 40, wasteHost, func(i int) string { return fmt.Sprint("/twice?n=", i) })
	times(10, 40, wasteHost, same("/tagged"), "If-None-Match", `W/"v1"`)
	times(11, 120, wasteHost, same("/fails"))
	for i := range 24 {
		times(5+i, 3, goodHost, func(n int) string { return fmt.Sprintf("/list?page=%d", n) })
		times(5+i, 15, goodHost, same("/news"), "If-None-Match", `"n1"`, "Accept-Encoding", "gzip")
		times(5+i, 1, filesHost, func(int) string { return fmt.Sprint("/logo.png?v=", i) })
	}
	all.Wait()
}

// python is a server that knows HTTP/1.0 only: each request needs a connection.
func python(t *testing.T, n *lab.Namespace, addr string) {
	t.Helper()
	host, port, _ := strings.Cut(addr, ":")
	cmd := exec.Command("python3", "-m", "http.server", "--directory", t.TempDir(), "--bind", host, port)
	if err := n.Start(cmd); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	deadline := time.After(startWait)
	for {
		c, err := n.DialContext(t.Context(), "tcp", addr)
		if err == nil {
			c.Close()
			return
		}
		select {
		case <-deadline:
			t.Fatalf("wait for python: %v", err)
		case <-time.After(pollEvery):
		}
	}
}

// curl fetches targets one after another from an address, in one process.
func (w *waste) curl(from int, host, server string, targets ...string) {
	args := []string{"-s", "-S", "--interface", lab.ClientIP(from).String(), "-H", "Host: " + host}
	for _, target := range targets {
		args = append(args, "-o", "/dev/null", "http://"+server+target)
	}
	if _, err := w.pair.Client.Run(w.t.Context(), "curl", args...); err != nil {
		w.failed(err)
	}
}

// reports are small, and after a while large: what others do is played meanwhile.
func (w *waste) reports(n int, query string) {
	c := w.client(13)
	for i := range n {
		w.get(c, wasteHost, fmt.Sprintf("/report?n=%d%s", i, query))
	}
}

// TestFindingsOfRealTraffic provokes the findings on an endpoint or a service, all at the
// same time, and beside them plays two services that are as they should be. The rates
// of the export need some seconds that are usual.
func TestFindingsOfRealTraffic(t *testing.T) {
	p := testutil.Pair(t, 30)
	testutil.Nginx(t, p.Server, lab.NginxOptions{Files: map[string]int{"logo.png": 20000}})
	address := lab.ServerIP().String()
	for port, h := range map[string]http.Handler{":8001": wasteful(), ":8002": careful()} {
		scenario.Serve(t, p.Server, address+port, h)
	}
	python(t, p.Server, address+":8004")
	export := scenario.NewExport(t, p, 8000)
	w := &waste{t: t, pair: p}

	a := start(t, p.Server, "--interface", lab.Device, "--bpf-filter", "tcp port 80 or tcp portrange 8000-8009", "--insight-warmup", "2s")
	w.reports(110, "")
	var all sync.WaitGroup
	all.Go(func() { export.Users(t.Context()) })
	all.Go(w.play)
	all.Go(func() {
		w.curl(14, "old.example", address+":8004", slices.Repeat([]string{"/?n=1"}, 150)...)
	})
	all.Go(func() { w.curl(15, wasteHost, address+":8001", slices.Repeat([]string{"/rates"}, 60)...) })
	export.Usual(t.Context(), usualTime)
	all.Wait()
	w.reports(60, "&all")

	surge, stop := context.WithCancel(t.Context())
	all.Go(func() { export.Surge(surge) })
	a.find(scenario.ShopHost, insight.RateJump, insight.Concentration) // the surge makes the shop's bytes
	stop()
	all.Wait()
	w.check()
	export.Check()
	a.find(wasteHost, insight.Oversized, insight.UnboundedList, insight.TinyPages, insight.DoubleCompression, insight.Repeated, insight.ETagIgnored,
		insight.SizeJump, insight.ErrorStorm, insight.RetryStorm, insight.Uncompressed)
	a.find("old.example", insight.ConnectionChurn)
	found := a.find(scenario.ShopHost, insight.BrokenPaging, insight.Uncompressed, insight.RateJump, insight.Concentration)
	if status := a.stop(); status != 0 {
		t.Errorf("exit status %d", status)
	}
	for _, f := range found {
		if f.Service == goodHost || f.Service == filesHost {
			t.Errorf("a healthy service: %s", f.Title)
		}
	}
	checkCulprit(t, found)
	if t.Failed() {
		t.Logf("findings:%s", listed(found))
	}
}

// usualTime is what a jump needs before it: the warm-up, and the seconds that are
// compared with it.
const usualTime = 8 * time.Second

// checkCulprit wants the first finding on the shop to say all that somebody needs.
func checkCulprit(t *testing.T, found []insight.Finding) {
	t.Helper()
	i := slices.IndexFunc(found, func(f insight.Finding) bool { return f.Service == scenario.ShopHost })
	f := found[i]
	if f.Kind != insight.BrokenPaging || !strings.Contains(f.Title, "GET "+scenario.ExportPath+" of "+scenario.ShopHost) || !strings.Contains(f.Title, "page parameter is ignored") {
		t.Errorf("the first finding is %q", f.Title)
	}
	for i := range 3 {
		if !strings.Contains(f.Title, lab.ClientIP(i).String()) || !slices.Contains(f.Clients, lab.ClientIP(i).String()) {
			t.Errorf("%s is not named: %q, %v", lab.ClientIP(i), f.Title, f.Clients)
		}
	}
	if !strings.Contains(f.Remedy, "page") || f.Saves == 0 || len(f.Examples) == 0 {
		t.Errorf("%+v", f)
	}
}

// TestFindingsOfServicesThatCallEachOther: what front asks of stock is most of the bytes,
// much of it the same again, for want of a cache, a list and a look at what is sent.
func TestFindingsOfServicesThatCallEachOther(t *testing.T) {
	p := testutil.Pair(t, 30)
	calls := scenario.NewCalls(t, p, 8000, 8001)
	a := start(t, p.Server, "--interface", lab.Device, "--bpf-filter", "tcp portrange 8000-8009")
	calls.Visit(t.Context(), 100)
	calls.Check()
	found := a.find(scenario.StockHost, insight.Repeated, insight.RedundantPayload, insight.ChattyPair, insight.ServiceShare)
	if status := a.stop(); status != 0 {
		t.Errorf("exit status %d", status)
	}
	first := found[0]
	if first.Kind != insight.Repeated || !strings.Contains(first.Title, "GET "+scenario.RatesPath+" of "+scenario.StockHost) ||
		!strings.Contains(first.Title, scenario.FrontHost) || !strings.Contains(first.Remedy, "Cache-Control") {
		t.Errorf("the first finding is %q: %q", first.Title, first.Remedy)
	}
	for _, f := range found {
		if f.Service == scenario.FrontHost {
			t.Errorf("on the caller: %s", f.Title)
		}
		if f.Kind == insight.RedundantPayload && !strings.Contains(f.Title, "(terms)") {
			t.Errorf("the field is not named: %s", f.Title)
		}
	}
	if t.Failed() {
		t.Logf("findings:%s", listed(found))
	}
}

// TestFindingOfALossyLink: of the packets that come from the server some are lost.
func TestFindingOfALossyLink(t *testing.T) {
	p := testutil.Pair(t, 1)
	if _, err := p.Client.Run(t.Context(), "nft", "table inet lossy { chain i { type filter hook input priority 0; tcp sport 8003 numgen inc mod 20 < 1 drop; }; }"); err != nil {
		t.Fatal(err)
	}
	server := lab.ServerIP().String() + ":8003"
	scenario.Serve(t, p.Server, server, wasteful())
	a := start(t, p.Server, "--interface", lab.Device, "--input-raw", ":8003")
	c := scenario.Client(t, p.Client, lab.ClientIP(0))
	for range 2 {
		if _, _, err := scenario.Get(t.Context(), c, server, filesHost, "/lossy"); err != nil {
			t.Fatal(err)
		}
	}
	found := a.find(filesHost, insight.Retransmission)
	if status := a.stop(); status != 0 || len(found) != 1 {
		t.Errorf("exit status %d, findings:%s", status, listed(found))
	}
}
