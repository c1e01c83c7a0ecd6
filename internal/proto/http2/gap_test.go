package http2

import (
	"strings"
	"testing"

	xhttp2 "golang.org/x/net/http2"

	"gortap/internal/flow"
	"gortap/internal/proto"
	"gortap/internal/proto/prototest"
)

var gaps = map[flow.Gap]struct {
	name   string
	seen   bool   // the bytes are credited
	framed string // of a message that has a gap of known place
}{
	flow.Skipped:   {"skipped", true, ""},
	flow.Truncated: {"truncated", true, "!truncated"},
	flow.Lost:      {"lost", false, "!lost"},
}

func TestAGapInsideDataOnlyTouchesItsStream(t *testing.T) {
	for why, c := range gaps {
		t.Run(c.name, func(t *testing.T) {
			w := opened()
			w.get(1, "/1")
			w.get(3, "/3")
			w.headers(server, 1, false, ":status: 200")
			w.headers(server, 3, false, ":status: 200")
			w.data(server, 1, false, strings.Repeat("d", 1000))
			w.gap(0, 100, 1009, why) // up to the very end of the frame
			w.data(server, 3, true, "other")
			w.data(server, 1, true, "end")
			wire := "1031"
			if !c.seen {
				wire = "122"
			}
			w.expect(t, `
				0 h2 GET example.org /1 200 request 25/0 response `+wire+`/1003`+c.framed+`
				1 h2 GET example.org /3 200 request 16/0 response 24/5
				request h2-connection 33
				response h2-connection 9`)
		})
	}
}

func TestAGapInAHeaderBlockLosesTheTableButNotTheFraming(t *testing.T) {
	for why, c := range gaps {
		t.Run(c.name, func(t *testing.T) {
			w := opened()
			w.get(1, "/1")
			w.gap(0, 10, 12, why)
			w.get(3, "/3")
			w.headers(client, 5, true, ":method: GET", ":scheme: http", ":authority: example.org", ":path: /3")
			w.headers(server, 1, true, ":status: 200")
			size := "25"
			if !c.seen {
				size = "23"
			}
			// Stream 3 has a literal path, and an authority that only stream 1
			// spelled out. The path of stream 5 is known from stream 3.
			w.expect(t, strings.ReplaceAll(`
				0 h2 (unknown) - (unknown) 200 request `+size+`/0!REASON response 10/0
				1 h2 GET - /3 0 request 16/0!REASON response 0/0!no-response
				2 h2 GET - /3 0 request 13/0!REASON response 0/0!no-response
				request h2-connection 33
				response h2-connection 9`, "REASON", c.name))
		})
	}
}

func TestAGapBeyondAFrameIsFollowedByANewSearch(t *testing.T) {
	for why, c := range gaps {
		t.Run(c.name, func(t *testing.T) {
			w := opened()
			w.get(1, "/1")
			w.get(3, "/3")
			w.headers(server, 3, true, ":status: 200")
			w.headers(server, 1, false, ":status: 200")
			w.data(server, 1, false, strings.Repeat("d", 1000))
			w.headers(server, 5, true, ":status: 200")
			w.data(server, 1, false, strings.Repeat("e", 100))
			w.join(3)
			w.gap(0, 500, 1009+10+20, why)
			w.get(7, "/7")
			w.headers(server, 7, false, ":status: 200", "server: s")
			w.data(server, 1, true, "end")
			w.data(server, 7, true, "seven")
			// Of the frame that the gap begins in, all has its place.
			size, between := "1031", "\nresponse "+c.name+" 30"
			if !c.seen {
				size, between = "522", ""
			}
			w.expect(t, `
				0 h2 GET example.org /1 200 request 25/0 response `+size+`/1003!`+c.name+`
				1 h2 GET example.org /3 200 request 16/0 response 10/0
				2 h2 GET example.org /7 200 request 16/0 response 27/5
				request h2-connection 33`+between+`
				response mid-stream 89
				response h2-connection 9`)
		})
	}
}

func TestAGapMayHideTheHeadOfAResponseOrARequest(t *testing.T) {
	w := opened()
	w.get(1, "/1")
	w.get(3, "/3")
	w.join(2)
	w.gap(0, 30, 41, flow.Lost) // header and more of stream 3
	w.get(5, "/5")
	w.headers(server, 1, false, ":status: 200")
	w.headers(server, 3, false, ":status: 404")
	w.join(2)
	w.gap(0, 0, 9, flow.Lost)
	w.data(server, 3, true, "3")
	w.data(server, 1, true, "1")
	w.headers(server, 5, true, ":status: 200")
	w.expect(t, `
		0 h2 GET example.org /1 0 request 25/0 response 10/1!lost
		1 h2 GET - /5 200 request 16/0!lost response 10/0
		2 h2 - - - 404 request 0/0!no-request response 20/1
		request mid-stream 5
		request h2-connection 33
		response mid-stream 1
		response h2-connection 9`)
}

func TestAGapOverTheLengthOfThePaddingLeavesTheBodyInexact(t *testing.T) {
	w := opened()
	w.get(1, "/1")
	w.headers(server, 1, false, ":status: 200")
	w.frame(server, func(f *xhttp2.Framer) error { return f.WriteDataPadded(1, true, []byte("abc"), make([]byte, 5)) })
	w.gap(0, 9, 11, flow.Skipped)
	w.expect(t, `
		0 h2 GET example.org /1 200 request 25/0 response 28/9!skipped
		request h2-connection 33
		response h2-connection 9`)
}

