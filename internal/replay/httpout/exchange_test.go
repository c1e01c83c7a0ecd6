package httpout

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"gortap/internal/flow"
	"gortap/internal/lab"
	"gortap/internal/record"
	"gortap/internal/testutil"
)

// noise returns n bytes that do not compress, the same each time.
func noise(n int) []byte {
	b := make([]byte, n)
	x := uint32(7)
	for i := range b {
		x ^= x << 13
		x ^= x >> 17
		x ^= x << 5
		b[i] = byte(x)
	}
	return b
}

// inChunks writes body in chunked coding, with a trailer.
func inChunks(body []byte, size int) string {
	var b strings.Builder
	for len(body) > 0 {
		n := min(size, len(body))
		fmt.Fprintf(&b, "%X;ext=1\r\n%s\r\n", n, body[:n])
		body = body[n:]
	}
	return b.String() + "0\r\nX-Sum: 1\r\n\r\n"
}

// ledger is a handler that notes what came.
type ledger struct {
	mu   sync.Mutex
	seen []string
}

func (l *ledger) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	sum := sha256.New()
	n, err := io.Copy(sum, r.Body)
	l.mu.Lock()
	l.seen = append(l.seen, fmt.Sprintf("%s %s %d %x %v %v", r.Method, r.URL, n, sum.Sum(nil)[:8], r.Trailer["X-Sum"], err))
	l.mu.Unlock()
	w.Write(noise(100000))
}

func bodies() (requests []*record.Record, wanted []string) {
	large := noise(6 << 20)
	for i, c := range []struct {
		head, body string
		n          int
		trailer    string
	}{
		{"POST /%d HTTP/1.1\r\nHost: x\r\nContent-Length: 6291456\r\n\r\n", string(large), len(large), "[]"},
		{"PUT /%d HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n", inChunks(large, 70001), len(large), "[1]"},
		{"POST /%d HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\nExpect: 100-continue\r\n\r\n", string(large[:1000]), 1000, "[]"},
		{"POST /%d HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\nExpect: 100-continue\r\n\r\n", string(large[:100000]), 100000, "[]"},
		{"HEAD /%d HTTP/1.1\r\nHost: x\r\n\r\n", "", 0, "[]"},
		{"GET /%d HTTP/1.1\r\nHost: x\r\n\r\n", "", 0, "[]"},
	} {
		requests = append(requests, raw(1, fmt.Sprintf(c.head, i)+c.body))
		sum := sha256.Sum256(large[:c.n])
		wanted = append(wanted, fmt.Sprintf("%s /%d %d %x %s <nil>", strings.Fields(c.head)[0], i, c.n, sum[:8], c.trailer))
	}
	return requests, wanted
}

func TestBodiesArriveAsTheyWere(t *testing.T) {
	testutil.CheckLeaks(t)
	for _, secure := range []bool{false, true} {
		for _, pipelined := range []bool{false, true} {
			l := &ledger{}
			server := httptest.NewUnstartedServer(l)
			cfg := Config{Timeout: time.Minute}
			if secure {
				server.StartTLS()
				cfg.SkipVerify = true
			} else {
				server.Start()
			}
			cfg.URL = server.URL
			o, err := New(cfg)
			if err != nil {
				t.Fatal(err)
			}
			requests, wanted := bodies()
			for _, r := range requests {
				r.Pipelined = pipelined
			}
			put(t, o, requests...)
			put(t, o, end(1))
			s := shut(t, o, time.Minute)
			server.Close()
			want(t, "requests", l.seen, wanted)
			if o.Report().Opened != 1 || s.Done != uint64(len(requests)) {
				t.Errorf("TLS %v, pipelined %v: %d connections, %+v", secure, pipelined, o.Report().Opened, s)
			}
		}
	}
}

