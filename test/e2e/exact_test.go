package e2e

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"

	"gortap/internal/lab"
	"gortap/internal/testutil"
)

// nginxFiles are small, middle and larger than any copy budget.
var nginxFiles = map[string]int{"small.txt": 300, "page.html": 20 << 10, "big.bin": 2 << 20}

// settled waits until the agent has accounted what nginx logged.
func (a *agent) settled(log []lab.Access) {
	a.t.Helper()
	a.await(fmt.Sprintf("%d requests to be counted", len(log)), func() bool {
		return a.sum("gor_requests_total") >= float64(len(log))
	})
	// The totals of closed flows follow their last segment by about a second.
	a.await("the books to balance", func() bool { return len(a.imbalances()) == 0 })
}

// imbalances compares, for every service and direction, the bytes of gor_bytes_total
// with the payload that the kernel counted.
func (a *agent) imbalances() []string {
	a.t.Helper()
	book := map[string]float64{}
	for _, m := range a.metrics("gor_bytes_total") {
		book[m.labels["service"]+" "+m.labels["direction"]] += m.value
	}
	for _, m := range a.metrics("gor_tcp_payload_bytes_total") {
		book[m.labels["service"]+" "+m.labels["direction"]] -= m.value
	}
	var wrong []string
	for name, difference := range book {
		if difference != 0 {
			wrong = append(wrong, fmt.Sprintf("%s: %+.0f", name, difference))
		}
	}
	return wrong
}

func TestTwentyThousandRequestsOfRealClientsAreCountedToTheByte(t *testing.T) {
	p := testutil.Pair(t, 4)
	stopNginx := testutil.Nginx(t, p.Server, lab.NginxOptions{Files: nginxFiles})
	a := start(t, p.Server, "--interface", lab.Device, "--bpf-filter", "tcp port 80")

	var wg sync.WaitGroup
	for _, client := range []func(*testing.T, *lab.Namespace){curlClient, wrkClient, goKeepAlive, goShort, pythonClient} {
		wg.Go(func() { client(t, p.Client) })
	}
	wg.Wait()
	log := stopNginx()
	if len(log) < 20000 {
		t.Errorf("nginx served %d requests, want at least 20000", len(log))
	}
	a.settled(log)

	requests, in, out := lab.AccessTotals(log)
	if got := a.sum("gor_requests_total"); got != float64(requests) {
		t.Errorf("gor_requests_total is %.0f, nginx logged %d", got, requests)
	}
	if got := a.sum("gor_bytes_total", "direction", "request"); got != float64(in) {
		t.Errorf("request bytes: %.0f, nginx logged %d", got, in)
	}
	if got := a.sum("gor_bytes_total", "direction", "response"); got != float64(out) {
		t.Errorf("response bytes: %.0f, nginx logged %d", got, out)
	}
	if status := a.stop(); status != 0 {
		t.Errorf("exit status %d", status)
	}
	s := a.readSummary()
	s.conserved(t)
	if s.Exchanges != uint64(requests) || s.TCPPayloadBytes != uint64(in+out) {
		t.Errorf("summary has %d exchanges and %d payload bytes, want %d and %d", s.Exchanges, s.TCPPayloadBytes, requests, in+out)
	}
	// wrk cuts its connections at the end of each run, whatever they are doing.
	for reason, n := range s.Incomplete {
		if reason != "aborted" || n > 3*wrkConnections {
			t.Errorf("%d messages are incomplete (%s) without any loss", n, reason)
		}
	}
}

