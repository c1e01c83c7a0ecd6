package http1

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"gortap/internal/proto"
	"gortap/internal/proto/prototest"
)

// Whatever a factory has read before, it makes the same of a connection.
func TestWhatWasReadBeforeChangesNothing(t *testing.T) {
	cases := append(wellFormed(), gaps()...)
	used := testFactory()
	r := rand.New(rand.NewPCG(7, 7))
	for range 5 * len(cases) {
		tc := cases[r.IntN(len(cases))]
		want := play(t, testFactory(), tc.mid, tc.script, prototest.Whole, proto.Complete).String()
		if got := play(t, used, tc.mid, tc.script, prototest.Whole, proto.Complete).String(); got != want {
			t.Fatalf("of %s\na factory that was used makes\n%s\na new one\n%s", render(tc.script), got, want)
		}
	}
}

// Field lines that came before may stand behind another start line, and lines that begin
// alike may say something else.
func TestTheSameFieldLinesOfAnotherMessage(t *testing.T) {
	requests := []string{
		"GET /a HTTP/1.1\r\nHost: one\r\n\r\n", "GET /a HTTP/1.1\r\nHost: two\r\n\r\n", "GET http://abs/a HTTP/1.1\r\nHost: one\r\n\r\n",
		"HEAD /a HTTP/1.1\r\nHost: one\r\n\r\n", "GET /a HTTP/1.1\r\nHost:\r\nHost: one\r\n\r\n", "GET /a HTTP/1.1\r\nHost: o\r\n ne\r\n\r\n",
		"POST /a HTTP/1.1\r\nHost: one\r\nContent-Length: 2\r\n\r\nhi", "POST /a HTTP/1.1\r\nHost: one\r\nContent-Length: 3\r\n\r\nhi!",
		"POST /a HTTP/1.1\nHost: one\ntransfer-encoding: chunked\n\n1\nx\n0\n\n", "POST /a HTTP/1.1\r\nX-Host: one\r\nContent-Length: 2\r\n\r\nhi",
		"GET /" + strings.Repeat("x", 1000) + " HTTP/1.1\r\nHost: one\r\n\r\n", "GET /a HTTP/1.1\r\nHost: one\r\nX: " + strings.Repeat("x", knownMax) + "\r\n\r\n",
	}
	responses := []string{
		"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n%s", "HTTP/1.1 204 OK\r\nContent-Length: 2\r\n\r\n%.0s",
		"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX: 1\r\n\r\n%s", "HTTP/1.1 100 Go on\r\nContent-Length: 2\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n%s",
	}
	used := testFactory()
	r := rand.New(rand.NewPCG(8, 8))
	for range 1000 {
		request, response, body := requests[r.IntN(len(requests))], responses[r.IntN(len(responses))], "ok"
		if strings.HasPrefix(request, "HEAD") {
			body = ""
		}
		sc := script(c(request), s(fmt.Sprintf(response, body)), c(request), s(fmt.Sprintf(response, body)))
		want := play(t, testFactory(), false, sc, prototest.Single, proto.Complete).String()
		if got := play(t, used, false, sc, prototest.Whole, proto.Complete).String(); got != want {
			t.Fatalf("of %s\na factory that was used makes\n%s\na new one, byte by byte,\n%s", render(sc), got, want)
		}
	}
}

func TestExactRequestLinesAreReadAlike(t *testing.T) {
	pieces := []string{"GET", "P\x7fST", "", " ", "\t", "  ", "/", "/a b", "/a\x01", "/%41\xff", "/12345678\x1f", "/1234567\x7f9", "HTTP/1.1", "HTTP/1.0", "HTTP/1.", "x"}
	r := rand.New(rand.NewPCG(9, 9))
	exact := 0
	for range 50_000 {
		line := ""
		for _, usual := range []string{"GET", " ", "/", " ", "HTTP/1.1"} {
			if r.IntN(3) > 0 {
				line += usual
			} else {
				line += pieces[r.IntN(len(pieces))]
			}
		}
		got, ok := exactRequestLine([]byte(line))
		if !ok {
			continue
		}
		exact++
		want, ok := lenientRequestLine([]byte(line))
		if !ok || string(got.method) != string(want.method) || string(got.target) != string(want.target) || got.version != want.version {
			t.Fatalf("%q is exactly %q %q, leniently %q %q (%v)", line, got.method, got.target, want.method, want.target, ok)
		}
	}
	if exact == 0 {
		t.Error("none was exact")
	}
}

func TestControlCharactersAreFoundAtAnyPlace(t *testing.T) {
	for n := 1; n < 30; n++ {
		for at := range n {
			for c := range 256 {
				b := []byte(strings.Repeat("/", n))
				b[at] = byte(c)
				if got, want := printable(b), c >= ' ' && c != 0x7f || c == '\t'; got != want {
					t.Fatalf("%q is printable: %v, want %v", b, got, want)
				}
			}
		}
	}
}
