package http2

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	xhttp2 "golang.org/x/net/http2"
	xhpack "golang.org/x/net/http2/hpack"

	"gortap/internal/flow"
	"gortap/internal/proto"
	"gortap/internal/proto/prototest"
)

const (
	client = proto.Client
	server = proto.Server
)

// wire writes a connection frame by frame: each call is one event of the script.
type wire struct {
	script  prototest.Script
	out     [2]bytes.Buffer
	framers [2]*xhttp2.Framer
	blocks  [2]bytes.Buffer
	enc     [2]*xhpack.Encoder
}

func newWire() *wire {
	w := &wire{}
	for s := range w.out {
		w.framers[s] = xhttp2.NewFramer(&w.out[s], nil)
		w.framers[s].AllowIllegalWrites = true
		w.enc[s] = xhpack.NewEncoder(&w.blocks[s])
	}
	return w
}

// opened is a wire on which the preface and the settings went by: 24 and 9
// bytes from the client, 9 from the server.
func opened() *wire {
	w := newWire()
	w.raw(client, preface)
	w.frame(client, func(f *xhttp2.Framer) error { return f.WriteSettings() })
	w.frame(server, func(f *xhttp2.Framer) error { return f.WriteSettings() })
	return w
}

func (w *wire) raw(s proto.Side, b string) { w.script.From(s, []byte(b)...) }

func (w *wire) frame(s proto.Side, write func(*xhttp2.Framer) error) {
	w.out[s].Reset()
	if err := write(w.framers[s]); err != nil {
		panic(err)
	}
	w.script.From(s, w.out[s].Bytes()...)
}

// block encodes fields of the form "name: value".
func (w *wire) block(s proto.Side, fields ...string) []byte {
	w.blocks[s].Reset()
	for _, f := range fields {
		i := strings.Index(f[1:], ":") + 1
		if err := w.enc[s].WriteField(xhpack.HeaderField{Name: f[:i], Value: f[i+2:]}); err != nil {
			panic(err)
		}
	}
	return bytes.Clone(w.blocks[s].Bytes())
}

func (w *wire) headers(s proto.Side, id uint32, end bool, fields ...string) {
	w.frame(s, func(f *xhttp2.Framer) error {
		return f.WriteHeaders(xhttp2.HeadersFrameParam{
			StreamID: id, BlockFragment: w.block(s, fields...), EndStream: end, EndHeaders: true,
		})
	})
}

func (w *wire) get(id uint32, path string) {
	w.headers(client, id, true, ":method: GET", ":scheme: http", ":authority: example.org", ":path: "+path)
}

func (w *wire) data(s proto.Side, id uint32, end bool, b string) {
	w.frame(s, func(f *xhttp2.Framer) error { return f.WriteData(id, end, []byte(b)) })
}

// gap replaces the event that is i from the end, or bytes [from, to) of it.
func (w *wire) gap(i, from, to int, why flow.Gap) {
	i = len(w.script) - 1 - i
	e := w.script[i]
	w.script = append(w.script[:i:i], append(prototest.Script{
		{Side: e.Side, Data: e.Data[:from]},
		{Side: e.Side, Gap: int64(to - from), Why: why},
		{Side: e.Side, Data: e.Data[to:]},
	}, w.script[i+1:]...)...)
}

// join makes one event of the last n, which are of one side.
func (w *wire) join(n int) {
	i := len(w.script) - n
	for _, e := range w.script[i+1:] {
		w.script[i].Data = append(w.script[i].Data, e.Data...)
	}
	w.script = w.script[:i+1]
}

// play runs a script, in pieces of cut bytes, and returns what was reported.
func play(t testing.TB, sc prototest.Script, env proto.Env, o Options, cut func(int) int, why proto.Reason) *prototest.Ledger {
	t.Helper()
	l := prototest.NewLedger()
	env.Conn = &proto.Conn{Control: l}
	env.Sink = l
	l.Opened(env.Conn)
	fed := sc.Play(NewFactory(o).New(env), cut, why)
	l.Closed(env.Conn)
	if err := l.Check(fed); err != nil {
		t.Error(err)
	}
	return l
}

// report is what a ledger says, with codes and messages where there are any.
func report(l *prototest.Ledger) string {
	b := new(strings.Builder)
	b.WriteString(l.String())
	for _, x := range l.Exchanges {
		if x.HasCode {
			fmt.Fprintf(b, "%d code %d\n", x.Seq, x.Code)
		}
		for side, m := range []proto.Message{x.Request, x.Response} {
			if m.Messages > 0 {
				fmt.Fprintf(b, "%d %s messages %d/%d\n", x.Seq, proto.Side(side), m.Messages, m.MessageBytes)
			}
		}
	}
	return b.String()
}

// want compares a report, in which the bytes of the connection itself are as
// opened has them, with a text whose lines may be indented.
func want(t testing.TB, l *prototest.Ledger, text string) {
	t.Helper()
	var lines []string
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, line)
		}
	}
	if diff := cmp.Diff(lines, strings.Split(strings.TrimSpace(report(l)), "\n")); diff != "" {
		t.Errorf("report (-want +got):\n%s", diff)
	}
}

// expect plays a wire from its preface, closes it in order and compares.
func (w *wire) expect(t testing.TB, text string) *prototest.Ledger {
	t.Helper()
	l := play(t, w.script, proto.Env{}, Options{}, prototest.Whole, proto.Complete)
	want(t, l, text)
	return l
}
