package e2e

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gortap/internal/lab"
	"gortap/internal/testutil"
)

// startSlowShop answers in the name of an nginx before it, 20 ms late.
func startSlowShop(t *testing.T, n *lab.Namespace, addr string) {
	t.Helper()
	l, err := n.Listen(t.Context(), "tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		time.Sleep(20 * time.Millisecond) // what is to be found
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, `{"name":"pen","price":11}`)
	})}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(l)
	}()
	t.Cleanup(func() {
		server.Close()
		<-done
	})
}

// TestComparisonFindsWhatTwoNginxDifferIn, and nothing else: a header field, a member
// of the JSON, and 20 ms.
func TestComparisonFindsWhatTwoNginxDifferIn(t *testing.T) {
	p := testutil.Pair(t, 1)
	testutil.Nginx(t, p.Server, lab.NginxOptions{Server: `location /shop {
		default_type application/json; add_header X-Version 1; return 200 '{"name":"pen","price":10}'; }`})
	testutil.Nginx(t, p.Client, lab.NginxOptions{Server: `location /shop {
		add_header X-Version 2; proxy_pass http://127.0.0.1:8090; }`})
	startSlowShop(t, p.Client, "127.0.0.1:8090")

	recording := filepath.Join(t.TempDir(), "rec.gor")
	a := start(t, p.Server, "--interface", lab.Device, "--input-raw", ":80", "--input-raw-track-response",
		"--output-file", recording, "--output-file-append")
	const requests = 100
	client := http.Client{Transport: &http.Transport{DialContext: p.Client.DialContext}}
	for range requests {
		res, err := client.Get("http://" + original + "/shop")
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, res.Body)
		res.Body.Close()
	}
	client.CloseIdleConnections()
	if status := a.stop(); status != 0 {
		t.Errorf("exit status %d", status)
	}

	report := filepath.Join(t.TempDir(), "cmp.json")
	a = launch(t, p.Server, "--listen", "", "--input-file", recording, "--output-http", "http://"+lab.ClientIP(0).String(),
		"--compare", "--report", report)
	if status := a.wait(); status != 3 {
		t.Errorf("exit status %d, want 3", status)
	}
	var result struct {
		Compared uint64
		Findings []struct{ Endpoint, Kind, Place string }
	}
	text, err := os.ReadFile(report)
	if err == nil {
		err = json.Unmarshal(text, &result)
	}
	if err != nil || result.Compared != requests {
		t.Fatalf("%v: %d compared", err, result.Compared)
	}
	var found []string
	for _, f := range result.Findings {
		found = append(found, f.Kind+": "+f.Place)
	}
	slices.Sort(found)
	if diff := cmp.Diff([]string{"header: header x-version", "json: json $.price", "latency: latency"}, found); diff != "" {
		t.Errorf("findings (-want +got):\n%s\n%s", diff, a.stdout.String())
	}
}
