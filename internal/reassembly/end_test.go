package reassembly

import (
	"testing"
	"time"

	"gortap/internal/flow"
)

func TestEndOfADirection(t *testing.T) {
	w := testWire
	runReplays(t, []replay{{
		name: "with data, in order, both",
		steps: steps(w.open(), w.fin(A, 0, "request", 0), w.data(B, 0, "resp", 8), w.fin(B, 4, "onse", 8),
			w.data(A, 8, "", 9)),
		want: []string{"A request", "A end", "B response", "B end", "close finished"},
	}, {
		name:  "before its data",
		steps: steps(w.open(), w.fin(A, 6, "", 0), w.data(A, 3, "def", 0), w.data(A, 0, "abc", 0)),
		want:  []string{"A abcdef", "A end"},
	}, {
		name: "sent again, alone and with its data",
		steps: steps(w.open(), w.fin(A, 3, "def", 0), w.fin(A, 6, "", 0), w.data(A, 0, "abc", 0),
			w.fin(A, 6, "", 0), w.fin(A, 0, "abcdef", 0)),
		want:  []string{"A abcdef", "A end"},
		again: [2]uint64{6, 0},
	}, {
		name: "data behind it",
		steps: steps(w.open(), w.fin(A, 3, "", 0), w.data(A, 1, "bcde", 0), w.data(A, 0, "a", 0),
			w.data(A, 3, "x", 0), w.data(A, 4, "yz", 0)),
		want:  []string{"A abc", "A end"},
		drops: map[DropReason]Count{AfterEnd: {3, 5}},
	}, {
		name: "in the middle of what is known",
		steps: steps(w.open(), w.data(A, 3, "def", 0), w.fin(A, 4, "", 0), w.data(A, 0, "abc", 0), w.fin(A, 2, "", 0),
			w.data(A, 6, "g", 0)),
		want:  []string{"A abcdefg"},
		drops: map[DropReason]Count{Implausible: {2, 0}},
	}, {
		name: "two at different places: the first counts",
		steps: steps(w.open(), w.fin(A, 3, "", 0), w.fin(A, 5, "", 0), w.data(A, 0, "abc", 0),
			w.fin(A, 9, "", 0)),
		want:  []string{"A abc", "A end"},
		drops: map[DropReason]Count{Implausible: {2, 0}},
	}, {
		name:  "behind a hole that is lost",
		steps: steps(w.open(), w.fin(A, 3, "", 0), tick(time.Second), w.data(A, 0, "abc", 0)),
		want:  []string{"A gap 3 lost", "A end"},
		drops: map[DropReason]Count{Late: {1, 3}},
	}, {
		name:  "of which only the ACK was seen",
		steps: steps(w.open(), w.data(A, 0, "abc", 0), w.fin(B, 0, "", 4), tick(time.Second)),
		want:  []string{"A abc", "B end"},
	}, {
		name:  "which comes too late",
		steps: steps(w.open(), w.data(A, 0, "abc", 0), w.fin(B, 0, "", 4), tick(time.Second), w.fin(A, 1, "bc", 0)),
		want:  []string{"A abc", "B end", "A end", "close finished"},
		again: [2]uint64{2, 0},
	}, {
		name:  "which was a byte after all, and comes too late",
		steps: steps(w.open(), w.data(A, 0, "abc", 0), w.data(B, 0, "x", 4), tick(time.Second), w.data(A, 2, "cd", 0)),
		want:  []string{"A abc", "B x", "A d"},
		again: [2]uint64{1, 0},
	}, {
		name:  "which was a byte after all, as what follows shows",
		steps: steps(w.open(), w.data(A, 0, "abc", 0), w.data(B, 0, "x", 4), tick(time.Second), w.data(A, 4, "e", 0)),
		want:  []string{"A abc", "B x", "A gap 1 lost", "A e"},
	}, {
		name: "or as a later end or hole shows",
		steps: steps(w.open(), w.data(A, 0, "abc", 0), w.data(B, 0, "x", 4), tick(time.Second), w.fin(A, 4, "", 0),
			w.data(B, 1, "", 5)),
		want: []string{"A abc", "B x", "A gap 1 lost", "A end"},
	}, {
		name:  "and then a larger hole",
		steps: steps(w.open(), w.data(B, 0, "x", 1), tick(time.Second), w.data(B, 1, "y", 7), tick(2*time.Second)),
		want:  []string{"B x", "A gap 7 lost", "B y"},
	}, {
		name:  "both at once",
		steps: steps(w.open(), w.fin(A, 0, "", 0), w.fin(B, 0, "", 0)),
		want:  []string{"A end", "B end", "close finished"},
	}, {
		name:  "at the wrap",
		steps: steps(wrapAt(w, 3).open(), wrapAt(w, 3).fin(A, 0, "abc", 0), wrapAt(w, 3).data(B, 0, "x", 4)),
		want:  []string{"A abc", "A end", "B x"},
	}})
}

