package client_test

import (
	"context"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"gortap/internal/insight"
	"gortap/internal/testutil"
	"gortap/internal/testutil/fakesource"
	"gortap/internal/web"
	"gortap/internal/web/api"
	"gortap/internal/web/client"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/prometheus/client_golang/prometheus"
)

var began = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// serve starts an agent's server with a fake source, 20 minutes after its start.
func serve(t *testing.T, token string) (*fakesource.Source, string) {
	t.Helper()
	source := fakesource.New(fakesource.Options{Start: began, Now: func() time.Time { return began.Add(20 * time.Minute) }})
	s, err := web.Listen(web.Config{
		Addr: "127.0.0.1:0", Metrics: prometheus.NewRegistry(), Ready: func() error { return nil }, Source: source,
		Health: func() api.Health { return api.Health{Version: "v1", Started: began, Level: "full"} },
		Access: web.Access{Token: token},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- s.Serve(ctx, time.Minute) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return source, s.URL()
}

func open(t *testing.T, url, token string) *client.Client {
	t.Helper()
	c, err := client.New(client.Options{URL: url, Token: token})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// What comes over HTTP is what the source said.
func TestAClientIsTheSourceItAsks(t *testing.T) {
	testutil.CheckLeaks(t)
	source, url := serve(t, "")
	c := open(t, strings.TrimPrefix(url, "http://"), "")
	q := insight.Query{FromNs: began.UnixNano() + 1, ToNs: began.Add(9 * time.Minute).UnixNano(), Service: "shop.example", Search: "A+b&c ä"}
	for _, q := range []insight.Query{{}, q, {Client: "2001:db8::104", Method: "GET", Path: "/thumb/{id}", Rows: 3, Points: 10}} {
		want, err := source.View(q)
		if err != nil {
			t.Fatal(err)
		}
		got, err := c.View(q)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("view of %+v (-source +client):\n%s", q, diff)
		}
		wantX, _ := source.Exchanges(q, 7)
		gotX, err := c.Exchanges(q, 7)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(wantX, gotX, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("exchanges of %+v (-source +client):\n%s", q, diff)
		}
	}
	wantF, _ := source.Findings()
	gotF, err := c.Findings()
	if diff := cmp.Diff(wantF, gotF); diff != "" || err != nil {
		t.Errorf("findings: %v (-source +client):\n%s", err, diff)
	}
	wantE, _ := source.Events()
	gotE, err := c.Events()
	if diff := cmp.Diff(wantE, gotE); diff != "" || err != nil {
		t.Errorf("events: %v (-source +client):\n%s", err, diff)
	}
	h, err := c.Health()
	if err != nil || h.Version != "v1" || h.Level != "full" {
		t.Errorf("health: %+v, %v", h, err)
	}
}

func TestErrorsSayWhatToDo(t *testing.T) {
	testutil.CheckLeaks(t)
	source, url := serve(t, "a token of enough length")
	source.Fail(errors.New("read book: it is shut"))
	elsewhere := httptest.NewServer(http.NotFoundHandler())
	defer elsewhere.Close()
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	unknown := httptest.NewUnstartedServer(http.NotFoundHandler())
	unknown.Config.ErrorLog = log.New(io.Discard, "", 0) // it is told that handshakes fail
	unknown.StartTLS()
	defer unknown.Close()
	for _, c := range []struct{ name, url, token, want string }{
		{"no token", url, "", "(give the one of its --web-token-file)"},
		{"another token", url, "the wrong one, but long", "(give the one of its --web-token-file)"},
		{"the source fails", url, "a token of enough length", "status 500: read book: it is shut"},
		{"not an agent", elsewhere.URL, "", "status 404: 404 page not found"},
		{"a certificate of nobody's", unknown.URL, "", "(where it is of the agent's own making, name its file: --ca-file)"},
		{"plain text where TLS is used", strings.Replace(unknown.URL, "https", "http", 1), "", "status 400: it speaks TLS there: use https://"},
		{"nobody", gone.URL, "", "connection refused (is an agent running there, with this --listen?)"},
	} {
		_, err := open(t, c.url, c.token).View(insight.Query{})
		if err == nil || !strings.HasSuffix(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v, want ... %s", c.name, err, c.want)
		}
		if got := errors.Is(err, client.ErrUnauthorized); got != strings.Contains(c.name, "token") {
			t.Errorf("%s: unauthorized: %v", c.name, got)
		}
	}
	for _, bad := range []string{"", "ftp://x", "http://", "http://%zz"} {
		if _, err := client.New(client.Options{URL: bad}); err == nil {
			t.Errorf("address %q is taken", bad)
		}
	}
}

// A redirect may lead to a stranger, who would get the token.
func TestTheTokenDoesNotFollowRedirects(t *testing.T) {
	testutil.CheckLeaks(t)
	asked := make(chan string, 1)
	stranger := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { asked <- r.Header.Get("Authorization") }))
	defer stranger.Close()
	agent := httptest.NewServer(http.RedirectHandler(stranger.URL, http.StatusFound))
	defer agent.Close()
	if _, err := open(t, agent.URL, "a token of enough length").Findings(); err == nil {
		t.Error("a redirect is an answer")
	}
	select {
	case got := <-asked:
		t.Errorf("the stranger was asked, with %q", got)
	default:
	}
}
