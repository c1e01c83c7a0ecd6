package intake

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gortap/internal/flow"
	"gortap/internal/insight"
	"gortap/internal/pipeline"
	"gortap/internal/process/redact"
	"gortap/internal/proto"
	"gortap/internal/proto/detect"
	"gortap/internal/proto/http1"
	"gortap/internal/proto/prototest"
	"gortap/internal/testutil"
)

var _ pipeline.MessageFeed = (*Feed)(nil)

// notes is a Detector that writes down what it is told.
type notes struct{ all []insight.Observation }

func (n *notes) Observe(o *insight.Observation) {
	kept := *o
	kept.Sample = append([]byte(nil), o.Sample...)
	n.all = append(n.all, kept)
}
func (n *notes) Resent(string, uint64)       {}
func (n *notes) Missed(*insight.Missed)      {}
func (n *notes) Tick(int64)                  {}
func (n *notes) Findings() []insight.Finding { return nil }
func (n *notes) Events() []insight.Event     { return nil }

// sink names exchanges as an account does, and passes them on as a shard does.
type sink struct {
	*prototest.Ledger
	feed *Feed
}

var _ proto.Observer = sink{}

func (s sink) Begin(x *proto.Exchange) {
	s.Ledger.Begin(x)
	x.Service, x.MethodLabel, x.Path = "shop", string(x.Method), "/items/{id}"
	s.feed.Begin(x)
}
func (s sink) Payload(x *proto.Exchange, d proto.Side, part proto.Part, b []byte) {
	s.feed.Payload(x, d, part, b)
}
func (s sink) Ended(x *proto.Exchange, d proto.Side) { s.feed.Ended(x, d) }
func (s sink) Done(x *proto.Exchange)                { s.Ledger.Done(x); s.feed.Exchange(x) }
func (s sink) Closed(c *proto.Conn)                  { s.Ledger.Closed(c); s.feed.Closed(c) }

// play returns what is observed of one connection.
func play(t *testing.T, script ...prototest.Event) []insight.Observation {
	t.Helper()
	testutil.CheckLeaks(t)
	r, err := redact.New(redact.Config{})
	if err != nil {
		t.Fatal(err)
	}
	n := &notes{}
	in := New(Config{Store: insight.NewStore(insight.NewBook(insight.Config{}), n), Redact: r, Wait: true})
	f := in.Feed(nil)
	d := detect.New([]detect.Protocol{{
		Name: "http/1.1", Detect: http1.Detect, DetectMid: http1.DetectMid, Lines: true,
		New: func() proto.Factory { return http1.NewFactory(http1.Limits{}) },
	}})
	conn := &prototest.Connection{Client: flow.FromB, Script: script}
	ledger := prototest.NewLedger()
	conn.Receive(d.Open(conn.Conn(), sink{ledger, f}, ledger))
	f.Close()
	in.Close()
	if got := in.Stats(); got.Taken != uint64(len(n.all)) || got.Missing != [NumReasons]uint64{} {
		t.Errorf("%d observations, %+v", len(n.all), got)
	}
	return n.all
}

func from(s proto.Side, b string) prototest.Event { return prototest.Event{Side: s, Data: []byte(b)} }

func TestWhatIsObserved(t *testing.T) {
	const (
		request = "POST /items/1?token=hunter2 HTTP/1.1\r\nHost: shop.example\r\nuser-agent: curl/8\r\nCookie: a=b\r\n" +
			"Accept-Encoding: gzip\r\nAccept-Encoding: br\r\nIf-None-Match: \"v1\"\r\nContent-Length: 5\r\n\r\nhello"
		response = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nETag: \"v2\"\r\nCache-Control: no-store\r\n" +
			"Transfer-Encoding: chunked\r\n\r\n6\r\nabcdef\r\n3\r\nghi\r\n0\r\n\r\n"
	)
	got := play(t, from(proto.Client, request), from(proto.Server, response), from(proto.Client, request), from(proto.Server, response))
	if len(got) != 2 {
		t.Fatalf("got %d observations", len(got))
	}
	o := got[0]
	want := insight.Head{
		AcceptEncoding: "gzip, br", IfNoneMatch: `"v1"`, UserAgent: "curl/8", Authorized: true,
		ContentType: "text/plain", CacheControl: "no-store", ETag: `"v2"`,
	}
	if diff := cmp.Diff(want, o.Head); diff != "" || !o.HasHead {
		t.Errorf("head (-want +got):\n%s", diff)
	}
	if o.Service != "shop" || o.Method != http.MethodPost || o.Path != "/items/{id}" || o.Host != "shop.example" || o.Status != 200 || !o.Complete {
		t.Errorf("got %+v", o)
	}
	if strings.Contains(o.Target, "hunter2") || !strings.HasPrefix(o.Target, "/items/1?token=") {
		t.Errorf("target %q", o.Target)
	}
	if string(o.Sample) != "abcdefghi" || o.RequestSize != 5 || o.ResponseSize != 9 ||
		o.RequestBytes != int64(len(request)) || o.ResponseBytes != int64(len(response)) {
		t.Errorf("sample %q, sizes %d and %d, bytes %d and %d", o.Sample, o.RequestSize, o.ResponseSize, o.RequestBytes, o.ResponseBytes)
	}
	again := got[1]
	if !o.First || again.First {
		t.Error("the first exchange of a connection is not told apart")
	}
	if !o.HasRequestHash || !o.HasResponseHash || o.RequestHash != again.RequestHash || o.ResponseHash != again.ResponseHash || o.RequestHash == o.ResponseHash {
		t.Errorf("hashes %x %x, again %x %x", o.RequestHash, o.ResponseHash, again.RequestHash, again.ResponseHash)
	}
}

