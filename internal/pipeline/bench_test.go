package pipeline

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"testing"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"gortap/internal/account"
	"gortap/internal/flow"
	"gortap/internal/proto"
	"gortap/internal/proto/detect"
	"gortap/internal/proto/http1"
	protoh2 "gortap/internal/proto/http2"
	"gortap/internal/reassembly"
)

const (
	get1 = "GET /items/42?page=1 HTTP/1.1\r\nHost: shop.example\r\nUser-Agent: curl/7.88.1\r\nAccept: */*\r\n\r\n"
	ok1  = "HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\nDate: Tue, 14 Nov 2023 22:13:20 GMT\r\nContent-Type: text/plain\r\n" +
		"Content-Length: 13\r\nConnection: keep-alive\r\n\r\nhello, world\n"
)

// talk is a connection whose exchanges are two segments each.
type talk struct {
	shard *Shard
	seq   [2]uint32
	s     flow.Segment
	up    flow.Dir
}

func newTalk(t testing.TB) *talk {
	a, err := account.New(account.Config{}, 1)
	if err != nil {
		t.Fatal(err)
	}
	d := detect.New([]detect.Protocol{
		{Name: "http/1.1", Detect: http1.Detect, DetectMid: http1.DetectMid, Lines: true, New: func() proto.Factory { return http1.NewFactory(http1.Limits{}) }},
		{Name: "h2c", Detect: protoh2.Detect, DetectMid: protoh2.DetectMid, New: func() proto.Factory { return protoh2.NewFactory(protoh2.Options{}) }},
	})
	c := &talk{shard: NewShard(Options{Account: a.Shard(0), Open: func(rc *reassembly.Conn, sink proto.Sink, ctl flow.Control) reassembly.Receiver {
		return d.Open(rc, sink, ctl)
	}})}
	c.s.Key, c.up = flow.NewKey(netip.MustParseAddrPort("10.0.0.9:40000"), netip.MustParseAddrPort("192.0.2.1:80"), 0)
	c.send(0, flow.SYN, nil)
	c.send(1, flow.SYN|flow.ACK, nil)
	return c
}

func (c *talk) send(side int, flags flow.Flags, b []byte) {
	c.s.Dir = c.up ^ flow.Dir(side)
	c.s.Flags, c.s.Seq, c.s.Ack = flags, c.seq[side], c.seq[1-side]
	c.s.Data, c.s.Len, c.s.NetBytes = b, len(b), 40+len(b)
	c.s.TsNs++
	if c.seq[side] += uint32(len(b)); flags.Has(flow.SYN) {
		c.seq[side]++
	}
	c.shard.Segment(&c.s)
}

func (c *talk) exchange(request, response []byte) {
	c.send(0, flow.ACK, request)
	c.send(1, flow.ACK, response)
	c.shard.Tick(c.s.TsNs)
}

// call makes a request and a response of HTTP/2 that do not touch the dynamic
// table, so that they can be sent again with another stream id.
func call(t testing.TB) (preface, request, response []byte) {
	var out, head bytes.Buffer
	fr, enc := http2.NewFramer(&out, nil), hpack.NewEncoder(&head)
	fields := func(fields ...hpack.HeaderField) []byte {
		head.Reset()
		for _, f := range fields {
			f.Sensitive = true // never indexed
			if err := enc.WriteField(f); err != nil {
				t.Fatal(err)
			}
		}
		return head.Bytes()
	}
	take := func(err error) []byte {
		if err != nil {
			t.Fatal(err)
		}
		defer out.Reset()
		return bytes.Clone(out.Bytes())
	}
	preface = append([]byte(http2.ClientPreface), take(fr.WriteSettings())...)
	request = take(fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, EndHeaders: true, EndStream: true, BlockFragment: fields(
		hpack.HeaderField{Name: ":method", Value: "GET"}, hpack.HeaderField{Name: ":scheme", Value: "http"},
		hpack.HeaderField{Name: ":authority", Value: "shop.example"}, hpack.HeaderField{Name: ":path", Value: "/items/42?page=1"})}))
	response = take(fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, EndHeaders: true, EndStream: true, BlockFragment: fields(
		hpack.HeaderField{Name: ":status", Value: "200"}, hpack.HeaderField{Name: "content-type", Value: "text/plain"})}))
	return preface, request, response
}

// exchanges returns what makes one more exchange on a connection, by protocol.
func exchanges(t testing.TB) map[string]func() {
	one := newTalk(t)
	two := newTalk(t)
	preface, request, response := call(t)
	two.send(0, flow.ACK, preface)
	id := uint32(1)
	get, ok := []byte(get1), []byte(ok1)
	return map[string]func(){
		"http1": func() { one.exchange(get, ok) },
		"http2": func() {
			binary.BigEndian.PutUint32(request[5:], id)
			binary.BigEndian.PutUint32(response[5:], id)
			two.exchange(request, response)
			id += 2
		},
	}
}

func TestNothingIsAllocatedForAnExchange(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector allocates where the program does not")
	}
	for name, one := range exchanges(t) {
		for range 500 { // buffers grow to their size once
			one()
		}
		if n := testing.AllocsPerRun(1000, one); n != 0 {
			t.Errorf("%s: %v allocations from the segments to the metrics", name, n)
		}
	}
}

// BenchmarkExchange is a request and its response, from their segments to the
// metrics.
func BenchmarkExchange(b *testing.B) {
	for name, one := range exchanges(b) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				one()
			}
		})
	}
}
