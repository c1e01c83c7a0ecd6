package detect

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gortap/internal/flow"
	"gortap/internal/proto"
	"gortap/internal/proto/http1"
	"gortap/internal/proto/http2"
	"gortap/internal/proto/prototest"
	"gortap/internal/reassembly"
)

// echo is a protocol that only an upgrade leads to: it counts every byte as
// H2Connection, and notes what it was made with.
type echo struct{ made []string }

type echoParser struct {
	raw
	echo *echo
}

func (e *echo) New(env proto.Env) proto.Parser {
	if env.From != nil {
		e.made = append(e.made, fmt.Sprintf("%s %s, mid-stream %t", env.From.Method, env.From.Target, env.MidStream))
	}
	return &echoParser{raw{conn: env.Conn, sink: env.Sink, why: proto.H2Connection}, e}
}

func (p *echoParser) End(s proto.Side, _ int64) {
	p.echo.made = append(p.echo.made, s.String()+" ended")
}

// table is like the agent's, and echo.
func table(e *echo) []Protocol {
	return []Protocol{
		{Name: "http/1.1", Detect: http1.Detect, DetectMid: http1.DetectMid, Lines: true, New: func() proto.Factory { return http1.NewFactory(http1.Limits{}) }},
		{Name: "h2c", Detect: http2.Detect, DetectMid: http2.DetectMid, New: func() proto.Factory { return http2.NewFactory(http2.Options{}) }},
		{Name: "echo", New: func() proto.Factory { return e }},
	}
}

const (
	get = "GET / HTTP/1.1\r\nHost: h\r\n\r\n"
	ok5 = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
)

// step is an event of a connection by flow.Dir: A has the lower port.
type step struct {
	dir flow.Dir
	b   string
	gap int64
	why flow.Gap
	end bool
}

func a(b string) step { return step{dir: flow.FromA, b: b} }
func b(b string) step { return step{dir: flow.FromB, b: b} }

// opened tells who sent the SYN, if that was seen.
type opened uint8

const (
	unseen opened = iota
	byA
	byB
)

func rawConn(o opened) *reassembly.Conn {
	key, _ := flow.NewKey(netip.MustParseAddrPort("10.0.0.1:80"), netip.MustParseAddrPort("10.0.0.2:4000"), 0)
	rc := &reassembly.Conn{ID: 7, Key: key}
	if o != unseen {
		rc.OpenerKnown = true
		rc.Opener = flow.Dir(o - byA)
	}
	return rc
}

// run plays steps through a detector and renders what came of it.
func run(t *testing.T, d *Detector, o opened, steps []step, cut func(int) int) string {
	t.Helper()
	w := feed(t, d, o, steps, cut)
	who := "client A"
	if w.client.Port() == 4000 {
		who = "client B"
	}
	text := who + "\n" + w.ledger.String()
	for _, depth := range w.ledger.Depths {
		text += fmt.Sprintf("depth %d\n", depth)
	}
	return text
}

func feed(t *testing.T, d *Detector, o opened, steps []step, cut func(int) int) *watched {
	t.Helper()
	w := &watched{ledger: prototest.NewLedger()}
	w.Receiver = d.Open(rawConn(o), w.ledger, w.ledger)
	w.conn = &w.Receiver.(*conn).conn
	for i, s := range steps {
		ts := int64(i + 1)
		for rest := []byte(s.b); len(rest) > 0; {
			n := cut(len(rest))
			lent := bytes.Clone(rest[:n])
			w.Data(s.dir, lent, ts)
			for i := range lent {
				lent[i] = 0xa5 // whoever kept it shall notice
			}
			rest = rest[n:]
		}
		if s.gap > 0 {
			w.Gap(s.dir, s.gap, s.why, ts)
		}
		if s.end {
			w.End(s.dir, ts)
		}
	}
	w.Close(reassembly.Reset, int64(len(steps)+1))
	if err := w.ledger.Check(w.fed); err != nil {
		t.Error(err)
	}
	return w
}

type detectCase struct {
	name   string
	opener opened
	steps  []step
	want   string
}

const (
	pair    = "0 http/1.1 GET h / 200 request 27/0 response 43/5\n"
	notHTTP = "rest not-http\ndepth 2\n"
)