func TestABodyWithGapsHasNoHash(t *testing.T) {
	head := fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", 5000)
	got := play(t, from(proto.Client, "GET /items/1 HTTP/1.1\r\n\r\n"), from(proto.Server, head+strings.Repeat("x", 2000)),
		prototest.Event{Side: proto.Server, Gap: 3000, Why: flow.Skipped})
	if o := got[0]; o.ResponsePart != 2000 || o.ResponseHash == 0 || !o.HasRequestHash || o.HasResponseHash || o.ResponseSize != 5000 || len(o.Sample) != 2000 || !o.Complete || o.Duration < 0 {
		t.Errorf("got %+v", o)
	}
}

// TestTheCaptureDoesNotWait: what does not fit into the queue is dropped and counted.
func TestTheCaptureDoesNotWait(t *testing.T) {
	testutil.CheckLeaks(t)
	store := insight.NewStore(insight.NewBook(insight.Config{}), nil)
	in := New(Config{Store: store})
	f := in.Feed(nil)
	conn := (&prototest.Connection{Client: flow.FromB}).Conn()
	x := &proto.Exchange{Conn: &proto.Conn{ID: 1, Key: conn.Key}, Protocol: proto.HTTP11, Service: "shop", Path: "/"}
	const n = 3 * queueLength * batchEntries
	store.Batch(0, func(func(*insight.Observation)) { // nobody takes anything meanwhile
		for i := range n {
			f.Begin(x)
			f.Exchange(x)
			f.Tick(int64(i))
		}
	})
	f.Close()
	in.Close()
	st := in.Stats()
	if st.Taken != n || st.Missing[QueueFull] == 0 || store.Stats().Observed != n-st.Missing[QueueFull] {
		t.Errorf("%d exchanges: %+v, %d observed", n, st, store.Stats().Observed)
	}
	if st.Missing[HeadShed] == 0 {
		t.Error("heads were kept to the last")
	}
}

func TestLongNamesAreCutAndDiffer(t *testing.T) {
	n := newNames()
	a, b := n.get([]byte(strings.Repeat("x", 2000)+"a")), n.get([]byte(strings.Repeat("x", 2000)+"b"))
	if a == b || len(a) > maxName || len(b) > maxName {
		t.Errorf("%q, %q", a, b)
	}
	for i := range 3 * maxNames {
		n.get(fmt.Append(nil, i))
	}
	if len(n.young)+len(n.old) > 2*maxNames {
		t.Errorf("%d and %d names", len(n.young), len(n.old))
	}
}

// TestNothingIsAllocatedForAnExchange: neither in the shard nor behind the queue.
func TestNothingIsAllocatedForAnExchange(t *testing.T) {
	one := steady(t)
	for range 4 * queueLength * batchEntries {
		one()
	}
	if got := testing.AllocsPerRun(10000, one); got != 0 && !raceDetector {
		t.Errorf("%v allocations", got)
	}
}

func BenchmarkExchange(b *testing.B) {
	one := steady(b)
	b.ReportAllocs()
	for b.Loop() {
		one()
	}
}

// steady returns what feeds one more exchange of a kind that is known.
func steady(t testing.TB) func() {
	in := New(Config{Store: insight.NewStore(insight.NewBook(insight.Config{}), nil), Wait: true})
	f := in.Feed(nil)
	t.Cleanup(func() { f.Close(); in.Close() })
	conn := (&prototest.Connection{Client: flow.FromB}).Conn()
	x := &proto.Exchange{
		Conn: &proto.Conn{ID: 1, Key: conn.Key}, Protocol: proto.HTTP11, Service: "shop", MethodLabel: "GET", Path: "/items/{id}",
		Host: []byte("shop.example"), Target: []byte("/items/1"), Status: 200,
	}
	request := []byte("GET /items/1 HTTP/1.1\r\nHost: shop.example\r\nUser-Agent: curl/7.88.1\r\nAccept: */*\r\nAccept-Encoding: gzip\r\n\r\n")
	response := []byte("HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\nDate: Tue, 14 Nov 2023 22:13:20 GMT\r\nContent-Type: text/plain\r\n" +
		"Content-Length: 1300\r\nETag: \"5e1f\"\r\nConnection: keep-alive\r\n\r\n")
	body := []byte(strings.Repeat("hello, world\n", 100))
	x.Request.Seen, x.Response.Seen = true, true
	x.Request.Wire, x.Response.Wire, x.Response.Body = int64(len(request)), int64(len(response)+len(body)), int64(len(body))
	ts := time.Now().UnixNano()
	return func() {
		ts += int64(50 * time.Microsecond)
		x.Seq++
		x.Request.FirstNs, x.Request.LastNs, x.Response.FirstNs, x.Response.LastNs = ts, ts, ts+1000, ts+2000
		f.Begin(x)
		f.Payload(x, proto.Client, proto.Head, request)
		f.Payload(x, proto.Server, proto.Head, response)
		f.Payload(x, proto.Server, proto.Body, body)
		f.Exchange(x)
		f.Tick(ts)
	}
}
