package httpout

import (
	"bytes"
	"fmt"
	"net"
	"runtime"
	"sync"
	"testing"
	"time"

	"gortap/internal/record"
)

// echo is a server that answers each request at once, and allocates nothing for it.
func echo(tb testing.TB) string {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer c.Close()
				serve(c)
			})
		}
	})
	tb.Cleanup(func() { l.Close(); wg.Wait() })
	return l.Addr().String()
}

func serve(c net.Conn) {
	in, out, text := make([]byte, 64<<10), make([]byte, 0, 64<<10), []byte(answer)
	end := []byte("\r\n\r\n")
	n := 0
	for {
		got, err := c.Read(in[n:])
		if err != nil {
			return
		}
		n += got
		b := in[:n]
		out = out[:0]
		for {
			i := bytes.Index(b, end)
			if i < 0 {
				break
			}
			b = b[i+len(end):]
			out = append(out, text...)
		}
		n = copy(in, b)
		if _, err := c.Write(out); err != nil {
			return
		}
	}
}

// play puts n records of so many connections, and waits until they are answered.
func play(tb testing.TB, o *Output, records []*record.Record, n int) {
	tb.Helper()
	for i := range n {
		if !o.Put(records[i%len(records)], time.Minute) {
			tb.Fatal("refused")
		}
	}
	for o.records.Load() > 0 {
		time.Sleep(100 * time.Microsecond)
	}
}

func conversation(conns int, pipelined bool) []*record.Record {
	records := make([]*record.Record, conns)
	for i := range records {
		records[i] = get(uint64(i), "/some/path?with=a&query=1")
		records[i].Pipelined = pipelined
		records[i].DueNs = 1
	}
	return records
}

func BenchmarkOutput(b *testing.B) {
	for _, conns := range []int{1, 50, 1000} {
		for _, pipelined := range []bool{false, true} {
			b.Run(fmt.Sprintf("conns=%d/pipelined=%v", conns, pipelined), func(b *testing.B) {
				o, err := New(Config{URL: echo(b)})
				if err != nil {
					b.Fatal(err)
				}
				b.Cleanup(func() { _ = o.Close(b.Context()) })
				records := conversation(conns, pipelined)
				play(b, o, records, conns)
				b.ReportAllocs()
				b.ResetTimer()
				play(b, o, records, b.N)
			})
		}
	}
}

func BenchmarkRequest(b *testing.B) {
	data := get(1, "/some/path?with=a&query=1").Data
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := parseRequest(data); !ok {
			b.Fatal("not whole")
		}
	}
}

func BenchmarkResponse(b *testing.B) {
	data := []byte("HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\nDate: Sat, 21 Nov 2026 23:41:28 GMT\r\nContent-Type: text/plain\r\nContent-Length: 13\r\nConnection: keep-alive\r\n\r\nhello, world\n")
	q, _ := parseRequest([]byte("GET / HTTP/1.1\r\n\r\n"))
	var p response
	b.ReportAllocs()
	for b.Loop() {
		p.begin(&q, false)
		if _, e, err := p.feed(data); e != final || err != nil {
			b.Fatal(e, err)
		}
	}
}

func TestARequestAllocatesNothing(t *testing.T) {
	o := open(t, echo(t), Config{})
	records := conversation(8, false)
	play(t, o, records, 2000)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	const n = 20000
	play(t, o, records, n)
	runtime.ReadMemStats(&after)
	// The keeper's tick and what waits for room allocate now and then.
	if per := float64(after.Mallocs-before.Mallocs) / n; per > 0.1 {
		t.Errorf("%.2f allocations a request", per)
	}
}
