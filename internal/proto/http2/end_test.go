package http2

import (
	"strings"
	"testing"

	xhttp2 "golang.org/x/net/http2"

	"gortap/internal/proto"
	"gortap/internal/proto/prototest"
)

func TestAResetStreamTakesWhatThePeerHadSentAlready(t *testing.T) {
	reset := func(w *wire, s proto.Side, id uint32) {
		w.frame(s, func(f *xhttp2.Framer) error { return f.WriteRSTStream(id, xhttp2.ErrCodeCancel) })
	}
	t.Run("a response on its way", func(t *testing.T) {
		w := opened()
		w.get(1, "/")
		reset(w, client, 1)
		w.headers(server, 1, false, ":status: 200")
		w.data(server, 1, true, "body")
		w.expect(t, `
			0 h2 GET example.org / 200 request 35/0 response 23/4
			request h2-connection 33
			response h2-connection 9`)
	})
	t.Run("no response", func(t *testing.T) {
		w := opened()
		w.get(1, "/")
		reset(w, client, 1)
		w.expect(t, `
			0 h2 GET example.org / 0 request 35/0 response 0/0!no-response
			request h2-connection 33
			response h2-connection 9`)
	})
	t.Run("an early answer to an upload", func(t *testing.T) {
		w := opened()
		w.headers(client, 1, false, ":method: POST", ":scheme: http", ":authority: h", ":path: /")
		w.headers(server, 1, true, ":status: 413")
		reset(w, server, 1)
		w.data(client, 1, false, "on its way")
		w.expect(t, `
			0 h2 POST h / 413 request 34/10!aborted response 27/0
			request h2-connection 33
			response h2-connection 9`)
	})
	t.Run("at once where nothing can come", func(t *testing.T) {
		w := opened()
		w.headers(client, 1, false, ":method: POST", ":scheme: http", ":authority: h", ":path: /")
		w.headers(server, 1, true, ":status: 413")
		reset(w, client, 1)
		w.get(3, "/")
		w.headers(server, 3, true, ":status: 200")
		l := play(t, w.script, proto.Env{}, Options{}, prototest.Whole, proto.Complete)
		if l.Exchanges[0].Status != 413 {
			t.Errorf("the reset stream ended last:\n%s", l)
		}
	})
	t.Run("until it lingered long enough", func(t *testing.T) {
		l := prototest.NewLedger()
		conn := &proto.Conn{}
		p := NewFactory(Options{}).New(proto.Env{Conn: conn, Sink: l})
		w := opened()
		w.get(1, "/")
		reset(w, client, 1)
		for _, e := range w.script {
			p.Data(e.Side, e.Data, 1e9)
		}
		if len(l.Exchanges) != 0 {
			t.Fatal("the stream ended with the reset")
		}
		p.Data(server, []byte{0}, 1e9+lingerNs+1)
		if len(l.Exchanges) != 1 {
			t.Fatal("the stream did not end")
		}
	})
}

func TestGoAwayEndsTheStreamsThatWillNotBeAnswered(t *testing.T) {
	w := opened()
	w.get(1, "/1")
	w.get(3, "/3")
	w.frame(server, func(f *xhttp2.Framer) error { return f.WriteGoAway(1, xhttp2.ErrCodeNo, []byte("bye")) })
	w.headers(server, 1, true, ":status: 200")
	l := w.expect(t, `
		0 h2 GET example.org /1 200 request 25/0 response 10/0
		1 h2 GET example.org /3 0 request 16/0 response 0/0!no-response
		request h2-connection 33
		response h2-connection 29`)
	if l.Exchanges[0].Seq != 1 {
		t.Error("stream 3 did not end with GOAWAY")
	}

	w = opened()
	w.get(1, "/1")
	w.frame(client, func(f *xhttp2.Framer) error { return f.WriteGoAway(0, xhttp2.ErrCodeNo, nil) }) // of pushes
	w.headers(server, 1, true, ":status: 200")
	w.expect(t, `
		0 h2 GET example.org /1 200 request 25/0 response 10/0
		request h2-connection 50
		response h2-connection 9`)
}

func TestAStreamMayEndWhileAFrameOfThePeerIsUnderWay(t *testing.T) {
	for typ, want := range map[xhttp2.FrameType]proto.Reason{
		xhttp2.FrameWindowUpdate: proto.H2Connection, xhttp2.FrameData: proto.AfterMessage,
	} {
		w := opened()
		w.get(1, "/")
		w.frame(client, func(f *xhttp2.Framer) error { return f.WriteRawFrame(typ, 0, 1, []byte("\x00\x00\x00\x01")) })
		i := len(w.script) - 1
		late := prototest.Event{Side: client, Data: w.script[i].Data[9:]}
		w.script[i].Data = w.script[i].Data[:9]
		w.headers(server, 1, true, ":status: 200")
		w.script = append(w.script, late)
		l := play(t, w.script, proto.Env{}, Options{}, prototest.Whole, proto.Complete)
		l.Stray[client][proto.H2Connection] -= 33
		if got := l.Stray[client][want]; got != 4 || l.Exchanges[0].Request.Wire != 31 {
			t.Errorf("%s: stray bytes %v, exchange\n%s", typ, l.Stray[client], l)
		}
	}
}

