package http1

import (
	"fmt"
	"strings"
	"testing"

	"gortap/internal/flow"
	"gortap/internal/proto"
)

// discard is a sink that takes everything.
type discard struct{ done int }

func (d *discard) Opened(*proto.Conn)                                        {}
func (d *discard) Closed(*proto.Conn)                                        {}
func (d *discard) Begin(*proto.Exchange)                                     {}
func (d *discard) Bytes(*proto.Exchange, proto.Side, int64)                  {}
func (d *discard) Messages(*proto.Exchange, proto.Side, int64, int64)        {}
func (d *discard) Unattributed(*proto.Conn, proto.Side, int64, proto.Reason) {}
func (d *discard) Residual(*proto.Conn, proto.Reason)                        {}
func (d *discard) Done(*proto.Exchange)                                      { d.done++ }
func (d *discard) Switch(*proto.Exchange, []byte, [2][]byte)                 {}

const (
	browserGet = "GET /assets/app.js?v=20240131 HTTP/1.1\r\nHost: www.example.com\r\nConnection: keep-alive\r\n" +
		"User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/121.0.0.0 Safari/537.36\r\n" +
		"Accept: */*\r\nReferer: https://www.example.com/\r\nAccept-Encoding: gzip, deflate, br\r\nAccept-Language: en-GB,en;q=0.9\r\n" +
		"Cookie: session=0123456789abcdef0123456789abcdef; theme=dark\r\nIf-None-Match: \"5f3c-18d1a2\"\r\n\r\n"
	nginxOK = "HTTP/1.1 200 OK\r\nServer: nginx/1.24.0\r\nDate: Wed, 31 Jan 2024 12:00:00 GMT\r\nContent-Type: application/json\r\n" +
		"Content-Length: 128\r\nConnection: keep-alive\r\nVary: Accept-Encoding\r\nETag: \"65ba3b80-80\"\r\nCache-Control: no-cache\r\n\r\n"
)

func newParser(f *Factory, d *discard) proto.Parser {
	return f.New(proto.Env{Conn: &proto.Conn{}, Sink: d, Switch: d})
}

func TestExchangesAllocateNothing(t *testing.T) {
	response := []byte(nginxOK + strings.Repeat("x", 128))
	chunked := []byte("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n5\r\nworld\r\n0\r\n\r\n")
	request := []byte(browserGet)
	f, d := NewFactory(Limits{}), &discard{}
	p := newParser(f, d)
	whole := func() {
		p.Data(proto.Client, request, 1)
		p.Data(proto.Server, response, 2)
		p.Data(proto.Client, request, 3)
		p.Data(proto.Server, chunked, 4)
	}
	split := func() {
		p.Data(proto.Client, request[:100], 1)
		p.Data(proto.Client, request[100:], 1)
		p.Data(proto.Server, response[:10], 2)
		p.Data(proto.Server, response[10:200], 2)
		p.Data(proto.Server, response[200:], 2)
	}
	pipelined := func() {
		p.Data(proto.Client, request, 1)
		p.Data(proto.Client, request, 1)
		p.Data(proto.Server, response, 2)
		p.Data(proto.Server, response, 2)
	}
	skips := func() {
		p.Data(proto.Client, request, 1)
		p.Data(proto.Server, response[:len(response)-100], 2)
		p.Gap(proto.Server, 100, flow.Skipped, 2)
	}
	connection := func() {
		q := f.New(proto.Env{Conn: &proto.Conn{}, Sink: d, Switch: d})
		q.Data(proto.Client, request, 1)
		q.Data(proto.Server, response, 2)
		q.Close(proto.Complete, 3)
	}
	for name, run := range map[string]func(){"whole": whole, "split": split, "pipelined": pipelined, "skipped": skips} {
		run() // buffers grow to their size once
		if n := testing.AllocsPerRun(200, run); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
	connection()
	if n := testing.AllocsPerRun(200, connection); n > 1 { // the Conn is the test's
		t.Errorf("connection: %v allocations", n)
	}
}

func BenchmarkSmallExchange(b *testing.B) {
	request, response := []byte(browserGet), []byte(nginxOK+strings.Repeat("x", 128))
	p := newParser(NewFactory(Limits{}), &discard{})
	b.SetBytes(int64(len(request) + len(response)))
	b.ReportAllocs()
	for b.Loop() {
		p.Data(proto.Client, request, 1)
		p.Data(proto.Server, response, 2)
	}
}

func BenchmarkMinimalExchange(b *testing.B) {
	request, response := []byte(get), []byte(ok5)
	p := newParser(NewFactory(Limits{}), &discard{})
	b.SetBytes(int64(len(request) + len(response)))
	b.ReportAllocs()
	for b.Loop() {
		p.Data(proto.Client, request, 1)
		p.Data(proto.Server, response, 2)
	}
}

func BenchmarkConnection(b *testing.B) {
	request, response := []byte(browserGet), []byte(nginxOK+strings.Repeat("x", 128))
	f, d, conn := NewFactory(Limits{}), &discard{}, &proto.Conn{}
	b.ReportAllocs()
	for b.Loop() {
		p := f.New(proto.Env{Conn: conn, Sink: d, Switch: d})
		p.Data(proto.Client, request, 1)
		p.Data(proto.Server, response, 2)
		p.End(proto.Client, 3)
		p.End(proto.Server, 3)
		p.Close(proto.Complete, 3)
	}
}

// BenchmarkSkippedBody is 1 MiB of which the capture copied 2 KiB.
func BenchmarkSkippedBody(b *testing.B) {
	request := []byte(browserGet)
	response := []byte("HTTP/1.1 200 OK\r\nContent-Length: 1048576\r\n\r\n" + strings.Repeat("x", 2000))
	rest := int64(1048576 - 2000)
	p := newParser(NewFactory(Limits{}), &discard{})
	b.SetBytes(int64(len(request)) + 1048576)
	for b.Loop() {
		p.Data(proto.Client, request, 1)
		p.Data(proto.Server, response, 2)
		p.Gap(proto.Server, rest, flow.Skipped, 3)
	}
}

func BenchmarkBody(b *testing.B) {
	const segment = 1448
	body := strings.Repeat("0123456789abcdef", 1<<16)
	var chunks strings.Builder
	for rest := body; len(rest) > 0; rest = rest[4096:] {
		fmt.Fprintf(&chunks, "1000\r\n%s\r\n", rest[:4096])
	}
	for name, response := range map[string]string{
		"fixed":   "HTTP/1.1 200 OK\r\nContent-Length: 1048576\r\n\r\n" + body,
		"chunked": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks.String() + "0\r\n\r\n",
	} {
		b.Run(name, func(b *testing.B) {
			p := newParser(NewFactory(Limits{}), &discard{})
			request, response := []byte(browserGet), []byte(response)
			b.SetBytes(int64(len(request) + len(response)))
			b.ReportAllocs()
			for b.Loop() {
				p.Data(proto.Client, request, 1)
				for rest := response; len(rest) > 0; {
					n := min(segment, len(rest))
					p.Data(proto.Server, rest[:n], 2)
					rest = rest[n:]
				}
			}
		})
	}
}

// BenchmarkSeeking is a lost place in a large body.
func BenchmarkSeeking(b *testing.B) {
	p := newParser(NewFactory(Limits{}), &discard{})
	p.Data(proto.Client, []byte(get), 1)
	p.Data(proto.Server, []byte(chunkedOK), 2)
	p.Gap(proto.Server, 100, flow.Lost, 3)
	text := []byte(strings.Repeat("a line of forty characters or thereabouts\n", 1500))
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		p.Data(proto.Server, text, 4)
	}
}
