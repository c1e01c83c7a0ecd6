package http2

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	xhttp2 "golang.org/x/net/http2"

	"gortap/internal/flow"
	"gortap/internal/proto"
	"gortap/internal/proto/prototest"
)

func TestEachStreamIsAnExchangeAndEveryByteIsCredited(t *testing.T) {
	w := opened()
	w.get(1, "/a")
	w.headers(client, 3, false, ":method: POST", ":scheme: http", ":authority: example.org", ":path: /b")
	w.headers(server, 1, false, ":status: 200", "content-type: text/plain")
	w.data(client, 3, false, "hello ")
	w.data(server, 1, false, "first")
	w.data(client, 3, true, "world")
	w.headers(server, 3, true, ":status: 204")
	w.data(server, 1, true, "")
	l := w.expect(t, `
		0 h2 GET example.org /a 200 request 25/0 response 42/5
		1 h2 POST example.org /b 204 request 45/11 response 10/0
		request h2-connection 33
		response h2-connection 9`)
	if len(l.Depths) != 1 || l.Depths[0] != flow.DepthAll {
		t.Errorf("asked for depths %v, want all of it once", l.Depths)
	}
	first := l.Exchanges[1] // stream 3 ended first
	if got := [4]int64{first.Request.FirstNs, first.Request.LastNs, first.Response.FirstNs, first.Response.LastNs}; got != [4]int64{4000, 4000, 6000, 11000} {
		t.Errorf("times of the first exchange: %v", got)
	}
}

func TestHeaderBlocksMayBeSplitPaddedAndPrioritised(t *testing.T) {
	w := opened()
	block := w.block(client, ":method: GET", ":scheme: http", ":path: /split", ":authority: h")
	w.frame(client, func(f *xhttp2.Framer) error {
		return f.WriteHeaders(xhttp2.HeadersFrameParam{
			StreamID: 1, BlockFragment: block[:3], EndStream: true, PadLength: 7,
			Priority: xhttp2.PriorityParam{StreamDep: 5, Weight: 3},
		})
	})
	w.frame(client, func(f *xhttp2.Framer) error { return f.WriteContinuation(1, false, block[3:5]) })
	w.frame(client, func(f *xhttp2.Framer) error { return f.WriteContinuation(1, false, nil) })
	w.frame(client, func(f *xhttp2.Framer) error { // with a flag that means padding elsewhere
		return f.WriteRawFrame(xhttp2.FrameContinuation, flagEndHeaders|flagPadded, 1, block[5:])
	})
	w.headers(server, 1, false, ":status: 200")
	w.frame(server, func(f *xhttp2.Framer) error { return f.WriteDataPadded(1, false, []byte("abc"), make([]byte, 20)) })
	w.frame(server, func(f *xhttp2.Framer) error { return f.WriteDataPadded(1, true, nil, make([]byte, 0)) })
	w.expect(t, `
		0 h2 GET h /split 200 request 61/0 response 53/3
		request h2-connection 33
		response h2-connection 9`)
}

func TestInterimResponsesAndTrailersDoNotChangeTheStatus(t *testing.T) {
	w := opened()
	w.get(1, "/")
	w.headers(server, 1, false, ":status: 103", "link: x")
	w.headers(server, 1, false, ":status: 404")
	w.data(server, 1, false, "no")
	w.headers(server, 1, true, "x-trailer: yes")
	l := w.expect(t, `
		0 h2 GET example.org / 404 request 22/0 response 59/2
		request h2-connection 33
		response h2-connection 9`)
	if got := l.Exchanges[0].Response.FirstNs; got != 6000 {
		t.Errorf("response begins at %d ns, want that of its final head", got)
	}
}

