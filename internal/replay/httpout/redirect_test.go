package httpout

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"gortap/internal/testutil"
)

func TestRedirectsAreFollowedUpToTheLimit(t *testing.T) {
	testutil.CheckLeaks(t)
	var mu sync.Mutex
	var seen []string
	note := func(who string, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		mu.Lock()
		defer mu.Unlock()
		seen = append(seen, fmt.Sprintf("%s %s %s %q %s %s", who, r.Method, r.RequestURI, body, r.Header.Get("Cookie"), r.Header.Get("X-Case")))
	}
	other := httptest.NewTLSServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { note("other", r) }))
	defer other.Close()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		note("target", r)
		code, to, found := strings.Cut(strings.TrimPrefix(r.RequestURI, "/"), "-")
		if !found {
			return
		}
		status := 0
		fmt.Sscan(code, &status)
		w.Header().Set("Location", strings.Replace(to, "OTHER", other.URL, 1))
		if status == 301 {
			w.Header().Set("Connection", "close")
		}
		w.WriteHeader(status)
	}))
	defer server.Close()
	for _, c := range []struct {
		request string
		want    []string
		opened  uint64
	}{
		{"GET /302-/a?b=c", []string{"GET /302-/a?b=c \"\"", "GET /a?b=c \"\""}, 1},
		{"POST /302-x", []string{"POST /302-x \"abc\"", "GET /x \"\""}, 1},
		{"POST /303-x", []string{"POST /303-x \"abc\"", "GET /x \"\""}, 1},
		{"PUT /303-x", []string{"PUT /303-x \"abc\"", "GET /x \"\""}, 1},
		{"PUT /302-x", []string{"PUT /302-x \"abc\"", "PUT /x \"abc\""}, 1},
		{"POST /308-x", []string{"POST /308-x \"abc\"", "POST /x \"abc\""}, 1},
		{"GET /301-x", []string{"GET /301-x \"\"", "GET /x \"\""}, 2}, // it closes the connection
		{"GET /302-/302-/302-/302-x", []string{"GET /302-/302-/302-/302-x \"\"", "GET /302-/302-/302-x \"\"", "GET /302-/302-x \"\""}, 1},
		{"POST /307-OTHER/y", []string{"POST /307-OTHER/y \"abc\"", "other POST /y \"abc\""}, 2},
		{"GET /302-ftp://x/", []string{"GET /302-ftp://x/ \"\""}, 1},
		{"GET /304-x", []string{"GET /304-x \"\""}, 1},
	} {
		seen = nil
		o, err := New(Config{URL: server.URL, Redirects: 2, SkipVerify: true})
		if err != nil {
			t.Fatal(err)
		}
		body := ""
		if !strings.HasPrefix(c.request, "GET") {
			body = "Content-Length: 3\r\n\r\nabc"
		}
		text := c.request + " HTTP/1.1\r\nHost: x\r\nCookie: secret\r\nX-Case: 1\r\n" + body
		if body == "" {
			text += "\r\n"
		}
		put(t, o, raw(1, text), end(1))
		s := shut(t, o, time.Minute)
		var wanted []string
		for _, w := range c.want {
			if rest, ok := strings.CutPrefix(w, "other "); ok {
				wanted = append(wanted, "other "+rest+"  1")
			} else {
				wanted = append(wanted, "target "+w+" secret 1")
			}
		}
		want(t, c.request, seen, wanted)
		if s.Done != 1 || o.Report().Opened != c.opened || o.Report().Redirects != uint64(len(c.want)-1) {
			t.Errorf("%s: %+v, %d connections", c.request, s, o.Report().Opened)
		}
	}
}
