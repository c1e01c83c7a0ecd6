package web

import (
	"compress/gzip"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"gortap/internal/insight"
	"gortap/internal/testutil/fakesource"
	"gortap/internal/web/api"

	"github.com/prometheus/client_golang/prometheus"
)

func discard() *slog.Logger                   { return slog.New(slog.DiscardHandler) }
func newRecorder() *httptest.ResponseRecorder { return httptest.NewRecorder() }

func TestBadParametersAreOneLine(t *testing.T) {
	_, base := servePage(t, Access{})
	for query, want := range map[string]string{
		"view?rows=0":              `rows: "0": want a whole number from 1 to 1000`,
		"view?rows=1001":           `rows: "1001": want a whole number from 1 to 1000`,
		"view?points=many":         `points: "many": want a whole number from 1 to 1000`,
		"view?from=yesterday":      `from: "yesterday": want RFC 3339 like 2026-01-31T12:00:00Z, or a time before now like -90s, -15m, -24h, -7d`,
		"view?from=-5x":            `from: "-5x": want RFC 3339 like 2026-01-31T12:00:00Z, or a time before now like -90s, -15m, -24h, -7d`,
		"view?from=-99999999h":     `from: "-99999999h": want RFC 3339 like 2026-01-31T12:00:00Z, or a time before now like -90s, -15m, -24h, -7d`,
		"view?lists=endpoints,all": `lists: "endpoints,all": want some of services, endpoints, clients, networks, pairs, statuses, sizes, durations with commas between them, or none`,
		"view?service=a&service=b": `service: given 2 times`,
		"view?form=-5m":            `"form": unknown parameter (known here: client, from, lists, method, path, points, rows, search, service, to)`,
		"view?service=%ff":         `service: want UTF-8 of at most 4096 bytes`,
		"view?a=%zz":               `read parameters: invalid URL escape "%zz"`,
		"exchanges?after=-1":       `after: "-1": want the seq of an exchange, a whole number`,
		"findings?rows=5":          `"rows": unknown parameter (known here: none)`,
		"view?from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z": `from, to: 2026-01-02T00:00:00Z is not before 2026-01-01T00:00:00Z`,
	} {
		if status, _, body := get(t, base+api.Base+query); status != 400 || body != want+"\n" {
			t.Errorf("%s: %d %q, want %q", query, status, body, want)
		}
	}
	if status, _, body := get(t, base+"/api/v1/"); status != 404 || !strings.HasPrefix(body, "there are /api/v1/view, ") {
		t.Errorf("below /api/: %d %s", status, body)
	}
	res, err := http.Post(base+api.ViewPath, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("POST: %d", res.StatusCode)
	}
}

func TestTimesAreRelativeToNow(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Time{
		"-90s": now.Add(-90 * time.Second), "-15m": now.Add(-15 * time.Minute), "-2d": now.Add(-48 * time.Hour), "-1h30m": now.Add(-90 * time.Minute),
		"2026-03-01T10:00:00Z": now.Add(-2 * time.Hour), "2026-03-01T12:30:00.5+02:00": now.Add(-90*time.Minute + 500*time.Millisecond),
		"2026-03-01T12:30:00 02:00": now.Add(-90 * time.Minute), // "+" is a space in a query
	} {
		q, err := api.Parse(api.ViewPath, map[string][]string{"from": {text}}, now)
		if err != nil || q.FromNs != want.UnixNano() {
			t.Errorf("%s: %v, %v", text, time.Unix(0, q.FromNs).UTC(), err)
		}
	}
}

