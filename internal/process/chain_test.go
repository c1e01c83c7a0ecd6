package process

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"hash/fnv"
	"io"
	"strings"
	"testing"
	"time"

	"gortap/internal/pipeline"
	"gortap/internal/record"
	"gortap/internal/testutil"
)

const request = "POST /v1/user/5/ping?a=1&user_id=7 HTTP/1.1\r\nHost: www.example.com\r\nuser-agent: x\r\n" +
	"Authorization: Basic Y3VzdG9tZXIxOnB3\r\nContent-Length: 2\r\n\r\nhi"

var _ pipeline.Stage = (*Chain)(nil)

// start makes a chain that adds what goes on to the result.
func start(t testing.TB, cfg Config) (*Chain, *[]*record.Record) {
	t.Helper()
	c, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	var got []*record.Record
	c.Start(func(r *record.Record) { got = append(got, r) })
	return c, &got
}

func put(t testing.TB, c *Chain, kind record.Kind, id, data string) {
	t.Helper()
	if !c.Put(t.Context(), &record.Record{Kind: kind, ID: id, Data: []byte(data)}, 0) {
		t.Fatalf("put %s refused", id)
	}
}

func dropped(c *Chain) string {
	var all []string
	for _, d := range c.Stats().Dropped {
		if d.N > 0 {
			all = append(all, fmt.Sprintf("%s:%d", d.Reason, d.N))
		}
	}
	return strings.Join(all, " ")
}

// The results of the first half are what GoReplay v1.3.2 wrote to a file, given
// the same flags; those of the second half are our own.
func TestModifiers(t *testing.T) {
	for _, c := range []struct {
		cfg      Config
		old, new string // what differs
	}{
		{Config{HTTPSetHeader: []string{"User-Agent: Gor"}}, "user-agent: x", "user-agent: Gor"},
		{Config{HTTPSetHeader: []string{"X-New: 1"}}, "Host:", "X-New: 1\r\nHost:"},
		{Config{HTTPSetParam: []string{"a=2"}}, "a=1", "a=2"},
		{Config{HTTPSetParam: []string{"b=2"}}, "user_id=7", "user_id=7&b=2"},
		{Config{HTTPRewriteURL: []string{`/v1/user/([^\/]+)/ping:/v2/user/$1/ping`}}, "/v1/", "/v2/"},
		{Config{HTTPRewriteHeader: []string{`Host: (.*).example.com,$1.beta`}}, "www.example.com", "www.beta"},

		{Config{HTTPRewriteURL: []string{"/none:/x", "/v1:/first", "/first:/second"}}, "/v1", "/first"},
		{Config{HTTPRewriteURL: []string{`(?i)/V1/(?:user|x)/:/c/`}}, "/v1/user/", "/c/"},
		{Config{HTTPRewriteHeader: []string{"X-None: a,b", "USER-AGENT: x,y"}}, "user-agent: x", "user-agent: y"},
		{Config{HTTPRewriteBody: []string{"h(.):$1, there"}}, "2\r\n\r\nhi", "8\r\n\r\ni, there"},
		{Config{HTTPSetParam: []string{"a=1"}, HTTPSetHeader: []string{"Host: www.example.com"}, HTTPRewriteBody: []string{"z:y"}}, "", ""},
	} {
		chain, got := start(t, c.cfg)
		put(t, chain, record.Request, "1", request)
		put(t, chain, record.Response, "1", "HTTP/1.1 200 OK\r\n\r\nhi")
		put(t, chain, record.End, "", "")
		if len(*got) != 3 {
			t.Errorf("%+v: %d came out, %s", c.cfg, len(*got), dropped(chain))
			continue
		}
		if want := strings.Replace(request, c.old, c.new, 1); string((*got)[0].Data) != want {
			t.Errorf("%+v:\ngot  %q\nwant %q", c.cfg, (*got)[0].Data, want)
		}
		if string((*got)[1].Data) != "HTTP/1.1 200 OK\r\n\r\nhi" {
			t.Errorf("%+v: response %q", c.cfg, (*got)[1].Data)
		}
	}
}

