package websocket

import (
	"bytes"
	"math/rand/v2"
	"strings"
	"testing"

	"gortap/internal/flow"
	"gortap/internal/proto"
	"gortap/internal/proto/prototest"
)

func TestFramesAreFoundAgainAfterAGap(t *testing.T) {
	for seed := range uint64(40) {
		for _, s := range []proto.Side{client, server} {
			r := rand.New(rand.NewPCG(seed, 1))
			w := chat(r, 400)
			all := play(t, w.script, Options{}, prototest.Whole, proto.Complete).Exchanges[0]
			i := int(s)
			e := w.script[i]
			at, n := len(e.Data)/4, 2000+r.IntN(2000)
			w.script = append(w.script[:i:i], append(prototest.Script{
				{Side: s, Data: e.Data[:at]}, {Side: s, Gap: int64(n), Why: flow.Lost}, {Side: s, Data: e.Data[at+n:]},
			}, w.script[i+1:]...)...)
			x := play(t, w.script, Options{}, prototest.Whole, proto.Complete).Exchanges[0]
			whole, got := all.Request, x.Request
			if s == server {
				whole, got = all.Response, x.Response
			}
			if got.Incomplete != proto.Lost || got.Messages < whole.Messages*8/10 || got.Messages >= whole.Messages {
				t.Errorf("seed %d, %s: %d of %d messages, %s", seed, s, got.Messages, whole.Messages, got.Incomplete)
			}
		}
	}
}

func TestNoFramesAreFoundInOtherBytes(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 3))
	noise := make([]byte, 200_000)
	for i := range noise {
		noise[i] = byte(r.Uint32())
	}
	for name, b := range map[string][]byte{
		"zeros": make([]byte, 50_000), "text": []byte(strings.Repeat("just some text\n", 5000)), "noise": noise,
		"small numbers":   bytes.Repeat([]byte{0, 0, 0, 5, 0, 1, 0, 2}, 5000),
		"ends of nothing": bytes.Repeat([]byte{fin | opContinuation, 2, 'x', 'y'}, 5000),
	} {
		for _, s := range []proto.Side{client, server} {
			p := quiet(Options{}).(*parser)
			p.Gap(s, 1, flow.Lost, 1)
			p.Data(s, b, 1)
			if h := &p.halves[s]; h.state != searching || h.message.Body > 0 {
				t.Errorf("%s, %s: frames were found", name, s)
			}
		}
	}
}

func TestAChainSurvivesWhatLooksLikeFrames(t *testing.T) {
	p := quiet(Options{}).(*parser)
	p.Gap(server, 1, flow.Lost, 1)
	for range 20 { // each ends with what could be an empty frame
		p.Data(server, frameOf(server, fin|opText, "abc\x81\x00"), 1)
	}
	if p.halves[server].state == searching {
		t.Error("no frames were found")
	}
}

func TestALargeFrameIsMostOfTheEvidence(t *testing.T) {
	p := quiet(Options{}).(*parser)
	p.Gap(server, 1, flow.Lost, 1)
	p.Data(server, frameOf(server, fin|opBinary, strings.Repeat("b", 70_000)), 1)
	if p.halves[server].state != searching {
		t.Error("it was enough alone")
	}
	for range 2 {
		p.Data(server, frameOf(server, fin|opText, "short"), 1)
	}
	if p.halves[server].state == searching {
		t.Error("no frames were found")
	}
}

func TestAChainGoesOnBehindAGapOfKnownLength(t *testing.T) {
	p := quiet(Options{}).(*parser)
	p.Gap(server, 1, flow.Lost, 1)
	for range 6 {
		p.Data(server, frameOf(server, fin|opText, "short"), 1)
	}
	p.Data(server, frameOf(server, fin|opText, strings.Repeat("x", 100))[:52], 1)
	p.Gap(server, 50, flow.Lost, 1)
	for range 4 {
		p.Data(server, frameOf(server, fin|opText, "short"), 1)
	}
	if p.halves[server].state == searching {
		t.Error("no frames were found")
	}
}

func TestChainsAreBounded(t *testing.T) {
	p := quiet(Options{}).(*parser)
	p.Gap(server, 1, flow.Lost, 1)
	for range 5000 { // each expects a frame far behind all others
		p.Data(server, []byte{fin | opText, 127, 0, 0, 0, 0, 0, 0x80, 0xff, 0xff}, 1)
	}
	if n := len(p.halves[server].search.next); n != maxChains {
		t.Fatalf("%d chains", n)
	}
}
