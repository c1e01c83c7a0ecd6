package reassembly

import (
	"testing"
	"time"

	"gortap/internal/flow"
)

func TestResponsesDoNotOvertakeRequests(t *testing.T) {
	w := testWire
	early := at(2, w.data(B, 0, "response", 7))
	fastOpen := w.syn(A)
	fastOpen.Len, fastOpen.Data, fastOpen.Ack = 3, []byte("abc"), 1<<30 // no ACK flag: means nothing
	far := w.cut(A, 1, "", 0, 0, flow.Skipped)
	far.Len = 3<<20 - 1
	bare := w.data(A, 1, "bc", 100)
	bare.Flags = 0
	runReplays(t, []replay{{
		name:  "captured in the wrong order",
		steps: steps(w.open(), early, w.data(A, 0, "request", 0)),
		want:  []string{"A request", "B response"},
	}, {
		name: "several turns, backwards",
		steps: steps(w.open(), w.data(B, 8, "again", 12), w.data(A, 7, "more!", 8), early,
			w.data(A, 0, "request", 0)),
		want: []string{"A request", "B response", "A more!", "B again"},
	}, {
		name:  "half of the request is late",
		steps: steps(w.open(), w.data(A, 0, "req", 0), early, w.data(A, 3, "uest", 0)),
		want:  []string{"A request", "B response"},
	}, {
		name:  "the request is lost",
		steps: steps(w.open(), early, tick(time.Second+1), tick(time.Second+2), w.data(A, 7, "next", 8)),
		want:  []string{"A gap 7 lost", "B response", "A next"},
	}, {
		name:  "a part of the request is lost",
		steps: steps(w.open(), w.data(A, 5, "stnext", 0), early, tick(time.Second)),
		want:  []string{"A gap 5 lost", "A stnext", "B response"},
	}, {
		name:  "an end waits as well",
		steps: steps(w.open(), w.fin(B, 0, "", 7), w.fin(A, 0, "request", 0)),
		want:  []string{"A request", "A end", "B end", "close finished"},
	}, {
		name:  "bytes after the other side's end was acknowledged",
		steps: steps(w.open(), w.data(B, 0, "bye", 8), w.fin(A, 0, "request", 0)),
		want:  []string{"A request", "A end", "B bye"},
	}, {
		name:  "an end that was sent again acknowledges more",
		steps: steps(w.open(), w.fin(A, 3, "", 5), w.fin(A, 3, "", 0), w.data(A, 0, "abc", 0)),
		want:  []string{"A abc", "A end"},
	}, {
		name:  "as do bytes that were sent with the SYN first",
		steps: steps(w.synACK(B), w.data(A, 0, "abc", 5), fastOpen),
		want:  []string{"A abc"},
		again: [2]uint64{3, 0},
	}, {
		name:  "and bytes that fill what was cut",
		steps: steps(w.open(), w.cut(A, 1, "bc", 0, 0, flow.Skipped), w.data(A, 1, "bc", 5), w.data(A, 0, "a", 0)),
		want:  []string{"A abc"},
		again: [2]uint64{2, 0},
	}, {
		name:  "a copy without ACK waits for nothing",
		steps: steps(w.open(), bare, w.data(A, 1, "bc", 5), w.data(A, 0, "a", 0)),
		want:  []string{"A abc"},
		again: [2]uint64{2, 0},
	}, {
		name:  "far behind what is held",
		steps: steps(w.open(), far, w.data(B, 0, "response", 3<<20), w.data(A, 0, "a", 0)),
		want:  []string{"A a", "A gap 3145727 skipped", "B response"},
	}, {
		name:  "nothing waits for a side that has ended",
		steps: steps(w.open(), w.fin(A, 0, "", 0), w.data(B, 0, "x", 9)),
		want:  []string{"A end", "B x"},
	}, {
		name:  "an absurd acknowledgement holds nothing",
		steps: steps(w.open(), w.data(B, 0, "response", 5<<20)),
		want:  []string{"B response"},
	}})
}

// A retransmission acknowledges more than its first transmission did. Where
// only the later copy is known, two directions can seem to wait for each other.
func TestDirectionsNeverWaitForEachOtherForever(t *testing.T) {
	w := testWire
	response := at(2, w.data(B, 0, "response", 7))
	again := at(3, w.data(A, 0, "request", 8))
	cycle := steps(w.open(), response, again)
	runReplays(t, []replay{{
		name:  "the first copy settles it",
		steps: steps(cycle, at(1, w.data(A, 0, "request", 0))),
		want:  []string{"A request", "B response"},
		again: [2]uint64{7, 0},
	}, {
		name:  "its parts settle it",
		steps: steps(cycle, at(1, w.data(A, 3, "uest", 0)), at(1, w.data(A, 0, "req", 0))),
		want:  []string{"A request", "B response"},
		again: [2]uint64{7, 0},
	}, {
		name:  "after a while the later copy counts as sent before",
		steps: steps(cycle, tick(time.Second+3)),
		want:  []string{"A request", "B response"},
	}, {
		name:  "also when it came first",
		steps: steps(w.open(), again, response, tick(time.Second+3)),
		want:  []string{"A request", "B response"},
	}, {
		name:  "and at the end",
		steps: cycle,
		rest:  []string{"A request", "B response"},
	}, {
		name:  "only what the other side had goes first",
		steps: steps(w.open(), at(3, w.data(A, 0, "request", 4)), at(4, w.data(B, 0, "response", 7)), tick(time.Second+4)),
		want:  []string{"B resp", "A request", "B onse"},
	}})
}

func TestOneSidedCapture(t *testing.T) {
	w := testWire
	runReplays(t, []replay{{
		name: "the other side's bytes are lost, with one wait in all",
		steps: steps(w.syn(A), w.data(A, 0, "one", 0), tick(time.Second), w.data(A, 3, "two", 100),
			w.data(A, 6, "three", 200)),
		want: []string{"A one", "B gap 100 lost", "A two", "B gap 100 lost", "A three"},
	}, {
		name: "without SYN, several requests in the first wait",
		steps: steps(w.data(A, 0, "one", 50), w.data(A, 3, "two", 100), w.data(A, 6, "three", 200),
			tick(time.Second), w.fin(A, 11, "", 300)),
		want: []string{"A one", "B gap 50 lost", "A two", "B gap 100 lost", "A three", "B gap 100 lost", "A end"},
	}, {
		name: "the other side shows up after all",
		steps: steps(w.syn(A), w.data(A, 0, "one", 0), tick(time.Second), w.data(B, 0, "1", 3),
			w.data(A, 3, "two", 2), w.data(B, 1, "2", 3)),
		want: []string{"A one", "B 12", "A two"},
	}, {
		name: "it was placed by a wrong ACK",
		steps: steps(w.syn(A), w.data(A, 0, "one", 7<<20), tick(time.Second), w.data(B, 0, "1", 3),
			w.data(B, 1, "2", 3)),
		want: []string{"A one", "B 12"},
	}})
}