// What a query says survives its way through parameters.
func FuzzParametersGoBothWays(f *testing.F) {
	f.Add("-15m", "", "shop", "/a b?c=d&e", "endpoints,sizes", "7")
	f.Add("2026-01-01T00:00:00Z", "-1s", "ä", "\x00", "none", "0")
	f.Fuzz(func(t *testing.T, from, to, service, path, lists, after string) {
		now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
		for _, at := range []string{api.ViewPath, api.ExchangesPath} {
			v := map[string][]string{"from": {from}, "to": {to}, "service": {service}, "path": {path}}
			if at == api.ViewPath {
				v["lists"] = []string{lists}
			} else {
				v["after"] = []string{after}
			}
			q, err := api.Parse(at, v, now)
			if err != nil {
				if strings.Contains(err.Error(), "\n") {
					t.Fatalf("error of two lines: %q", err)
				}
				continue
			}
			again, err := api.Parse(at, q.Values(), now)
			if err != nil || again.Query != q.Query || again.After != q.After || strings.Join(again.Lists, ",") != strings.Join(q.Lists, ",") {
				t.Fatalf("%+v became %+v, %v", q, again, err)
			}
		}
	})
}

func TestAnswersAreCompactAndKnowThemselves(t *testing.T) {
	_, base := servePage(t, Access{})
	ask := base + api.ViewPath + "?to=-1m&from=2001-01-01T00:00:00Z&points=10"
	status, header, plain := get(t, ask, "Accept-Encoding", "identity")
	if status != 200 || header.Get("Content-Type") != "application/json" || header.Get("Content-Encoding") != "" || header.Get("ETag") == "" {
		t.Fatalf("%d %v", status, header)
	}
	var v insight.View
	if err := json.Unmarshal([]byte(plain), &v); err != nil || len(v.Endpoints) == 0 {
		t.Errorf("%v: %s", err, plain)
	}
	_, header, small := get(t, base+"/assets/app.js", "Accept-Encoding", "gzip")
	if header.Get("Content-Encoding") != "gzip" || header.Get("Vary") == "" {
		t.Fatalf("not compressed: %v", header)
	}
	z, err := gzip.NewReader(strings.NewReader(small))
	if err != nil {
		t.Fatal(err)
	}
	script, err := io.ReadAll(z)
	if err != nil || !strings.Contains(string(script), "refresh") {
		t.Errorf("%v: %.80s", err, script)
	}
	if status, _, body := get(t, base+"/assets/app.js", "If-None-Match", header.Get("ETag")); status != 304 || body != "" {
		t.Errorf("what the client has: %d, %d bytes", status, len(body))
	}
	if _, header, _ := get(t, base+"/assets/app.js", "Accept-Encoding", "br, gzip;q=0"); header.Get("Content-Encoding") != "" {
		t.Error("compressed for who does not take it")
	}
	_, _, body := get(t, base+api.ViewPath+"?lists=statuses")
	v = insight.View{}
	if err := json.Unmarshal([]byte(body), &v); err != nil || v.Endpoints != nil || len(v.Statuses) == 0 {
		t.Errorf("lists=statuses: %v, %d endpoints, %d statuses", err, len(v.Endpoints), len(v.Statuses))
	}
}

// slow holds its callers until it is let go.
type slow struct {
	insight.Source
	begun, release chan struct{}
}

func (s slow) Findings() ([]insight.Finding, error) {
	s.begun <- struct{}{}
	<-s.release
	return nil, nil
}

func TestTooManyRequestsAtOnceAreRefused(t *testing.T) {
	source := slow{fakesource.New(fakesource.Options{}), make(chan struct{}), make(chan struct{})}
	s, err := Listen(Config{Addr: "127.0.0.1:0", Metrics: prometheus.NewRegistry(), Ready: func() error { return nil }, Source: source})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	ask := func() *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		r := httptest.NewRequest(http.MethodGet, api.FindingsPath, nil)
		r.Host = "localhost"
		s.http.Handler.ServeHTTP(w, r)
		return w
	}
	ended := make(chan int)
	for range maxAsks {
		go func() { ended <- ask().Code }()
		<-source.begun
	}
	if w := ask(); w.Code != 503 || w.Header().Get("Retry-After") == "" || s.Refused()["busy"] != 1 {
		t.Errorf("one more: %d %v", w.Code, s.Refused())
	}
	close(source.release)
	for range maxAsks {
		if code := <-ended; code != 200 {
			t.Errorf("one that had begun: %d", code)
		}
	}
}
