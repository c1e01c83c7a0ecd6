package session

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gortap/internal/flow"
	"gortap/internal/reassembly"
)

// wire plays packets into a feed, as a shard does.
type wire struct {
	feed      *Feed
	assembler *reassembly.Assembler
	events    []*Event
	nowNs     int64
	seq       [2]uint32 // next of client and server
}

var (
	clientAddr = netip.MustParseAddrPort("192.0.2.10:40000")
	serverAddr = netip.MustParseAddrPort("192.0.2.1:80")
)

const client, server = 0, 1

func newWire() *wire {
	w := &wire{seq: [2]uint32{0xffffff00, 0xfffffff0}} // they wrap soon
	w.feed = NewFeed(func(e *Event) { w.events = append(w.events, e) })
	w.assembler = reassembly.New(reassembly.Config{}, w.feed.Open)
	return w
}

// send plays one packet and advances the sender's numbers; acked is how many bytes of
// the other side its sender leaves unacknowledged.
func (w *wire) send(side int, flags flow.Flags, data string, unacked uint32) *flow.Segment {
	s := w.segment(side, flags, data, unacked)
	w.play(s)
	return s
}

// segment is send without playing it.
func (w *wire) segment(side int, flags flow.Flags, data string, unacked uint32) *flow.Segment {
	ends := [2]netip.AddrPort{clientAddr, serverAddr}
	s := &flow.Segment{Flags: flags, Seq: w.seq[side], Ack: w.seq[1-side] - unacked, Window: 500, Len: len(data), Data: []byte(data), NetBytes: 40 + len(data)}
	s.Key, s.Dir = flow.NewKey(ends[side], ends[1-side], 0)
	w.seq[side] += uint32(len(data))
	if flags.Has(flow.SYN | flow.FIN) {
		w.seq[side]++
	}
	return s
}

func (w *wire) play(s *flow.Segment) {
	w.nowNs += 1000
	s.TsNs = w.nowNs
	w.feed.Segment(s)
	w.assembler.Segment(s)
}

func (w *wire) shake() {
	w.send(client, flow.SYN, "", 0)
	w.send(server, flow.SYN|flow.ACK, "", 0)
}

// told ends the capture and returns the events, one a line.
func (w *wire) told() string {
	w.feed.Tick(w.nowNs)
	w.assembler.Close()
	w.feed.Close()
	names := []string{"open", "write", "shutdown", "abort", "window", "over", "skipped"}
	var b strings.Builder
	for _, e := range w.events {
		fmt.Fprintf(&b, "%s", names[e.Kind])
		switch e.Kind {
		case Window:
			fmt.Fprintf(&b, " %+v", e.Taking)
		case Open:
			fmt.Fprintf(&b, " %s %s", e.Session.Client, e.Session.Server)
		case Write:
			fmt.Fprintf(&b, " %q after %d at %d", e.Data, e.Need, e.NeedNs)
		case Shutdown, Abort:
			fmt.Fprintf(&b, " after %d", e.Need)
			if e.NeedEnd {
				b.WriteString(" and the end")
			}
		default:
			fmt.Fprintf(&b, " %s", e.End)
			if e.Kind == Over {
				fmt.Fprintf(&b, ", %d received", e.Received)
			}
		}
		b.WriteString("\n")
	}
	return b.String()
}

func want(t *testing.T, w *wire, lines ...string) {
	t.Helper()
	if diff := cmp.Diff(strings.Join(lines, "\n")+"\n", w.told()); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}

const opened = "open 192.0.2.10:40000 192.0.2.1:80"

func TestAWriteSaysHowFarTheClientHadTheAnswer(t *testing.T) {
	w := newWire()
	w.shake()
	w.send(server, flow.ACK|flow.PSH, "greeting", 0)     // at 3000
	w.send(client, flow.ACK|flow.PSH, "login", 0)        // at 4000
	w.send(server, flow.ACK, "0123456789", 0)            // at 5000
	w.send(server, flow.ACK|flow.PSH, "0123456789", 0)   // at 6000
	w.send(client, flow.ACK|flow.PSH, "early", 12)       // has 2 of the first piece
	w.send(client, flow.ACK|flow.PSH, "query", 0)        // has all
	w.send(server, flow.ACK|flow.FIN|flow.PSH, "bye", 0) // at 9000
	w.send(client, flow.ACK|flow.FIN, "", 0)
	want(t, w, opened,
		`write "login" after 8 at 3000`,
		`write "early" after 16 at 5000`,
		`write "query" after 28 at 6000`,
		"shutdown after 31 and the end",
		"over finished, 31 received")
}

func TestSegmentsOfOneWriteAreOneWrite(t *testing.T) {
	w := newWire()
	w.shake()
	w.send(client, flow.ACK, "one ", 0)
	w.send(client, flow.ACK, "write, ", 0)
	w.send(client, flow.ACK|flow.PSH, "three segments", 0)
	w.send(client, flow.ACK|flow.PSH, "another", 0)
	want(t, w, opened, `write "one write, three segments" after 0 at 0`, `write "another" after 0 at 0`, "over unfinished, 0 received")
}

