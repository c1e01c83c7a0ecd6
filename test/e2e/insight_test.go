package e2e

import (
	"encoding/json"
	"net/http"
	"path/filepath"
	"slices"
	"testing"

	"gortap/internal/insight"
	"gortap/internal/lab"
	"gortap/internal/testutil"
)

// What insight shows of a live capture is what the server logged, to the byte. That it
// looks at some connections as a whole changes nothing of what is counted.
func TestInsightShowsWhatTheServerLogged(t *testing.T) {
	p := testutil.Pair(t, 1)
	stopNginx := testutil.Nginx(t, p.Server, lab.NginxOptions{Files: map[string]int{"page.html": 1200, "list.json": 60_000, "big.bin": 3 << 20}})
	a := start(t, p.Server, "--interface", lab.Device, "--bpf-filter", "tcp port 80")
	client := &http.Client{Transport: &http.Transport{DialContext: p.Client.DialContext}}
	defer client.CloseIdleConnections()
	const requests = 60
	round := func() {
		for i := range requests {
			path := []string{"/page.html", "/list.json", "/list.json", "/big.bin", "/missing"}[i%5]
			if err := ask(t.Context(), client, http.MethodGet, serverURL(path), nil); err != nil {
				t.Fatal(err)
			}
		}
	}
	rounds := 0
	a.await("a connection to be copied whole", func() bool {
		round()
		rounds++
		return a.sum("gor_insight_whole_connections_total") > 0
	})
	client.CloseIdleConnections()
	_, in, out := lab.AccessTotals(stopNginx())
	a.await("everything to be counted", func() bool {
		return a.sum("gor_insight_exchanges_total") == float64(rounds*requests) && a.sum("gor_tcp_payload_bytes_total") >= float64(in+out) && len(a.imbalances()) == 0
	})
	status, body := a.get("/api/v1/view")
	var v insight.View
	if err := json.Unmarshal(body, &v); err != nil || status != http.StatusOK {
		t.Fatalf("view: status %d, %v: %.200q", status, err, body)
	}
	if v.Total.Requests != uint64(rounds*requests) || v.Total.RequestBytes != uint64(in) || v.Total.ResponseBytes != uint64(out) || v.Total.Errors != uint64(rounds*requests/5) {
		t.Errorf("total %+v; nginx logged %d requests of %d bytes and %d of responses", v.Total, rounds*requests, in, out)
	}
	if len(v.Endpoints) != 4 || v.Endpoints[0].Path != "/big.bin" || len(v.Clients) != 1 || v.Clients[0].Client != "192.0.2.10" {
		t.Errorf("endpoints %+v\nclients %+v", v.Endpoints, v.Clients)
	}
	if n := a.sum("gor_insight_missing_total"); n != 0 {
		t.Errorf("%v exchanges were missed", n)
	}
	if status := a.stop(); status != 0 {
		t.Errorf("exit status %d", status)
	}
	s := a.readSummary()
	s.conserved(t)
	if s.TCPPayloadBytes != uint64(in+out) || s.MessageBytes != s.TCPPayloadBytes || len(s.Incomplete) > 0 {
		t.Errorf("%d bytes, %d in messages, incomplete %v; nginx logged %d", s.TCPPayloadBytes, s.MessageBytes, s.Incomplete, in+out)
	}
}

// What is usual outlives a restart: the next run knows at once that an endpoint's answers
// have grown, which one without the file cannot.
func TestAnAgentRemembersWhatWasUsual(t *testing.T) {
	p := testutil.Pair(t, 1)
	testutil.Nginx(t, p.Server, lab.NginxOptions{
		Files:  map[string]int{"before.json": 2_000, "after.json": 100_000},
		Server: "location = /list { if ($arg_v = 2) { rewrite ^ /after.json last; } rewrite ^ /before.json last; }",
	})
	state := filepath.Join(t.TempDir(), "state")
	// run starts an agent, asks for a version of the list, and returns whether it is said to have grown.
	run := func(version string, requests int, flags ...string) bool {
		a := start(t, p.Server, append(flags, "--interface", lab.Device, "--bpf-filter", "tcp port 80")...)
		client := &http.Client{Transport: &http.Transport{DialContext: p.Client.DialContext}}
		defer client.CloseIdleConnections()
		for range requests {
			if err := ask(t.Context(), client, http.MethodGet, serverURL("/list?v="+version), nil); err != nil {
				t.Fatal(err)
			}
		}
		a.await("all exchanges to be looked at", func() bool { return a.sum("gor_insight_exchanges_total") == float64(requests) })
		grown := slices.ContainsFunc(a.findings(), func(f insight.Finding) bool { return f.Kind == insight.SizeJump && f.Path == "/list" })
		if status := a.stop(); status != 0 {
			t.Errorf("exit status %d", status)
		}
		return grown
	}
	if run("1", 200, "--insight-state", state) {
		t.Error("answers have grown in the first run")
	}
	if !run("2", 200, "--insight-state", state) {
		t.Error("the second run does not know what was usual")
	}
	if run("2", 200) {
		t.Error("answers have grown for a run that knows of no other ones")
	}
}
