package reassembly

import (
	"strings"
	"testing"
	"time"

	"gortap/internal/flow"

	"github.com/google/go-cmp/cmp"
)

func TestSegmentsFarAway(t *testing.T) {
	w := testWire
	const far, tooFar = 1<<20 + 1, 2 << 30
	piece := w.data(A, tooFar+1, "yz", 0)
	piece.NetBytes = 0
	other := w
	other.isn = [2]uint32{3_000_000_000, 4_000_000_000}
	runReplays(t, []replay{{
		name: "one changes nothing",
		steps: steps(w.open(), w.data(A, 0, "abc", 0), w.data(A, 3+far, "x", 0), tick(time.Hour/100),
			w.data(A, 3, "def", 0), w.data(A, 6-tooFar, "x", 0), w.fin(A, 9+tooFar, "", 0), w.data(A, 6, "g", 0)),
		want:  []string{"A abcdefg"},
		drops: map[DropReason]Count{Implausible: {3, 2}},
	}, {
		name:  "nor do the pieces of one packet",
		steps: steps(w.open(), w.data(A, tooFar, "x", 0), piece, w.data(A, 0, "abc", 0)),
		want:  []string{"A abc"},
		drops: map[DropReason]Count{Implausible: {2, 3}},
	}, {
		name: "nor do many that do not fit each other, or have known ones between",
		steps: steps(w.open(), w.data(A, tooFar, "x", 0), w.data(A, tooFar+2, "y", 0),
			w.data(A, 0, "abc", 0), w.data(A, tooFar+3, "z", 0), w.data(A, 3, "d", 0)),
		want:  []string{"A abcd"},
		drops: map[DropReason]Count{Implausible: {3, 3}},
	}, {
		name: "two in a row that fit are believed",
		steps: steps(w.open(), w.data(A, 0, "abc", 0), w.data(A, 6, "held", 0), w.data(A, far+10, "one", 0),
			w.data(A, far+13, "two", 0), w.data(A, far+16, "three", 0)),
		want:  []string{"A abc", "A gap 3 lost", "A held", "A gap 1048580 lost", "A twothree"},
		drops: map[DropReason]Count{Implausible: {1, 3}},
	}, {
		name:  "just near enough",
		steps: steps(w.open(), w.data(A, far-1, "x", 0), tick(time.Second)),
		want:  []string{"A gap 1048576 lost", "A x"},
	}, {
		name:  "while the start is not known",
		steps: steps(w.data(A, 100, "abc", 50), w.data(A, 99-far, "x", 50), w.data(A, 103, "d", 50)),
		rest:  []string{"A abcd"},
		drops: map[DropReason]Count{Implausible: {1, 1}},
	}, {
		name:  "a SYN-ACK that answers nobody",
		steps: steps(w.syn(A), other.synACK(B), w.synACK(B), w.data(A, 0, "abc", 0), w.data(B, 0, "x", 3)),
		want:  []string{"A abc", "B x"},
		drops: map[DropReason]Count{Implausible: {1, 0}},
	}, {
		name:  "a SYN-ACK sent again with a wrong ACK",
		steps: steps(w.open(), w.data(A, 0, "abc", 0), wrapAt(w, 1<<31).synACK(B), w.data(A, 3, "d", 0)),
		want:  []string{"A abcd"},
	}})
}

