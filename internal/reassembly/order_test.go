package reassembly

import (
	"testing"
	"time"

	"gortap/internal/flow"
)

func steps(s ...any) []any { return s }

func TestBytesOfOneDirection(t *testing.T) {
	w := testWire
	runReplays(t, []replay{{
		name:  "in order",
		steps: steps(w.open(), w.data(A, 0, "abc", 0), w.data(A, 3, "def", 0)),
		want:  []string{"A abcdef"},
	}, {
		name:  "two segments change places",
		steps: steps(w.open(), w.data(A, 3, "def", 0), w.data(A, 0, "abc", 0), w.data(A, 6, "g", 0)),
		want:  []string{"A abcdefg"},
	}, {
		name: "the first copy wins over what is held",
		steps: steps(w.open(), w.data(A, 3, "def", 0), w.data(A, 2, "cDEFg", 0), w.data(A, 0, "ab", 0),
			w.data(A, 0, "AB", 0)),
		want:  []string{"A abcdefg"},
		again: [2]uint64{5, 3},
	}, {
		name:  "a retransmission with new bytes gives the new ones",
		steps: steps(w.open(), w.data(A, 0, "abc", 0), w.data(A, 1, "bcde", 0)),
		want:  []string{"A abcde"},
		again: [2]uint64{2, 0},
	}, {
		name: "a segment that fills a hole and overlaps what is behind it",
		steps: steps(w.open(), w.data(A, 2, "cd", 0), w.data(A, 6, "gh", 0),
			w.data(A, 0, "abcdefghij", 0)),
		want:  []string{"A abcdefghij"},
		again: [2]uint64{4, 0},
	}, {
		name: "keep-alive and zero-window probes",
		steps: steps(w.open(), w.data(A, 0, "abc", 0), w.data(A, 2, "", 0), w.data(A, 2, "\x00", 0),
			w.data(A, 3, "d", 0), w.data(A, 3, "def", 0)),
		want:  []string{"A abcdef"},
		again: [2]uint64{2, 0},
	}, {
		name:  "a keep-alive probe before the first byte",
		steps: steps(w.open(), w.data(A, -1, "\x00", 0), w.data(A, 0, "abc", 0)),
		want:  []string{"A abc"},
		drops: map[DropReason]Count{BeforeStart: {1, 1}},
	}, {
		name:  "urgent data are data",
		steps: steps(w.open(), set(w.data(A, 0, "abc", 0), flow.ACK|1<<5), w.data(A, 3, "d", 0)),
		want:  []string{"A abcd"},
	}, {
		name: "one packet cut in pieces",
		steps: steps(w.open(), w.data(A, 0, "abc", 0), &flow.Segment{Key: w.key, Flags: flow.ACK,
			Seq: w.isn[A] + 4, Ack: w.isn[B] + 1, Len: 2, Data: []byte("de")}),
		want: []string{"A abcde"},
	}})
}