// As above: the first half is GoReplay's.
func TestFilters(t *testing.T) {
	for _, c := range []struct {
		cfg  Config
		drop string // the reason, or "" where it goes on
	}{
		{Config{HTTPAllowURL: []string{"www"}}, "url"},
		{Config{HTTPAllowURL: []string{"^/v1"}}, ""},
		{Config{HTTPDisallowURL: []string{"user_id=7"}}, "url"},
		{Config{HTTPBasicAuthFilter: []string{"^customer[0-9].*"}}, ""},
		{Config{HTTPBasicAuthFilter: []string{"^bob"}}, "basic-auth"},
		{Config{HTTPHeaderLimiter: []string{"user-agent:25%"}}, "header-limiter"},
		{Config{HTTPHeaderLimiter: []string{"X-None: 25%"}}, ""},
		{Config{HTTPParamLimiter: []string{"user_id: 25%"}}, ""},
		{Config{HTTPParamLimiter: []string{"user_id: 1/20"}}, "param-limiter"},
		{Config{HTTPAllowHeader: []string{"user-agent:^y"}}, "header"},
		{Config{HTTPAllowHeader: []string{"X-None: .*"}}, "header"},
		{Config{HTTPDisallowHeader: []string{"User-Agent: x"}}, "header"},
		{Config{HTTPAllowMethod: []string{"GET"}}, "method"},
		{Config{HTTPAllowMethod: []string{"GET", "POST"}}, ""},
		{Config{HTTPSetHeader: []string{"User-Agent: y"}, HTTPAllowHeader: []string{"user-agent:^y"}}, ""},
		{Config{HTTPRewriteURL: []string{"v1:v2"}, HTTPAllowURL: []string{"v2"}}, "url"},

		{Config{HTTPAllowURL: []string{"^www."}}, ""},
		{Config{HTTPAllowURL: []string{"^www.example.org"}}, "url"},
		{Config{HTTPAllowURL: []string{`^www\.example\.com/v1/`}}, ""},
		{Config{HTTPAllowURL: []string{"http://www.example.com/v1"}}, ""},
		{Config{HTTPAllowURL: []string{"^https?://[^/]*example.com/v1"}}, ""},
		{Config{HTTPDisallowURL: []string{"^https://www.example.com/v1"}}, "url"},
		{Config{HTTPAllowURL: []string{"^https?://v1"}}, "url"},
		{Config{HTTPDisallowMethod: []string{"POST"}}, "method"},
		{Config{HTTPDisallowMethod: []string{"GET"}}, ""},
		{Config{HTTPParamLimiter: []string{"user_id: 0%"}}, "param-limiter"},
		{Config{HTTPParamLimiter: []string{"user_id: 100%"}}, ""},
	} {
		chain, got := start(t, c.cfg)
		put(t, chain, record.Request, "1", request)
		put(t, chain, record.Response, "1", "HTTP/1.1 200 OK\r\n\r\nhi")
		want, n := "", 2
		if c.drop != "" {
			want, n = c.drop+":1 request-filtered:1", 0
		}
		if dropped(chain) != want || len(*got) != n {
			t.Errorf("%+v: %d came out, dropped %q, want %q", c.cfg, len(*got), dropped(chain), want)
		}
	}
}

func TestLimiterTakesTheValuesOfGoReplay(t *testing.T) {
	for _, percent := range []uint32{0, 1, 25, 50, 99, 100} {
		s, err := parseShare(fmt.Sprintf("user_id: %d%%", percent))
		if err != nil {
			t.Fatal(err)
		}
		for i := range 5000 {
			value := fmt.Append(nil, i)
			h := fnv.New32a()
			h.Write(value)
			if want := h.Sum32()%100 < percent; s.lets(value) != want {
				t.Fatalf("%d%% of %s: %v", percent, value, !want)
			}
		}
	}
	half, _ := parseShare("x: 0.5%")
	n := 0
	for i := range 100000 {
		if half.lets(fmt.Append(nil, i)) {
			n++
		}
	}
	if n < 400 || n > 600 {
		t.Errorf("half a percent of 100,000 is %d", n)
	}
}

func TestAbsoluteTargetsAndConnect(t *testing.T) {
	c, got := start(t, Config{HTTPAllowURL: []string{"^http://a.org/x", "^b.org:443"}})
	put(t, c, record.Request, "1", "GET http://a.org/x HTTP/1.1\r\nHost: other\r\n\r\n")
	put(t, c, record.Request, "2", "CONNECT b.org:443 HTTP/1.1\r\nHost: other\r\n\r\n")
	put(t, c, record.Request, "3", "GET http://c.org/x HTTP/1.1\r\nHost: a.org\r\n\r\n")
	put(t, c, record.Request, "4", "GET http://b.org:443/x HTTP/1.1\r\nHost: a.org\r\n\r\n")
	if len(*got) != 3 || dropped(c) != "url:1" {
		t.Errorf("%d came out, %s", len(*got), dropped(c))
	}
}

