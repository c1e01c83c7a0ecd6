package httpout

import (
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"gortap/internal/proto"
	"gortap/internal/record"
	"gortap/internal/testutil"
)

func over2(conn uint64, data string) *record.Record {
	r := raw(conn, data)
	r.Protocol = proto.HTTP2
	return r
}

// h2Server serves HTTP/2 alone, with or without TLS.
func h2Server(secure bool, h http.HandlerFunc) *httptest.Server {
	s := httptest.NewUnstartedServer(h)
	if secure {
		s.EnableHTTP2 = true
		s.StartTLS()
		return s
	}
	s.Config.Protocols = new(http.Protocols)
	s.Config.Protocols.SetUnencryptedHTTP2(true)
	s.Start()
	return s
}

func TestHTTP2IsReplayedOverHTTP2(t *testing.T) {
	testutil.CheckLeaks(t)
	large := noise(6 << 20)
	sum := func(b []byte) string { return fmt.Sprintf("%d %x", len(b), sha256.Sum256(b)) }
	for _, secure := range []bool{false, true} {
		var mu sync.Mutex
		var seen, replies []string
		conns := make(map[string]bool)
		server := h2Server(secure, func(w http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(r.Body)
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			conns[r.RemoteAddr] = true
			seen = append(seen, fmt.Sprint(r.Proto, " ", r.Method, " ", r.RequestURI, " ", r.Header["X-A"], r.Header["User-Agent"], r.Header["Content-Length"], r.Trailer, " ", sum(body)))
			w.Header().Set("Trailer", "Grpc-Status")
			w.Write([]byte("fine"))
			w.Header().Set("Grpc-Status", "0")
		})
		cfg := Config{URL: server.URL, SkipVerify: true, Timeout: time.Minute, OnResponse: func(r *record.Record) {
			mu.Lock()
			defer mu.Unlock()
			text := string(r.Data)
			i := strings.Index(text, "date: ")
			replies = append(replies, text[:i]+text[i+strings.Index(text[i:], "\r\n")+2:])
		}}
		o, err := New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		put(t, o,
			over2(1, "GET /a%2Fb?q=1 HTTP/2.0\r\nHost: x\r\nx-a: 1\r\nx-a: 2\r\n\r\n"),
			over2(1, "POST /large HTTP/2.0\r\nHost: x\r\ncontent-length: 6291456\r\nuser-agent: me\r\n\r\n"+string(large)),
			over2(1, "POST /none HTTP/2.0\r\nHost: x\r\n\r\nabc"),
			over2(1, "POST /trailers HTTP/2.0\r\nHost: x\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n1\r\nd\r\n0\r\nx-sum: 7\r\n\r\n"),
			end(1))
		s := shut(t, o, time.Minute)
		server.Close()
		want(t, "requests", seen, []string{
			"HTTP/2.0 GET /a%2Fb?q=1 [1 2] [] [] map[] " + sum(nil),
			"HTTP/2.0 POST /large [] [me] [6291456] map[] " + sum(large),
			"HTTP/2.0 POST /none [] [] [] map[] " + sum([]byte("abc")),
			"HTTP/2.0 POST /trailers [] [] [] map[X-Sum:[7]] " + sum([]byte("abcd")),
		})
		if len(conns) != 1 || o.Report().Opened != 1 || s.Done != 4 {
			t.Errorf("TLS %v: %d connections, %+v", secure, len(conns), s)
		}
		want(t, "first response", replies[0], "HTTP/2.0 200\r\ncontent-length: 4\r\ncontent-type: text/plain; charset=utf-8\r\ntransfer-encoding: chunked\r\n\r\n4\r\nfine\r\n0\r\ngrpc-status: 0\r\n\r\n")
	}
}

func TestStreamsGoBesideEachOtherAsTheyWere(t *testing.T) {
	testutil.CheckLeaks(t)
	both := make(chan struct{}, 2)
	go1 := make(chan struct{})
	var mu sync.Mutex
	var order []string
	server := h2Server(false, func(_ http.ResponseWriter, r *http.Request) {
		mu.Lock()
		order = append(order, r.RequestURI)
		mu.Unlock()
		if r.RequestURI != "/3" {
			both <- struct{}{}
			<-go1
		}
	})
	defer server.Close()
	o, err := New(Config{URL: server.URL, Timeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	second := over2(1, "GET /2 HTTP/2.0\r\nHost: x\r\n\r\n")
	second.Pipelined = true
	put(t, o, over2(1, "GET /1 HTTP/2.0\r\nHost: x\r\n\r\n"), second, over2(1, "GET /3 HTTP/2.0\r\nHost: x\r\n\r\n"), end(1))
	<-both
	<-both // the second came without the first one's response
	mu.Lock()
	if len(order) != 2 {
		t.Errorf("%q: one of them the client sent later", order)
	}
	mu.Unlock()
	close(go1)
	if s := shut(t, o, time.Minute); s.Done != 3 || !slices.Contains(order, "/3") {
		t.Errorf("%+v", s)
	}
}

func TestFaultsOfAnHTTP2TargetHaveNames(t *testing.T) {
	testutil.CheckLeaks(t)
	never := make(chan struct{})
	for name, c := range map[string]struct {
		script []testutil.Step
		cfg    Config
		want   string
	}{
		"speaks HTTP/1": {[]testutil.Step{testutil.ReadHead(), testutil.Write("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"), testutil.ReadToEnd()}, Config{}, "protocol 1"},
		"hangs up":      {[]testutil.Step{testutil.ReadHead()}, Config{}, "reset 1"},
		"hangs":         {[]testutil.Step{testutil.Wait(never)}, Config{Timeout: 50 * time.Millisecond}, "timeout 1"},
	} {
		origin := testutil.NewOrigin(t, nil, "127.0.0.1:0", c.script...)
		o := open(t, origin.Addr().String(), c.cfg)
		put(t, o, over2(1, "GET / HTTP/2.0\r\nHost: x\r\n\r\n"), end(1))
		if s := shut(t, o, time.Minute); dropped(s) != c.want {
			t.Errorf("%s: %+v", name, s)
		}
	}
	hung := testutil.NewOrigin(t, nil, "127.0.0.1:0", testutil.Wait(never))
	o := open(t, hung.Addr().String(), Config{Timeout: time.Hour})
	put(t, o, over2(1, "GET / HTTP/2.0\r\nHost: x\r\n\r\n"), over2(1, "GET / HTTP/2.0\r\nHost: x\r\n\r\n"))
	await(t, func() bool { return sentNow(o) >= 1 })
	if s := shut(t, o, 0); dropped(s) != "deadline 2" {
		t.Errorf("%+v", s)
	}
}