func beginnings() []detectCase {
	return []detectCase{
		{"HTTP/1, whatever the ports", byA, []step{a(get), b(ok5)}, "client A\n" + pair},
		{"HTTP/1 with leading empty lines and an unknown method", byB, []step{b("\r\npurge x HTTP/1.1\r\n\r\n"), a(ok5)}, "client B\n0 http/1.1 purge - x 200 request 22/0 response 43/5\n"},
		{"HTTP/0.9", byB, []step{b("GET /\r\n"), a("bytes")}, "client B\n0 http/0.9 GET - / 0 request 7/0 response 5/5!aborted\n"},
		{"content outranks the SYN", byA, []step{b(get), a(ok5)}, "client B\n" + pair},
		{"response first", byB, []step{a("HTTP/1.1 408 T\r\nContent-Length: 0\r\n\r\n")}, "client B\n0 http/1.1 - - - 408 request 0/0!no-request response 37/0\n"},
		{"HTTP/2 with prior knowledge", byB, []step{b("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00"), a("\x00\x00\x00\x04\x00\x00\x00\x00\x00")},
			"client B\nrequest h2-connection 33\nresponse h2-connection 9\ndepth 1\n"},
		{"PROXY header", byB, []step{b("PROXY TCP4 10.0.0.1 10.0.0.2 1000 80\r\n"), b(get), a(ok5)}, "client B\n" + pair + "request not-http 38\n"},
		{"binary PROXY header", byB, []step{b("\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c" + "abcdefghijkl" + get), a(ok5)}, "client B\n" + pair + "request not-http 28\n"},
		{"PROXY header alone", byB, []step{b("PROXY UNKNOWN\r\n")}, "client B\nrequest not-http 15\n"},
		{"PROXY header before another protocol", byB, []step{b("PROXY UNKNOWN\r\n\x16\x03")}, "client B\nrequest not-http 17\n" + notHTTP},
		{"no PROXY header", byB, []step{b("PROXY " + strings.Repeat("c", 200))}, "client B\nrequest not-http 206\n"},
		{"binary PROXY header that is too long", byB, []step{b("\r\n\r\n\x00\r\nQUIT\n\x21\x11\xff\xff" + "abcdefghijkl" + get)}, "client B\nrequest not-http 55\n" + notHTTP},
		{"TLS", byB, []step{b("\x16\x03\x01\x02\x00\x01\x00"), a("\x16\x03\x03")}, "client B\nrequest not-http 7\nresponse not-http 3\n" + notHTTP},
		{"server speaks first", byB, []step{a("SSH-2.0-OpenSSH\r\n"), b("SSH-2.0-x\r\n")}, "client B\nrequest not-http 11\nresponse not-http 17\n" + notHTTP},
		{"SIP", byB, []step{b("OPTIONS sip:x@y SIP/2.0\r\n\r\n")}, "client B\nrequest not-http 27\n" + notHTTP},
		{"RTSP", byB, []step{b("OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n")}, "client B\nrequest not-http 31\n" + notHTTP},
		{"SMTP", byB, []step{b("EHLO host\r\n")}, "client B\nrequest not-http 11\n" + notHTTP},
		{"Redis", byB, []step{b("GET key\r\n"), a("$-1\r\n")}, "client B\nrequest not-http 9\nresponse not-http 5\n" + notHTTP},
		{"no line end in sight", byB, []step{b("aaa bbb" + strings.Repeat("c", 9000))}, "client B\nrequest not-http 9007\n" + notHTTP},
		{"too short to tell", byB, []step{b("GE"), {dir: flow.FromB, end: true}, {dir: flow.FromA, end: true}}, "client B\nrequest not-http 2\n"},
		{"nothing at all", byB, []step{{dir: flow.FromB, end: true}}, "client B\n"},
		{"more at once than may be held", byB, []step{b("PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 40000\r\n\r\n" + strings.Repeat("x", 40000)), a(ok5)},
			"client B\n0 http/1.1 PUT h / 200 request 40050/40000 response 43/5\n"},
		{"server's end before the request", byB, []step{{dir: flow.FromA, end: true}, b(get)}, "client B\n0 http/1.1 GET h / 0 request 27/0 response 0/0!no-response\n"},
		{"the other side decides", byB, []step{b("GE"), a("\x00nonsense")}, "client B\nrequest not-http 2\nresponse not-http 9\n" + notHTTP},
	}
}

