package websocket

import (
	"strings"
	"testing"

	"gortap/internal/flow"
	"gortap/internal/proto"
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

// frames is a run of n messages of size bytes.
func frames(s proto.Side, n, size int) (all []byte) {
	for range n {
		all = append(all, frameOf(s, fin|opBinary, strings.Repeat("b", size))...)
	}
	return all
}

// feed gives bytes to p in segments of 1448 bytes.
func feed(p proto.Parser, s proto.Side, b []byte) {
	for len(b) > 0 {
		n := min(len(b), 1448)
		p.Data(s, b[:n], 1)
		b = b[n:]
	}
}

func quiet(o Options) proto.Parser {
	return NewFactory(o).New(proto.Env{Conn: &proto.Conn{}, Sink: nullSink{}})
}

func TestMessagesDoNotAllocate(t *testing.T) {
	for _, s := range []proto.Side{client, server} {
		p, run := quiet(Options{}), frames(s, 50, 300)
		if n := testing.AllocsPerRun(100, func() { feed(p, s, run) }); n != 0 {
			t.Errorf("%s: %v allocations in 50 messages", s, n)
		}
	}
}

func TestInflatingDoesNotAllocateInSteadyState(t *testing.T) {
	var d deflater
	p := quiet(Options{Inflate: true})
	run := frameOf(server, fin|rsv1|opText, d.message(strings.Repeat("some text ", 100), false))
	for range 100 { // until the window is full
		feed(p, server, run)
	}
	if n := testing.AllocsPerRun(100, func() { feed(p, server, run) }); n != 0 {
		t.Errorf("%v allocations a message", n)
	}
}

func benchmark(b *testing.B, s proto.Side, size int) {
	p, run := quiet(Options{}), frames(s, 64, size)
	b.SetBytes(int64(len(run)))
	b.ReportAllocs()
	for b.Loop() {
		feed(p, s, run)
	}
}

func BenchmarkMessagesFromServer100B(b *testing.B) { benchmark(b, server, 100) }

func BenchmarkMessagesFromClient100B(b *testing.B) { benchmark(b, client, 100) }

func BenchmarkMessagesFromServer16K(b *testing.B) { benchmark(b, server, 16<<10) }

// BenchmarkSearch is how fast bytes are passed over that have no frames in them.
func BenchmarkSearch(b *testing.B) {
	p := quiet(Options{})
	p.Gap(server, 1, flow.Lost, 1)
	text := []byte(strings.Repeat("{\"key\": \"value\", \"n\": 12345}\n", 2000))
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		feed(p, server, text)
	}
}