// wrapAt puts the wrap of A's sequence numbers at an offset.
func wrapAt(w wire, off uint32) wire {
	w.isn[A] = -off - 1
	return w
}

func TestResets(t *testing.T) {
	w := testWire
	answer := set(w.data(B, -1, "", 0), flow.RST|flow.ACK)
	answer.Seq = 0
	long := w.cut(A, 0, "", 0, 0, flow.Skipped)
	long.Len, long.Flags = 2<<20, 0
	withACK := set(w.data(B, 0, "", 3), flow.RST|flow.ACK)
	runReplays(t, []replay{{
		name:  "in order",
		steps: steps(w.open(), w.data(A, 0, "abc", 0), w.rst(A, 3), w.data(B, 0, "x", 3)),
		want:  []string{"A abc", "close reset"},
		drops: map[DropReason]Count{AfterClose: {1, 1}},
	}, {
		name:  "before its data",
		steps: steps(w.open(), w.rst(A, 3), w.data(A, 0, "abc", 0)),
		want:  []string{"A abc", "close reset"},
	}, {
		name:  "before the data that it acknowledges",
		steps: steps(w.open(), withACK, w.data(A, 0, "abc", 0)),
		want:  []string{"A abc", "close reset"},
	}, {
		name:  "behind a hole that is lost, and what is held of the other side",
		steps: steps(w.open(), w.data(B, 2, "yz", 0), w.rst(A, 3), w.rst(A, 3), tick(time.Second)),
		want:  []string{"B gap 2 lost", "B yz", "A gap 3 lost", "close reset"},
	}, {
		name:  "its payload is a diagnostic",
		steps: steps(w.open(), set(w.data(A, 0, "because", 0), flow.RST)),
		want:  []string{"close reset"},
		drops: map[DropReason]Count{InReset: {1, 7}},
	}, {
		name:  "a little before what was sent, as with a closed window",
		steps: steps(w.open(), w.data(A, 0, "abc", 0), w.rst(A, 1)),
		want:  []string{"A abc", "close reset"},
	}, {
		name:  "after a FIN",
		steps: steps(w.open(), w.fin(A, 0, "abc", 0), w.rst(A, 4)),
		want:  []string{"A abc", "A end", "close reset"},
	}, {
		name:  "beyond a FIN, held and delivered",
		steps: steps(w.open(), w.fin(A, 3, "", 0), w.rst(A, 9), w.data(A, 0, "abc", 0), w.rst(A, 10)),
		want:  []string{"A abc", "A end", "close reset"},
		drops: map[DropReason]Count{AfterClose: {1, 0}},
	}, {
		name:  "far off",
		steps: steps(w.open(), w.data(A, 0, "abc", 0), w.rst(A, 2<<20), w.rst(A, -2<<20), w.data(A, 3, "d", 0)),
		want:  []string{"A abcd"},
		drops: map[DropReason]Count{Implausible: {2, 0}},
	}, {
		name:  "connection refused",
		steps: steps(w.syn(A), answer, w.syn(A)),
		want:  []string{"close reset"},
		drops: map[DropReason]Count{AfterClose: {1, 0}},
	}, {
		name:  "from a side never seen, where the other expects it",
		steps: steps(w.data(A, 100, "abc", 50), w.rst(B, 50)),
		want:  []string{"A abc", "close reset"},
	}, {
		name:  "from a side never seen, and elsewhere",
		steps: steps(w.data(A, 100, "abc", 50), w.rst(B, 49), w.syn(A), w.rst(B, 7<<20)),
		rest:  []string{"A gap 100 lost", "A abc"},
		drops: map[DropReason]Count{Implausible: {2, 0}},
	}, {
		name:  "from a side never seen, long after what it acknowledges",
		steps: steps(w.syn(A), long, answer),
		want:  []string{"A gap 2097152 skipped"},
		drops: map[DropReason]Count{Implausible: {1, 0}},
	}, {
		name:  "before what is held",
		steps: steps(w.open(), w.data(A, 3, "def", 0), w.rst(A, 1), w.rst(A, 6), w.data(A, 0, "abc", 0)),
		want:  []string{"A abcdef", "close reset"},
	}, {
		name:  "while the start is not known",
		steps: steps(w.data(A, 103, "def", 50), w.rst(A, 106), w.data(A, 100, "abc", 50), tick(time.Second)),
		want:  []string{"A abcdef", "close reset"},
	}})
}