func middles() []detectCase {
	filler := strings.Repeat("x", 30000)
	pings := strings.Repeat("\x00\x00\x08\x06\x01\x00\x00\x00\x0012345678", 4)
	return []detectCase{
		{"request at the start", unseen, []step{b(get), a(ok5)}, "client B\n" + pair},
		{"request from the lower port", unseen, []step{a(get), b(ok5)}, "client A\n" + pair},
		{"response at the start", unseen, []step{b(ok5), a(get), b(ok5)}, "client A\n0 http/1.1 - - - 200 request 0/0!no-request response 43/5\n1 http/1.1 GET h / 200 request 27/0 response 43/5\n"},
		{"in a body", unseen, []step{a("rest of a body\n"), a("with lines"), b(get), a(ok5)}, "client B\n" + pair + "response mid-stream 25\n"},
		{"message after a line end", unseen, []step{b("rest of a body\r\n" + get), a(ok5)}, "client B\n" + pair + "request mid-stream 16\n"},
		{"not every first word is a method", unseen, []step{b("to be or not to be\nGET me a beer\n" + get), a(ok5)}, "client B\n" + pair + "request mid-stream 33\n"},
		{"bytes before are the right side's", unseen, []step{b("tail"), a("tail of request"), b("x"), a(get), b(ok5)}, "client A\n" + pair + "request mid-stream 15\nresponse mid-stream 5\n"},
		{"skipped before", unseen, []step{a("part"), {dir: flow.FromA, gap: 100, why: flow.Skipped}, b(get), a(ok5)}, "client B\n" + pair + "response mid-stream 104\n"},
		{"lost first bytes after a SYN", byB, []step{{dir: flow.FromB, gap: 9, why: flow.Lost}, b("HTTP/1.1\r\nHost: h\r\n\r\n"), a(ok5), b(get), a(ok5)},
			"client B\n0 http/1.1 - - - 200 request 0/0!no-request response 43/5\n1 http/1.1 GET h / 200 request 27/0 response 43/5\nrequest mid-stream 21\n"},
		{"gap in the first word", byB, []step{b("GE"), {dir: flow.FromB, gap: 50, why: flow.Skipped}, a(ok5), b(get), a(ok5)},
			"client B\n0 http/1.1 - - - 200 request 0/0!no-request response 43/5\n1 http/1.1 GET h / 200 request 27/0 response 43/5\nrequest mid-stream 52\n"},
		{"turns without HTTP", unseen, []step{b("q"), a("r"), b("q"), a("r"), b("q"), a("r"), b("q"), a("r"), b(get)}, "client B\nrequest not-http 31\nresponse not-http 4\n" + notHTTP},
		{"bytes without HTTP", unseen, []step{b(filler), a(filler), b(filler), a(ok5)}, "client B\nrequest not-http 60000\nresponse not-http 30043\n" + notHTTP},
		{"a long body is not given up", unseen, []step{a(strings.Repeat(filler, 20)), b(get), a(ok5)}, "client B\n" + pair + "response mid-stream 600000\n"},
		{"unless it is very long", unseen, []step{a(strings.Repeat(filler, 36)), b(get)}, "client B\nrequest not-http 27\nresponse not-http 1080000\n" + notHTTP},
		{"server's end before the request in the middle", unseen, []step{b("x"), {dir: flow.FromA, end: true}, b("\n" + get)}, "client B\n0 http/1.1 GET h / 0 request 27/0 response 0/0!no-response\nrequest mid-stream 2\n"},
		{"start line that is too long to hold", unseen, []step{b("POST /" + strings.Repeat("c", 9000) + " HTTP/1.1\r\n\r\n")}, "client B\nrequest mid-stream 9019\n"},
		{"only HTTP/1 begins after a line end", unseen, []step{b("x\n" + pings)}, "client B\nrequest mid-stream 70\n"},
		{"HTTP/2 frames", unseen, []step{b(pings)}, "client B\nrequest h2-connection 68\ndepth 1\n"},
		{"two turns are not joined", unseen, []step{b("GET /"), a("x"), b(" HTTP/1.1\r\n\r\n")}, "client B\nrequest mid-stream 18\nresponse mid-stream 1\n"},
		{"never told", unseen, []step{b("what"), a("ever")}, "client B\nrequest mid-stream 4\nresponse mid-stream 4\n"},
	}
}

