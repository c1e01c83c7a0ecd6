package capture

import (
	"encoding/binary"
	"fmt"
	"log/slog"
	"math"
	"slices"
	"testing"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"gortap/internal/account"
	"gortap/internal/flow"
	"gortap/internal/pipeline"
	"gortap/internal/proto"
	"gortap/internal/proto/detect"
	"gortap/internal/proto/http1"
	protohttp2 "gortap/internal/proto/http2"
	"gortap/internal/reassembly"
	"gortap/internal/testutil"
)

// roundExchanges is how many exchanges a recorded round has.
const roundExchanges = 32

// recorded is a keep-alive connection as the kernel's programs wrote it into a ring:
// its beginning, and a round of exchanges that can be played again and again, as if
// the connection went on.
type recorded struct {
	tb      testing.TB
	shard   *shard
	next    *pipeline.Shard
	account *account.Account
	records [][]byte // of the round, as they lay in the ring
	round   int
	bytes   [2]uint32 // payload of a round, by flow.Dir
	totals  flow.Totals
	streams func(payload []byte, round int) // makes a round's payload another's; nil: it is the same
}

// The handler of the recorded shard moves a segment to where the round stands.

func (r *recorded) Segment(s *flow.Segment) {
	s.Seq += uint32(r.round) * r.bytes[s.Dir]
	s.Ack += uint32(r.round) * r.bytes[s.Dir.Other()]
	s.TsNs += int64(r.round) * 1e6
	r.totals.Key, r.totals.LastNs = s.Key, s.TsNs
	r.totals.Dirs[s.Dir].Packets++
	r.totals.Dirs[s.Dir].Bytes += uint64(s.NetBytes)
	r.totals.Dirs[s.Dir].Payload += uint64(s.Len)
	if r.streams != nil {
		r.streams(s.Data, r.round)
	}
	r.next.Segment(s)
}
func (r *recorded) Update(t *flow.Totals) { r.next.Update(t) }
func (r *recorded) End(t *flow.Totals)    { r.next.End(t) }
func (r *recorded) Tick(nowNs int64)      { r.next.Tick(nowNs) }

// play delivers the round once more, and tells the flow's totals.
func (r *recorded) play() {
	for _, b := range r.records {
		r.shard.deliver(b)
	}
	r.round++
	r.next.Update(&r.totals)
	r.next.Tick(r.totals.LastNs)
}

// bookkeeping is all of user space behind one ring, as the agent wires it.
func bookkeeping(tb testing.TB, books account.Config, order reassembly.Config) (*account.Account, *pipeline.Shard) {
	tb.Helper()
	a, err := account.New(books, 1)
	if err != nil {
		tb.Fatal(err)
	}
	detector := detect.New([]detect.Protocol{
		{Name: "http/1.1", Detect: http1.Detect, DetectMid: http1.DetectMid, Lines: true, New: func() proto.Factory { return http1.NewFactory(http1.Limits{}) }},
		{Name: "h2c", Detect: protohttp2.Detect, DetectMid: protohttp2.DetectMid, New: func() proto.Factory { return protohttp2.NewFactory(protohttp2.Options{}) }},
	})
	return a, pipeline.NewShard(pipeline.Options{Account: a.Shard(0), Open: detector.Open, Reassembly: order})
}

// record runs the conversation through the programs: client's and server's payloads
// in turn, the first of each before the round.
func record(tb testing.TB, first, round [][2][]byte) *recorded {
	tb.Helper()
	testutil.RequireRoot(tb)
	c, err := Open(Options{Shards: 1, RingBytes: 1 << 20})
	if err != nil {
		tb.Fatal(err)
	}
	defer c.Close()
	r := &recorded{tb: tb}
	r.account, r.next = bookkeeping(tb, account.Config{}, reassembly.Config{})
	r.shard = &shard{handler: r, control: newControl(nil, slog.New(slog.DiscardHandler))}

	seq := [2]uint32{1, 1} // client's, server's
	send := func(answer bool, flags flow.Flags, payload []byte) {
		from, to := 0, 1
		if answer {
			from, to = 1, 0
		}
		at := seq[from]
		if flags.Has(flow.SYN) {
			at--
		}
		show(tb, c, testFrame(40000, answer, flags, at, seq[to], payload))
		seq[from] += uint32(len(payload))
	}
	talk := func(turns [][2][]byte) {
		for _, t := range turns {
			send(false, flow.PSH|flow.ACK, t[0])
			send(true, flow.PSH|flow.ACK, t[1])
		}
	}
	// take keeps what is in the kernel's ring.
	take := func() {
		r.records = nil
		c.rings[0].Drain(math.MaxInt, math.MaxUint64, func(b []byte) { r.records = append(r.records, slices.Clone(b)) })
	}
	send(false, flow.SYN, nil)
	send(true, flow.SYN|flow.ACK, nil)
	talk(first)
	take()
	r.play()
	r.round = 0
	before := seq
	talk(round)
	take()
	// The server has the lower port: it sends in direction FromA.
	r.bytes = [2]uint32{flow.FromA: seq[1] - before[1], flow.FromB: seq[0] - before[0]}
	return r
}

