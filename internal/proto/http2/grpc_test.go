package http2

import (
	"bufio"
	"compress/gzip"
	"encoding/hex"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"gortap/internal/flow"
	"gortap/internal/proto"
	"gortap/internal/proto/prototest"
)

// message is a length-prefixed message of n bytes.
func message(n int) string {
	return "\x00" + string([]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}) + strings.Repeat("m", n)
}

func (w *wire) call(id uint32, path string) {
	w.headers(client, id, false, ":method: POST", ":scheme: http", ":path: "+path, ":authority: h",
		"content-type: application/grpc+proto", "te: trailers")
}

func TestACallHasItsMessagesAndItsStatus(t *testing.T) {
	w := opened()
	w.call(1, "/s.S/Unary")
	w.data(client, 1, true, message(10))
	w.headers(server, 1, false, ":status: 200", "content-type: application/grpc")
	w.data(server, 1, false, message(0)+message(300)+message(7)[:3])
	w.data(server, 1, false, message(7)[3:])
	w.headers(server, 1, true, "grpc-status: 13", "grpc-message: m")
	w.call(3, "/s.S/TrailersOnly")
	w.headers(server, 3, true, ":status: 200", "content-type: application/grpc", "grpc-status: 12")
	w.expect(t, `
		0 grpc POST h /s.S/Unary 200 request 77/15 response 398/322
		1 grpc POST h /s.S/TrailersOnly 200 request 29/0!aborted response 16/0
		request h2-connection 33
		response h2-connection 9
		0 code 13
		0 request messages 1/10
		0 response messages 3/307
		1 code 12`)
}

func TestAStreamingCallIsCountedWhileItRuns(t *testing.T) {
	w := opened()
	w.call(1, "/s.S/Stream")
	w.headers(server, 1, false, ":status: 200", "content-type: application/grpc")
	for range 5 {
		w.data(server, 1, false, message(100))
	}
	l := prototest.NewLedger()
	p := NewFactory(Options{}).New(proto.Env{Conn: &proto.Conn{}, Sink: l}).(*parser)
	for i, e := range w.script {
		p.Data(e.Side, e.Data, 1)
		if sent := i - 4; sent > 0 && p.streams[1].x.Response.Messages != int64(sent) {
			t.Errorf("after %d messages: %d", sent, p.streams[1].x.Response.Messages)
		}
	}
}

func TestNumbers(t *testing.T) {
	for text, want := range map[string]int{"0": 0, "16": 16, "999": 999, "1000": -1, "": -1, "1x": -1, "-1": -1, "99999999999999999999": -1} {
		if n, ok := number([]byte(text), 999); (ok && n != want) || ok != (want >= 0) {
			t.Errorf("%q: %d, %v", text, n, ok)
		}
	}
}

func TestContentTypesThatAreGRPC(t *testing.T) {
	for text, want := range map[string]bool{
		"application/grpc": true, "application/grpc+json": true, "application/grpc; charset=utf-8": true,
		"application/grpc-web": false, "application/grpc-web-text": false, "application/json": false, "": false,
	} {
		if got := isGRPC([]byte(text)); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
}

// What a call is may be told by the response alone, when the content type of
// the request was sent before the capture began.
func TestACallIsKnownByItsResponseIfNeedBe(t *testing.T) {
	w := opened()
	w.call(1, "/s.S/M")
	n := len(w.script)
	w.call(3, "/s.S/M")
	w.data(client, 3, true, message(5))
	w.headers(server, 3, false, ":status: 200", "content-type: application/grpc")
	w.data(server, 3, false, message(6))
	w.headers(server, 3, true, "grpc-status: 0")
	l := play(t, w.from(n, 0), proto.Env{MidStream: true}, Options{}, prototest.Whole, proto.Complete)
	want(t, l, `
		0 grpc POST - (unknown) 200 request 34/10!mid-stream response 64/11
		0 code 0
		0 request messages 1/5
		0 response messages 1/6`)
}

func TestMessagesAreCountedAcrossGapsOfKnownPlace(t *testing.T) {
	for _, c := range []struct {
		name     string
		from, to int // in the frame's payload: a prefix at 0, at 105 and at 210
		why      flow.Gap
		counted  int64
		want     proto.Reason
	}{
		{"inside a message", 10, 100, flow.Skipped, 3, proto.Complete},
		{"up to its end", 10, 105, flow.Skipped, 3, proto.Complete},
		{"up to the end of the last one", 220, 315, flow.Skipped, 3, proto.Complete},
		{"inside a message, lost", 10, 100, flow.Lost, 3, proto.Lost},
		{"into a prefix", 10, 106, flow.Skipped, 0, proto.SkippedBytes},
		{"in a prefix", 106, 107, flow.Truncated, 1, proto.Truncated},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := opened()
			w.call(1, "/s.S/M")
			w.headers(server, 1, false, ":status: 200", "content-type: application/grpc")
			w.data(server, 1, false, message(100)+message(100)+message(100))
			w.gap(0, 9+c.from, 9+c.to, c.why)
			w.headers(server, 1, true, "grpc-status: 0")
			l := play(t, w.script, proto.Env{}, Options{}, prototest.Whole, proto.Complete)
			if m := l.Exchanges[0].Response; m.Messages != c.counted || m.Incomplete != c.want || m.Body != 315 {
				t.Errorf("got %d messages, %s, body %d", m.Messages, m.Incomplete, m.Body)
			}
		})
	}
}

