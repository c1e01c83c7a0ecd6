package e2e

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gortap/internal/lab"
	"gortap/internal/testutil"
)

// recordWithResponses records the requests of a few clients with their responses.
func recordWithResponses(t *testing.T, p *lab.Pair, k *keeper) string {
	t.Helper()
	pattern := filepath.Join(t.TempDir(), "rec.gor")
	a := start(t, p.Server, "--interface", lab.Device, "--input-raw", ":80", "--input-raw-track-response", "--output-file", pattern)
	for range 10 {
		speakPlainly(t, p.Client)
	}
	if status := a.stop(); status != 0 {
		t.Errorf("exit status %d", status)
	}
	if s := a.readSummary(); s.sent() != 2*uint64(k.count()) {
		t.Errorf("%d requests, %d records: %+v", k.count(), s.sent(), s.Records)
	}
	return strings.TrimSuffix(pattern, ".gor") + "_0.gor"
}

func TestComparison(t *testing.T) {
	p := testutil.Pair(t, 1)
	recording := recordWithResponses(t, p, startKeeper(t, p.Server, original, false))
	same := startKeeper(t, p.Server, target, false)
	other := startKeeper(t, p.Server, "127.0.0.1:8082", false)
	other.say("HTTP/1.1 500 Internal Server Error\r\nContent-Length: 2\r\n\r\nno")
	for _, tc := range []struct {
		target string
		status int
		differ uint64
	}{{same.listener.Addr().String(), 0, 0}, {other.listener.Addr().String(), 3, 20}, {"127.0.0.1:8083", 3, 20}} { // nobody answers at the last one
		report := filepath.Join(t.TempDir(), "cmp")
		a := launch(t, p.Server, "--listen", "", "--input-file", recording+"|10000%", "--output-http", "http://"+tc.target,
			"--compare", "--compare-ignore-latency", "--report", report+".json", "--report", report+".html")
		if status := a.wait(); status != tc.status {
			t.Errorf("%s: exit status %d, want %d", tc.target, status, tc.status)
		}
		var result struct{ Compared, Different uint64 }
		text, err := os.ReadFile(report + ".json")
		if err == nil {
			err = json.Unmarshal(text, &result)
		}
		if err != nil || result.Compared != 20 || result.Different != tc.differ {
			t.Errorf("%s: %v, %+v", tc.target, err, result)
		}
		if page, err := os.ReadFile(report + ".html"); err != nil || !strings.Contains(string(page), "</html>") {
			t.Errorf("%s: page %v, %d bytes", tc.target, err, len(page))
		}
		if !strings.Contains(a.stdout.String(), "20") {
			t.Errorf("%s: stdout %q", tc.target, a.stdout.String())
		}
	}
}