func TestResponsesShareTheFateOfTheirRequest(t *testing.T) {
	c, got := start(t, Config{HTTPAllowMethod: []string{"GET"}})
	put(t, c, record.Response, "1", "HTTP/1.1 200 OK\r\n\r\nfirst") // before its request
	put(t, c, record.Response, "2", "HTTP/1.1 200 OK\r\n\r\nfirst")
	put(t, c, record.Response, "3", "HTTP/1.1 200 OK\r\n\r\nalone")
	put(t, c, record.Request, "1", "GET / HTTP/1.1\r\n\r\n")
	put(t, c, record.Request, "2", "PUT / HTTP/1.1\r\n\r\n")
	put(t, c, record.Replayed, "1", "HTTP/1.1 200 OK\r\n\r\n")
	put(t, c, record.Replayed, "2", "HTTP/1.1 200 OK\r\n\r\n")
	put(t, c, record.Request, "4", "\x16\x03\x01")
	put(t, c, record.End, "", "")
	c.Close(t.Context())
	var order []string
	for _, r := range *got {
		order = append(order, fmt.Sprintf("%d:%s", r.Kind, r.ID))
	}
	if want := "49:1 50:1 51:1 0:"; strings.Join(order, " ") != want {
		t.Errorf("got %s", order)
	}
	if want := "method:1 unreadable:1 request-filtered:2 no-request:1"; dropped(c) != want {
		t.Errorf("dropped %s", dropped(c))
	}
	if s := c.Stats(); s.Taken != 9 || s.Passed != 4 {
		t.Errorf("%+v", s)
	}
}

func TestStreamsShareTheFateOfTheUpgrade(t *testing.T) {
	c, got := start(t, Config{HTTPAllowURL: []string{"/yes"}})
	send := func(conn uint64, kind record.Kind, id, data string) {
		c.Put(t.Context(), &record.Record{Kind: kind, ID: id, Conn: conn, Data: []byte(data)}, 0)
	}
	send(1, record.Request, "1a", "GET /yes HTTP/1.1\r\nUpgrade: websocket\r\n\r\n")
	send(2, record.Request, "2a", "GET /no HTTP/1.1\r\nUpgrade: websocket\r\n\r\n")
	for range 2 {
		send(1, record.Stream, "1b", "frame")
		send(2, record.Stream, "2b", "frame")
	}
	send(3, record.Stream, "3a", "frame")
	if len(*got) != 3 || dropped(c) != "url:1 request-filtered:2 no-request:1" {
		t.Errorf("%d came out, dropped %s", len(*got), dropped(c))
	}
}

func TestMemoryOfRequestsIsBounded(t *testing.T) {
	c, _ := start(t, Config{HTTPAllowMethod: []string{"GET"}})
	for i := range 2*maxVerdicts + 5 {
		put(t, c, record.Request, fmt.Sprint(i), "PUT / HTTP/1.1\r\n\r\n")
	}
	for i := range 2 * maxHeld {
		put(t, c, record.Response, fmt.Sprint("r", i), "HTTP/1.1 200 OK\r\n\r\n")
	}
	if v := c.verdicts; len(v.of) != maxVerdicts || len(v.ring) != maxVerdicts || len(v.held) != maxHeld {
		t.Errorf("%d verdicts, %d in the ring, %d held", len(v.of), len(v.ring), len(v.held))
	}
	for range 40 {
		put(t, c, record.Response, "big", "HTTP/1.1 200 OK\r\n\r\n"+strings.Repeat("x", 1<<20))
	}
	if c.verdicts.bytes > maxHeldBytes {
		t.Errorf("%d bytes held", c.verdicts.bytes)
	}
	if _, known := c.verdicts.verdict(c.verdicts.request(fmt.Sprint(2*maxVerdicts + 4))); !known {
		t.Error("forgot the latest")
	}
}

