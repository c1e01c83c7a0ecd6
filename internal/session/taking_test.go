package session

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gortap/internal/flow"
)

// ack plays a bare acknowledgement with a window as on the wire.
func (w *wire) ack(window uint16, unacked uint32) {
	s := w.segment(client, flow.ACK, "", unacked)
	s.Window = window
	w.play(s)
}

// pass lets time go by.
func (w *wire) pass(ms int) { w.nowNs += int64(ms) * 1e6 }

// taken ends the capture and returns what was told of the client's progress.
func (w *wire) taken() (all []string) {
	w.told()
	for _, e := range w.events {
		if e.Kind == Window {
			all = append(all, fmt.Sprintf("%d of %d, full %v", e.Taking.Bytes, e.Taking.Capacity, e.Taking.Full))
		}
	}
	return all
}

// handshake opens a connection whose client scales its windows by 2^scale.
func (w *wire) handshake(scale uint8) {
	for _, side := range []int{client, server} {
		flags := flow.SYN
		if side == server {
			flags |= flow.ACK
		}
		s := w.segment(side, flags, "", 0)
		s.Scale, s.Window = scale+1, 64000
		w.play(s)
		w.pass(20)
	}
	w.ack(500, 0)
}

func TestASlowClientsProgressIsTold(t *testing.T) {
	w := newWire()
	w.handshake(7) // 64000 bytes
	w.send(client, flow.ACK|flow.PSH, "get", 0)
	serve := func(n int) { w.send(server, flow.ACK, string(make([]byte, n)), 0) }
	serve(32_000)
	w.ack(250, 0) // half of it: not slow
	serve(32_000)
	w.ack(0, 0) // full
	w.pass(10)
	w.ack(0, 0) // as before: no news
	w.pass(10)
	w.ack(100, 0) // 12800 are taken
	w.ack(110, 0) // in the same moment
	serve(14_080)
	w.ack(0, 0) // full again, though in the same moment
	w.pass(10)
	w.ack(500, 0) // all are
	want := []string{"0 of 64000, full true", "12800 of 64000, full false", "14080 of 64000, full true", "78080 of 64000, full false"}
	if diff := cmp.Diff(want, w.taken()); diff != "" {
		t.Errorf("progress (-want +got):\n%s", diff)
	}
}

func TestAClientThatKeepsUpAgainIsNoSlowOne(t *testing.T) {
	w := newWire()
	w.handshake(0) // 500 bytes
	w.send(client, flow.ACK|flow.PSH, "get", 0)
	for range 60 {
		w.send(server, flow.ACK, string(make([]byte, 500)), 0)
		w.ack(0, 0)
		w.ack(500, 0)
		w.pass(10)
	}
	for range 200 {
		w.send(server, flow.ACK, string(make([]byte, 100)), 0)
		w.ack(400, 0)
		w.pass(10)
	}
	told := w.taken()
	if n := len(told); n < 100 || told[n-1] != "-1 of 0, full false" {
		t.Errorf("%d were told, the last was %v", n, told[max(n-3, 0):])
	}
}

func TestWhatTheServerSentTellsOfAClientThatIsSilent(t *testing.T) {
	w := newWire()
	w.handshake(0)
	w.send(client, flow.ACK|flow.PSH, "get", 0)
	w.send(server, flow.ACK, string(make([]byte, 500)), 0)
	w.ack(0, 0)
	w.pass(10)
	w.send(server, flow.ACK, string(make([]byte, 300)), 0) // it had room for them
	want := []string{"0 of 500, full true", "300 of 500, full true"}
	if diff := cmp.Diff(want, w.taken()); diff != "" {
		t.Errorf("progress (-want +got):\n%s", diff)
	}
}

func TestClientsThatKeepUpAreToldNothingOf(t *testing.T) {
	w := newWire()
	w.handshake(7)
	w.send(client, flow.ACK|flow.PSH, "get", 0)
	for range 1000 {
		w.send(server, flow.ACK, string(make([]byte, 30_000)), 0)
		w.ack(250, 0)
		w.ack(500, 0)
		w.pass(1)
	}
	if told := w.taken(); len(told) > 0 {
		t.Errorf("told %d times, first %v", len(told), told[0])
	}
}

func TestTheRoundTripIsThatOfTheHandshake(t *testing.T) {
	w := newWire()
	w.handshake(7)
	w.pass(300) // it thinks
	w.send(client, flow.ACK|flow.PSH, "get", 0)
	w.told()
	for _, e := range w.events {
		if e.Kind == Write && e.RTTNs != 20_001_000 {
			t.Errorf("a round trip of %d ns", e.RTTNs)
		}
	}
}