func TestFramesOfStreamsGoToThemAndOthersToTheConnection(t *testing.T) {
	w := opened()
	w.frame(client, func(f *xhttp2.Framer) error { return f.WritePriority(3, xhttp2.PriorityParam{Weight: 200}) }) // never opened
	w.get(1, "/")
	w.frame(client, func(f *xhttp2.Framer) error { return f.WriteWindowUpdate(1, 100) })
	w.frame(client, func(f *xhttp2.Framer) error { return f.WriteWindowUpdate(0, 100) })
	w.frame(client, func(f *xhttp2.Framer) error { return f.WriteRawFrame(0x42, 0, 1, []byte("extension")) })
	w.frame(server, func(f *xhttp2.Framer) error { return f.WritePing(false, [8]byte{}) })
	w.headers(server, 1, true, ":status: 200")
	w.frame(client, func(f *xhttp2.Framer) error { return f.WriteWindowUpdate(1, 100) }) // late
	w.data(server, 1, true, "late")
	w.expect(t, `
		0 h2 GET example.org / 200 request 53/0 response 10/0
		request h2-connection 73
		response after-message 13
		response h2-connection 26`)
}

func TestAPushedResponseHasItsPromisedRequest(t *testing.T) {
	w := opened()
	w.get(1, "/index")
	w.frame(server, func(f *xhttp2.Framer) error {
		return f.WritePushPromise(xhttp2.PushPromiseParam{
			StreamID: 1, PromiseID: 2, EndHeaders: true,
			BlockFragment: w.block(server, ":method: GET", ":scheme: http", ":authority: example.org", ":path: /style"),
		})
	})
	w.headers(server, 1, true, ":status: 200")
	w.headers(server, 2, false, ":status: 200")
	w.data(server, 2, true, "body")
	w.frame(client, func(f *xhttp2.Framer) error { return f.WriteWindowUpdate(2, 10) })
	w.expect(t, `
		0 h2 GET example.org /index 200 request 28/0 response 42/0
		1 h2 GET example.org /style 200 request 0/0 response 23/4
		request h2-connection 46
		response h2-connection 9`)
}

func TestWhatPeersMustNotSendIsCountedAndChangesNothing(t *testing.T) {
	push := func(w *wire, s proto.Side, on, promised uint32) {
		w.frame(s, func(f *xhttp2.Framer) error {
			return f.WritePushPromise(xhttp2.PushPromiseParam{
				StreamID: on, PromiseID: promised, EndHeaders: true, BlockFragment: []byte{0x82, 0x86, 0x84},
			})
		})
	}
	cases := []struct {
		name  string
		write func(w *wire)
		side  proto.Side
		why   proto.Reason
		bytes int64
	}{
		{"a request on an even stream", func(w *wire) { w.headers(client, 2, true, ":method: GET", ":path: /2") }, client, proto.AfterMessage, 14},
		{"trailers of nothing", func(w *wire) { w.headers(client, 9, true, "x: y") }, client, proto.AfterMessage, 14},
		{"a continuation of nothing", func(w *wire) {
			w.frame(client, func(f *xhttp2.Framer) error { return f.WriteContinuation(1, true, []byte{0x84}) })
		}, client, proto.Malformed, 10},
		{"a promise by the client", func(w *wire) { push(w, client, 1, 2) }, client, proto.Malformed, 16},
		{"a promise of an odd stream", func(w *wire) { push(w, server, 9, 5) }, server, proto.AfterMessage, 16},
		{"an interim response to nothing", func(w *wire) { w.headers(server, 9, false, ":status: 103") }, server, proto.AfterMessage, 13},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			w := opened()
			w.get(1, "/1")
			c.write(w)
			w.headers(server, 1, true, ":status: 200")
			l := play(t, w.script, proto.Env{}, Options{}, prototest.Whole, proto.Complete)
			if got := l.Stray[c.side][c.why]; got != c.bytes || len(l.Exchanges) != 1 || l.Exchanges[0].Incomplete() != proto.Complete {
				t.Errorf("got %d bytes in\n%s", got, l)
			}
		})
	}
}

func TestAContinuationWithoutBeginningLosesTheTable(t *testing.T) {
	w := opened()
	w.get(1, "/1")
	block := w.block(client, "x: y") // an entry of the client's table that nobody sees
	w.frame(client, func(f *xhttp2.Framer) error { return f.WriteContinuation(1, true, block) })
	w.get(3, "/1")
	w.expect(t, `
		0 h2 GET example.org /1 0 request 25/0 response 0/0!no-response
		1 h2 GET - (unknown) 0 request 13/0!malformed response 0/0!no-response
		request malformed 14
		request h2-connection 33
		response h2-connection 9`)
}

