package websocket

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gortap/internal/flow"
	"gortap/internal/proto"
	"gortap/internal/proto/prototest"
)

const (
	client = proto.Client
	server = proto.Server
	fin    = 0x80
	rsv1   = 0x40
)

// frameOf writes a frame; a client's is masked with a key made of its length.
func frameOf(s proto.Side, first byte, payload string) []byte {
	b := []byte{first}
	mask := byte(0)
	if s == client {
		mask = 0x80
	}
	switch n := len(payload); {
	case n < 126:
		b = append(b, mask|byte(n))
	case n < 1<<16:
		b = binary.BigEndian.AppendUint16(append(b, mask|126), uint16(n))
	default:
		b = binary.BigEndian.AppendUint64(append(b, mask|127), uint64(n))
	}
	if s == server {
		return append(b, payload...)
	}
	key := []byte{byte(len(payload)), 0x5a, 0x93, 0x0f}
	b = append(b, key...)
	for i := range len(payload) {
		b = append(b, payload[i]^key[i%4])
	}
	return b
}

func closing(code int, text string) string {
	return string(binary.BigEndian.AppendUint16(nil, uint16(code))) + text
}

type session struct{ script prototest.Script }

func (w *session) send(s proto.Side, first byte, payload string) {
	w.script.From(s, frameOf(s, first, payload)...)
}

// play runs a script, in pieces of cut bytes, and returns what was reported.
func play(t testing.TB, sc prototest.Script, o Options, cut func(int) int, why proto.Reason) *prototest.Ledger {
	t.Helper()
	l := prototest.NewLedger()
	from := &proto.Exchange{Method: []byte("GET"), Host: []byte("h"), Target: []byte("/ws"), Status: 101}
	env := proto.Env{Conn: &proto.Conn{Control: l, Exchanges: 0}, Sink: l, From: from}
	l.Opened(env.Conn)
	p := NewFactory(o).New(env)
	from.Target[1] = 'X' // it was borrowed
	fed := sc.Play(p, cut, why)
	l.Closed(env.Conn)
	if err := l.Check(fed); err != nil {
		t.Error(err)
	}
	if len(l.Depths) != 1 || l.Depths[0] != flow.DepthAll {
		t.Errorf("asked for depths %v, want all of it once", l.Depths)
	}
	return l
}

// report is one line: bytes, body, messages and their size each way, the code.
func report(l *prototest.Ledger) string {
	x := l.Exchanges[0]
	side := func(m proto.Message) string {
		text := fmt.Sprintf("%d/%d %d of %d", m.Wire, m.Body, m.Messages, m.MessageBytes)
		if m.Incomplete != proto.Complete {
			text += " " + m.Incomplete.String()
		}
		return text
	}
	code := "none"
	if x.HasCode {
		code = fmt.Sprint(x.Code)
	}
	return fmt.Sprintf("%s | %s | %s", side(x.Request), side(x.Response), code)
}

func (w *session) expect(t *testing.T, want string) *prototest.Ledger {
	t.Helper()
	l := play(t, w.script, Options{}, prototest.Whole, proto.Complete)
	if got := report(l); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	return l
}

func TestASessionIsOneExchangeWithTheNamesOfItsHandshake(t *testing.T) {
	var w session
	w.send(client, fin|opText, "hello")
	w.send(server, fin|opBinary, "hi")
	w.send(client, fin|opClose, closing(1000, "bye"))
	w.send(server, fin|opClose, closing(1001, ""))
	l := w.expect(t, "22/5 1 of 5 | 8/2 1 of 2 | 1000")
	if got, want := l.String(), "0 websocket GET h /ws 101 request 22/5 response 8/2\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if x := l.Exchanges[0]; !x.Upgraded || x.Request.Seen || x.Request.FirstNs != 1000 || x.Response.LastNs != 4000 {
		t.Errorf("exchange %+v", x)
	}
}

func TestMessagesMayBeFragmentedWithControlFramesBetween(t *testing.T) {
	var w session
	w.send(client, opText, "one ")
	w.send(client, fin|opPing, "ping")
	w.send(client, opContinuation, "")
	w.send(server, fin|opPong, "ping")
	w.send(client, fin|opContinuation, "two")
	w.send(client, fin|opBinary, "")
	w.send(server, fin|opBinary, strings.Repeat("x", 126))
	w.send(server, fin|opBinary, strings.Repeat("x", 65535))
	w.send(server, fin|opBinary, strings.Repeat("x", 65536))
	w.expect(t, "41/7 2 of 7 | 131221/131197 3 of 131197 | 1006")
}

