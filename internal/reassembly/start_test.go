package reassembly

import (
	"testing"
	"time"

	"gortap/internal/flow"
)

func TestJoiningInTheMiddle(t *testing.T) {
	w := testWire
	big := make([]byte, 100)
	for i := range big {
		big[i] = 'x'
	}
	runReplays(t, []replay{{
		name: "starts at the lowest byte of the first while",
		steps: steps(w.data(A, 103, "def", 50), w.data(A, 100, "abc", 50), tick(time.Second),
			w.data(A, 106, "g", 50)),
		want: []string{"A abcdefg"},
	}, {
		name:  "what comes later and is lower is not delivered",
		steps: steps(w.data(A, 103, "def", 50), tick(time.Second), w.data(A, 100, "abcde", 50)),
		want:  []string{"A def"},
		drops: map[DropReason]Count{BeforeStart: {1, 3}},
		again: [2]uint64{2, 0},
	}, {
		name: "a late SYN settles the start at once",
		steps: steps(w.data(A, 3, "def", 0), w.data(A, 0, "abc", 0), w.synACK(B), w.syn(A),
			w.data(A, 6, "g", 0)),
		want: []string{"A abcdefg"},
	}, {
		name:  "a SYN that comes after the start changes nothing",
		steps: steps(w.data(A, 3, "def", 0), tick(time.Second), w.syn(A), w.data(A, 6, "g", 0)),
		want:  []string{"A defg"},
	}, {
		name: "with the SYN-ACK alone, its ACK says what is missing",
		steps: steps(w.synACK(B), w.data(A, 3, "def", 0), tick(time.Second), tick(2*time.Second),
			w.data(B, 0, "x", 6)),
		want: []string{"A gap 3 lost", "A def", "B x"},
	}, {
		name: "both directions, the response first",
		steps: steps(w.data(B, 70, "response", 107), w.data(A, 100, "request", 70), tick(time.Second),
			w.data(A, 107, "next", 78)),
		want: []string{"A request", "B response", "A next"},
	}, {
		name: "that the other side acknowledges earlier bytes is no loss",
		steps: steps(w.data(B, 70, "response", 100), tick(time.Second), w.data(A, 100, "next", 78),
			w.data(A, 90, "before", 78)),
		want:  []string{"B response", "A next"},
		drops: map[DropReason]Count{BeforeStart: {1, 6}},
	}, {
		name:  "nor where its own bytes are held",
		steps: steps(w.data(A, 100, "next", 71), w.data(B, 70, "x", 90), tick(time.Second)),
		want:  []string{"B x", "A next"},
	}, {
		name:  "at the end of the capture",
		steps: steps(w.data(A, 103, "def", 50), w.data(A, 100, "abc", 50)),
		rest:  []string{"A abcdef"},
	}, {
		name:  "a quarter of the buffer is enough to decide",
		cfg:   Config{MaxBuffered: 4096},
		steps: steps(w.data(A, 500, string(big[:1]), 50), w.data(A, 400, string(big), 50), w.data(A, 300, "lo", 50)),
		want:  []string{"A lo"},
		rest:  []string{"A gap 98 lost", "A " + string(big) + "x"},
	}, {
		name: "with a FIN only behind the payload of the other side",
		steps: steps(w.data(A, 100, "abc", 50), w.fin(B, 50, "", 103), tick(time.Second),
			w.fin(A, 103, "", 51)),
		want: []string{"A abc", "B end", "A end", "close finished"},
	}})
}