func switches() []detectCase {
	const upgrade = "GET /e HTTP/1.1\r\nUpgrade: ECHO\r\n\r\n"
	return []detectCase{
		{"CONNECT", byB, []step{b("CONNECT h:443 HTTP/1.1\r\n\r\n\x16"), a("HTTP/1.1 200 OK\r\n\r\n\x16"), b("\x16"), {dir: flow.FromA, gap: 10, why: flow.Skipped}, {dir: flow.FromA, gap: 10, why: flow.Lost}, {dir: flow.FromB, end: true}},
			"client B\n0 http/1.1 CONNECT h:443 h:443 200 request 26/0 response 19/0\nrequest tunnel 2\nresponse tunnel 11\nrest tunnel\ndepth 2\n"},
		{"upgrade to a protocol of the table", byB, []step{b(upgrade), a("HTTP/1.1 101 S\r\nUpgrade: echo\r\n\r\nab"), b("cd"), a("e")},
			"client B\n0 http/1.1 GET - /e 101 request 34/0 response 33/0\nrequest h2-connection 2\nresponse h2-connection 3\n"},
		{"upgrade to another", byB, []step{b(upgrade), a("HTTP/1.1 101 S\r\nUpgrade: other\r\n\r\nab"), b("cd")},
			"client B\n0 http/1.1 GET - /e 101 request 34/0 response 34/0\nrequest tunnel 2\nresponse tunnel 2\nrest tunnel\ndepth 2\n"},
	}
}