func TestMessagesSurviveAnySplit(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for range 300 {
		var all string
		var count, size int64
		for range r.IntN(20) {
			n := r.IntN(50) * r.IntN(50)
			all, count, size = all+message(n), count+1, size+int64(n)
		}
		var m rpc
		for b := []byte(all); len(b) > 0; {
			n := 1 + r.IntN(min(len(b), 300))
			m.data(b[:n])
			b = b[n:]
		}
		if m.messages != count || m.bytes != size {
			t.Fatalf("got %d messages of %d bytes, want %d of %d", m.messages, m.bytes, count, size)
		}
	}
}

func TestBytesThatAreNoMessagesAreNotCounted(t *testing.T) {
	var m rpc
	m.data([]byte("this is not gRPC, whatever the content type says"))
	if m.messages != 0 || !m.lost {
		t.Errorf("%+v", m)
	}
}

// recording returns the connection in a file of lines "side hex".
func recording(t *testing.T, path string) (sc prototest.Script) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(z)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		side, text, _ := strings.Cut(lines.Text(), " ")
		b, err := hex.DecodeString(text)
		if err != nil {
			t.Fatal(err)
		}
		sc.From(map[string]proto.Side{"client": client, "server": server}[side], b...)
	}
	return sc
}

// The recording is of grpc-go 1.85 on both ends: three unary calls (one of them
// fails, one is for a method that is not there), a stream of five messages each
// way, a unary call with a large message, and a stream that its client cancels.
// Messages are echoed three times over.
func TestCallsOfARealClientAndServer(t *testing.T) {
	sc := recording(t, "testdata/grpc-go.txt.gz")
	l := play(t, sc, proto.Env{}, Options{}, prototest.Whole, proto.Complete)
	want(t, l, `
		0 grpc POST x /test.Echo/Unary 200 request 85/12 response 87/22
		1 grpc POST x /test.Echo/Unary 200 request 36/11 response 28/0
		2 grpc POST x /test.Echo/Nope 200 request 45/8 response 49/0
		3 grpc POST x /test.Echo/Bidi 200 request 4126/4044 response 12121/12054
		4 grpc POST x /test.Echo/Unary 200 request 7033/7008 response 21049/21009
		5 grpc POST x /test.Echo/Bidi 200 request 62/24!aborted response 78/58!aborted
		request h2-connection 524
		response h2-connection 477
		0 code 0
		0 request messages 1/7
		0 response messages 1/17
		1 code 5
		1 request messages 1/6
		2 code 12
		2 request messages 1/3
		3 code 0
		3 request messages 5/4019
		3 response messages 5/12029
		4 code 0
		4 request messages 1/7003
		4 response messages 1/21004
		5 request messages 1/19
		5 response messages 1/53`)
	again(t, sc)
}
