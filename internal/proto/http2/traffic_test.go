package http2

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	xhttp2 "golang.org/x/net/http2"

	"gortap/internal/proto"
	"gortap/internal/proto/prototest"
)

// recorded is the server's end of a pipe that writes down what passes.
type recorded struct {
	net.Conn
	mu     sync.Mutex
	script prototest.Script
}

func (c *recorded) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.note(client, b[:n])
	return n, err
}

// Write notes before it writes: the answer must not come first.
func (c *recorded) Write(b []byte) (int, error) {
	c.note(server, b)
	return c.Conn.Write(b)
}

func (c *recorded) note(s proto.Side, b []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(b) > 0 {
		c.script.From(s, b...)
	}
}

// serve runs requests against a handler over one connection, and returns what
// passed on it.
func serve(t *testing.T, h http.Handler, do func(*http.Client)) prototest.Script {
	t.Helper()
	near, far := net.Pipe()
	rec := &recorded{Conn: far}
	done := make(chan struct{})
	go func() {
		defer close(done)
		(&xhttp2.Server{MaxConcurrentStreams: 100}).ServeConn(rec, &xhttp2.ServeConnOpts{Handler: h})
	}()
	tr := &xhttp2.Transport{
		AllowHTTP: true,
		DialTLSContext: func(context.Context, string, string, *tls.Config) (net.Conn, error) {
			return near, nil
		},
	}
	do(&http.Client{Transport: tr})
	near.Close()
	<-done
	rec.mu.Lock()
	defer rec.mu.Unlock()
	return rec.script
}

func TestTrafficOfARealClientAndServer(t *testing.T) {
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Trailer", "X-Sum")
		n, _ := io.Copy(io.Discard, r.Body)
		switch {
		case strings.HasPrefix(r.URL.Path, "/early"):
			w.Header().Set("Link", "</x>; rel=preload")
			w.WriteHeader(http.StatusEarlyHints)
		case strings.HasPrefix(r.URL.Path, "/flush"):
			fmt.Fprint(w, "first")
			w.(http.Flusher).Flush()
		}
		w.WriteHeader(http.StatusOK + int(n%3))
		fmt.Fprint(w, strings.Repeat("r", int(2*n)))
		w.Header().Set("X-Sum", fmt.Sprint(n))
	})
	var mu sync.Mutex
	var want []string
	sc := serve(t, h, func(c *http.Client) {
		var wg sync.WaitGroup
		for i := range 60 {
			wg.Add(1)
			go func() {
				defer wg.Done()
				path := fmt.Sprintf("/%s/%d", []string{"plain", "early", "flush"}[i%3], i%7)
				size := i * i * 20
				resp, err := c.Post("http://example.org"+path, "text/x", strings.NewReader(strings.Repeat("q", size)))
				if err != nil {
					t.Error(err)
					return
				}
				n, _ := io.Copy(io.Discard, resp.Body)
				resp.Body.Close()
				mu.Lock()
				defer mu.Unlock()
				want = append(want, fmt.Sprintf("POST example.org %s %d %d/%d", path, resp.StatusCode, size, n))
			}()
		}
		wg.Wait()
	})
	l := play(t, sc, proto.Env{}, Options{}, prototest.Whole, proto.Complete)
	var got []string
	for _, x := range l.Exchanges {
		got = append(got, fmt.Sprintf("%s %s %s %d %d/%d", x.Method, x.Host, x.Target, x.Status, x.Request.Body, x.Response.Body))
		if x.Incomplete() != proto.Complete {
			t.Errorf("%s: %s", x.Target, x.Incomplete())
		}
	}
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("exchanges (-want +got):\n%s", diff)
	}
	for s, loose := range l.Stray {
		delete(loose, proto.H2Connection)
		if len(loose) > 0 {
			t.Errorf("side %d: stray bytes %v", s, loose)
		}
	}
	again(t, sc)
}