func TestTheEndOfTheConnectionNamesWhatIsMissing(t *testing.T) {
	cases := []struct {
		why            proto.Reason
		request, reply string
	}{
		{proto.Complete, "aborted", "aborted"},
		{proto.Aborted, "aborted", "aborted"},
		{proto.Lost, "lost", "lost"},
		{proto.Unfinished, "unfinished", "unfinished"},
	}
	for _, c := range cases {
		t.Run(c.why.String(), func(t *testing.T) {
			w := opened()
			w.headers(client, 1, false, ":method: PUT", ":scheme: http", ":authority: h", ":path: /")
			w.get(3, "/3")
			w.headers(server, 3, false, ":status: 200")
			w.raw(client, "\x00\x00\x05\x01")                      // the beginning of a frame header
			w.raw(server, "\x00\x00\x05\x01\x04\x00\x00\x00\x03x") // and of a header block of stream 3
			l := play(t, w.script, proto.Env{}, Options{}, prototest.Whole, c.why)
			none := "no-response"
			if c.why == proto.Lost || c.why == proto.Unfinished {
				none = c.reply
			}
			want(t, l, `
				0 h2 PUT h / 0 request 19/0!`+c.request+` response 0/0!`+none+`
				1 h2 GET example.org /3 200 request 25/0 response 20/0!`+c.reply+`
				request `+c.request+` 4
				request h2-connection 33
				response h2-connection 9`)
		})
	}
}

func TestLimits(t *testing.T) {
	t.Run("header block", func(t *testing.T) {
		w := opened()
		w.headers(client, 1, true, ":method: GET", ":scheme: http", ":path: /", ":authority: h", "x: "+strings.Repeat("x", 4000))
		long := w.block(client, ":method: GET", ":scheme: http", ":path: /", ":authority: h", "x: "+strings.Repeat("y", 4000))
		w.frame(client, func(f *xhttp2.Framer) error {
			return f.WriteHeaders(xhttp2.HeadersFrameParam{StreamID: 3, BlockFragment: long[:900], EndStream: true})
		})
		w.frame(client, func(f *xhttp2.Framer) error { return f.WriteContinuation(3, true, long[900:]) })
		w.get(5, "/5")
		l := play(t, w.script, proto.Env{}, Options{MaxHeaderBlock: 1000}, prototest.Whole, proto.Complete)
		want(t, l, `
			0 h2 (unknown) - (unknown) 0 request 3521/0!head-limit response 0/0!no-response
			1 h2 (unknown) - (unknown) 0 request 3526/0!head-limit response 0/0!no-response
			2 h2 GET example.org /5 0 request 25/0 response 0/0!no-response
			request h2-connection 33
			response h2-connection 9`)
	})
	t.Run("streams", func(t *testing.T) {
		w := opened()
		for id := uint32(1); id <= 7; id += 2 {
			w.get(id, "/")
			w.headers(server, 1, false, "x: y") // keeps stream 1 active
		}
		w.headers(server, 3, false, ":status: 200")
		l := play(t, w.script, proto.Env{}, Options{MaxStreams: 2}, prototest.Whole, proto.Complete)
		if len(l.Exchanges) != 4 || l.Exchanges[0].Seq != 1 || l.Exchanges[0].Response.Incomplete != proto.StreamLimit {
			t.Errorf("exchanges:\n%s", l)
		}
		if l.Stray[server][proto.AfterMessage] != 10 {
			t.Errorf("the frame of the stream let go: %v", l.Stray[server])
		}
	})
	t.Run("resets", func(t *testing.T) {
		w := opened()
		for id := uint32(1); id < 200; id += 2 {
			w.get(id, "/")
			w.frame(client, func(f *xhttp2.Framer) error { return f.WriteRSTStream(id, xhttp2.ErrCodeCancel) })
		}
		conn, l := &proto.Conn{}, prototest.NewLedger()
		p := NewFactory(Options{MaxStreams: 10}).New(proto.Env{Conn: conn, Sink: l}).(*parser)
		for _, e := range w.script {
			p.Data(e.Side, e.Data, 1)
			if len(p.streams) > 10 || p.resets.len() > 10 {
				t.Fatalf("%d streams, %d resets", len(p.streams), p.resets.len())
			}
		}
	})
}