func TestRewritesBodiesInsideOfChunksAndGzip(t *testing.T) {
	var zipped bytes.Buffer
	w := gzip.NewWriter(&zipped)
	io.WriteString(w, `{"env":"prod"}`)
	w.Close()
	c, got := start(t, Config{HTTPRewriteBody: []string{"prod:staging"}})
	put(t, c, record.Request, "1", "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\npr\r\n2\r\nod\r\n0\r\nX: 1\r\n\r\n")
	put(t, c, record.Request, "2", fmt.Sprintf("POST / HTTP/1.1\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%s", zipped.Len(), zipped.Bytes()))
	put(t, c, record.Request, "3", "POST / HTTP/1.1\r\nContent-Encoding: br\r\nContent-Length: 4\r\n\r\nprod")
	if want := "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n7\r\nstaging\r\n0\r\nX: 1\r\n\r\n"; string((*got)[0].Data) != want {
		t.Errorf("chunks: %q", (*got)[0].Data)
	}
	head, body, _ := strings.Cut(string((*got)[1].Data), "\r\n\r\n")
	if want := fmt.Sprintf("POST / HTTP/1.1\r\nContent-Encoding: gzip\r\nContent-Length: %d", len(body)); head != want {
		t.Errorf("gzip: head %q", head)
	}
	r, err := gzip.NewReader(strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if plain, err := io.ReadAll(r); err != nil || string(plain) != `{"env":"staging"}` {
		t.Errorf("gzip: %q, %v", plain, err)
	}
	if !strings.HasSuffix(string((*got)[2].Data), "\r\n\r\nprod") || c.Stats().BodiesKept != 1 {
		t.Errorf("unknown coding: %q, %+v", (*got)[2].Data, c.Stats())
	}
}

func TestNewExplainsWhatIsWrong(t *testing.T) {
	for flag, cfg := range map[string]Config{
		"--http-allow-method \"GET,POST\"":     {HTTPAllowMethod: []string{"GET,POST"}},
		"--http-allow-url \"(\"":               {HTTPAllowURL: []string{"("}},
		"--http-disallow-url":                  {HTTPDisallowURL: []string{"a", "["}},
		"--http-allow-header":                  {HTTPAllowHeader: []string{"X-Name"}},
		"--http-disallow-header":               {HTTPDisallowHeader: []string{"X: ("}},
		"--http-basic-auth-filter":             {HTTPBasicAuthFilter: []string{"("}},
		"--http-header-limiter \"x: 25\"":      {HTTPHeaderLimiter: []string{"x: 25"}},
		"--http-param-limiter \"x: 101%\"":     {HTTPParamLimiter: []string{"x: 101%"}},
		"--http-param-limiter \"x: 1/0\"":      {HTTPParamLimiter: []string{"x: 1/0"}},
		"--http-set-header":                    {HTTPSetHeader: []string{"a b: c"}},
		"--http-set-header \"X: a\\r\\nY: b\"": {HTTPSetHeader: []string{"X: a\r\nY: b"}},
		"--http-set-param":                     {HTTPSetParam: []string{"a"}},
		"--http-rewrite-url \"/a\"":            {HTTPRewriteURL: []string{"/a"}},
		"--http-rewrite-url \"(:x\"":           {HTTPRewriteURL: []string{"(:x"}},
		"--http-rewrite-header":                {HTTPRewriteHeader: []string{"Host: a"}},
		"--http-rewrite-body":                  {HTTPRewriteBody: []string{":a"}},
		"--middleware":                         {Middleware: "no-such-program"},
	} {
		if _, err := New(cfg); err == nil || !strings.Contains(err.Error(), flag) {
			t.Errorf("%s: %v", flag, err)
		}
	}
}

func TestMiddlewareComesBeforeTheFilters(t *testing.T) {
	testutil.CheckLeaks(t)
	// GET becomes PUT, in hexadecimal.
	c, got := start(t, Config{Middleware: "sed -u s/474554/505554/", HTTPAllowMethod: []string{"PUT"}})
	put(t, c, record.Request, "1", "GET / HTTP/1.1\r\n\r\n")
	put(t, c, record.Request, "2", "POST / HTTP/1.1\r\n\r\n")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := c.Close(ctx); err != nil {
		t.Fatal(err)
	}
	if len(*got) != 1 || string((*got)[0].Data) != "PUT / HTTP/1.1\r\n\r\n" || dropped(c) != "method:1" {
		t.Errorf("%d came out, dropped %s", len(*got), dropped(c))
	}
}
