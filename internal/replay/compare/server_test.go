package compare

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"gortap/internal/record"
)

// shop is a server in one of its versions.
func shop(t *testing.T, version string, price int) string {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Version", version)
		w.Header().Set("X-Request-Id", fmt.Sprintf("%s-%d", version, time.Now().UnixNano()))
		if r.URL.Path == "/health" {
			w.Header().Del("X-Version")
			fmt.Fprint(w, "fine")
			return
		}
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		fmt.Fprintf(w, `{"path":%q,"price":%d,`, strings.TrimPrefix(r.URL.Path, "/items/"), price)
		if version == "2" {
			w.(http.Flusher).Flush() // in chunks
		}
		fmt.Fprint(w, `"stock":[1,2,3]}`)
	}))
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

// ask sends a request and returns the bytes of the answer.
func ask(t *testing.T, addr, request string) string {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := io.WriteString(c, request); err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(c)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestTwoServersDifferInExactlyWhatWasChanged(t *testing.T) {
	r := newRig(t, Config{})
	before, after := shop(t, "1", 5), shop(t, "2", 1200)
	out := r.c.Output()
	for n := range 80 {
		path := fmt.Sprintf("/items/%d", n)
		if n%2 == 0 {
			path = "/health"
		}
		request := "GET " + path + " HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n\r\n"
		latency := time.Millisecond + time.Duration(n%5)*time.Microsecond
		slower := latency
		if n%2 != 0 {
			slower += 20 * time.Millisecond
		}
		out.Put(rec(n, record.Request, request, 0), 0)
		r.c.Candidate(rec(n, record.Replayed, ask(t, after, request), slower))
		out.Put(rec(n, record.Response, ask(t, before, request), latency), 0)
	}
	got := r.result()
	wantLines(t, got,
		"different GET /items/{id}: header x-version x40",
		"different GET /items/{id}: json $.price x40",
		"slower GET /items/{id}: latency x40")
	if got.Compared != 80 || got.Different != 40 || out.Stats().Taken != 160 {
		t.Errorf("compared %d, different %d, taken %d", got.Compared, got.Different, out.Stats().Taken)
	}
	if s := got.Findings[2].Shifts[0]; s.Candidate-s.Reference < 0.0195 || s.Candidate-s.Reference > 0.0205 {
		t.Errorf("the median moved by %g s", s.Candidate-s.Reference)
	}
}

func TestRequestsLeftOutOnPurposeAreNotMissing(t *testing.T) {
	r := newRig(t, Config{Sampled: true})
	for n := range 10 {
		r.request(n, "GET /a HTTP/1.1")
		r.c.Original(rec(n, record.Response, answer("x"), 0))
		if n == 0 {
			r.c.Candidate(rec(n, record.Replayed, answer("x"), 0))
		}
	}
	if got := r.result(); got.Exceeded || got.Unpaired["no-replay"] != 0 || got.Compared != 1 {
		t.Errorf("%+v", got)
	}
}
