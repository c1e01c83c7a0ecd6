package web

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"gortap/internal/testutil/fakesource"
	"gortap/internal/web/api"

	"github.com/prometheus/client_golang/prometheus"
)

const testToken = "a token of enough length"

// servePage serves a fake source until the test ends.
func servePage(t *testing.T, a Access) (s *Server, base string) {
	t.Helper()
	began := time.Now().Add(-10 * time.Minute)
	s, err := Listen(Config{
		Addr: "127.0.0.1:0", Metrics: prometheus.NewRegistry(), Ready: func() error { return nil }, Access: a,
		Source: fakesource.New(fakesource.Options{Start: began}), Health: func() api.Health { return api.Health{Started: began} },
	})
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
	return s, s.URL()
}

// A page of another site whose name was made to point to this machine asks by that name.
func TestForeignNamesAreRefusedOnLoopback(t *testing.T) {
	s, base := servePage(t, Access{})
	port := base[strings.LastIndex(base, ":"):]
	for host, want := range map[string]int{
		"localhost" + port: 200, "127.0.0.1" + port: 200, "[::1]" + port: 200, "LOCALHOST.": 200, "a.localhost": 200, "127.9.9.9": 200,
		"evil.example" + port: 403, "127.0.0.1.evil.example": 403, "localhost.evil.example": 403, "192.0.2.1": 403, " ": 403,
	} {
		for _, path := range []string{api.FindingsPath, "/", "/assets/app.js"} {
			req, err := http.NewRequest(http.MethodGet, base+path, nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Accept", "text/html")
			req.Host = host
			res, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			res.Body.Close()
			if res.StatusCode != want {
				t.Errorf("%s by the name %q: %d, want %d", path, host, res.StatusCode, want)
			}
		}
		// Prometheus asks by any name.
		if status := statusBy(t, base+"/healthz", host); status != 200 {
			t.Errorf("/healthz by the name %q: %d", host, status)
		}
	}
	if s.Refused()["host"] == 0 {
		t.Error("nothing was counted")
	}
}

func statusBy(t *testing.T, address, host string) int {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Host = host
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0
	}
	res.Body.Close()
	return res.StatusCode
}

func TestATokenIsAskedForEverywhereButAtMetrics(t *testing.T) {
	s, base := servePage(t, Access{Token: testToken})
	for path, want := range map[string]int{
		"/metrics": 200, "/healthz": 200, "/readyz": 200, "/assets/style.css": 200, "/assets/login.js": 200,
		"/": 401, "/assets/app.js": 401, "/assets/login.html": 404, "/assets/none": 404, "/api/v1/": 401, "/api/v2/view": 401,
		api.ViewPath: 401, api.FindingsPath: 401, api.EventsPath: 401, api.ExchangesPath: 401, api.HealthPath: 401,
	} {
		if status, _, _ := get(t, base+path, "Accept", "text/html"); status != want {
			t.Errorf("%s without token: %d, want %d", path, status, want)
		}
	}
	for _, wrong := range []string{"Bearer", "Bearer ", "Bearer " + testToken[:len(testToken)-1], "Bearer " + testToken + "x", "Basic " + testToken} {
		if status, header, _ := get(t, base+api.HealthPath, "Authorization", wrong); status != 401 || header.Get("WWW-Authenticate") == "" {
			t.Errorf("%q: %d", wrong, status)
		}
	}
	if status, _, _ := get(t, base+api.HealthPath, "Authorization", "Bearer "+testToken); status != 200 {
		t.Errorf("with the token: %d", status)
	}
	if n := s.Refused()["token"]; n != 2 {
		t.Errorf("%d wrong tokens were counted, want 2: without text it is none", n)
	}
}

