package pipeline

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"
	"syscall"
	"testing"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"gortap/internal/account"
	"gortap/internal/flow"
	"gortap/internal/insight"
	insightdetect "gortap/internal/insight/detect"
	"gortap/internal/insight/intake"
	"gortap/internal/process/redact"
	"gortap/internal/proto"
	"gortap/internal/proto/detect"
	"gortap/internal/proto/http1"
	protoh2 "gortap/internal/proto/http2"
)

const (
	crowdConns = 128 // kept alive, in turn: what one leaves in the cache is gone when it comes again
	crowdTurns = 8   // exchanges of each, which come again and again
	crowdBatch = 160 // exchanges between two ticks
	crowdStep  = 20_000
)

// turn is an exchange of one connection: what is captured of it, and how much more of the
// response passes in how many segments.
type turn struct {
	request, response []byte
	more, segments    int
}

// crowd is a shard that many connections keep busy.
type crowd struct {
	shard   *Shard
	account *account.Account
	intake  *intake.Intake // nil: no insight
	conns   [crowdConns]struct {
		key flow.Key
		seq [2]uint32 // client's, server's
	}
	turns [crowdTurns][crowdConns]turn
	again func(*turn) // makes a turn the next one of its kind, in place; nil: it is the same
	n     int         // exchanges so far
	nowNs int64
	s     flow.Segment
}

// newCrowd opens the connections and says hello on each.
func newCrowd(tb testing.TB, withInsight bool, hello []turn, turns [crowdTurns]turn) *crowd {
	tb.Helper()
	a, err := account.New(account.Config{}, 1)
	if err != nil {
		tb.Fatal(err)
	}
	c := &crowd{account: a, nowNs: 1_700_000_000e9}
	var feeds []Feed
	if withInsight {
		hide, err := redact.New(redact.Config{Parameters: []string{"token"}})
		if err != nil {
			tb.Fatal(err)
		}
		c.intake = intake.New(intake.Config{
			Store:  insight.NewStore(insight.NewBook(insight.Config{}), insightdetect.New(insightdetect.Config{})),
			Redact: hide, Wait: true,
		})
		feeds = append(feeds, c.intake.Feed(nil))
	}
	d := detect.New([]detect.Protocol{
		{Name: "http/1.1", Detect: http1.Detect, DetectMid: http1.DetectMid, Lines: true, New: func() proto.Factory { return http1.NewFactory(http1.Limits{}) }},
		{Name: "h2c", Detect: protoh2.Detect, DetectMid: protoh2.DetectMid, New: func() proto.Factory { return protoh2.NewFactory(protoh2.Options{}) }},
	})
	c.shard = NewShard(Options{Account: a.Shard(0), Open: d.Open, Feeds: feeds})
	for i := range c.conns {
		client := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(1 + i%16)}), uint16(40000+i))
		c.conns[i].key, _ = flow.NewKey(client, netip.MustParseAddrPort("10.0.1.1:80"), 0)
		c.send(i, 0, flow.SYN, nil, 0)
		c.send(i, 1, flow.SYN|flow.ACK, nil, 0)
		for _, t := range hello {
			c.send(i, 0, flow.ACK, t.request, len(t.request))
			c.send(i, 1, flow.ACK, t.response, len(t.response))
		}
	}
	c.lay(turns)
	return c
}

// lay puts the turns into memory one behind the other, as they lie in a ring: larger
// than the cache next to the processor.
func (c *crowd) lay(turns [crowdTurns]turn) {
	size := 0
	for _, t := range turns {
		size += crowdConns * (len(t.request) + len(t.response))
	}
	ring := make([]byte, 0, size)
	keep := func(b []byte) []byte {
		from := len(ring)
		ring = append(ring, b...)
		return ring[from:len(ring):len(ring)]
	}
	for i := range c.turns {
		for conn := range c.turns[i] {
			t := turns[(i+conn)%crowdTurns]
			t.request, t.response = keep(t.request), keep(t.response)
			c.turns[i][conn] = t
		}
	}
}