func TestClosedConnectionsLinger(t *testing.T) {
	w := testWire
	finished := steps(w.open(), w.fin(A, 0, "abc", 0), w.fin(B, 0, "", 4))
	want := []string{"A abc", "A end", "B end", "close finished"}
	opened := append(append([]string{}, want...), "#2 open")
	abc := []string{"#2 A abc"}
	runReplays(t, []replay{{
		name:  "late segments open nothing",
		steps: steps(finished, w.syn(A), w.fin(A, 0, "abc", 0), w.rst(B, 1), tick(time.Minute-1), w.data(A, 0, "abc", 0)),
		want:  want,
		drops: map[DropReason]Count{AfterClose: {4, 6}},
	}, {
		name:  "for a while",
		steps: steps(finished, tick(time.Minute), w.data(A, 0, "abc", 0)),
		want:  opened,
		rest:  abc,
	}, {
		name:  "until the capture ends the flow",
		steps: steps(finished, closeFlow(w.key), w.data(A, 0, "abc", 0)),
		want:  opened,
		rest:  abc,
	}, {
		name:  "not where the capture ended the flow first",
		steps: steps(w.open(), w.rst(A, 3), closeFlow(w.key), w.data(A, 0, "abc", 0)),
		want:  []string{"A gap 3 lost", "close reset", "#2 open"},
		rest:  abc,
	}, {
		name: "but for what goes on as if the RST had not been",
		steps: steps(w.open(), w.data(A, 0, "abc", 0), w.rst(A, 3), w.data(A, 1, "bc", 0), w.data(B, 0, "in flight", 3),
			w.data(A, 3, "def", 0)),
		want:  []string{"A abc", "close reset", "#2 open"},
		rest:  []string{"#2 A def"},
		drops: map[DropReason]Count{AfterClose: {2, 11}},
	}, {
		name:  "a late SYN of one that was joined in the middle",
		steps: steps(w.data(A, 5, "abc", 0), tick(time.Second), w.rst(A, 8), w.syn(A)),
		want:  []string{"A abc", "close reset"},
		drops: map[DropReason]Count{AfterClose: {1, 0}},
	}})
}

func TestLingeringIsBounded(t *testing.T) {
	l := &log{}
	a := New(Config{MaxConns: 4}, l.opener)
	for i := range 100 {
		w := testWire
		w.key = testKey(i)
		feed(t, a, l, steps(w.syn(A), w.rst(A, 0)))
	}
	if s := a.Stats(); s.Lingering != 4 || s.Closed[Reset] != 100 || len(a.lingers.queue) > 16 {
		t.Errorf("got %+v, %d queued", s, len(a.lingers.queue))
	}
	a.Advance(int64(time.Hour))
	if s := a.Stats(); s.Lingering != 0 {
		t.Errorf("after an hour: %+v", s)
	}
}
