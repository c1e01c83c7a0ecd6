package http2

import (
	"testing"

	xhttp2 "golang.org/x/net/http2"

	"gortap/internal/proto"
	"gortap/internal/proto/prototest"
)

type nullSink struct{}

func (nullSink) Opened(*proto.Conn)                                        {}
func (nullSink) Closed(*proto.Conn)                                        {}
func (nullSink) Begin(*proto.Exchange)                                     {}
func (nullSink) Bytes(*proto.Exchange, proto.Side, int64)                  {}
func (nullSink) Messages(*proto.Exchange, proto.Side, int64, int64)        {}
func (nullSink) Unattributed(*proto.Conn, proto.Side, int64, proto.Reason) {}
func (nullSink) Residual(*proto.Conn, proto.Reason)                        {}
func (nullSink) Done(*proto.Exchange)                                      {}

func newQuiet() *parser {
	return NewFactory(Options{}).New(proto.Env{Conn: &proto.Conn{}, Sink: nullSink{}}).(*parser)
}

// feed gives bytes of s to p as segments of at most mss bytes.
func feed(p proto.Parser, s proto.Side, b []byte, mss int) {
	for len(b) > 0 {
		n := min(len(b), mss)
		p.Data(s, b[:n], 1)
		b = b[n:]
	}
}

// download is a call in progress and a run of its DATA frames: as plain HTTP,
// or as gRPC messages.
func download(contentType, frame string, frames int) (head prototest.Script, run []byte) {
	w := opened()
	w.headers(client, 1, true, ":method: GET", ":scheme: http", ":path: /", ":authority: h", "content-type: "+contentType)
	w.headers(server, 1, false, ":status: 200", "content-type: "+contentType)
	head = w.script
	for range frames {
		w.data(server, 1, false, frame)
		run = append(run, w.script[len(w.script)-1].Data...)
	}
	return head, run
}

func TestDataFramesDoNotAllocate(t *testing.T) {
	for contentType, frame := range map[string]string{"text/plain": string(make([]byte, 1000)), "application/grpc": message(300) + message(300)} {
		p := newQuiet()
		head, run := download(contentType, frame, 50)
		for _, e := range head {
			p.Data(e.Side, e.Data, 1)
		}
		if n := testing.AllocsPerRun(100, func() { feed(p, server, run, 1448) }); n != 0 {
			t.Errorf("%s: %v allocations in 50 frames", contentType, n)
		}
	}
}

// requests is a run of n requests with their responses.

func requests(n int) prototest.Script {
	w := opened()
	for id := uint32(1); id < uint32(2*n); id += 2 {
		w.headers(client, id, true, ":method: GET", ":scheme: http", ":path: /api/v1/things", ":authority: example.org", "user-agent: test")
		w.frame(server, func(f *xhttp2.Framer) error { return f.WriteWindowUpdate(0, 1000) })
		w.headers(server, id, false, ":status: 200", "content-type: application/json")
		w.data(server, id, true, string(make([]byte, 500)))
	}
	return w.script
}

func TestRequestsDoNotAllocateOnceTheTablesAreThere(t *testing.T) {
	sc := requests(2000)
	p := newQuiet()
	i := 0
	next := func() {
		for range 4 {
			p.Data(sc[i].Side, sc[i].Data, 1)
			i++
		}
	}
	for range 300 {
		next()
	}
	if n := testing.AllocsPerRun(1000, next); n != 0 {
		t.Errorf("%v allocations a request", n)
	}
}

func benchmarkDownload(b *testing.B, contentType, frame string) {
	p := newQuiet()
	head, run := download(contentType, frame, 64)
	for _, e := range head {
		p.Data(e.Side, e.Data, 1)
	}
	b.SetBytes(int64(len(run)))
	b.ReportAllocs()
	for b.Loop() {
		feed(p, server, run, 1448)
	}
}

func BenchmarkDataFrames16K(b *testing.B) {
	benchmarkDownload(b, "text/plain", string(make([]byte, 16<<10)))
}

func BenchmarkDataFrames100B(b *testing.B) {
	benchmarkDownload(b, "text/plain", string(make([]byte, 100)))
}

func BenchmarkMessages100B(b *testing.B) { benchmarkDownload(b, "application/grpc", message(95)) }

// BenchmarkRequests is one request with a response of 500 bytes an operation.
func BenchmarkRequests(b *testing.B) {
	sc := requests(100_000)
	b.ReportAllocs()
	p, i := newQuiet(), 0
	for b.Loop() {
		for range 4 {
			if i == len(sc) {
				p, i = newQuiet(), 0
			}
			p.Data(sc[i].Side, sc[i].Data, 1)
			i++
		}
	}
}

// BenchmarkSearch is how fast bytes are passed over that have no frame in them.
func BenchmarkSearch(b *testing.B) {
	noise := make([]byte, 64<<10)
	for i := range noise {
		noise[i] = byte(i * i >> 3)
	}
	p := NewFactory(Options{}).New(proto.Env{Conn: &proto.Conn{}, Sink: nullSink{}, MidStream: true})
	b.SetBytes(int64(len(noise)))
	b.ReportAllocs()
	for b.Loop() {
		feed(p, server, noise, 1448)
	}
}