func TestAGapBetweenTheFramesOfABlockLosesIt(t *testing.T) {
	w := opened()
	block := w.block(client, ":method: GET", ":scheme: http", ":path: /1", ":authority: example.org")
	w.frame(client, func(f *xhttp2.Framer) error {
		return f.WriteHeaders(xhttp2.HeadersFrameParam{StreamID: 1, BlockFragment: block[:5], EndStream: true})
	})
	w.frame(client, func(f *xhttp2.Framer) error { return f.WriteContinuation(1, true, block[5:]) })
	w.gap(0, 0, 8, flow.Lost)
	w.get(3, "/3")
	w.headers(server, 1, true, ":status: 200")
	w.expect(t, `
		0 h2 (unknown) - (unknown) 200 request 14/0!lost response 10/0
		1 h2 GET - /3 0 request 16/0!lost response 0/0!no-response
		request mid-stream 12
		request h2-connection 33
		response h2-connection 9`)
}

// Settings that were not seen may have allowed larger frames.
func TestLargeFramesAreTakenWhereSettingsWereMissed(t *testing.T) {
	for _, damage := range []func(*wire){
		func(w *wire) { w.gap(0, 9, 15, flow.Lost) },
		func(w *wire) { w.gap(0, 0, 15, flow.Lost) },
	} {
		w := opened()
		w.frame(client, func(f *xhttp2.Framer) error {
			return f.WriteSettings(xhttp2.Setting{ID: xhttp2.SettingMaxFrameSize, Val: 1 << 20})
		})
		damage(w)
		w.get(1, "/")
		w.headers(server, 1, false, ":status: 200")
		w.data(server, 1, true, strings.Repeat("b", 100_000))
		l := play(t, w.script, proto.Env{}, Options{}, prototest.Whole, proto.Complete)
		if m := l.Exchanges[0].Response; m.Body != 100_000 || m.Incomplete != proto.Complete {
			t.Errorf("response %+v", m)
		}
	}
}

func TestOfSeveralFramesAfterAGapTheFirstIsFound(t *testing.T) {
	w := opened()
	w.raw(client, "lost bytes, and then what was not")
	w.gap(0, 0, 11, flow.Lost)
	for id := uint32(1); id < 20; id += 2 {
		w.get(id, "/")
	}
	w.join(11)
	l := play(t, w.script, proto.Env{}, Options{}, prototest.Whole, proto.Complete)
	if len(l.Exchanges) != 10 || l.Stray[client][proto.MidStream] != 22 {
		t.Errorf("found %d requests, passed over %v", len(l.Exchanges), l.Stray[client])
	}
}

func TestAnAnsweredRequestWhoseEndMayBeInAGapIsOver(t *testing.T) {
	w := opened()
	w.headers(client, 1, false, ":method: POST", ":scheme: http", ":authority: example.org", ":path: /1")
	w.data(client, 1, true, "body")
	w.gap(0, 0, 13, flow.Lost)
	w.headers(server, 1, true, ":status: 200")
	w.get(3, "/3")
	w.headers(server, 3, true, ":status: 200")
	l := w.expect(t, `
		0 h2 POST example.org /1 200 request 25/0!lost response 10/0
		1 h2 GET - /3 200 request 16/0!lost response 10/0
		request h2-connection 33
		response h2-connection 9`)
	if l.Exchanges[0].Seq != 0 {
		t.Error("the first exchange ended last")
	}
}

func TestFramesOfAStreamLetGoAreNotTakenForUnknownOnes(t *testing.T) {
	w := opened()
	w.raw(client, "x")
	w.gap(0, 0, 1, flow.Lost)
	w.get(1, "/")
	w.get(3, "/")
	w.data(server, 1, false, "late")
	w.data(server, 5, false, "of a stream that the gap hides")
	w.headers(client, 1, true, "x: trailers, unasked")
	w.raw(client, "\x00\x00\x01\x01\x05\x00\x00\x00\x01\xfe") // and of fields that nobody knows
	l := play(t, w.script, proto.Env{}, Options{MaxStreams: 1}, prototest.Whole, proto.Complete)
	if got := l.Stray[server]; got[proto.AfterMessage] != 13 || got[proto.MidStream] != 39 {
		t.Errorf("stray bytes %v", got)
	}
	if got := l.Stray[client][proto.AfterMessage]; got == 0 || len(l.Exchanges) != 2 {
		t.Errorf("stray bytes %v, exchanges\n%s", l.Stray[client], l)
	}
}

func TestAGapInOtherFramesHarmsNothing(t *testing.T) {
	for why, c := range gaps {
		t.Run(c.name, func(t *testing.T) {
			w := opened()
			w.get(1, "/1")
			w.frame(client, func(f *xhttp2.Framer) error { return f.WriteWindowUpdate(1, 100) })
			w.gap(0, 9, 13, why)
			w.frame(server, func(f *xhttp2.Framer) error { return f.WriteSettings(xhttp2.Setting{ID: 3, Val: 100}) })
			w.gap(0, 9, 15, why)
			w.frame(server, func(f *xhttp2.Framer) error { return f.WriteGoAway(1, 0, nil) })
			w.gap(0, 9, 17, why)
			w.headers(server, 1, false, ":status: 200")
			w.frame(client, func(f *xhttp2.Framer) error { return f.WriteRSTStream(1, 8) })
			w.gap(0, 9, 13, why)
			w.data(server, 1, true, "x")
			one, conn := "51", "41"
			if !c.seen {
				one, conn = "43", "27"
			}
			w.expect(t, `
				0 h2 GET example.org /1 200 request `+one+`/0 response 20/1
				request h2-connection 33
				response h2-connection `+conn)
		})
	}
}