func TestBuffersAreBounded(t *testing.T) {
	w := testWire
	cfg := Config{MaxBuffered: 8 << 10}
	tooMany := steps(w.open())
	for i := range 100 {
		tooMany = append(tooMany, w.data(A, 1+2*i, "x", 0))
	}
	big := strings.Repeat("x", 1900) // four of them are too many
	held := steps(w.open(), w.data(A, 1, big, 0), w.data(A, 2000, big, 0), w.data(A, 4000, big, 0))
	runReplays(t, []replay{{
		name:  "up to the limit the first hole is waited for",
		cfg:   cfg,
		steps: steps(held, w.data(A, 0, "a", 0)),
		want:  []string{"A a" + big},
		rest:  []string{"A gap 99 lost", "A " + big, "A gap 100 lost", "A " + big},
	}, {
		name:  "at the limit it is lost",
		cfg:   cfg,
		steps: steps(held, w.data(A, 6000, big, 0), w.data(A, 0, "ab", 0), w.data(A, 1901, big[:99], 0)),
		want:  []string{"A gap 1 lost", "A " + big + big[:99] + big},
		rest:  []string{"A gap 100 lost", "A " + big, "A gap 100 lost", "A " + big},
		drops: map[DropReason]Count{Late: {1, 1}},
		again: [2]uint64{1, 0},
	}})
	a, l := play(t, cfg, tooMany)
	if s := a.Stats(); s.Lost[BufferLimit].N == 0 || s.Lost[BufferLimit].N != s.Lost[BufferLimit].Bytes {
		t.Errorf("single bytes with holes: %+v", s)
	}
	a.Close()
	checkClosed(t, a, l)
}

func TestAllBuffersTogetherAreBounded(t *testing.T) {
	l := &log{}
	a := New(Config{MaxBuffered: 8 << 10, MaxTotal: 16 << 10}, l.opener)
	for i := range 50 {
		w := testWire
		w.key = testKey(i)
		feed(t, a, l, steps(w.open(), at(time.Duration(i), w.data(A, 1, strings.Repeat("x", 2000), 0))))
	}
	if s := a.Stats(); s.Lost[BufferLimit] != (Count{43, 43}) {
		t.Errorf("got %+v", s)
	}
	if h := a.waiting.front(); h == nil || h.conn.Key != testKey(43) {
		t.Errorf("not the longest waiting were given up first")
	}
	a.Close()
	checkClosed(t, a, l)
}

func TestMemoryKeptForLaterIsBounded(t *testing.T) {
	w := testWire
	a, l := play(t, Config{MaxBuffered: 8 << 20}, w.open(), w.data(A, 1, strings.Repeat("x", 4<<20), 0), w.data(A, 0, "a", 0))
	if s := a.Stats(); s.Delivered != 4<<20+1 || a.pool.idle > maxIdleBytes || a.pool.idle < maxIdleBytes/2 {
		t.Errorf("%d bytes kept: %+v", a.pool.idle, s)
	}
	a.Close()
	checkClosed(t, a, l)
}

func TestCutRangesOfAnySizeAreHeld(t *testing.T) {
	w := testWire
	huge := w.data(A, 1, "", 0)
	huge.Len = 1<<30 - 10
	beyond := w.data(A, 1<<30-9, "z", 0)
	beyond.Len = 100
	runReplays(t, []replay{{
		name:  "up to a gigabyte",
		steps: steps(w.open(), huge, w.data(A, 0, "a", 0), w.data(A, 1<<30-9, "z", 0)),
		want:  []string{"A a", "A gap 1073741814 skipped", "A z"},
	}, {
		name:  "in order, again and again",
		steps: steps(w.open(), w.data(A, 0, "a", 0), huge, beyond, w.data(A, 1<<30+91, "b", 0)),
		want:  []string{"A a", "A gap 1073741814 skipped", "A z", "A gap 99 skipped", "A b"},
	}, {
		name:  "the first hole is lost where they reach too far",
		steps: steps(w.open(), huge, beyond),
		want:  []string{"A gap 1 lost", "A gap 1073741814 skipped", "A z", "A gap 99 skipped"},
	}})
}

func TestConnectionsAreBounded(t *testing.T) {
	l := &log{}
	a := New(Config{MaxConns: 2}, l.opener)
	conn := func(i int) wire {
		w := testWire
		w.key = testKey(i)
		return w
	}
	feed(t, a, l, steps(
		at(0, conn(1).syn(A)), at(2*time.Second, conn(2).syn(A)), at(4*time.Second, conn(1).data(A, 0, "one", 0)),
		at(6*time.Second, conn(3).syn(A)), at(7*time.Second, conn(1).synACK(B))))
	want := []string{"#2 open", "#2 close evicted", "#3 open", "A one"}
	if diff := cmp.Diff(want, l.lines); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	if c1, c2 := a.Conn(testKey(1)), a.Conn(testKey(2)); c1 == nil || c1.ID != 1 || c2 != nil {
		t.Errorf("open: %+v, %+v", c1, c2)
	}
	if s := a.Stats(); s.Opened != 3 || s.Closed[Evicted] != 1 || s.Conns != 2 {
		t.Errorf("got %+v", s)
	}
}