func TestBodiesArriveThroughNginx(t *testing.T) {
	testutil.CheckLeaks(t)
	n := testutil.Namespace(t)
	l := &ledger{}
	listener, err := n.Listen(t.Context(), "tcp", "127.0.0.1:8080")
	if err != nil {
		t.Fatal(err)
	}
	server := &httptest.Server{Listener: listener, Config: &http.Server{Handler: l}}
	server.Start()
	defer server.Close()
	stop := testutil.Nginx(t, n, lab.NginxOptions{Server: "location / { proxy_pass http://127.0.0.1:8080; proxy_http_version 1.1; }"})
	o, err := New(Config{URL: "http://127.0.0.1", Timeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	o.tcp = n.DialContext
	requests, wanted := bodies()
	for i := range wanted { // nginx takes trailers for itself
		wanted[i] = strings.Replace(wanted[i], "[1]", "[]", 1)
	}
	put(t, o, requests...)
	s := shut(t, o, time.Minute)
	want(t, "requests", l.seen, wanted)
	if len(stop()) != len(requests) || s.Done != uint64(len(requests)) || o.Report().Opened != 1 {
		t.Errorf("%d connections, %+v", o.Report().Opened, s)
	}
}

func TestAnEarlyAnswerDoesNotMeetAWriteThatWaits(t *testing.T) {
	testutil.CheckLeaks(t)
	size := 8 << 20
	body := string(noise(size))
	// It answers with more than any buffer holds before it reads the body.
	origin := testutil.NewOrigin(t, nil, "127.0.0.1:0",
		testutil.ReadHead(), testutil.Write(fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", size, body)), testutil.ReadN(size),
		testutil.ReadHead(), testutil.Write(answer), testutil.ReadToEnd())
	o := open(t, origin.Addr().String(), Config{Timeout: time.Minute})
	put(t, o, raw(1, fmt.Sprintf("POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\n%s", size, body)), get(1, "/2"), end(1))
	if s := shut(t, o, time.Minute); s.Done != 2 || o.Report().Opened != 1 {
		t.Errorf("%d connections, %+v", o.Report().Opened, s)
	}
}

func TestARefusedUploadIsOver(t *testing.T) {
	testutil.CheckLeaks(t)
	never := make(chan struct{})
	for name, script := range map[string][]testutil.Step{
		"413 and no more reading": {testutil.ReadHead(), testutil.Write("HTTP/1.1 413 No\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"), testutil.Wait(never)},
		"417 instead of 100":      {testutil.ReadHead(), testutil.Write("HTTP/1.1 417 No\r\nContent-Length: 0\r\n\r\n"), testutil.ReadToEnd()},
	} {
		origin := testutil.NewOrigin(t, nil, "127.0.0.1:0", script...)
		o := open(t, origin.Addr().String(), Config{Timeout: time.Minute})
		expect := ""
		if name[:3] == "417" {
			expect = "Expect: 100-continue\r\n"
		}
		size := 8 << 20
		put(t, o, raw(1, fmt.Sprintf("POST / HTTP/1.1\r\n%sContent-Length: %d\r\n\r\n%s", expect, size, noise(size))))
		done := uint64(1)
		if expect != "" { // the next request needs another connection: this one waits for a body
			put(t, o, get(1, "/"))
			done = 2
		}
		put(t, o, end(1))
		if s := shut(t, o, time.Minute); s.Done != done || o.Report().Opened != done {
			t.Errorf("%s: %d connections, %+v", name, o.Report().Opened, s)
		}
		served := origin.Close()
		if expect != "" && bytes.Contains(served[0].Received, noise(100)) {
			t.Error("the body was sent after the final status")
		}
	}
}

func TestABodyIsSentWhereNo100Comes(t *testing.T) {
	testutil.CheckLeaks(t)
	origin := testutil.NewOrigin(t, nil, "127.0.0.1:0", testutil.ReadHead(), testutil.ReadN(3), testutil.Write(answer), testutil.ReadToEnd())
	o := open(t, origin.Addr().String(), Config{Timeout: time.Minute})
	put(t, o, raw(1, "POST / HTTP/1.1\r\nExpect: 100-Continue\r\nContent-Length: 3\r\n\r\nabc"), end(1))
	if s := shut(t, o, time.Minute); s.Done != 1 {
		t.Errorf("%+v", s)
	}
}

func TestAConnectionThatTheTargetClosedIsReplaced(t *testing.T) {
	testutil.CheckLeaks(t)
	for name, script := range map[string][]testutil.Step{
		"after each response":  {testutil.ReadHead(), testutil.Write(answer)},
		"as announced":         {testutil.ReadHead(), testutil.Write("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"), testutil.ReadToEnd()},
		"at the next request":  {testutil.ReadHead(), testutil.Write(answer), testutil.ReadHead()},
		"by a reset":           {testutil.ReadHead(), testutil.Write(answer), testutil.ReadHead(), testutil.Reset()},
		"as the response ends": {testutil.ReadHead(), testutil.Write("HTTP/1.0 200 OK\r\n\r\nbody")},
	} {
		for _, pipelined := range []bool{false, true} {
			origin := testutil.NewOrigin(t, nil, "127.0.0.1:0", script...)
			o := open(t, origin.Addr().String(), Config{})
			for i := range 4 {
				r := get(1, fmt.Sprint("/", i))
				r.Pipelined = pipelined
				put(t, o, r)
			}
			put(t, o, end(1))
			s := shut(t, o, time.Minute)
			if s.Done != 4 || o.Report().Opened != 4 {
				t.Errorf("%s, pipelined %v: %d connections, %+v", name, pipelined, o.Report().Opened, s)
			}
		}
	}
}

func TestARequestThatMayNotBeRepeatedIsNot(t *testing.T) {
	testutil.CheckLeaks(t)
	origin := testutil.NewOrigin(t, nil, "127.0.0.1:0", testutil.ReadHead(), testutil.Write(answer), testutil.ReadHead())
	o := open(t, origin.Addr().String(), Config{})
	put(t, o, get(1, "/"), raw(1, "POST / HTTP/1.1\r\nContent-Length: 0\r\n\r\n"), get(1, "/"), end(1))
	if s := shut(t, o, time.Minute); dropped(s) != "reset 1" || s.Done != 2 {
		t.Errorf("%+v", s)
	}
	if n := len(origin.Drain()); n != 2 {
		t.Errorf("%d connections", n)
	}
}

func TestAClientThatClosedAfterItsRequestDoesSoAgain(t *testing.T) {
	testutil.CheckLeaks(t)
	origin := testutil.NewOrigin(t, nil, "127.0.0.1:0", serveEach(1, answer)...)
	o := open(t, origin.Addr().String(), Config{})
	put(t, o, raw(1, "GET / HTTP/1.1\r\nConnection: Close\r\n\r\n"), raw(2, "GET / HTTP/1.0\r\n\r\n"))
	await(t, func() bool { return o.Stats().Done == 2 })
	if got := received(origin); len(got) != 2 { // it would not end otherwise
		t.Errorf("%q", got)
	}
}

func TestResponsesAreHandedOver(t *testing.T) {
	testutil.CheckLeaks(t)
	long := "HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n" + strings.Repeat("x", 5000)
	origin := testutil.NewOrigin(t, nil, "127.0.0.1:0",
		testutil.ReadHead(), testutil.Write("HTTP/1.1 103 Hints\r\nLink: a\r\n\r\n"), testutil.Write(answer),
		testutil.ReadHead(), testutil.Write(long),
		testutil.ReadHead(), testutil.Write("HTTP/1.1 200 OK\r\n\r\nuntil the end"))
	var mu sync.Mutex
	var got []string
	o := open(t, origin.Addr().String(), Config{ResponseLimit: 10, OnResponse: func(r *record.Record) {
		mu.Lock()
		defer mu.Unlock()
		got = append(got, fmt.Sprintf("%c %s %d %s", r.Kind, r.ID, r.Seq, r.Data))
		if r.LatencyNs <= 0 || r.EndNs != r.TimeNs+r.LatencyNs {
			t.Errorf("%+v", r)
		}
	}})
	for i := range 3 {
		r := get(1, "/")
		r.ID, r.Seq = fmt.Sprint("id", i), uint64(i)
		put(t, o, r)
	}
	shut(t, o, time.Minute)
	want(t, "responses", got, []string{
		"3 id0 0 " + answer,
		"3 id1 1 " + long[:strings.Index(long, "xxx")+10],
		"3 id2 2 HTTP/1.1 200 OK\r\n\r\nuntil the ",
	})
}

func TestWebSocketFramesFollowTheUpgrade(t *testing.T) {
	testutil.CheckLeaks(t)
	origin := testutil.NewOrigin(t, nil, "127.0.0.1:0",
		testutil.ReadHead(), testutil.Write("HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\n\r\n\x81\x01a"),
		testutil.Write(string(noise(4<<20))), // it has to be read
		testutil.ReadToEnd())
	o := open(t, origin.Addr().String(), Config{Workers: 1})
	upgrade := "GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
	put(t, o, raw(1, upgrade))
	frames := noise(200000)
	for i := 0; i < len(frames); i += 50000 {
		put(t, o, &record.Record{Kind: record.Stream, Conn: 1, Data: frames[i : i+50000]})
	}
	put(t, o, end(1))
	if s := shut(t, o, time.Minute); s.Done != 5 {
		t.Errorf("%+v", s)
	}
	wanted := strings.Replace(upgrade, "Host: x", "Host: TARGET", 1) + string(frames)
	if got := received(origin); len(got) != 1 || got[0] != wanted {
		t.Errorf("%d connections, or other bytes", len(got))
	}
}

func TestSocketsAreMarked(t *testing.T) {
	testutil.RequireRoot(t)
	origin := testutil.NewOrigin(t, nil, "127.0.0.1:0", testutil.ReadToEnd())
	o := open(t, origin.Addr().String(), Config{})
	c, err := o.tcp(t.Context(), "tcp", origin.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if got := markOf(t, c.(*net.TCPConn)); got != flow.ReplayMark {
		t.Errorf("mark %#x", got)
	}
}

func TestAConnectionThatWasClosedWhileItRestedIsNotWrittenTo(t *testing.T) {
	testutil.CheckLeaks(t)
	origin := testutil.NewOrigin(t, nil, "127.0.0.1:0", testutil.ReadHead(), testutil.Write(answer))
	o := open(t, origin.Addr().String(), Config{})
	put(t, o, get(1, "/"))
	await(t, func() bool {
		o.mu.Lock()
		s := o.byKey[key{1, 0}]
		o.mu.Unlock()
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.waits && s.conn != nil && s.conn.gone()
	})
	put(t, o, raw(1, "POST / HTTP/1.1\r\nContent-Length: 0\r\n\r\n"), end(1))
	if s := shut(t, o, time.Minute); s.Done != 2 || o.Report().Opened != 2 {
		t.Errorf("%d connections, %+v", o.Report().Opened, s)
	}
}