func TestAWriteThatWasHandedOverStaysAsItIs(t *testing.T) {
	w := newWire()
	w.shake()
	w.send(client, flow.ACK, "half ", 0)
	w.feed.Tick(w.nowNs)
	w.send(client, flow.ACK|flow.PSH, "and half", 0)
	want(t, w, opened, `write "half " after 0 at 0`, `write "and half" after 0 at 0`, "over unfinished, 0 received")
}

func TestEndsOfSessions(t *testing.T) {
	for _, c := range []struct {
		name string
		play func(w *wire)
		want []string
	}{
		{"a half-close, then the answer", func(w *wire) {
			w.send(client, flow.ACK|flow.PSH|flow.FIN, "all", 0)
			w.send(server, flow.ACK|flow.FIN, "answer", 0)
		}, []string{`write "all" after 0 at 0`, "shutdown after 0", "over finished, 6 received"}},
		{"the client aborts in the middle of an answer", func(w *wire) {
			w.send(client, flow.ACK|flow.PSH, "get", 0)
			w.send(server, flow.ACK, "0123456789", 0)
			w.send(client, flow.RST|flow.ACK, "", 4)
		}, []string{`write "get" after 0 at 0`, "abort after 6", "over finished, 10 received"}},
		{"the server aborts", func(w *wire) {
			w.send(client, flow.ACK|flow.PSH, "get", 0)
			w.send(server, flow.RST|flow.ACK, "", 0)
		}, []string{`write "get" after 0 at 0`, "over server-reset, 0 received"}},
		{"some of the client's bytes are lost", func(w *wire) {
			w.send(client, flow.ACK|flow.PSH, "known", 0)
			w.seq[client] += 100
			w.send(client, flow.ACK|flow.PSH, "after the hole", 0)
		}, []string{`write "known" after 0 at 0`, "over lost, 0 received"}},
		{"some of the client's bytes are not in the file", func(w *wire) {
			s := &flow.Segment{Flags: flow.ACK, Seq: w.seq[client], Ack: w.seq[server], Len: 10, Data: []byte("1234"), Cut: flow.Truncated, NetBytes: 50}
			s.Key, s.Dir = flow.NewKey(clientAddr, serverAddr, 0)
			w.play(s)
		}, []string{`write "1234" after 0 at 0`, "over truncated, 0 received"}},
		{"the capture ends first", func(*wire) {}, []string{"over unfinished, 0 received"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWire()
			w.shake()
			c.play(w)
			want(t, w, append([]string{opened}, c.want...)...)
		})
	}
}

func TestASessionThatBeganBeforeTheCaptureIsToldAsSkipped(t *testing.T) {
	w := newWire()
	w.send(client, flow.ACK|flow.PSH, "the middle", 0)
	w.send(server, flow.ACK|flow.PSH, "of something", 0)
	w.send(client, flow.ACK|flow.PSH, "that goes on", 0)
	want(t, w, "skipped mid-stream")
}

func TestAnUnansweredSYNIsNoSession(t *testing.T) {
	w := newWire()
	w.send(client, flow.SYN, "", 0)
	w.send(server, flow.RST|flow.ACK, "", 0)
	if got := w.told(); got != "" {
		t.Errorf("told %q", got)
	}
}

func TestRetransmissionsAndDisorderChangeNothing(t *testing.T) {
	w := newWire()
	w.shake()
	first := w.send(client, flow.ACK|flow.PSH, "first", 0)
	again := *first
	w.play(&again)
	w.seq[client] += 6 // "second" comes after "third"
	w.send(client, flow.ACK|flow.PSH, "third", 0)
	w.seq[client] -= 11
	w.send(client, flow.ACK|flow.PSH, "second", 0)
	w.seq[client] += 5
	w.send(client, flow.ACK|flow.FIN, "", 0)
	w.send(server, flow.ACK|flow.FIN, "", 0)
	want(t, w, opened, `write "first" after 0 at 0`, `write "second" after 0 at 0`, `write "third" after 0 at 0`, "shutdown after 0", "over finished, 0 received")
}

func TestMarksOfALongAnswerStayBounded(t *testing.T) {
	w := newWire()
	w.shake()
	for range 10_000 {
		w.send(server, flow.ACK, "x", 0)
	}
	for _, c := range w.feed.conns {
		if len(c.marks) > maxMarks {
			t.Errorf("%d marks are kept", len(c.marks))
		}
	}
	w.send(client, flow.ACK|flow.PSH, "thanks", 0)
	if got := w.told(); !strings.Contains(got, `write "thanks" after 10000 at 10002000`) {
		t.Errorf("told %s", got)
	}
}