func TestARingFarTooSmallLosesRecordsNotBytes(t *testing.T) {
	p := testutil.Pair(t, 1)
	stopNginx := testutil.Nginx(t, p.Server, lab.NginxOptions{Files: nginxFiles})
	a := start(t, p.Server, "--interface", lab.Device, "--bpf-filter", "tcp port 80", "--ring-size", "4KiB", "--depth", "all", "--shards", "1")
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() { goKeepAlive(t, p.Client) })
	}
	wg.Wait()
	_, in, out := lab.AccessTotals(stopNginx())
	if status := a.stop(); status != 0 {
		t.Errorf("exit status %d", status)
	}
	s := a.readSummary()
	s.conserved(t)
	lost := uint64(0)
	for _, d := range s.Dropped {
		if d.Reason == "ring-full" {
			lost = d.Packets
		}
	}
	if lost == 0 {
		t.Fatal("the ring was never full: this test shows nothing")
	}
	if s.Incomplete["lost"] == 0 {
		t.Errorf("%d packets were lost, and no message is marked: %v", lost, s.Incomplete)
	}
	if s.TCPPayloadBytes != uint64(in+out) {
		t.Errorf("%d payload bytes counted, nginx logged %d", s.TCPPayloadBytes, in+out)
	}
	if sum := s.MessageBytes + total(s.Unattributed); sum != s.TCPPayloadBytes {
		t.Errorf("%d bytes in messages and outside them, %d payload bytes", sum, s.TCPPayloadBytes)
	}
}

func total(counts map[string]uint64) (n uint64) {
	for _, c := range counts {
		n += c
	}
	return n
}

func serverURL(path string) string { return "http://" + lab.ServerIP().String() + path }

// curlClient makes 300 connections of 10 requests each. The POSTs go where nginx
// reads, and so counts, their bodies.
func curlClient(t *testing.T, n *lab.Namespace) {
	gets := strings.Repeat(" -o /dev/null "+serverURL("/small.txt"), 5)
	posts := strings.Repeat(" -o /dev/null -d name=value "+serverURL("/api/users/42"), 5)
	script := "for i in $(seq 300); do curl -s" + gets + " --next -s" + posts + " || exit 1; done"
	if _, err := n.Run(t.Context(), "sh", "-c", script); err != nil {
		t.Errorf("curl: %v", err)
	}
}

const wrkConnections = 16

// wrkClient asks over keep-alive connections as fast as it can, for 10000 requests
// at least.
func wrkClient(t *testing.T, n *lab.Namespace) {
	for range 3 {
		if _, err := n.Run(t.Context(), "wrk", "-t1", "-c"+strconv.Itoa(wrkConnections), "-d1s", serverURL("/small.txt")); err != nil {
			t.Errorf("wrk: %v", err)
		}
	}
}

func goKeepAlive(t *testing.T, n *lab.Namespace) {
	transport := &http.Transport{DialContext: n.DialContext, MaxIdleConnsPerHost: 8}
	defer transport.CloseIdleConnections()
	goClient(t, &http.Client{Transport: transport}, 4000)
}

func goShort(t *testing.T, n *lab.Namespace) {
	goClient(t, &http.Client{Transport: &http.Transport{DialContext: n.DialContext, DisableKeepAlives: true}}, 1000)
}

func goClient(t *testing.T, client *http.Client, requests int) {
	for i := range requests {
		method, path, body := http.MethodGet, "/page.html", io.Reader(nil)
		switch i % 20 {
		case 3:
			path = "/big.bin"
		case 5:
			path = "/missing"
		case 7:
			method, path, body = http.MethodPost, "/api/orders", strings.NewReader(strings.Repeat("x", 30_000))
		case 9:
			method = http.MethodHead
		}
		if err := ask(t.Context(), client, method, serverURL(path), body); err != nil {
			t.Errorf("Go client: %v", err)
			return
		}
	}
}

func ask(ctx context.Context, client *http.Client, method, url string, body io.Reader) error {
	req, err := http.NewRequestWithContext(ctx, method, url, body)
	if err != nil {
		return err
	}
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	_, err = io.Copy(io.Discard, res.Body)
	return err
}

const pythonScript = `
import http.client, sys
host = sys.argv[1]
for i in range(40):
    c = http.client.HTTPConnection(host)
    for j in range(50):
        c.request("PUT" if j % 7 == 0 else "GET", "/api/items/%d" % j, body=b"b" * 5000 if j % 7 == 0 else None)
        c.getresponse().read()
    c.close()
`

func pythonClient(t *testing.T, n *lab.Namespace) {
	if _, err := n.Run(t.Context(), "python3", "-c", pythonScript, lab.ServerIP().String()); err != nil {
		t.Errorf("python: %v", err)
	}
}