func http1Exchanges(n int) (all [][2][]byte) {
	for i := range n {
		request := fmt.Sprintf("GET /users/%d/posts?page=%d HTTP/1.1\r\nHost: shop.example\r\nUser-Agent: wrk\r\nAccept: */*\r\n\r\n", i, i)
		response := fmt.Sprintf("HTTP/1.1 200 OK\r\nServer: nginx\r\nContent-Type: text/plain\r\nContent-Length: 200\r\n\r\n%200d", i)
		all = append(all, [2][]byte{[]byte(request), []byte(response)})
	}
	return all
}

// http2Exchanges are streams 1, 3, ...: whole ones, in frames that no other depends on.
func http2Exchanges(n int, preface bool) (all [][2][]byte) {
	fields := func(pairs ...string) []byte {
		var b bytesBuffer
		e := hpack.NewEncoder(&b)
		for i := 0; i < len(pairs); i += 2 {
			_ = e.WriteField(hpack.HeaderField{Name: pairs[i], Value: pairs[i+1], Sensitive: true})
		}
		return b
	}
	for i := range n {
		var request, response bytesBuffer
		if preface && i == 0 {
			request = append(request, http2.ClientPreface...)
			_ = http2.NewFramer(&request, nil).WriteSettings()
			_ = http2.NewFramer(&response, nil).WriteSettings()
		}
		id := uint32(2*i + 1)
		_ = http2.NewFramer(&request, nil).WriteHeaders(http2.HeadersFrameParam{StreamID: id, EndStream: true, EndHeaders: true,
			BlockFragment: fields(":method", "GET", ":scheme", "http", ":authority", "shop.example", ":path", fmt.Sprintf("/users/%d/posts", i))})
		f := http2.NewFramer(&response, nil)
		_ = f.WriteHeaders(http2.HeadersFrameParam{StreamID: id, EndHeaders: true, BlockFragment: fields(":status", "200", "content-type", "text/plain")})
		_ = f.WriteData(id, true, make([]byte, 200))
		all = append(all, [2][]byte{request, response})
	}
	return all
}

type bytesBuffer []byte

func (b *bytesBuffer) Write(p []byte) (int, error) {
	*b = append(*b, p...)
	return len(p), nil
}

// laterStreams gives the frames of a round the ids that follow the round before. It
// writes into the ring: each round finds the ids of the last one there.
func laterStreams(payload []byte, round int) {
	if round == 0 {
		return
	}
	for len(payload) >= 9 {
		n := 9 + int(payload[0])<<16 + int(payload[1])<<8 + int(payload[2])
		if id := binary.BigEndian.Uint32(payload[5:]); id != 0 {
			binary.BigEndian.PutUint32(payload[5:], id+2*roundExchanges)
		}
		payload = payload[min(n, len(payload)):]
	}
}

// conversations are what the shard is measured with.
func conversations(tb testing.TB) map[string]*recorded {
	h2 := record(tb, http2Exchanges(1, true), http2Exchanges(1+roundExchanges, false)[1:])
	h2.streams = laterStreams
	return map[string]*recorded{
		"http1": record(tb, http1Exchanges(1), http1Exchanges(roundExchanges)),
		"http2": h2,
	}
}

// From the ring's bytes to the books, a connection that goes on allocates nothing:
// not for a segment, an exchange, or the totals that a sweep tells.
func TestShardDoesNotAllocate(t *testing.T) {
	for name, r := range conversations(t) {
		const warm, runs = 50, 100
		for range warm {
			r.play()
		}
		if n := testing.AllocsPerRun(runs, r.play); n != 0 && !raceDetector { // its pools forget
			t.Errorf("%s: %v allocations a round of %d exchanges", name, n, roundExchanges)
		}
		totals := r.account.Totals()
		if want := uint64((warm+runs+1)*roundExchanges + 1); totals.Exchanges != want || len(totals.Incomplete) > 0 && sumOf(totals.Incomplete[:]) > 0 {
			t.Errorf("%s: %d exchanges, incomplete %v, want %d whole ones", name, totals.Exchanges, totals.Incomplete, want)
		}
		if totals.MessageBytes+sumOf(totals.Unattributed[:]) != totals.PayloadBytes || totals.Unattributed[proto.Lost] > 0 {
			t.Errorf("%s: %d bytes in messages, %v outside, %d in all", name, totals.MessageBytes, totals.Unattributed, totals.PayloadBytes)
		}
	}
}

func sumOf(counts []uint64) (n uint64) {
	for _, c := range counts {
		n += c
	}
	return n
}

// BenchmarkShard is what user space does for one exchange, from the ring's bytes to
// the books.
func BenchmarkShard(b *testing.B) {
	for name, r := range conversations(b) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			before := cpuTime()
			for n := 0; n < b.N; n += roundExchanges {
				r.play()
			}
			// What other processes take of the machine is not in it.
			b.ReportMetric(float64(cpuTime()-before)/float64(b.N), "cpu-ns/op")
		})
	}
}