func TestCloseCodes(t *testing.T) {
	cases := []struct {
		name    string
		payload string
		first   proto.Side
		want    int
	}{
		{"with a reason", closing(1001, "going away"), client, 1001},
		{"of the server", closing(4000, ""), server, 4000},
		{"without a code", "", client, 1005},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			var w session
			w.send(c.first, fin|opClose, c.payload)
			w.send(c.first.Other(), fin|opClose, closing(1000, ""))
			w.script.From(c.first, []byte("bytes after the close frame")...)
			x := play(t, w.script, Options{}, prototest.Single, proto.Aborted).Exchanges[0]
			if !x.HasCode || x.Code != c.want || x.Incomplete() != proto.Complete {
				t.Errorf("got code %d, %s", x.Code, x.Incomplete())
			}
		})
	}
}

func TestHowASessionEndsWithoutACloseFrame(t *testing.T) {
	whole, half := frameOf(client, fin|opText, "hello"), frameOf(client, fin|opText, "hello")[:3]
	cases := []struct {
		name  string
		bytes []byte
		why   proto.Reason
		want  proto.Reason
		code  bool
	}{
		{"between messages", whole, proto.Complete, proto.Complete, true},
		{"reset between messages", whole, proto.Aborted, proto.Aborted, true},
		{"in a frame header", whole[:1], proto.Complete, proto.Aborted, true},
		{"in a payload", half, proto.Complete, proto.Aborted, true},
		{"in a ping", frameOf(client, fin|opPing, "hello")[:8], proto.Complete, proto.Aborted, true},
		{"in a message", frameOf(client, opText, "hello"), proto.Complete, proto.Aborted, true},
		{"end not seen", whole, proto.Lost, proto.Lost, false},
		{"agent stopped", half, proto.Unfinished, proto.Unfinished, false},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			var sc prototest.Script
			sc.From(client, c.bytes...)
			x := play(t, sc, Options{}, prototest.Whole, c.why).Exchanges[0]
			if x.Request.Incomplete != c.want || x.HasCode != c.code || (c.code && x.Code != 1006) {
				t.Errorf("got %s, code %v %d", x.Request.Incomplete, x.HasCode, x.Code)
			}
		})
	}
}

func TestFramesThatBreakTheProtocol(t *testing.T) {
	good := frameOf(server, fin|opText, "good")
	cases := map[string][]byte{
		"reserved bit":               {fin | 0x20 | opText, 0},
		"reserved opcode":            {fin | 3, 0},
		"masked by the server":       {fin | opText, 0x80, 1, 2, 3, 4},
		"long control frame":         {fin | opPing, 126, 0, 126},
		"fragmented control frame":   {opPing, 0},
		"compressed control frame":   {fin | rsv1 | opPing, 0},
		"continuation of nothing":    {fin | opContinuation, 0},
		"length not in short form":   {fin | opText, 126, 0, 5},
		"length of 64 bits":          {fin | opText, 127, 0x80, 0, 0, 0, 0, 0, 0, 0},
		"message in another":         append(frameOf(server, opText, "a"), fin|opText, 0),
		"compressed in continuation": append(frameOf(server, opText, "a"), fin|rsv1|opContinuation, 0),
	}
	for name, b := range cases {
		t.Run(name, func(t *testing.T) {
			var sc prototest.Script
			sc.From(server, append(append([]byte{}, good...), b...)...)
			m := play(t, sc, Options{}, prototest.Single, proto.Complete).Exchanges[0].Response
			if m.Incomplete != proto.Malformed || m.Messages != 1 || m.Wire != int64(len(good)+len(b)) {
				t.Errorf("got %+v", m)
			}
		})
	}
}

func TestAGapInAPayloadKeepsTheFraming(t *testing.T) {
	for why, want := range map[flow.Gap]string{
		flow.Skipped:   "1432/1400 4 of 1400 | 0/0 0 of 0 | 1006",
		flow.Truncated: "1432/1400 4 of 1400 truncated | 0/0 0 of 0 | 1006",
		flow.Lost:      "532/1400 4 of 1400 lost | 0/0 0 of 0 | 1006",
	} {
		var w session
		w.send(client, fin|opText, strings.Repeat("x", 1000))
		e := w.script[0]
		w.script = prototest.Script{
			{Side: client, Data: e.Data[:108]}, {Side: client, Gap: 900, Why: why},
		}
		for range 2 {
			w.send(client, fin|opText, strings.Repeat("y", 100))
		}
		w.send(client, opText, strings.Repeat("z", 100))
		w.send(client, fin|opContinuation, strings.Repeat("z", 100))
		w.expect(t, want)
	}
}

func TestAGapInACloseFrame(t *testing.T) {
	whole := frameOf(server, fin|opClose, closing(1001, "going away"))
	for _, c := range []struct {
		name     string
		from, to int
		code     int
	}{
		{"in the reason", 6, 9, 1001},
		{"up to the end", 4, len(whole), 1001},
		{"in the code", 3, 5, 1006},
		{"in the code, skipped", 2, 4, 1006},
	} {
		t.Run(c.name, func(t *testing.T) {
			var sc prototest.Script
			sc.From(server, whole[:c.from]...)
			sc = append(sc, prototest.Event{Side: server, Gap: int64(c.to - c.from)})
			sc.From(server, whole[c.to:]...)
			sc = append(sc, prototest.Event{Side: server, Gap: 100, Why: flow.Lost}) // means nothing any more
			if x := play(t, sc, Options{}, prototest.Whole, proto.Complete).Exchanges[0]; x.Code != c.code || x.Incomplete() != proto.Complete {
				t.Errorf("code %d, %s", x.Code, x.Incomplete())
			}
		})
	}
}

