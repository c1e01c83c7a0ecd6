package http2

import (
	"strings"
	"testing"

	xhttp2 "golang.org/x/net/http2"

	"gortap/internal/proto"
	"gortap/internal/proto/prototest"
)

// from returns the script without its first n events and the first skip bytes
// of the next.
func (w *wire) from(n, skip int) prototest.Script {
	sc := append(prototest.Script(nil), w.script[n:]...)
	sc[0].Data = sc[0].Data[skip:]
	return sc
}

// TestFromTheMiddleWhatRefersBackIsUnknown begins a capture at the second
// request: the first one had filled the header table.
func TestFromTheMiddleWhatRefersBackIsUnknown(t *testing.T) {
	w := opened()
	w.get(1, "/1")
	w.headers(server, 1, true, ":status: 200", "server: s")
	w.get(3, "/1")                                                                                // all of it indexed
	w.headers(server, 3, true, ":status: 200", "server: s")                                       // status static
	w.get(5, "/5")                                                                                // authority indexed
	w.headers(server, 5, true, ":status: 418")                                                    // literal
	w.headers(client, 7, true, ":method: GET", ":scheme: http", ":authority: other", ":path: /1") // path indexed
	w.headers(server, 7, true, ":status: 418")                                                    // indexed since stream 5
	w.get(9, "/5")                                                                                // path known by now
	w.headers(client, 11, true, ":method: GET", ":scheme: http", ":authority: other", ":path: /5")
	l := play(t, w.from(5, 0), proto.Env{MidStream: true}, Options{}, prototest.Whole, proto.Complete)
	want(t, l, `
		0 h2 GET - (unknown) 200 request 13/0!mid-stream response 11/0!mid-stream
		1 h2 GET - /5 418 request 16/0!mid-stream response 14/0
		2 h2 GET other (unknown) 418 request 18/0!mid-stream response 10/0
		3 h2 GET - /5 0 request 13/0!mid-stream response 0/0!no-response
		4 h2 GET other /5 0 request 13/0 response 0/0!no-response`)
}

func TestFromTheMiddleOfAFrameTheNextOneIsFound(t *testing.T) {
	w := opened()
	w.get(1, "/1")
	w.headers(server, 1, false, ":status: 200")
	w.data(server, 1, false, strings.Repeat("payload\x00\x00\x08\x00\x01\x00\x00\x00\x01 like frames", 500))
	w.headers(client, 3, false, ":method: POST", ":scheme: http", ":authority: h", ":path: /3")
	w.data(client, 3, true, "body")
	w.data(server, 1, true, "end")
	w.headers(server, 3, true, ":status: 200")
	l := play(t, w.from(5, 4000), proto.Env{MidStream: true}, Options{}, prototest.Whole, proto.Complete)
	want(t, l, `
		0 h2 POST h /3 200 request 31/4 response 10/0
		response mid-stream 10021`)
}

func TestStreamsThatBeganBeforeTheCaptureAreCountedAsFarAsTheyTell(t *testing.T) {
	w := opened()
	w.get(1, "/1")
	w.headers(client, 3, false, ":method: POST", ":scheme: http", ":authority: h", ":path: /3")
	n := len(w.script)
	w.frame(server, func(f *xhttp2.Framer) error { return f.WriteWindowUpdate(3, 100) })
	w.data(client, 3, false, "the rest of ")
	w.headers(server, 1, false, ":status: 200")
	w.data(client, 3, true, "the request")
	w.get(5, "/5")
	w.data(server, 1, true, "body")
	w.headers(server, 3, true, ":status: 200")
	w.headers(server, 5, true, ":status: 200")
	l := play(t, w.from(n, 0), proto.Env{MidStream: true}, Options{}, prototest.Whole, proto.Complete)
	want(t, l, `
		0 h2 - - - 200 request 0/0!no-request response 23/4
		1 h2 GET - /5 200 request 16/0!mid-stream response 10/0
		2 h2 - - - 200 request 0/0!no-request response 10/0
		request mid-stream 41
		response h2-connection 13`)
}

func TestDetect(t *testing.T) {
	w := opened()
	w.get(1, "/")
	w.headers(server, 1, false, ":status: 200")
	w.data(server, 1, false, "some data")
	w.frame(client, func(f *xhttp2.Framer) error { return f.WritePing(false, [8]byte{}) })
	frame := func(i int) string { return string(w.script[i].Data) }
	cases := []struct {
		name, bytes string
		first, mid  proto.Verdict
		sure        bool // in the middle; at first only the preface is
	}{
		{"preface", preface + "more", proto.FromClient, proto.FromClient, true},
		{"part of a preface", preface[:20], proto.More, proto.More, false},
		{"server settings", frame(2), proto.FromServer, proto.FromServer, false},
		{"request headers", frame(3), proto.No, proto.FromClient, true},
		{"response headers", frame(4), proto.No, proto.FromServer, true},
		{"data, and what follows", frame(5) + frame(4), proto.No, proto.FromServer, true},
		{"data alone", frame(5), proto.No, proto.More, false},
		{"ping", frame(6), proto.No, proto.FromClient, false},
		{"part of a frame header", frame(3)[:3], proto.More, proto.More, false},
		{"part of a header block", frame(3)[:15], proto.No, proto.More, false},
		{"HTTP/1", "GET / HTTP/1.1\r\n", proto.No, proto.No, false},
		{"TLS", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", proto.No, proto.No, false},
		{"zeros", strings.Repeat("\x00", 100), proto.No, proto.No, false},
		{"nothing", "", proto.More, proto.More, false},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if v, sure := Detect([]byte(c.bytes)); v != c.first || sure != (v == proto.FromClient) {
				t.Errorf("at first: got %d, sure %v", v, sure)
			}
			if v, sure := DetectMid([]byte(c.bytes)); v != c.mid || sure != c.sure {
				t.Errorf("in the middle: got %d, sure %v", v, sure)
			}
		})
	}
}
