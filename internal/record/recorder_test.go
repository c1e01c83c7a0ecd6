package record

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gortap/internal/flow"
	"gortap/internal/proto"
	"gortap/internal/proto/prototest"
)

func c(b string) prototest.Event { return prototest.Event{Side: proto.Client, Data: []byte(b)} }
func s(b string) prototest.Event { return prototest.Event{Side: proto.Server, Data: []byte(b)} }
func gap(d proto.Side, n int64, why flow.Gap) prototest.Event {
	return prototest.Event{Side: d, Gap: n, Why: why}
}

func connection80(e ...prototest.Event) *prototest.Connection {
	return &prototest.Connection{Client: flow.FromB, Script: e}
}

const (
	get    = "GET /a HTTP/1.1\r\nHost: h\r\n\r\n"
	ok     = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
	noBody = "HTTP/1.1 204 No Content\r\n\r\n"
)

func TestMessages(t *testing.T) {
	chunked := "POST /c HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n0\r\nT: v\r\n\r\n"
	expect := "PUT /e HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n"
	upgrade := "GET /ws HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
	head := "HEAD /h HTTP/1.1\r\nHost: h\r\n\r\n"
	for _, tc := range []struct {
		name    string
		script  *prototest.Connection
		want    []string
		dropped string
	}{
		{"a request, its response, the end", connection80(c(get), s(ok)), []string{"request 0 " + q(get), "response 0 " + q(ok), "end 1"}, ""},
		{"chunks and trailers as sent", connection80(c(chunked), s(noBody)), []string{"request 0 " + q(chunked), "response 0 " + q(noBody), "end 1"}, ""},
		{"interim responses left out", connection80(c(expect), s("HTTP/1.1 100 Continue\r\n\r\n"), c("abc"), s(ok)),
			[]string{"request 0 " + q(expect+"abc"), "response 0 " + q(ok), "end 1"}, ""},
		{"what announces a body to HEAD has none", connection80(c(head), s("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"), c(get), s(ok)),
			[]string{"request 0 " + q(head), "response 0 " + q("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"), "request 1 " + q(get), "response 1 " + q(ok), "end 2"}, ""},
		{"pipelined requests say so", connection80(c(get+get), s(ok+ok), c(get), s(ok)),
			[]string{"request 0 " + q(get), "request 1 pipelined " + q(get), "response 0 " + q(ok), "response 1 " + q(ok), "request 2 " + q(get), "response 2 " + q(ok), "end 3"}, ""},
		{"a response comes after its request", connection80(c(expect), s(ok), c("abc")),
			[]string{"request 0 " + q(expect+"abc"), "response 0 " + q(ok), "end 1"}, ""},
		{"empty lines before a message are no part of it", connection80(c("\r\n\r\n"+get), s(ok)), []string{"request 0 " + q(get), "response 0 " + q(ok), "end 1"}, ""},
		{"an upgrade and what follows", connection80(c(upgrade), s("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n\x81\x02hi"), c("\x81\x81abcdx")),
			[]string{"request 0 " + q(upgrade), "response 0 " + q("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"), "stream 1 " + q("\x81\x81abcdx"), "end 2"}, ""},
		{"nothing of a stream behind a gap", connection80(c(upgrade), s("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"), gap(proto.Client, 9, flow.Lost), c("\x81\x81abcdx")),
			[]string{"request 0 " + q(upgrade), "response 0 " + q("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"), "end 2"}, "lost 1"},
		{"nothing of a request with lost bytes, nor its response", connection80(c(expect+"a"), gap(proto.Client, 2, flow.Lost), s(ok)), nil, "lost 1, no-request 1"},
		{"nor of one with skipped bytes", connection80(c(expect+"a"), gap(proto.Client, 2, flow.Skipped), s(ok)), nil, "skipped 1, no-request 1"},
		{"a request whose response was cut", connection80(c(get), s(ok[:len(ok)-1])), []string{"request 0 " + q(get), "end 1"}, "aborted 1"},
		{"a response alone", connection80(s(ok)), nil, "no-request 1"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := play(t, tc.script, RecorderOptions{})
			var got []string
			for _, r := range p.records {
				got = append(got, text(r))
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if dropped := reasons(p.stats); dropped != tc.dropped {
				t.Errorf("dropped %q, want %q", dropped, tc.dropped)
			}
		})
	}
}

func q(s string) string { return fmt.Sprintf("%q", s) }

func reasons(s RecorderStats) string {
	var out []string
	for _, d := range s.Dropped {
		out = append(out, fmt.Sprintf("%s %d", d.Reason, d.N))
	}
	return strings.Join(out, ", ")
}

func TestARequestLeavesBeforeItIsAnswered(t *testing.T) {
	var got collector
	r := NewRecorder(RecorderOptions{Put: got.put, Needs: Needs{Requests: true}})
	conn := connection80()
	in := newDetector().Open(conn.Conn(), sink{r, prototest.NewLedger()}, prototest.NewLedger())
	in.Data(flow.FromB, []byte(get), 1)
	r.Tick(1)
	if len(got.records) != 1 {
		t.Fatalf("got %d records", len(got.records))
	}
	in.Data(flow.FromA, []byte(ok), 2)
	r.Tick(2)
	if len(got.records) != 1 {
		t.Fatalf("nobody asked for the response: %s", &got)
	}
}

