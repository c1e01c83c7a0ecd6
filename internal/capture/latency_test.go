package capture

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"gortap/internal/flow"
	"gortap/internal/lab"
	"gortap/internal/testutil"
)

// testFrame is an Ethernet frame with n payload bytes from client's port to 80, or
// back where answer is set.
func testFrame(port uint16, answer bool, flags flow.Flags, seq, ack uint32, payload []byte) []byte {
	b := make([]byte, 54, 54+len(payload))
	b[12], b[13] = 0x08, 0x00
	b[14], b[22], b[23] = 0x45, 64, 6
	binary.BigEndian.PutUint16(b[16:], uint16(40+len(payload)))
	client, server := [4]byte{192, 0, 2, 10}, [4]byte{192, 0, 2, 1}
	from, to := port, uint16(80)
	if answer {
		client, server, from, to = server, client, to, from
	}
	copy(b[26:], client[:])
	copy(b[30:], server[:])
	binary.BigEndian.PutUint16(b[34:], from)
	binary.BigEndian.PutUint16(b[36:], to)
	binary.BigEndian.PutUint32(b[38:], seq)
	binary.BigEndian.PutUint32(b[42:], ack)
	b[46], b[47] = 5<<4, byte(flags)
	return append(b, payload...)
}

// timed is a handler that notes how old segments are when they come.
type timed struct {
	silent
	ages chan time.Duration
}

func (h *timed) Segment(s *flow.Segment) { h.ages <- time.Duration(time.Now().UnixNano() - s.TsNs) }

// running is a capture at work on an interface without traffic.
func running(tb testing.TB, opts Options, h flow.Handler) *Capture {
	tb.Helper()
	p := testutil.Pair(tb, 1)
	opts.Interfaces, opts.Shards = []string{lab.Device}, 1
	opts.Filter = "tcp port 80" // not what the interface itself sends
	c, err := Open(opts)
	if err != nil {
		tb.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- p.Server.Do(func() error { return c.Run(ctx, []flow.Handler{h}) }) }()
	tb.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			tb.Error(err)
		}
		c.Close()
	})
	for !c.Ready() {
		select {
		case err := <-done:
			done <- err
			tb.Fatalf("capture ended: %v", err)
		case <-time.After(time.Millisecond):
		}
	}
	return c
}

func show(tb testing.TB, c *Capture, frame []byte) {
	tb.Helper()
	if _, err := c.objs.TcL2Ingress.Run(&ebpf.RunOptions{Data: frame}); err != nil {
		tb.Fatal(err)
	}
}

// BenchmarkLatency tells how long a packet takes from the hook to the handler at
// rates where the shard sleeps in between: in naps, as by default, and in the poller,
// as where something records. Below about 80 packets a second the shard is idle and
// is woken. -benchtime says how many packets, where 2 s of them are too few.
func BenchmarkLatency(b *testing.B) {
	for _, nap := range []bool{true, false} {
		for _, rate := range []int{10, 100, 1000} {
			b.Run(fmt.Sprintf("nap=%v/%dps", nap, rate), func(b *testing.B) { benchmarkLatency(b, nap, rate) })
		}
	}
}

func benchmarkLatency(b *testing.B, nap bool, rate int) {
	h := &timed{ages: make(chan time.Duration, 10)}
	c := running(b, Options{Nap: nap}, h) // a turn without end, copied whole
	var ages []time.Duration
	tick := time.NewTicker(time.Second / time.Duration(rate))
	defer tick.Stop()
	for i := range max(b.N, 2*rate) {
		<-tick.C
		show(b, c, testFrame(40000, false, flow.PSH|flow.ACK, uint32(1+100*i), 1, make([]byte, 100)))
		ages = append(ages, <-h.ages)
	}
	slices.Sort(ages)
	us := func(q float64) float64 { return float64(ages[int(q*float64(len(ages)-1))].Microseconds()) }
	b.ReportMetric(us(0.5), "p50-us")
	b.ReportMetric(us(0.99), "p99-us")
	b.ReportMetric(us(1), "max-us")
	b.ReportMetric(0, "ns/op")
}

// BenchmarkIdle tells what a capture costs that has nothing to do.
func BenchmarkIdle(b *testing.B) {
	running(b, Options{RequestBudget: 2048, ResponseBudget: 2048}, silent{})
	time.Sleep(time.Second) // until it takes itself for idle
	var before, after unix.Rusage
	_ = unix.Getrusage(unix.RUSAGE_SELF, &before)
	began := time.Now()
	time.Sleep(5 * time.Second)
	_ = unix.Getrusage(unix.RUSAGE_SELF, &after)
	seconds := time.Since(began).Seconds()
	b.ReportMetric(float64(after.Nvcsw+after.Nivcsw-before.Nvcsw-before.Nivcsw)/seconds, "switches/s")
	cpu := time.Duration(after.Utime.Nano() + after.Stime.Nano() - before.Utime.Nano() - before.Stime.Nano())
	b.ReportMetric(100*cpu.Seconds()/seconds, "%core")
	b.ReportMetric(0, "ns/op")
}

// cpuTime is what this process has used.
func cpuTime() time.Duration {
	var u unix.Rusage
	_ = unix.Getrusage(unix.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
