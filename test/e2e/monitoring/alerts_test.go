package monitoring

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"gortap/internal/lab"
	"gortap/internal/testutil"
)

const (
	site     = "http://127.0.0.1:80"
	page     = "/page.html"
	export   = "/export.json"
	pageSize = 30_000
)

// What fires during the surge, and the endpoint that its text must name.
var surgeAlerts = map[string]string{
	"GortapBandwidthHigh":       "description",
	"GortapRequestSurge":        "summary",
	"GortapEndpointShareJumped": "summary",
}

// A quiet service raises no alert. An export that is suddenly fetched as fast as
// it can be does, by name, and when that is over so are the alerts. The dashboard
// shows it meanwhile.
func TestASurgeFiresAlertsThatResolve(t *testing.T) {
	testutil.CheckLeaks(t)
	n := testutil.Namespace(t)
	testutil.Nginx(t, n, lab.NginxOptions{Files: map[string]int{page: pageSize, export: 4000}})
	lines := filepath.Join(t.TempDir(), "exchanges.jsonl")
	agent := startAgent(t, n, "--bpf-filter", "tcp port 80", "--service", "name=shop,port=80", "--output-jsonl", lines)
	browse(t, n, page, 8)
	browse(t, n, export, 2)
	p := startPrometheus(t, n)

	// The agent's start makes GortapMissing fire at these settings.
	p.await(t, "a past to compare with, and quiet", func() bool {
		past, failure := p.query(fmt.Sprintf(`endpoint:gor_requests:rate_past1d{path=%q} and endpoint:gor_bytes:share_past1d{path=%[1]q}`, export))
		if failure != "" {
			t.Fatal(failure)
		}
		return len(past) > 0 && len(p.firing()) == 0
	})

	wrk := launch(t, n, "wrk", "-t1", "-c4", "-d120s", site+export)
	fired := map[string]alert{}
	p.await(t, "the alerts to fire", func() bool {
		for _, a := range p.firing() {
			fired[a.Labels["alertname"]] = a
		}
		for name := range surgeAlerts {
			if _, ok := fired[name]; !ok {
				return false
			}
		}
		return true
	})
	for name, annotation := range surgeAlerts {
		a := fired[name]
		if a.Labels["service"] != "shop" {
			t.Errorf("%s fired for service %q", name, a.Labels["service"])
		}
		if text := a.Annotations[annotation]; !strings.Contains(text, "GET "+export) {
			t.Errorf("%s does not name the endpoint: %s", name, text)
		}
	}
	for _, a := range p.firing() {
		if a.Labels["path"] == page {
			t.Errorf("%s fired for a page that nothing happened to", a.Labels["alertname"])
		}
	}
	t.Run("the dashboard shows it", func(t *testing.T) { checkDashboard(t, p) })
	t.Run("the rules and the dashboard use metrics that there are", func(t *testing.T) { checkMetricNames(t, p) })

	wrk.end()
	p.await(t, "the alerts to resolve", func() bool {
		for _, a := range p.firing() {
			if _, ok := surgeAlerts[a.Labels["alertname"]]; ok {
				return false
			}
		}
		return true
	})
	t.Run("the lines are those of the index template", func(t *testing.T) { checkLines(t, lines) })

	agent.end()
	p.await(t, "the end of the agent to be noticed", func() bool {
		for _, a := range p.firing() {
			if a.Labels["alertname"] == "GortapDown" {
				return true
			}
		}
		return false
	})
}

// browse fetches a path so many times a second until the test ends.
func browse(t *testing.T, n *lab.Namespace, path string, perSecond int) {
	ctx, stop := context.WithCancel(context.Background())
	var done sync.WaitGroup
	transport := &http.Transport{DialContext: n.DialContext}
	client := http.Client{Transport: transport, Timeout: answerWait}
	done.Go(func() {
		tick := time.NewTicker(time.Second / time.Duration(perSecond))
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, site+path, nil)
			if err != nil {
				t.Error(err)
				return
			}
			res, err := client.Do(req)
			if err != nil {
				continue // the test ends, or the machine is busy
			}
			_, _ = io.Copy(io.Discard, res.Body)
			res.Body.Close()
		}
	})
	t.Cleanup(func() {
		stop()
		done.Wait()
		transport.CloseIdleConnections()
	})
}