func TestPaddingLongerThanItsFrameIsMalformed(t *testing.T) {
	w := opened()
	w.raw(client, "\x00\x00\x04\x01\x0d\x00\x00\x00\x01"+"\x09\x82\x86\x84")
	w.headers(server, 1, false, ":status: 200")
	w.raw(server, "\x00\x00\x04\x00\x09\x00\x00\x00\x01"+"\x09abc")
	w.expect(t, `
		0 h2 (unknown) - (unknown) 200 request 13/0!malformed response 23/0
		request h2-connection 33
		response h2-connection 9`)
}

func TestAResponseWithoutAHeadIsMalformed(t *testing.T) {
	w := opened()
	w.get(1, "/1")
	w.data(server, 1, true, "body")
	l := w.expect(t, `
		0 h2 GET example.org /1 0 request 25/0 response 13/4!malformed
		request h2-connection 33
		response h2-connection 9`)
	if got := l.Exchanges[0].Response.FirstNs; got != 5000 {
		t.Errorf("response begins at %d ns", got)
	}
}

func TestHostAndTargetAreTakenFromTheRightFields(t *testing.T) {
	for want, fields := range map[string][]string{
		"GET a /":           {":method: GET", ":scheme: http", ":path: /", ":authority: a", "host: b"},
		"GET b /":           {":method: GET", ":scheme: http", ":path: /", "host: b"},
		"CONNECT a:1 a:1":   {":method: CONNECT", ":authority: a:1"},
		"CONNECT a /socket": {":method: CONNECT", ":protocol: websocket", ":scheme: http", ":path: /socket", ":authority: a"},
		"OPTIONS a *":       {":method: OPTIONS", ":scheme: http", ":path: *", ":authority: a"},
	} {
		w := opened()
		w.headers(client, 1, true, fields...)
		x := play(t, w.script, proto.Env{}, Options{}, prototest.Whole, proto.Complete).Exchanges[0]
		if got := fmt.Sprintf("%s %s %s", x.Method, x.Host, x.Target); got != want || x.Request.Incomplete != proto.Complete {
			t.Errorf("got %s, %s, want %s", got, x.Request.Incomplete, want)
		}
	}
}

func TestTablesFollowTheSizeThatTheEncoderSays(t *testing.T) {
	w := opened()
	w.frame(server, func(f *xhttp2.Framer) error {
		return f.WriteSettings(xhttp2.Setting{ID: xhttp2.SettingHeaderTableSize, Val: 1 << 20})
	})
	w.get(1, "/a")
	w.enc[client].SetMaxDynamicTableSizeLimit(1 << 20)
	w.enc[client].SetMaxDynamicTableSize(1 << 20)
	w.headers(client, 3, true, ":method: GET", ":scheme: http", ":path: /b", ":authority: one", "x: "+strings.Repeat("x", 5000))
	w.enc[client].SetMaxDynamicTableSize(0)
	w.headers(client, 5, true, ":method: GET", ":scheme: http", ":path: /b", ":authority: one")
	w.enc[client].SetMaxDynamicTableSize(100)
	w.headers(client, 7, true, ":method: GET", ":scheme: http", ":path: /b", ":authority: one")
	w.headers(client, 9, true, ":method: GET", ":scheme: http", ":path: /b", ":authority: one")
	l := play(t, w.script, proto.Env{}, Options{}, prototest.Whole, proto.Complete)
	for i, x := range l.Exchanges[1:] {
		if string(x.Host) == "" || x.Request.Incomplete != proto.Complete {
			t.Errorf("exchange %d: host %q, request %s", i+1, x.Host, x.Request.Incomplete)
		}
	}
}

func TestFrameSizesFollowTheSettings(t *testing.T) {
	big := strings.Repeat("b", 100_000)
	for _, allowed := range []bool{false, true} {
		w := opened()
		if allowed {
			w.frame(client, func(f *xhttp2.Framer) error {
				return f.WriteSettings(xhttp2.Setting{ID: xhttp2.SettingMaxFrameSize, Val: 1 << 20})
			})
		}
		w.get(1, "/")
		w.headers(server, 1, false, ":status: 200")
		w.data(server, 1, true, big)
		l := play(t, w.script, proto.Env{}, Options{}, prototest.Whole, proto.Complete)
		got := l.Exchanges[0].Response
		if ok := got.Incomplete == proto.Complete && got.Body == int64(len(big)); ok != allowed {
			t.Errorf("allowed %v: response %+v", allowed, got)
		}
	}
}

