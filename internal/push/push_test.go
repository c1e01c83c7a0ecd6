package push

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	gortest "gortap/internal/testutil"
)

func newPusher(t *testing.T, c Config) *Pusher {
	t.Helper()
	registry := prometheus.NewRegistry()
	registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "x", Help: "x"}, func() float64 { return 3 }))
	c.Gatherer = registry
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Interval == 0 {
		c.Interval = time.Hour
	}
	p, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestPushesReplaceTheGroupWithAuthentication(t *testing.T) {
	gortest.CheckLeaks(t)
	type request struct{ method, path, user, password, body string }
	got := make(chan request, 10)
	gateway := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		user, password, _ := r.BasicAuth()
		got <- request{r.Method, r.URL.Path, user, password, string(body)}
	}))
	defer gateway.Close()
	file := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(file, []byte("geheim\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	at := strings.TrimPrefix(gateway.URL, "http://")
	newPusher(t, Config{URL: "http://ann:secret@" + at, Labels: []string{"job=edge", "instance=a1"}}).Push(t.Context())
	r := <-got
	if r.method != "PUT" || r.path != "/metrics/job/edge/instance/a1" || r.user != "ann" || r.password != "secret" || len(r.body) == 0 {
		t.Errorf("%+v", r)
	}
	newPusher(t, Config{URL: "http://ann@" + at, PasswordFile: file}).Push(t.Context())
	if r := <-got; r.password != "geheim" || !strings.HasPrefix(r.path, "/metrics/job/gortap/instance/") {
		t.Errorf("%+v", r)
	}
}

func TestAFailingGatewayIsOneWarningAndCounted(t *testing.T) {
	gortest.CheckLeaks(t)
	var broken atomic.Bool
	gateway := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if broken.Load() {
			http.Error(w, "no room", http.StatusInsufficientStorage)
		}
	}))
	defer gateway.Close()
	var log gortest.Buffer
	p := newPusher(t, Config{URL: "http://ann:secret@" + strings.TrimPrefix(gateway.URL, "http://"), Log: slog.New(slog.NewTextHandler(&log, nil))})
	broken.Store(true)
	for range 3 {
		p.Push(t.Context())
	}
	broken.Store(false)
	p.Push(t.Context())
	if s := log.String(); strings.Count(s, "level=WARN") != 1 || strings.Count(s, "pushed again") != 1 || strings.Contains(s, "secret") {
		t.Errorf("%s", s)
	}
	const want = `# HELP gor_pushes_total Pushes of the metrics to --output-metrics, by outcome.
# TYPE gor_pushes_total counter
gor_pushes_total{outcome="failed"} 3
gor_pushes_total{outcome="pushed"} 1
`
	if err := testutil.CollectAndCompare(p, strings.NewReader(want)); err != nil {
		t.Error(err)
	}
}

func TestRunEndsWithItsContextThoughTheGatewayHangs(t *testing.T) {
	gortest.CheckLeaks(t)
	asked, release := make(chan struct{}, 1), make(chan struct{})
	gateway := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		asked <- struct{}{}
		<-release
	}))
	defer gateway.Close()
	defer close(release)
	p := newPusher(t, Config{URL: gateway.URL, Interval: time.Millisecond})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); p.Run(ctx) }()
	<-asked
	cancel()
	<-done
	if n := p.counts[failed].Load(); n != 0 {
		t.Errorf("%d failed", n)
	}
}

func TestWrongConfigsAreRefusedWithoutTheirPassword(t *testing.T) {
	for _, c := range []Config{
		{URL: "pushgateway:9091"}, {URL: "ftp://ann:secret@x"}, {URL: "http://ann:secret@x", PasswordFile: "/dev/null"},
		{URL: "http://x", PasswordFile: "/dev/null"}, {URL: "http://x", Labels: []string{"zone"}}, {URL: "http://x", Labels: []string{"a b=c"}}, {URL: "http://ann@x", PasswordFile: "/none/such"},
	} {
		if _, err := New(c); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%+v: %v", c, err)
		}
	}
}
