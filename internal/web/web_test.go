package web

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// start serves cfg until the test ends and returns the base of its URLs.
func start(t *testing.T, cfg Config) string {
	t.Helper()
	cfg.Addr = "127.0.0.1:0"
	if cfg.Metrics == nil {
		cfg.Metrics = prometheus.NewRegistry()
	}
	if cfg.Ready == nil {
		cfg.Ready = func() error { return nil }
	}
	s, err := Listen(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- s.Serve(ctx, time.Minute) }()
	t.Cleanup(func() {
		http.DefaultClient.CloseIdleConnections()
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return "http://" + s.Addr().String()
}

func get(t *testing.T, url string, headers ...string) (status int, header http.Header, body string) {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, res.Header, string(b)
}

func TestEndpoints(t *testing.T) {
	base := start(t, Config{})
	for path, want := range map[string]struct {
		status int
		body   string
	}{
		"/":             {200, "gortap\n\n/metrics\n/healthz\n/readyz\n"},
		"/healthz":      {200, "ok\n"},
		"/readyz":       {200, "ready\n"},
		"/metrics":      {200, ""},
		"/none":         {404, "404 page not found\n"},
		"/debug/pprof/": {404, "404 page not found\n"},
	} {
		status, _, body := get(t, base+path)
		if status != want.status || body != want.body {
			t.Errorf("%s: %d %q, want %d %q", path, status, body, want.status, want.body)
		}
	}
	res, err := http.Post(base+"/metrics", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("POST /metrics: %d", res.StatusCode)
	}
}

func TestMetricsAreThoseOfTheRegistryGiven(t *testing.T) {
	reg := prometheus.NewRegistry()
	c := prometheus.NewCounter(prometheus.CounterOpts{Name: "gor_test_total", Help: "A test."})
	c.Add(3)
	reg.MustRegister(c)
	base := start(t, Config{Metrics: reg})
	_, header, body := get(t, base+"/metrics")
	if want := "# HELP gor_test_total A test.\n# TYPE gor_test_total counter\ngor_test_total 3\n"; body != want {
		t.Errorf("%s: %q, want %q", header.Get("Content-Type"), body, want)
	}
	_, header, body = get(t, base+"/metrics", "Accept", "application/openmetrics-text")
	if !strings.HasPrefix(header.Get("Content-Type"), "application/openmetrics-text") || !strings.HasSuffix(body, "# EOF\n") {
		t.Errorf("%s: %q", header.Get("Content-Type"), body)
	}
}

func TestReadinessFollowsTheAgent(t *testing.T) {
	var attached atomic.Bool
	base := start(t, Config{Ready: func() error {
		if attached.Load() {
			return nil
		}
		return errors.New("no interface is attached yet")
	}})
	if status, _, body := get(t, base+"/readyz"); status != 503 || body != "not ready: no interface is attached yet\n" {
		t.Errorf("before: %d %q", status, body)
	}
	if status, _, _ := get(t, base+"/healthz"); status != 200 {
		t.Errorf("the agent is alive, but /healthz is %d", status)
	}
	attached.Store(true)
	if status, _, body := get(t, base+"/readyz"); status != 200 || body != "ready\n" {
		t.Errorf("after: %d %q", status, body)
	}
}

func TestProfilesOnlyWhenAskedFor(t *testing.T) {
	base := start(t, Config{Profile: true})
	if status, _, body := get(t, base+"/debug/pprof/cmdline"); status != 200 || body == "" {
		t.Errorf("cmdline: %d %q", status, body)
	}
	if _, _, body := get(t, base+"/"); !strings.Contains(body, "/debug/pprof/") {
		t.Errorf("index: %q", body)
	}
}

func TestBindErrorsNameTheRemedy(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	taken := l.Addr().String()
	for addr, want := range map[string]string{
		taken:          `listen on "` + taken + `": address already in use (another agent? choose another --listen, or '' for none)`,
		"192.0.2.1:80": `listen on "192.0.2.1:80": cannot assign requested address (no interface has it; 0.0.0.0 means all of them)`,
		"nonsense":     `listen on "nonsense": listen tcp: address nonsense: missing port in address (want host:port, for example 127.0.0.1:9464, or '' for none)`,
	} {
		s, err := Listen(Config{Addr: addr})
		if err == nil {
			s.Close()
		}
		if err == nil || err.Error() != want {
			t.Errorf("error %v, want %s", err, want)
		}
	}
}

func TestStopWaitsForAnswersUnderWay(t *testing.T) {
	for _, c := range []struct {
		name     string
		grace    time.Duration
		finishes bool
	}{
		{"and they finish", time.Minute, true},
		{"for the grace at most", time.Millisecond, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			begun, release := make(chan struct{}), make(chan struct{})
			slow := prometheus.GathererFunc(func() ([]*dto.MetricFamily, error) {
				close(begun)
				<-release
				return nil, nil
			})
			s, err := Listen(Config{Addr: "127.0.0.1:0", Metrics: slow, Ready: func() error { return nil }})
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(context.Background())
			ended, answered := make(chan error, 1), make(chan error, 1)
			go func() { ended <- s.Serve(ctx, c.grace) }()
			go func() {
				res, err := http.Get("http://" + s.Addr().String() + "/metrics")
				if err == nil {
					res.Body.Close()
				}
				answered <- err
			}()
			<-begun
			cancel()
			if c.finishes {
				close(release)
			}
			if err := <-ended; (err == nil) != c.finishes {
				t.Errorf("serve ended with %v", err)
			}
			if err := <-answered; (err == nil) != c.finishes {
				t.Errorf("the scrape ended with %v", err)
			}
			if !c.finishes {
				close(release)
			}
			http.DefaultClient.CloseIdleConnections()
			if _, err := net.Dial("tcp", s.Addr().String()); err == nil {
				t.Error("the port is still open")
			}
		})
	}
}
