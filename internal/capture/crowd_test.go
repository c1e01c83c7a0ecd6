package capture

import (
	"encoding/binary"
	"testing"
	"time"

	"github.com/cilium/ebpf"

	"gortap/internal/account"
	"gortap/internal/flow"
	"gortap/internal/reassembly"
)

const (
	crowdRequest  = "GET /p/aaaaaa HTTP/1.1\r\nHost: shop.example\r\nUser-Agent: crowd\r\nAccept: */*\r\n\r\n"
	crowdResponse = "HTTP/1.1 200 OK\r\nServer: nginx\r\nContent-Type: text/plain\r\nContent-Length: 16\r\n\r\n0123456789abcdef"
	crowdPayload  = len(crowdRequest) + len(crowdResponse)
)

// crowd shows the programs many connections of one exchange each.
type crowd struct {
	tb    testing.TB
	c     *Capture
	paths int // they ask for so many different ones
	// Handshake, exchange, end; what is not wanted is not sent.
	packets []crowdPacket
}

type crowdPacket struct {
	answer bool
	frame  []byte
}

func newCrowd(tb testing.TB, c *Capture, paths int, closes bool) *crowd {
	w := &crowd{tb: tb, c: c, paths: paths}
	add := func(answer bool, flags flow.Flags, seq, ack int, payload string) {
		w.packets = append(w.packets, crowdPacket{answer, testFrame(0, answer, flags, uint32(seq), uint32(ack), []byte(payload))})
	}
	asked, told := 1+len(crowdRequest), 1+len(crowdResponse)
	add(false, flow.SYN, 0, 0, "")
	add(true, flow.SYN|flow.ACK, 0, 1, "")
	add(false, flow.PSH|flow.ACK, 1, 1, crowdRequest)
	add(true, flow.PSH|flow.ACK, 1, asked, crowdResponse)
	if closes {
		add(false, flow.FIN|flow.ACK, asked, told, "")
		add(true, flow.FIN|flow.ACK, told, asked+1, "")
		add(false, flow.ACK, asked+1, told+1, "")
	}
	return w
}

// connect shows connection i. Where the ring fills it waits for the reader, as no
// real client does: how fast that is belongs into the benchmark.
func (w *crowd) connect(i int) {
	for i%64 == 0 && w.c.RingFill() > 0.5 {
		time.Sleep(time.Millisecond)
	}
	for _, p := range w.packets {
		b := p.frame
		address, port := b[26:30], b[34:36]
		if p.answer {
			address, port = b[30:34], b[36:38]
		}
		binary.BigEndian.PutUint16(address[2:], uint16(i>>15))
		binary.BigEndian.PutUint16(port, uint16(20_000+i&0x7fff))
		if len(b) > 60 && !p.answer {
			n := i % w.paths
			for at := 54 + len("GET /p/"); at < 54+len("GET /p/aaaaaa"); at++ {
				b[at] = byte('a' + n%26)
				n /= 26
			}
		}
		if _, err := w.c.objs.TcL2Ingress.Run(&ebpf.RunOptions{Data: b}); err != nil {
			w.tb.Fatal(err)
		}
	}
}

// More connections than there is room for, each asking for one of very many paths:
// every table stays within its limit, what found no room is counted, and every byte
// of the rest is in the books.
func TestCrowdIsBoundedAndExact(t *testing.T) {
	flows := 200_000
	if raceDetector {
		flows = 10_000
	}
	more, paths := flows/20, flows/2
	const rows = 200 // paths of a service, by default
	books, next := bookkeeping(t, account.Config{MaxFlows: flows}, reassembly.Config{MaxConns: flows / 2})
	h := &ticking{Shard: next}
	c := running(t, Options{MaxFlows: flows, RequestBudget: 2048, ResponseBudget: 2048}, h)
	w := newCrowd(t, c, paths, false)
	for i := range flows + more {
		w.connect(i)
	}
	for c.RingFill() > 0 {
		time.Sleep(time.Millisecond)
	}
	if s := next.Stats(); s.Conns > flows/2 {
		t.Errorf("%d connections are open, at most %d may be", s.Conns, flows/2)
	}
	endCrowd(t, c)
	stats, err := c.Stats()
	if err != nil {
		t.Fatal(err)
	}
	full := stats.Dropped["flow-table-full"].Packets
	if full%4 != 0 || full < uint64(more) || full > uint64(8*more) {
		t.Errorf("%d packets found the flow table full, want 4 of each of %d connections", full, more)
	}
	kept := uint64(flows+more) - full/4
	for reason, n := range stats.Dropped {
		if reason != "flow-table-full" && n.Packets > 0 {
			t.Errorf("%d packets dropped: %s", n.Packets, reason)
		}
	}
	totals := books.Totals()
	if totals.PayloadBytes != kept*uint64(crowdPayload) {
		t.Errorf("%d payload bytes are in the books, %d were sent", totals.PayloadBytes, kept*uint64(crowdPayload))
	}
	if totals.Exchanges != kept || totals.MessageBytes != totals.PayloadBytes || sumOf(totals.Incomplete[:]) > 0 {
		t.Errorf("%d exchanges of %d bytes, %v incomplete; want %d of %d",
			totals.Exchanges, totals.MessageBytes, totals.Incomplete, kept, totals.PayloadBytes)
	}
	if totals.Unreconciled+totals.ReconcileErrors > 0 {
		t.Errorf("%d bytes unreconciled, %d too many", totals.Unreconciled, totals.ReconcileErrors)
	}
	all := books.Whole(time.Second)
	other := uint64(0)
	for _, r := range all.Rows {
		if r.Path == account.Other {
			other += r.Requests
		}
	}
	first := uint64(0) // what the first paths get
	for i := range kept {
		if i%uint64(paths) < rows {
			first++
		}
	}
	if other != kept-first || len(all.Rows) > rows+1 {
		t.Errorf("%d requests under %s in %d rows, want %d in %d", other, account.Other, len(all.Rows), kept-first, rows+1)
	}
}

// endCrowd ends all flows and waits until user space knows: as Run does in its time
// limit, which is not for a machine that has other tests to run.
func endCrowd(tb testing.TB, c *Capture) {
	tb.Helper()
	s := newSweeper(c)
	for left := 1; left > 0; time.Sleep(time.Millisecond) {
		if !c.shardsIdle() {
			continue
		}
		var err error
		if left, err = s.endAll(); err != nil {
			tb.Fatal(err)
		}
	}
	for c.RingFill() > 0 {
		time.Sleep(time.Millisecond)
	}
}