func TestProtocolAndClientAreToldFromContent(t *testing.T) {
	d := New(table(&echo{}))
	for _, tc := range slices.Concat(beginnings(), middles(), switches()) {
		t.Run(tc.name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, run(t, d, tc.opener, tc.steps, prototest.Whole)); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestAnySplitIsToldTheSame(t *testing.T) {
	d := New(table(&echo{}))
	for _, tc := range slices.Concat(beginnings(), middles(), switches()) {
		want := run(t, d, tc.opener, tc.steps, prototest.Whole)
		for seed := range uint64(20) {
			cut := prototest.Random(rand.New(rand.NewPCG(seed, 5)))
			if seed == 0 {
				cut = prototest.Single
			}
			if got := run(t, d, tc.opener, tc.steps, cut); got != want {
				t.Errorf("%s, seed %d (-whole +split)\n%s", tc.name, seed, cmp.Diff(want, got))
			}
		}
	}
}

func TestUpgradeTellsTheNextProtocolWhereItComesFrom(t *testing.T) {
	e := &echo{}
	steps := switches()[1].steps
	steps = slices.Insert(steps, 1, step{dir: flow.FromB, end: true})
	run(t, New(table(e)), byB, steps[:3], prototest.Whole)
	if diff := cmp.Diff([]string{"GET /e, mid-stream false", "request ended"}, e.made); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestMessageBeginsWithWhatWasHeld(t *testing.T) {
	for o, who := range []string{unseen: "mid-stream", byB: "from the SYN"} {
		if who == "" {
			continue
		}
		w := feed(t, New(table(&echo{})), opened(o), []step{b("GE"), b("T / HTTP/1.1\r\n\r\n")}, prototest.Whole)
		if got := w.ledger.Exchanges[0].Request.FirstNs; got != 1 {
			t.Errorf("%s: first byte at %d ns, want 1", who, got)
		}
	}
}

func TestWhatIsHeldIsBounded(t *testing.T) {
	for _, o := range []opened{unseen, byB} {
		l := prototest.NewLedger()
		r := New(table(&echo{})).Open(rawConn(o), l, l)
		r.Data(flow.FromB, []byte("WHATEVER /"), 1)
		for range 100 {
			r.Data(flow.FromB, bytes.Repeat([]byte("c"), 1000), 1)
			if n := len(r.(*conn).side[flow.FromB].held); n > maxHeld {
				t.Fatalf("%d bytes held", n)
			}
		}
	}
}

func TestOpenerIsTheClientFromTheBeginning(t *testing.T) {
	w := &watched{ledger: prototest.NewLedger()}
	c := New(table(&echo{})).Open(rawConn(byA), w.ledger, w.ledger).(*conn).conn
	if !c.ClientKnown || c.ClientAddr().Port() != 80 || c.ID != 7 {
		t.Errorf("connection %d: client %s, known %t; want the opener, of port 80", c.ID, c.ClientAddr(), c.ClientKnown)
	}
}

// TestLateSYNNamesTheClient is a SYN that the reassembler learns of after it
// told of the connection.
func TestLateSYNNamesTheClient(t *testing.T) {
	rc := rawConn(unseen)
	l := prototest.NewLedger()
	r := New(table(&echo{})).Open(rc, l, l)
	rc.OpenerKnown, rc.Opener = true, flow.FromA
	r.Data(flow.FromB, []byte("\x16\x03"), 1)
	r.Data(flow.FromB, []byte("\x16\x03"), 1)
	r.Close(reassembly.Finished, 2)
	if diff := cmp.Diff("response not-http 4\nrest not-http\n", l.String()); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestCloseReasonsBecomeMessageReasons(t *testing.T) {
	want := map[reassembly.CloseReason]proto.Reason{
		reassembly.Finished: proto.NoResponse, reassembly.Reset: proto.Aborted, reassembly.Replaced: proto.Lost,
		reassembly.Expired: proto.Lost, reassembly.Evicted: proto.Lost, reassembly.Stopped: proto.Unfinished,
	}
	d := New(table(&echo{}))
	for why := range reassembly.CloseReason(reassembly.NumCloseReasons) {
		l := prototest.NewLedger()
		r := d.Open(rawConn(byB), l, l)
		r.Data(flow.FromB, []byte(get), 1)
		r.Close(why, 2)
		if got := l.Exchanges[0].Response.Incomplete; got != want[why] {
			t.Errorf("%s: response is %s, want %s", why, got, want[why])
		}
	}
}

func TestConnectionsAllocateNothing(t *testing.T) {
	d, rc, sink := New(table(&echo{})), rawConn(byB), &discard{}
	request, response, other := []byte(get), []byte(ok5), []byte("\x16\x03\x01\x02\x00")
	mid := rawConn(unseen)
	for name, one := range map[string]func(){
		"http": func() {
			r := d.Open(rc, sink, nil)
			r.Data(flow.FromB, request[:3], 1)
			r.Data(flow.FromB, request[3:], 1)
			r.Data(flow.FromA, response, 2)
			r.Close(reassembly.Finished, 3)
		},
		"not http": func() {
			r := d.Open(rc, sink, nil)
			r.Data(flow.FromB, other, 1)
			r.Close(reassembly.Finished, 3)
		},
		"mid-stream": func() {
			r := d.Open(mid, sink, nil)
			r.Data(flow.FromA, response[30:], 1)
			r.Data(flow.FromB, request[:5], 2)
			r.Data(flow.FromB, request[5:], 2)
			r.Data(flow.FromA, response, 2)
			r.Close(reassembly.Finished, 3)
		},
	} {
		one()
		if n := testing.AllocsPerRun(100, one); n != 0 {
			t.Errorf("%s: %v allocations a connection", name, n)
		}
	}
}

// discard is a sink that takes everything.
type discard struct{}

func (discard) Opened(*proto.Conn)                                        {}
func (discard) Closed(*proto.Conn)                                        {}
func (discard) Begin(*proto.Exchange)                                     {}
func (discard) Bytes(*proto.Exchange, proto.Side, int64)                  {}
func (discard) Messages(*proto.Exchange, proto.Side, int64, int64)        {}
func (discard) Unattributed(*proto.Conn, proto.Side, int64, proto.Reason) {}
func (discard) Residual(*proto.Conn, proto.Reason)                        {}
func (discard) Done(*proto.Exchange)                                      {}

// FuzzContract feeds anything: every byte is credited once.
func FuzzContract(f *testing.F) {
	for _, tc := range slices.Concat(beginnings(), middles(), switches()) {
		var in []byte
		for _, s := range tc.steps {
			for rest := s.b[:min(len(s.b), 200)]; len(rest) > 0; rest = rest[min(len(rest), 60):] {
				n := min(len(rest), 60)
				in = append(append(in, byte(n)<<2|byte(s.dir)), rest[:n]...)
			}
		}
		f.Add(in, uint8(tc.opener))
	}
	d := New(table(&echo{}))
	f.Fuzz(func(t *testing.T, in []byte, o uint8) {
		var steps []step
		for len(in) > 0 {
			op := in[0]
			n := min(int(op>>2), len(in)-1)
			s := step{dir: flow.Dir(op & 1), b: string(in[1 : 1+n])}
			if op&2 != 0 {
				s = step{dir: s.dir, gap: int64(n) + 1, why: flow.Gap(n % 3)}
				n = 0
			}
			steps, in = append(steps, s), in[1+n:]
		}
		run(t, d, opened(o%3), steps, prototest.Whole)
	})
}