func TestBytesThatAreNotHTTP2AreMalformed(t *testing.T) {
	w := newWire()
	w.raw(client, preface)
	w.raw(server, "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
	w.expect(t, `
		request h2-connection 24
		response malformed 47`)

	w = newWire()
	w.raw(client, "PRI * HTTP/1.1\r\nHost: h\r\n\r\n")
	w.expect(t, `request malformed 27`)
}

func TestParsingResumesAfterMalformedFrames(t *testing.T) {
	w := opened()
	w.get(1, "/1")
	w.raw(client, "\x00\x00\x01\x06\x00\x00\x00\x00\x00!") // PING with one byte
	w.get(3, "/3")
	w.headers(server, 1, true, ":status: 200")
	w.headers(server, 3, true, ":status: 200")
	w.expect(t, `
		0 h2 GET example.org /1 200 request 25/0 response 10/0
		1 h2 GET - /3 200 request 16/0!malformed response 10/0
		request malformed 10
		request h2-connection 33
		response h2-connection 9`)
}

func TestABrokenHeaderBlockIsUnknownNotGuessed(t *testing.T) {
	w := opened()
	w.frame(client, func(f *xhttp2.Framer) error {
		return f.WriteHeaders(xhttp2.HeadersFrameParam{StreamID: 1, EndHeaders: true, EndStream: true, BlockFragment: []byte{0x82, 0xff, 0xff}})
	})
	w.headers(server, 1, true, ":status: 200")
	w.expect(t, `
		0 h2 (unknown) - (unknown) 200 request 12/0!malformed response 10/0
		request h2-connection 33
		response h2-connection 9`)
}

func TestARequestWithoutMethodOrPathIsMalformed(t *testing.T) {
	w := opened()
	w.headers(client, 1, true, ":scheme: http", ":authority: h", ":path: /")
	w.headers(client, 3, true, ":method: GET", ":scheme: http", ":authority: h")
	w.headers(client, 5, true, ":method: CONNECT", ":authority: h:443")
	w.expect(t, `
		0 h2 (unknown) h / 0 request 14/0!malformed response 0/0!no-response
		1 h2 GET h (unknown) 0 request 12/0!malformed response 0/0!no-response
		2 h2 CONNECT h:443 h:443 0 request 24/0 response 0/0!no-response
		request h2-connection 33
		response h2-connection 9`)
}

func TestABlockBrokenOffByAnotherFrameIsUnknown(t *testing.T) {
	w := opened()
	block := w.block(client, ":method: GET", ":scheme: http", ":path: /", ":authority: h")
	w.frame(client, func(f *xhttp2.Framer) error {
		return f.WriteHeaders(xhttp2.HeadersFrameParam{StreamID: 1, BlockFragment: block, EndStream: true})
	})
	w.frame(client, func(f *xhttp2.Framer) error { return f.WritePing(false, [8]byte{}) })
	w.frame(client, func(f *xhttp2.Framer) error { return f.WriteContinuation(1, true, nil) })
	w.expect(t, `
		0 h2 (unknown) - (unknown) 0 request 15/0!malformed response 0/0!no-response
		request mid-stream 9
		request h2-connection 50
		response h2-connection 9`)
}

func TestAPromiseIsTakenOnceAndItsUnknownFieldsAreUnknown(t *testing.T) {
	w := opened()
	w.get(1, "/")
	w.headers(server, 1, false, ":status: 200", "x: y")
	n := len(w.script)
	for range 2 {
		w.frame(server, func(f *xhttp2.Framer) error {
			return f.WritePushPromise(xhttp2.PushPromiseParam{
				StreamID: 1, PromiseID: 2, EndHeaders: true,
				BlockFragment: w.block(server, ":method: GET", ":path: /pushed", "x: y"),
			})
		})
	}
	w.headers(server, 2, true, ":status: 200")
	sc := append(w.script[:n-1:n-1], w.script[n:]...)
	sc = append(prototest.Script{{Side: server, Gap: 1, Why: flow.Lost}}, sc...)
	l := play(t, sc, proto.Env{}, Options{}, prototest.Whole, proto.Complete)
	for _, x := range l.Exchanges {
		if string(x.Target) == "/pushed" && x.Request.Incomplete != proto.Lost {
			t.Errorf("promised request: %s", x.Request.Incomplete)
		}
	}
	if len(l.Exchanges) != 2 {
		t.Errorf("exchanges\n%s", l)
	}
}

func TestAnUpgradedRequestIsAnsweredOnStreamOne(t *testing.T) {
	w := newWire()
	w.headers(server, 1, false, ":status: 200")
	w.raw(client, preface)
	w.frame(client, func(f *xhttp2.Framer) error { return f.WritePriority(1, xhttp2.PriorityParam{Weight: 1}) })
	w.get(3, "/3")
	w.data(server, 1, true, "answer")
	w.headers(server, 3, true, ":status: 200")
	from := &proto.Exchange{Method: []byte("GET"), Target: []byte("/up"), Host: []byte("h"), Status: 101}
	from.Request.FirstNs, from.Request.LastNs = 10, 20
	l := play(t, w.script, proto.Env{From: from}, Options{}, prototest.Whole, proto.Complete)
	want(t, l, `
		0 h2 GET h /up 200 request 14/0 response 25/6
		1 h2 GET example.org /3 200 request 25/0 response 10/0
		request h2-connection 24`)
	if x := l.Exchanges[0]; !x.Upgraded || x.Request.LastNs != 20 || x.Response.FirstNs != 1000 {
		t.Errorf("times %+v", x)
	}
}

// What the server may send on an upgraded connection was told in the request,
// which is not read here.
func TestAnUpgradedServerMaySendLargeFramesButNoOtherBytes(t *testing.T) {
	from := &proto.Exchange{Method: []byte("GET"), Target: []byte("/up"), Host: []byte("h"), Status: 101}
	w := newWire()
	w.headers(server, 1, false, ":status: 200")
	w.data(server, 1, true, strings.Repeat("b", 20_000))
	w.raw(server, "HTTP/1.1 400 Bad Request\r\n\r\n")
	l := play(t, w.script, proto.Env{From: from}, Options{}, prototest.Whole, proto.Complete)
	want(t, l, `
		0 h2 GET h /up 200 request 0/0 response 20019/20000
		response malformed 28`)
}

func TestAnObserverGetsHeadsAsTextAndBodiesAsTheyAre(t *testing.T) {
	w := opened()
	w.headers(client, 1, false, ":method: POST", ":scheme: http", ":path: /p", ":authority: h", "cookie: a=1", "x: y", "cookie: b=2")
	w.data(client, 1, false, "body")
	w.headers(client, 1, true, "x-trailer: t")
	w.headers(server, 1, false, ":status: 103", "link: l")
	w.headers(server, 1, false, ":status: 200", "server: s")
	w.frame(server, func(f *xhttp2.Framer) error { return f.WriteDataPadded(1, true, []byte("reply"), make([]byte, 9)) })
	o := &observer{Ledger: prototest.NewLedger()}
	p := NewFactory(Options{}).New(proto.Env{Conn: &proto.Conn{}, Sink: o})
	w.script.Play(p, prototest.Single, proto.Complete)
	want := [2]string{
		"0 POST /p HTTP/2.0\r\nhost: h\r\nx: y\r\ncookie: a=1; b=2\r\n\r\n2 body3 x-trailer: t\r\n\r\n",
		"1 HTTP/2.0 103 \r\nlink: l\r\n\r\n0 HTTP/2.0 200 \r\nserver: s\r\n\r\n2 reply.",
	}
	want[0] += "."
	if got := [2]string{o.text[0].String(), o.text[1].String()}; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// observer writes payload down, with the part before the first byte of each.
type observer struct {
	*prototest.Ledger
	text [2]bytes.Buffer
	last [2]int
}

func (o *observer) Ended(_ *proto.Exchange, s proto.Side) { o.text[s].WriteString(".") }

func (o *observer) Payload(_ *proto.Exchange, s proto.Side, part proto.Part, b []byte) {
	if o.last[s] != int(part)+1 {
		o.last[s] = int(part) + 1
		o.text[s].WriteString(string('0'+rune(part)) + " ")
	}
	o.text[s].Write(b)
}