func TestTheFormGivesACookieThatEnds(t *testing.T) {
	s, base := servePage(t, Access{Token: testToken})
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	post := func(path string, form url.Values, headers ...string) *http.Response {
		req, err := http.NewRequest(http.MethodPost, base+path, strings.NewReader(form.Encode()))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		for i := 0; i < len(headers); i += 2 {
			req.Header.Set(headers[i], headers[i+1])
		}
		res, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		return res
	}
	if res := post("/login", url.Values{"token": {"wrong"}}); res.StatusCode != http.StatusUnauthorized || len(res.Cookies()) != 0 {
		t.Errorf("wrong token: %d, cookies %v", res.StatusCode, res.Cookies())
	}
	if res := post("/login", url.Values{"token": {testToken}}, "Sec-Fetch-Site", "cross-site"); res.StatusCode != http.StatusForbidden {
		t.Errorf("a form of another site: %d", res.StatusCode)
	}
	for next, want := range map[string]string{
		"view=clients&path=/a%20b": "/?view=clients&path=/a%20b", "//evil.example": "/?//evil.example", "a\r\nX: y": "/?aX:y", "#token=x": "/?token=x",
	} {
		if res := post("/login", url.Values{"token": {testToken}, "next": {next}}); res.StatusCode != http.StatusSeeOther || res.Header.Get("Location") != want {
			t.Errorf("next %q: %d to %q, want %q", next, res.StatusCode, res.Header.Get("Location"), want)
		}
	}
	res := post("/login", url.Values{"token": {testToken}})
	c := res.Cookies()[0]
	if !c.HttpOnly || c.SameSite != http.SameSiteStrictMode || c.Secure || c.MaxAge != 12*3600 || strings.Contains(c.Value, testToken) {
		t.Errorf("cookie %v", c)
	}
	ask := func(value string) int {
		status, _, _ := get(t, base+api.HealthPath, "Cookie", c.Name+"="+value)
		return status
	}
	if status := ask(c.Value); status != 200 {
		t.Errorf("with the cookie: %d", status)
	}
	other, err := newGuard(Access{Token: testToken + " of another agent"}, s.Addr())
	if err != nil {
		t.Fatal(err)
	}
	soon := time.Now().Add(time.Minute)
	for name, value := range map[string]string{
		"over": s.guard.newSession(time.Now().Add(-time.Second)), "of another token": other.newSession(soon), "cut": c.Value[:20], "none": "", "changed": "B" + c.Value[1:],
	} {
		if status := ask(value); status != 401 {
			t.Errorf("a session that is %s: %d", name, status)
		}
	}
	if res := post("/logout", nil); res.StatusCode != http.StatusSeeOther || res.Cookies()[0].MaxAge >= 0 {
		t.Errorf("logout: %d %v", res.StatusCode, res.Cookies())
	}
}

func TestWhereThePageIsServed(t *testing.T) {
	listen := func(addr string, a Access) (*Server, error) {
		return Listen(Config{Addr: addr, Metrics: prometheus.NewRegistry(), Ready: func() error { return nil },
			Source: fakesource.New(fakesource.Options{Start: time.Now()}), Access: a})
	}
	for _, c := range []struct {
		name, addr string
		access     Access
		off        bool
		want       string // of the error
	}{
		{"loopback", "127.0.0.1:0", Access{}, false, ""},
		{"loopback of IPv6", "[::1]:0", Access{}, false, ""},
		{"everywhere without token", "0.0.0.0:0", Access{}, true, ""},
		{"everywhere of IPv6 without token", "[::]:0", Access{Insecure: true}, true, ""},
		{"everywhere without TLS", "0.0.0.0:0", Access{Token: testToken}, false, "would be sent in clear"},
		{"everywhere behind a proxy", "0.0.0.0:0", Access{Token: testToken, Insecure: true}, false, ""},
		{"a short token", "127.0.0.1:0", Access{Token: "short"}, false, "less than 16"},
		{"half a certificate", "127.0.0.1:0", Access{CertFile: "x"}, false, "both"},
		{"no certificate", "127.0.0.1:0", Access{CertFile: "/none", KeyFile: "/none"}, false, "/none: no such file"},
	} {
		s, err := listen(c.addr, c.access)
		if err != nil {
			if c.want == "" || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%s: %v, want %q", c.name, err, c.want)
			}
			continue
		}
		if c.want != "" {
			t.Errorf("%s: no error", c.name)
		}
		if off := s.PageOff() != ""; off != c.off {
			t.Errorf("%s: off is %v: %s", c.name, off, s.PageOff())
		}
		s.Close()
	}
}

func TestWhereThePageIsOffMetricsGoOn(t *testing.T) {
	g := &guard{off: "page and API are off"}
	mux, err := routes(Config{Metrics: prometheus.NewRegistry(), Ready: func() error { return nil }, Source: fakesource.New(fakesource.Options{}), Log: discard()}, g)
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]int{"/metrics": 200, "/healthz": 200, "/": 200, api.ViewPath: 403, "/assets/app.js": 404} {
		w := newRecorder()
		req, _ := http.NewRequest(http.MethodGet, path, nil)
		mux.ServeHTTP(w, req)
		if w.Code != want {
			t.Errorf("%s: %d, want %d", path, w.Code, want)
		}
		if want == 403 && !strings.Contains(w.Body.String(), "are off") {
			t.Errorf("%s: %s", path, w.Body)
		}
	}
}

func TestNothingFromElsewhereAndNothingInline(t *testing.T) {
	_, base := servePage(t, Access{})
	for _, path := range []string{"/", api.FindingsPath, "/assets/app.js", "/api/none"} {
		_, header, body := get(t, base+path, "Accept", "text/html")
		for name, want := range map[string]string{
			"X-Frame-Options": "DENY", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cross-Origin-Resource-Policy": "same-origin",
		} {
			if got := header.Get(name); got != want {
				t.Errorf("%s: %s is %q", path, name, got)
			}
		}
		if p := header.Get("Content-Security-Policy"); !strings.Contains(p, "default-src 'none'") || strings.Contains(p, "unsafe") {
			t.Errorf("%s: policy %q", path, p)
		}
		if header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s: other sites may read it", path)
		}
		if strings.Contains(strings.ReplaceAll(body, "http://www.w3.org/", ""), "http://") || strings.Contains(body, "https://") {
			t.Errorf("%s names another site", path)
		}
	}
}