// send makes a segment as the capture does, of n bytes.
func (c *crowd) send(conn, side int, flags flow.Flags, b []byte, n int) {
	at := &c.conns[conn]
	c.s = flow.Segment{
		Key: at.key, Dir: flow.FromB ^ flow.Dir(side), Flags: flags, Cut: flow.Skipped, // the server has the lower port
		Seq: at.seq[side], Ack: at.seq[1-side], Len: n, Data: b, NetBytes: 40 + n, TsNs: c.nowNs,
	}
	if at.seq[side] += uint32(n); flags.Has(flow.SYN) {
		at.seq[side]++
	}
	c.shard.Segment(&c.s)
}

// exchange plays the next one.
func (c *crowd) exchange() {
	conn := c.n % crowdConns
	t := &c.turns[c.n/crowdConns%crowdTurns][conn]
	c.nowNs += crowdStep
	c.send(conn, 0, flow.PSH|flow.ACK, t.request, len(t.request))
	first := len(t.response)
	if t.segments > 0 {
		first += t.more / (t.segments + 1)
	}
	c.nowNs += crowdStep / 2
	c.send(conn, 1, flow.PSH|flow.ACK, t.response, first)
	for left := len(t.response) + t.more - first; left > 0; {
		n := min(left, max(t.more/(t.segments+1), 1))
		c.send(conn, 1, flow.PSH|flow.ACK, nil, n)
		left -= n
	}
	if c.again != nil {
		c.again(t)
	}
	if c.n++; c.n%crowdBatch == 0 {
		c.shard.Tick(c.nowNs)
	}
}

// close ends the run and looks at what was made of it.
func (c *crowd) close(tb testing.TB, hello int) {
	c.shard.Tick(c.nowNs)
	c.shard.Close()
	if c.intake != nil {
		c.intake.Close()
	}
	got := c.account.Totals()
	if want := uint64(c.n + crowdConns*hello); got.Exchanges != want {
		tb.Errorf("%d exchanges, want %d", got.Exchanges, want)
	}
	for why, n := range got.Incomplete {
		if n > 0 {
			tb.Errorf("%d exchanges are incomplete: %v", n, proto.Reason(why))
		}
	}
}

const (
	wrkGet  = "GET /items/%c?page=1 HTTP/1.1\r\nHost: shop.example\r\n\r\n"
	nginxOK = "HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\nDate: Tue, 14 Nov 2023 22:13:20 GMT\r\nContent-Type: text/plain\r\n" +
		"Content-Length: %d\r\nLast-Modified: Mon, 13 Nov 2023 10:00:00 GMT\r\nConnection: keep-alive\r\nETag: \"6551f0c0-%x\"\r\nAccept-Ranges: bytes\r\n\r\n"
)

// crowds are what the shard is measured with, by name.
func crowds(tb testing.TB) map[string]func(insight bool) (*crowd, int) {
	var small, large [crowdTurns]turn
	for i := range crowdTurns {
		request := fmt.Appendf(nil, wrkGet, 'a'+i)
		small[i] = turn{request: request, response: append(fmt.Appendf(nil, nginxOK, 512, 512), bytes.Repeat([]byte{byte('a' + i)}, 512)...)}
		head := fmt.Appendf(nil, nginxOK, 1<<20, 1<<20)
		body := bytes.Repeat([]byte{byte('a' + i)}, 2048-len(head)) // the budget of a turn
		large[i] = turn{request: request, response: append(head, body...), more: 1<<20 - len(body), segments: 8}
	}
	hello, h2 := http2Turns(tb)
	return map[string]func(bool) (*crowd, int){
		"http1":      func(insight bool) (*crowd, int) { return newCrowd(tb, insight, nil, small), 0 },
		"http1-1MiB": func(insight bool) (*crowd, int) { return newCrowd(tb, insight, nil, large), 0 },
		"http2": func(insight bool) (*crowd, int) {
			c := newCrowd(tb, insight, hello, h2)
			c.again = func(t *turn) { laterStreams(t.request); laterStreams(t.response) }
			return c, crowdTurns
		},
	}
}