func TestAMessageWhoseBeginningIsMissingIsNotCounted(t *testing.T) {
	for n := range 20 { // how many frames go by before the message's last one
		var sc prototest.Script
		sc = append(sc, prototest.Event{Side: server, Gap: 1000, Why: flow.Lost})
		var all []byte
		for range 4 + n {
			all = append(all, frameOf(server, opContinuation, strings.Repeat("x", 200))...)
		}
		all = append(all, frameOf(server, fin|opContinuation, "the end")...)
		all = append(all, frameOf(server, fin|opText, "counted")...)
		sc.From(server, all...)
		if m := play(t, sc, Options{}, prototest.Whole, proto.Complete).Exchanges[0].Response; m.Messages != 1 || m.MessageBytes != 7 {
			t.Errorf("after %d frames: %+v", 4+n, m)
		}
	}
}

// chat is a session with messages of many sizes; each side sends all of its own
// in one event.
func chat(r *rand.Rand, n int) *session {
	var w session
	for _, s := range []proto.Side{client, server} {
		var all []byte
		for range n {
			text := strings.Repeat("some text ", 1+r.IntN(40))[:1+r.IntN(10)]
			if r.IntN(3) == 0 {
				text = strings.Repeat(text, 1+r.IntN(300))
			}
			switch r.IntN(4) {
			case 0:
				all = append(all, frameOf(s, opText, text)...)
				all = append(all, frameOf(s, fin|opPing, "p")...)
				all = append(all, frameOf(s, fin|opContinuation, text)...)
			default:
				all = append(all, frameOf(s, fin|opBinary, text)...)
			}
		}
		w.script.From(s, all...)
	}
	return &w
}

func TestAnySplitGivesTheSameResult(t *testing.T) {
	for seed := range uint64(30) {
		r := rand.New(rand.NewPCG(seed, 2))
		sc := chat(r, 60).script
		if seed%2 == 0 {
			sc = sc.Damaged(r, 4)
		}
		for _, o := range []Options{{}, {Inflate: true, MaxMessage: 100}} {
			want := play(t, sc, o, prototest.Whole, proto.Complete)
			for _, cut := range []func(int) int{prototest.Single, prototest.Random(r)} {
				got := play(t, sc, o, cut, proto.Complete)
				if diff := cmp.Diff(want.Exchanges, got.Exchanges); diff != "" {
					t.Fatalf("seed %d (-want +got):\n%s", seed, diff)
				}
			}
		}
	}
}

func TestAnObserverGetsUnmaskedPayload(t *testing.T) {
	var w session
	w.send(client, opText, "a masked ")
	w.send(client, fin|opPing, "not this")
	w.send(client, fin|opContinuation, "message")
	w.send(server, fin|opText, "an answer")
	o := &observer{Ledger: prototest.NewLedger()}
	w.script.Play(NewFactory(Options{}).New(proto.Env{Conn: &proto.Conn{}, Sink: o}), prototest.Single, proto.Complete)
	if o.text != [2]string{"a masked message", "an answer"} {
		t.Errorf("got %q", o.text)
	}
	var sent [2]string
	for _, e := range w.script {
		sent[e.Side] += string(e.Data)
	}
	if o.stream != sent {
		t.Errorf("as sent: got %q, want %q", o.stream, sent)
	}
}

type observer struct {
	*prototest.Ledger
	text, stream [2]string
}

func (o *observer) Payload(_ *proto.Exchange, s proto.Side, part proto.Part, b []byte) {
	if part == proto.Stream {
		o.stream[s] += string(b)
		return
	}
	o.text[s] += string(b)
}

func (o *observer) Ended(*proto.Exchange, proto.Side) {}

func FuzzParser(f *testing.F) {
	for seed := range uint64(4) {
		r := rand.New(rand.NewPCG(seed, 4))
		f.Add(prototest.Fuzzed(chat(r, 12).script.Damaged(r, int(seed))), seed%2 == 0)
	}
	f.Fuzz(func(t *testing.T, b []byte, inflate bool) {
		sc, o := prototest.FromFuzz(b), Options{Inflate: inflate, MaxMessage: 200}
		whole := play(t, sc, o, prototest.Whole, proto.Complete)
		single := play(t, sc, o, prototest.Single, proto.Complete)
		if diff := cmp.Diff(whole.Exchanges, single.Exchanges); diff != "" {
			t.Errorf("whole and byte by byte differ (-want +got):\n%s", diff)
		}
	})
}