func TestMissingBytesAreLostAfterAWhile(t *testing.T) {
	w := testWire
	hole := steps(w.open(), w.data(A, 0, "abc", 0), w.data(A, 5, "fg", 0))
	runReplays(t, []replay{{
		name:  "not before the timeout",
		steps: steps(hole, tick(time.Second-1), w.data(A, 3, "de", 0)),
		want:  []string{"A abcdefg"},
	}, {
		name:  "at the timeout; what comes then is late",
		steps: steps(hole, tick(time.Second), w.data(A, 2, "cdef", 0), w.data(A, 7, "h", 0)),
		want:  []string{"A abc", "A gap 2 lost", "A fgh"},
		drops: map[DropReason]Count{Late: {1, 2}},
		again: [2]uint64{2, 0},
	}, {
		name: "each hole has its own wait",
		steps: steps(hole, w.data(A, 8, "ij", 0), tick(time.Second),
			tick(2*time.Second-1), w.data(A, 7, "h", 0)),
		want: []string{"A abc", "A gap 2 lost", "A fghij"},
	}, {
		name: "holes that meet are one",
		steps: steps(w.open(), w.data(B, 0, "x", 3), tick(time.Second), w.data(B, 1, "y", 6), tick(2*time.Second),
			w.data(A, 0, "abcdef", 0)),
		want:  []string{"A gap 3 lost", "B x", "A gap 3 lost", "B y"},
		drops: map[DropReason]Count{Late: {1, 6}},
	}, {
		name:  "the clock does not go back",
		steps: steps(hole, at(time.Second, w.data(B, 0, "x", 0)), tick(1)),
		want:  []string{"A abc", "B x", "A gap 2 lost", "A fg"},
	}, {
		name:  "when the capture ends the flow",
		steps: steps(hole, closeFlow(w.key)),
		want:  []string{"A abc", "A gap 2 lost", "A fg", "close evicted"},
	}, {
		name:  "when the assembler closes",
		steps: hole,
		want:  []string{"A abc"},
		rest:  []string{"A gap 2 lost", "A fg"},
	}})
}

func TestBytesThatTheCaptureLeftOut(t *testing.T) {
	w := testWire
	runReplays(t, []replay{{
		name: "in order",
		steps: steps(w.open(), w.cut(A, 0, "abcdef", 0, 2, flow.Skipped), w.cut(A, 6, "ghij", 0, 0, flow.Skipped),
			w.cut(A, 10, "klm", 0, 1, flow.Truncated)),
		want: []string{"A ab", "A gap 4 skipped", "A gap 4 skipped", "A k", "A gap 2 truncated"},
	}, {
		name:  "a copy with the bytes comes too late",
		steps: steps(w.open(), w.cut(A, 0, "abcd", 0, 2, flow.Skipped), w.data(A, 0, "abcd", 0)),
		want:  []string{"A ab", "A gap 2 skipped"},
		again: [2]uint64{4, 0},
	}, {
		name: "a copy with the bytes fills in what is held",
		steps: steps(w.open(), w.cut(A, 1, "bcdefgh", 0, 2, flow.Truncated), w.data(A, 4, "ef", 0),
			w.data(A, 0, "a", 0)),
		want:  []string{"A abc", "A gap 1 truncated", "A ef", "A gap 2 truncated"},
		again: [2]uint64{2, 0},
	}, {
		name: "a cut copy takes nothing away",
		steps: steps(w.open(), w.data(A, 1, "bcd", 0), w.cut(A, 1, "bcdef", 0, 0, flow.Skipped),
			w.data(A, 0, "a", 0)),
		want:  []string{"A abcd", "A gap 2 skipped"},
		again: [2]uint64{3, 0},
	}, {
		name: "the copy that fills is itself cut",
		steps: steps(w.open(), w.cut(A, 1, "bcdef", 0, 0, flow.Skipped), w.cut(A, 1, "bcdef", 0, 3, flow.Truncated),
			w.data(A, 0, "a", 0)),
		want:  []string{"A abcd", "A gap 2 skipped"},
		again: [2]uint64{5, 0},
	}})
}

func TestSequenceNumbersWrap(t *testing.T) {
	for _, isn := range []uint32{0xffffffff, 0xfffffffe, 0xfffffffd, 0xfffffff0, 0x7fffffff, 0x80000000} {
		w := testWire
		w.isn = [2]uint32{isn, isn - 2}
		runReplays(t, []replay{{
			name: "across the wrap",
			steps: steps(w.open(), w.data(A, 3, "def", 0), w.data(B, 3, "uvw", 6), w.data(A, 0, "abcd", 0),
				w.data(A, 1, "bcdefg", 0), w.data(B, 0, "rst", 0), w.data(A, 9, "j", 0)),
			want:  []string{"A abcdefg", "B rstuvw"},
			rest:  []string{"A gap 2 lost", "A j"},
			again: [2]uint64{6, 0},
		}})
	}
}