func TestIdleConnectionsExpire(t *testing.T) {
	w := testWire
	ack := w.data(A, 3, "", 0)
	expired := []string{"A abc", "close expired"}
	minutes := func(n int) time.Duration { return time.Duration(n) * time.Minute }
	runReplays(t, []replay{{
		name:  "after five minutes",
		steps: steps(w.open(), w.data(A, 0, "abc", 0), tick(minutes(5)-1), tick(minutes(5)), w.rst(A, 3)),
		want:  expired,
		drops: map[DropReason]Count{Orphan: {1, 0}},
	}, {
		name:  "bare ACKs do not keep it",
		steps: steps(w.open(), w.data(A, 0, "abc", 0), at(minutes(4), ack), tick(minutes(5))),
		want:  expired,
	}, {
		name: "bytes do",
		steps: steps(w.open(), w.data(A, 0, "abc", 0), at(minutes(4), w.data(A, 3, "d", 0)), tick(minutes(9)-1),
			w.data(A, 4, "e", 0), tick(minutes(14)-1)),
		want: []string{"A abcde", "close expired"},
	}, {
		name:  "with the held bytes",
		steps: steps(at(1, w.data(A, 1, "bc", 0)), tick(minutes(10))),
		want:  []string{"A bc", "close expired"},
	}})
}

func TestConnIsCountedAndNumbered(t *testing.T) {
	w := testWire
	piece := at(45, w.data(A, 9, "j", 0))
	piece.NetBytes = 0
	steps := steps(at(30, w.syn(A)), at(20, w.synACK(B)), at(40, w.data(A, 0, "abc", 0)), at(99, w.data(A, 3, "", 0)),
		at(50, w.cut(A, 3, "defghi", 0, 2, flow.Truncated)), piece, at(60, w.fin(B, 1, "", 9)))
	a, l := play(t, Config{FirstID: 7, IDStride: 4}, steps)
	w.key = testKey(2)
	feed(t, a, l, []any{w.syn(B)})
	a.Close()
	want := []Conn{{
		ID: 7, Key: testKey(1), Opened: 30, FirstNs: 20, LastNs: 60, Opener: A, OpenerKnown: true,
		Dirs: [2]DirCount{
			{Packets: 4, NetBytes: 4*40 + 9, Delivered: 6, Truncated: 4},
			{Packets: 2, NetBytes: 80, Lost: 1},
		},
	}, {
		ID: 11, Key: testKey(2), Opener: B, OpenerKnown: true,
		Dirs: [2]DirCount{{}, {Packets: 1, NetBytes: 40}},
	}}
	if diff := cmp.Diff(want, l.seen); diff != "" {
		t.Errorf("connections (-want +got):\n%s", diff)
	}
}

func TestDefaults(t *testing.T) {
	want := Config{
		GapTimeout: time.Second, IdleTimeout: 5 * time.Minute, LingerTimeout: time.Minute,
		MaxBuffered: 1 << 20, MaxTotal: 32 << 20, MaxConns: 100_000, FirstID: 1, IDStride: 1,
	}
	if diff := cmp.Diff(want, Config{}.withDefaults()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := (Config{MaxBuffered: 1 << 40}).withDefaults().MaxBuffered; got != 1<<30 {
		t.Errorf("MaxBuffered: got %d", got)
	}
}

func TestLabelsAreDistinct(t *testing.T) {
	seen := map[string]bool{}
	for r := range CloseReason(NumCloseReasons) {
		seen[r.String()] = true
	}
	for r := range DropReason(NumDropReasons) {
		seen[r.String()] = true
	}
	for c := range LossCause(NumLossCauses) {
		seen[c.String()] = true
	}
	if want := NumCloseReasons + NumDropReasons + NumLossCauses; len(seen) != want || seen[""] {
		t.Errorf("%d labels, want %d: %v", len(seen), want, seen)
	}
}