func TestLimits(t *testing.T) {
	post := "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\n" + strings.Repeat("x", 100)
	for _, tc := range []struct {
		name string
		o    RecorderOptions
		want string
	}{
		{"of a message", RecorderOptions{MaxMessage: 100}, "no-request 1, too-large 1"},
		{"of all that go on", RecorderOptions{MaxOpen: 80}, "no-request 1, memory 1"},
	} {
		p := play(t, connection80(c(post[:60]), c(post[60:]), s(ok), c(get), s(ok)), tc.o)
		if got := reasons(p.stats); got != tc.want {
			t.Errorf("%s: dropped %q, want %q", tc.name, got, tc.want)
		}
		if got := string(p.data(Request)); got != get {
			t.Errorf("%s: then recorded %q", tc.name, got)
		}
	}
}

func TestWhatFindsNoRoomIsCounted(t *testing.T) {
	r := NewRecorder(RecorderOptions{Put: func(*Record) bool { return false }})
	connection80(c(get), s(ok)).Receive(newDetector().Open(connection80().Conn(), sink{r, prototest.NewLedger()}, prototest.NewLedger()))
	r.Close()
	if got := reasons(r.Stats()); got != "queue-full 2" {
		t.Errorf("dropped %q", got)
	}
	checkConserved(t, r.Stats())
}

// TestOrderByTime: a request that takes long is in its place, until too much
// waits for it.
func TestOrderByTime(t *testing.T) {
	for _, tc := range []struct {
		window int
		want   string
	}{{1 << 20, "1 2 3"}, {1, "2 3 1"}} {
		var got collector
		r := NewRecorder(RecorderOptions{Put: got.put, Ordered: true, Window: tc.window})
		d := newDetector()
		open := func(id uint64) func(ts int64, b string) {
			conn := connection80().Conn()
			conn.ID = id
			in := d.Open(conn, sink{r, prototest.NewLedger()}, prototest.NewLedger())
			return func(ts int64, b string) { in.Data(flow.FromB, []byte(b), ts) }
		}
		slow, quick := open(1), open(2)
		const second = int64(1e9)
		slow(1, "POST /1 HTTP/1.1\r\nContent-Length: 4\r\n\r\nab")
		quick(2, "GET /2 HTTP/1.1\r\n\r\n")
		quick(3, "GET /3 HTTP/1.1\r\n\r\n")
		r.Tick(5 * second)
		slow(5*second, "cd")
		r.Tick(9 * second)
		var order []string
		for _, rec := range got.records {
			order = append(order, string(rec.Data[strings.IndexByte(string(rec.Data), '/')+1:][:1]))
		}
		if s := strings.Join(order, " "); s != tc.want {
			t.Errorf("window %d: %s, want %s", tc.window, s, tc.want)
		}
	}
}

func TestNamesOfConnectionsDoNotCollide(t *testing.T) {
	seen := map[uint64]bool{}
	for seed := range uint64(10) {
		for n := range uint64(1000) {
			seen[ConnID(seed*1e9, n)] = true
		}
	}
	if len(seen) != 10000 {
		t.Errorf("%d of 10000", len(seen))
	}
	if got := ID(0xab, 0x1_0000_0002); got != "00000000000000ab00000002" {
		t.Errorf("got %s", got)
	}
}

func TestARequestCostsThreeAllocations(t *testing.T) {
	r := NewRecorder(RecorderOptions{Put: func(*Record) bool { return true }})
	in := newDetector().Open(connection80().Conn(), quiet{r}, prototest.NewLedger())
	request, response := []byte(get), []byte(ok)
	got := testing.AllocsPerRun(1000, func() {
		in.Data(flow.FromB, request, 1)
		in.Data(flow.FromA, response, 2)
		r.Tick(2)
	})
	if got > 3 {
		t.Errorf("%.1f allocations: want the record, its id and its bytes", got)
	}
}

func BenchmarkRequest(b *testing.B) {
	r := NewRecorder(RecorderOptions{Put: func(*Record) bool { return true }})
	in := newDetector().Open(connection80().Conn(), quiet{r}, prototest.NewLedger())
	request, response := []byte(get), []byte(ok)
	b.ReportAllocs()
	for b.Loop() {
		in.Data(flow.FromB, request, 1)
		in.Data(flow.FromA, response, 2)
		r.Tick(2)
	}
}

// quiet is a sink of which nobody else makes use.
type quiet struct{ *Recorder }

func (quiet) Opened(*proto.Conn)                                        {}
func (quiet) Bytes(*proto.Exchange, proto.Side, int64)                  {}
func (quiet) Unattributed(*proto.Conn, proto.Side, int64, proto.Reason) {}
func (quiet) Residual(*proto.Conn, proto.Reason)                        {}
func (quiet) Messages(*proto.Exchange, proto.Side, int64, int64)        {}
func (q quiet) Done(x *proto.Exchange)                                  { q.Exchange(x) }