// http2Turns are exchanges in streams of their own: first with fields that go into the
// tables of both sides, then with what refers to these, as clients do that ask again.
func http2Turns(tb testing.TB) (hello []turn, turns [crowdTurns]turn) {
	var heads [2]bytes.Buffer
	encoders := [2]*hpack.Encoder{hpack.NewEncoder(&heads[0]), hpack.NewEncoder(&heads[1])}
	block := func(side int, pairs ...string) []byte {
		heads[side].Reset()
		for i := 0; i < len(pairs); i += 2 {
			if err := encoders[side].WriteField(hpack.HeaderField{Name: pairs[i], Value: pairs[i+1]}); err != nil {
				tb.Fatal(err)
			}
		}
		return heads[side].Bytes()
	}
	var all []turn
	for i := range 2 * crowdTurns {
		var request, response bytes.Buffer
		if i == 0 {
			request.WriteString(http2.ClientPreface)
			_ = http2.NewFramer(&request, nil).WriteSettings()
			_ = http2.NewFramer(&response, nil).WriteSettings()
		}
		id := uint32(2*i + 1)
		_ = http2.NewFramer(&request, nil).WriteHeaders(http2.HeadersFrameParam{StreamID: id, EndStream: true, EndHeaders: true,
			BlockFragment: block(0, ":method", "GET", ":scheme", "http", ":authority", "shop.example", ":path", fmt.Sprintf("/items/%c?page=1", 'a'+i%crowdTurns),
				"user-agent", "h2load nghttp2/1.52.0", "accept", "*/*")})
		f := http2.NewFramer(&response, nil)
		_ = f.WriteHeaders(http2.HeadersFrameParam{StreamID: id, EndHeaders: true, BlockFragment: block(1, ":status", "200", "server", "nginx/1.22.1",
			"date", "Tue, 14 Nov 2023 22:13:20 GMT", "content-type", "text/plain", "content-length", "512", "etag", fmt.Sprintf(`"6551f0c0-%x"`, i%crowdTurns))})
		_ = f.WriteData(id, true, bytes.Repeat([]byte{byte('a' + i%crowdTurns)}, 512))
		all = append(all, turn{request: request.Bytes(), response: response.Bytes()})
	}
	return all[:crowdTurns], [crowdTurns]turn(all[crowdTurns:])
}

// laterStreams gives frames the stream ids of the next round.
func laterStreams(frames []byte) {
	for len(frames) >= 9 {
		n := 9 + int(frames[0])<<16 + int(frames[1])<<8 + int(frames[2])
		if id := binary.BigEndian.Uint32(frames[5:]); id != 0 {
			binary.BigEndian.PutUint32(frames[5:], id+2*crowdTurns)
		}
		frames = frames[min(n, len(frames)):]
	}
}

func TestNothingIsAllocatedForTheExchangesOfACrowd(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector allocates where the program does not")
	}
	for name, open := range crowds(t) {
		c, hello := open(false)
		for range 2 * crowdConns * crowdTurns {
			c.exchange()
		}
		if n := testing.AllocsPerRun(2000, c.exchange); n != 0 {
			t.Errorf("%s: %v allocations an exchange", name, n)
		}
		c.close(t, hello)
	}
}

// BenchmarkCrowd is an exchange of one of many connections, from its segments to the
// metrics, and with insight to what it keeps: the processor time of all goroutines.
func BenchmarkCrowd(b *testing.B) {
	for name, open := range crowds(b) {
		for _, insight := range []bool{false, true} {
			title := name
			if insight {
				title += "-insight"
			}
			b.Run(title, func(b *testing.B) {
				c, hello := open(insight)
				for range 2 * crowdConns * crowdTurns {
					c.exchange()
				}
				b.ReportAllocs()
				b.ResetTimer()
				before := processorTime(b)
				for range b.N {
					c.exchange()
				}
				c.close(b, hello)
				b.ReportMetric(float64(processorTime(b)-before)/float64(b.N), "cpu-ns/op")
			})
		}
	}
}

// processorTime is what the process has used so far, in nanoseconds.
func processorTime(tb testing.TB) int64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		tb.Fatal(err)
	}
	return u.Utime.Nano() + u.Stime.Nano()
}