func TestOpenings(t *testing.T) {
	w := testWire
	late := w
	late.isn = [2]uint32{3_000_000_000, 4_000_000_000}
	near := w
	near.isn = [2]uint32{1200, 5900}
	below := w
	below.isn = [2]uint32{900, 4900}
	fastOpen := w.syn(A)
	fastOpen.Len, fastOpen.Data = 3, []byte("abc")
	runReplays(t, []replay{{
		name:  "nothing opens without payload or SYN",
		steps: steps(w.rst(A, 0), w.fin(A, 0, "", 0), w.data(A, 0, "", 0)),
		drops: map[DropReason]Count{Orphan: {2, 0}},
	}, {
		name:  "nor does a RST with payload",
		steps: steps(set(w.data(A, 0, "no such port", 0), flow.RST)),
		drops: map[DropReason]Count{Orphan: {1, 12}},
	}, {
		name:  "fast open",
		steps: steps(fastOpen, w.synACK(B), w.data(A, 0, "abc", 0), w.data(A, 3, "def", 0)),
		want:  []string{"A abcdef"},
		again: [2]uint64{3, 0},
	}, {
		name: "a SYN sent again, and from both sides",
		steps: steps(w.syn(A), w.syn(A), w.syn(B), w.synACK(A), w.synACK(B), w.data(A, 0, "abc", 0),
			w.syn(A), w.data(A, 3, "d", 0)),
		want: []string{"A abcd"},
	}, {
		name: "a new connection on a four-tuple that was not closed",
		steps: steps(w.open(), w.data(A, 5, "old", 0), late.open(), late.data(A, 0, "new", 0),
			w.data(A, 0, "older", 0)),
		want:  []string{"A gap 5 lost", "A old", "close replaced", "#2 open", "#2 A new"},
		drops: map[DropReason]Count{Implausible: {2, 5}},
	}, {
		name:  "whose numbers are close to the old",
		steps: steps(w.open(), w.data(A, 0, "old", 0), near.open(), near.data(A, 0, "new", 0)),
		want:  []string{"A old", "close replaced", "#2 open", "#2 A new"},
		drops: map[DropReason]Count{Implausible: {1, 0}},
	}, {
		name:  "also just below",
		steps: steps(w.open(), w.fin(A, 0, "old", 0), w.fin(B, 0, "", 4), below.open(), below.data(A, 0, "new", 0)),
		want:  []string{"A old", "A end", "B end", "close finished", "#2 open", "#2 A new"},
	}, {
		name:  "of which only the answer was seen",
		steps: steps(w.open(), w.data(A, 0, "old", 0), late.synACK(B), late.data(A, 0, "new", 0), tick(time.Second)),
		want:  []string{"A old", "close replaced", "#2 open", "#2 A new"},
		drops: map[DropReason]Count{Implausible: {1, 0}},
	}, {
		name:  "of which the answer was not seen",
		steps: steps(w.open(), w.data(A, 0, "old", 0), late.syn(A), late.data(A, 0, "new", 0), tick(time.Second)),
		want:  []string{"A old", "close replaced", "#2 open", "#2 A new"},
		drops: map[DropReason]Count{Implausible: {1, 0}},
	}, {
		name:  "a stray SYN alone replaces nothing",
		steps: steps(w.open(), w.data(A, 0, "abc", 0), late.syn(A), w.data(A, 3, "def", 0), w.data(B, 0, "x", 6)),
		want:  []string{"A abcdef", "B x"},
		drops: map[DropReason]Count{Implausible: {1, 0}},
	}, {
		name:  "nor with the ACK that a live connection answers to it",
		steps: steps(w.open(), w.data(A, 0, "abc", 0), late.syn(A), late.data(A, 0, "", 0), w.data(A, 3, "d", 0)),
		want:  []string{"A abcd"},
		drops: map[DropReason]Count{Implausible: {1, 0}},
	}, {
		name: "a new connection after the old one finished",
		steps: steps(w.open(), w.fin(A, 0, "old", 0), w.fin(B, 0, "", 4), late.syn(A),
			late.data(A, 0, "new", 0), tick(time.Second)),
		want: []string{"A old", "A end", "B end", "close finished", "#2 open", "#2 A new"},
	}, {
		name: "joined in the middle, then a new one",
		steps: steps(w.data(A, 100, "abc", 0), late.syn(A), late.synACK(B),
			late.data(A, 0, "new", 0)),
		want:  []string{"A abc", "close replaced", "#2 open", "#2 A new"},
		drops: map[DropReason]Count{Implausible: {1, 0}},
	}, {
		name:  "whose numbers are a little further on",
		steps: steps(w.data(A, 100, "abc", 0), near.syn(A), near.synACK(B), near.data(A, 0, "new", 0)),
		want:  []string{"A abc", "close replaced", "#2 open", "#2 A new"},
		drops: map[DropReason]Count{Implausible: {1, 0}},
	}})
}

func TestOpenerIsTheSenderOfTheSYN(t *testing.T) {
	w := testWire
	type opener struct {
		D     flow.Dir
		Known bool
	}
	for _, tc := range []struct {
		name  string
		steps []any
		want  opener
	}{
		{"SYN from A", steps(w.syn(A)), opener{A, true}},
		{"SYN from B", steps(w.syn(B)), opener{B, true}},
		{"SYN-ACK from B", steps(w.synACK(B)), opener{A, true}},
		{"SYN-ACK from A", steps(w.synACK(A), w.syn(B)), opener{B, true}},
		{"SYN behind payload", steps(w.data(A, 0, "x", 0), w.syn(B)), opener{B, true}},
		{"both sides", steps(w.syn(A), w.syn(B)), opener{A, true}},
		{"none", steps(w.data(A, 0, "x", 0)), opener{A, false}},
	} {
		a, l := play(t, Config{}, tc.steps)
		a.Close()
		if got := (opener{l.seen[0].Opener, l.seen[0].OpenerKnown}); got != tc.want {
			t.Errorf("%s: got %+v, want %+v", tc.name, got, tc.want)
		}
	}
}

func TestReplacingConnectionBeginsWithItsSYN(t *testing.T) {
	w := testWire
	next := w
	next.isn = [2]uint32{3_000_000_000, 4_000_000_000}
	for name, step := range map[string]*flow.Segment{"SYN": next.syn(B), "SYN-ACK": next.synACK(A)} {
		a, l := play(t, Config{}, w.data(A, 0, "old", 0), w.data(B, 0, "old", 3), at(10, step),
			at(20, next.data(step.Dir, 0, "new", 0)))
		a.Close()
		c := l.seen[1]
		if c.Opened != 10 || c.FirstNs != 10 || c.LastNs != 20 || c.Opener != B || !c.OpenerKnown {
			t.Errorf("%s: got %+v", name, c)
		}
	}
}
