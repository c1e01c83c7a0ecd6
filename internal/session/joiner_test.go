package session

import (
	"strings"
	"testing"

	"gortap/internal/flow"
)

const (
	ask    = "GET /next HTTP/1.1\r\nHost: a\r\n\r\n"
	answer = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
	joined = "open 192.0.2.10:40000 192.0.2.1:80"
)

// amid is a wire of which something was seen, longer ago than anything is waited for.
func amid() *wire {
	w := newWire()
	w.send(client, flow.ACK|flow.PSH, "the end of some request", 0)
	w.send(server, flow.ACK|flow.PSH, "of an answer", 0)
	w.nowNs += 2e9
	w.assembler.Advance(w.nowNs)
	return w
}

func TestASessionThatRunsAlreadyIsPickedUpAtARequest(t *testing.T) {
	w := amid()
	w.send(server, flow.ACK|flow.PSH, "more of the answer", 0)
	w.send(client, flow.ACK|flow.PSH, ask, 0)
	w.send(client, flow.ACK|flow.PSH, "with a body", 0)
	w.send(server, flow.ACK|flow.PSH, answer, 0)
	w.send(client, flow.ACK|flow.PSH, ask, 0)
	w.send(client, flow.ACK|flow.FIN, "", 0)
	w.send(server, flow.ACK|flow.FIN, "", 0)
	told := w.told()
	for _, line := range []string{joined, "write \"GET /next", "write \"with a body\" after 0", "after 38 at", "shutdown after 38", "over finished, 38 received"} {
		before, after, found := strings.Cut(told, line)
		if !found {
			t.Fatalf("no %q in what was told:\n%s%s", line, before, after)
		}
		told = after
	}
	if !w.events[0].Session.PickedUp {
		t.Error("it does not say that it was picked up")
	}
}

func TestWhereASessionCannotBePickedUp(t *testing.T) {
	const settings = "\x00\x00\x00\x04\x00\x00\x00\x00\x00\x00\x00\x04\x08\x00\x00\x00\x00\x00\x00\x0f\x00\x01" // and a window update
	for name, c := range map[string]struct {
		play func(w *wire)
		want string
	}{
		"no request": {func(w *wire) {
			w.send(client, flow.ACK|flow.PSH, "SELECT 1", 0)
			w.send(server, flow.ACK|flow.PSH, "1 row", 0)
		}, "skipped mid-stream\n"},
		"a request while an answer goes on": {func(w *wire) {
			w.send(client, flow.ACK|flow.PSH, ask, 0)
			w.send(server, flow.ACK|flow.PSH, "the rest of the answer before", 0)
		}, "skipped mid-stream\n"},
		"a request behind another": {func(w *wire) {
			w.send(client, flow.ACK|flow.PSH, "a=1&b=2", 0)
			w.send(client, flow.ACK|flow.PSH, ask, 0)
			w.send(server, flow.ACK|flow.PSH, answer, 0)
		}, "skipped mid-stream\n"},
		"no answer was seen": {func(w *wire) {
			w.send(client, flow.ACK|flow.PSH, ask, 0)
		}, "skipped mid-stream\n"},
		"an answer begins with a gap": {func(w *wire) {
			w.send(client, flow.ACK|flow.PSH, ask, 0)
			w.seq[server] += 100
			w.send(server, flow.ACK|flow.PSH, answer, 0)
		}, "skipped mid-stream\n"},
		"more than is held": {func(w *wire) {
			w.send(client, flow.ACK|flow.PSH, ask, 0)
			for range maxHeld/1000 + 1 {
				w.send(client, flow.ACK, strings.Repeat("x", 1000), 0)
			}
			w.send(server, flow.ACK|flow.PSH, answer, 0)
		}, "skipped mid-stream\n"},
		"HTTP/2": {func(w *wire) {
			w.send(client, flow.ACK|flow.PSH, settings+settings, 0)
			w.send(server, flow.ACK|flow.PSH, settings, 0)
		}, "skipped mid-stream-http2\n"},
	} {
		t.Run(name, func(t *testing.T) {
			w := amid()
			c.play(w)
			if got := w.told(); got != c.want {
				t.Errorf("told %s, want %s", got, c.want)
			}
		})
	}
}
