// Package web looks at the agent's page in a real Chromium: with made-up traffic, and
// with an agent that captures nginx's. The latter needs root.
package web

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"gortap/internal/testutil"
	"gortap/internal/testutil/browser"
	"gortap/internal/testutil/fakesource"
	server "gortap/internal/web"
	"gortap/internal/web/api"

	"github.com/prometheus/client_golang/prometheus"
)

// binary is the agent, built once for all tests by TestMain.
var binary string

// chromium is the browser of all tests, each of which has pages of its own.
var chromium *browser.Browser

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	var err error
	if chromium, err = browser.Start(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer chromium.Close()
	return testutil.RunWithAgent(m, &binary)
}

// site is a page with made-up traffic, and a browser's tab that shows it.
type site struct {
	*browser.Page
	t      *testing.T
	source *fakesource.Source
	base   string
	host   string
	// skew is added to the clock of the traffic, in nanoseconds.
	skew *atomic.Int64
	stop func() // ends the server
}

// visit serves made-up traffic of the last 40 minutes and opens a page. At the end of
// the test nothing may have been said on the console, and nobody else been asked.
func visit(t *testing.T, o fakesource.Options, a server.Access) *site {
	t.Helper()
	s := &site{t: t, skew: new(atomic.Int64)}
	now := func() time.Time { return time.Now().Add(time.Duration(s.skew.Load())) }
	o.Start, o.Now = now().Add(-40*time.Minute), now
	s.source = fakesource.New(o)
	s.serve(o, a)
	s.Page = launch(t)
	t.Cleanup(func() {
		for _, line := range s.Said() {
			t.Errorf("on the console: %s", line)
		}
		for _, address := range s.Strangers(s.host) {
			t.Errorf("the page asked %s", address)
		}
	})
	return s
}

func launch(t *testing.T) *browser.Page {
	t.Helper()
	p, err := chromium.Open()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

func (s *site) serve(o fakesource.Options, a server.Access) {
	s.t.Helper()
	web, err := server.Listen(server.Config{
		Addr: "127.0.0.1:0", Metrics: prometheus.NewRegistry(), Ready: func() error { return nil }, Source: s.source, Access: a,
		Health: func() api.Health {
			return api.Health{
				Version: "v0.9.0", Host: "node-7", Started: o.Start, Now: o.Now(), Live: true, Ready: true, Source: "capturing tcp port 80 on eth0",
				CPU: 0.03, Memory: 41e6, MemoryLimit: 128e6, Sample: 1, Level: "full", Flows: 91, Connections: 88,
				Matched: api.Volume{Packets: 1000, Bytes: 812e6}, Delivered: api.Volume{Packets: 990, Bytes: 811e6},
				Losses:  []api.Drop{{Stage: "kernel", Reason: "ring-full", Count: 10, Bytes: 1e6}},
				Outputs: []api.Output{{Name: "jsonl:x", Written: 7, Dropped: 1, Error: "no space left"}},
			}
		},
	})
	if err != nil {
		s.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = web.Serve(ctx, time.Millisecond) // connections of the browser are cut
	}()
	s.stop = func() {
		cancel()
		<-ended
	}
	s.t.Cleanup(s.stop)
	s.base = web.URL() + "/"
	u, err := url.Parse(s.base)
	if err != nil {
		s.t.Fatal(err)
	}
	s.host = u.Host
}

// must ends the test where a step fails.
func (s *site) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// shown is when a view has been drawn of its own answer.
const shown = `document.querySelector('#main[aria-busy=false] h1')`

// open loads an address below the page's, and waits until its view is there.
func (s *site) open(query string) {
	s.t.Helper()
	s.must(s.Go(s.base + query))
	s.must(s.Await(shown))
}

func (s *site) await(expression string) {
	s.t.Helper()
	s.must(s.Await(expression))
}

func (s *site) keys(keys string) {
	s.t.Helper()
	s.must(s.Keys(keys))
}

func (s *site) click(selector string) {
	s.t.Helper()
	s.must(s.Click(selector))
}

// text evaluates to a text.
func (s *site) text(expression string) string {
	s.t.Helper()
	v, err := browser.Eval[string](s.Page, expression)
	s.must(err)
	return v
}

func (s *site) number(expression string) float64 {
	s.t.Helper()
	v, err := browser.Eval[float64](s.Page, expression)
	s.must(err)
	return v
}
