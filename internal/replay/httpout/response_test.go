package httpout

import (
	"bytes"
	"fmt"
	"testing"
)

// reading is what a reader made of some bytes, in words.
func reading(method string, data []byte, cuts ...int) string {
	q, _ := parseRequest([]byte(method + " / HTTP/1.1\r\nUpgrade: x\r\n\r\n"))
	var p response
	p.begin(&q, true)
	out := ""
	at := 0
	for _, to := range append(cuts, len(data)) {
		for at < to {
			n, e, err := p.feed(data[at:to])
			at += n
			if err != nil {
				return out + "error"
			}
			switch e {
			case interim:
				out += "interim "
			case final:
				return out + fmt.Sprintf("%d at %d keep=%v upgraded=%v %s", p.status, at, p.keepAlive, p.upgraded, p.location)
			}
		}
	}
	return out + fmt.Sprintf("more, at the end %v", p.eof())
}

var responses = []struct{ name, method, data, want string }{
	{"length", "GET", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcrest", "200 at 41 keep=true upgraded=false "},
	{"no reason", "GET", "HTTP/1.1 200\nContent-LENGTH:3\n\nabc", "200 at 34 keep=true upgraded=false "},
	{"close", "GET", "HTTP/1.1 200 OK\r\nConnection: foo, Close\r\nContent-Length: 0\r\n\r\n", "200 at 62 keep=false upgraded=false "},
	{"1.0", "GET", "HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", "200 at 38 keep=false upgraded=false "},
	{"1.0 keep-alive", "GET", "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n", "200 at 62 keep=true upgraded=false "},
	{"until close", "GET", "HTTP/1.1 200 OK\r\n\r\nabc", "more, at the end true"},
	{"cut", "GET", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab", "more, at the end false"},
	{"chunked", "GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, Chunked\r\nContent-Length: 1\r\n\r\nA;x=\"y\"\r\n0123456789\r\n3\nabc\n00\r\nTrailer: x\r\n\r\nrest", "200 at 117 keep=true upgraded=false "},
	{"other coding", "GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nabc", "more, at the end true"},
	{"head", "HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 30\r\n\r\nHTTP", "200 at 39 keep=true upgraded=false "},
	{"head, chunked", "HEAD", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "200 at 47 keep=true upgraded=false "},
	{"204", "GET", "HTTP/1.1 204 None\r\nContent-Length: 30\r\n\r\n", "204 at 41 keep=true upgraded=false "},
	{"304", "GET", "HTTP/1.1 304 Same\r\nContent-Length: 30\r\n\r\n", "304 at 41 keep=true upgraded=false "},
	{"interim", "GET", "HTTP/1.1 100 Continue\r\nConnection: close\r\n\r\nHTTP/1.1 103 Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na", "interim interim 200 at 114 keep=true upgraded=false "},
	{"upgrade", "GET", "HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n\x81", "101 at 38 keep=true upgraded=true "},
	{"tunnel", "CONNECT", "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nabc", "200 at 38 keep=true upgraded=true "},
	{"redirect", "GET", "HTTP/1.1 302 Found\r\nLOCATION:  /there \r\nContent-Length: 0\r\n\r\n", "302 at 61 keep=true upgraded=false /there"},
	{"empty line before", "GET", "\r\nHTTP/1.1 204 None\r\n\r\n", "204 at 23 keep=true upgraded=false "},
	{"unknown status", "GET", "HTTP/1.1 999 What\r\nContent-Length: 0\r\n\r\n", "999 at 40 keep=true upgraded=false "},
	{"two lengths", "GET", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabc", "error"},
	{"bad length", "GET", "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\nabc", "error"},
	{"bad chunk", "GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", "error"},
	{"bad chunk end", "GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n", "error"},
	{"garbage", "GET", "SSH-2.0-OpenSSH_9\r\n", "error"},
	{"http/2", "GET", "HTTP/2.0 200 OK\r\n\r\n", "error"},
	{"endless head", "GET", "HTTP/1.1 200 OK\r\nA: " + string(bytes.Repeat([]byte("a"), maxHead)), "error"},
}

func TestResponsesAreFramed(t *testing.T) {
	for _, c := range responses {
		if got := reading(c.method, []byte(c.data)); got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
}

func TestAnySplitOfAResponseGivesTheSame(t *testing.T) {
	for _, c := range responses {
		if len(c.data) > 1000 {
			continue
		}
		var every []int
		for i := range len(c.data) {
			every = append(every, i)
			for j := range i {
				if got := reading(c.method, []byte(c.data), j, i); got != c.want {
					t.Fatalf("%s cut at %d and %d: got %q, want %q", c.name, j, i, got, c.want)
				}
			}
		}
		if got := reading(c.method, []byte(c.data), every...); got != c.want {
			t.Errorf("%s byte by byte: got %q, want %q", c.name, got, c.want)
		}
	}
}

func FuzzResponse(f *testing.F) {
	for _, c := range responses {
		f.Add(c.method, []byte(c.data), 3, 40)
	}
	f.Fuzz(func(t *testing.T, method string, data []byte, i, j int) {
		i = min(max(i, 0), len(data))
		j = min(max(j, i), len(data))
		if whole, split := reading(method, data), reading(method, data, i, j); whole != split {
			t.Fatalf("whole %q, cut at %d and %d %q", whole, i, j, split)
		}
	})
}
