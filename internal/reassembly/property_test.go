package reassembly

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"gortap/internal/flow"

	"github.com/google/go-cmp/cmp"
)

// talk is a random conversation, and the model of what must come of it: two
// byte arrays, and for each byte what its sender had acknowledged when it sent
// it first.
type talk struct {
	wire
	rng      *rand.Rand
	bytes    [2][]byte
	acked    [2][]int // per byte, and one more for the FIN
	fins     [2]bool
	segments []*flow.Segment
	clock    int64
}

// newTalk lets two sides speak in turns. from is the offset that each side's
// first byte has: where it is not 0, there is no SYN.
func newTalk(rng *rand.Rand, from [2]int, syn bool) *talk {
	isns := []uint32{0, 1, 1 << 31, 0xffffffff, 0xffffff80, rng.Uint32()}
	t := &talk{rng: rng, wire: wire{key: testKey(1)}}
	for d := range t.bytes {
		t.isn[d] = isns[rng.IntN(len(isns))] - uint32(rng.IntN(200))
		t.bytes[d] = make([]byte, from[d])
		t.acked[d] = make([]int, from[d])
	}
	if syn {
		t.send(t.syn(A))
		t.send(t.synACK(B))
	}
	ack := from // ack[d] is how much side d has acknowledged of the other
	ack[A], ack[B] = from[B], from[A]
	for range 1 + rng.IntN(6) {
		t.turn(flow.Dir(rng.IntN(2)), &ack)
	}
	for _, d := range []flow.Dir{A, B} {
		if t.fins[d] = rng.IntN(4) > 0; t.fins[d] {
			t.send(t.fin(d, len(t.bytes[d]), "", ack[d]))
			t.acked[d] = append(t.acked[d], ack[d])
		}
	}
	return t
}

func (t *talk) send(s *flow.Segment) {
	t.clock++
	s.TsNs = t.clock
	t.segments = append(t.segments, s)
}

// turn sends some segments of side d, and old bytes again now and then, with
// the ACK that holds now and other boundaries.
func (t *talk) turn(d flow.Dir, ack *[2]int) {
	for range 1 + t.rng.IntN(5) {
		if sent := len(t.bytes[d.Other()]); t.rng.IntN(3) > 0 {
			ack[d] += t.rng.IntN(sent - ack[d] + 1)
		}
		b := make([]byte, 1+t.rng.IntN(40))
		off := len(t.bytes[d])
		for i := range b {
			b[i] = byte('a' + (off+i)%26 - 32*int(d))
			t.acked[d] = append(t.acked[d], ack[d])
		}
		t.bytes[d] = append(t.bytes[d], b...)
		t.send(t.data(d, off, string(b), ack[d]))
		t.again(d, ack[d])
		if t.rng.IntN(3) == 0 {
			t.send(t.data(d, len(t.bytes[d]), "", ack[d]))
		}
	}
}

func (t *talk) again(d flow.Dir, ack int) {
	for t.rng.IntN(3) == 0 {
		first := t.lowest(d)
		from := first + t.rng.IntN(len(t.bytes[d])-first)
		to := from + 1 + t.rng.IntN(min(100, len(t.bytes[d])-from))
		t.send(t.data(d, from, string(t.bytes[d][from:to]), ack))
	}
}

// lowest is the offset of the first byte that was sent at all.
func (t *talk) lowest(d flow.Dir) int {
	for i, b := range t.bytes[d] {
		if b != 0 {
			return i
		}
	}
	return len(t.bytes[d])
}

// checker is a Receiver that compares with the model.
type checker struct {
	t      *testing.T
	talk   *talk
	lossy  bool   // then order is a guess where only late copies are known
	pos    [2]int // from the first byte sent
	told   [2]int // bytes delivered
	ended  [2]bool
	closed int
	why    CloseReason
	lines  []string // everything told, with its time
}

func (c *checker) note(format string, args ...any) {
	if c.closed > 0 {
		c.t.Errorf("told after close: "+format, args...)
	}
	c.lines = append(c.lines, fmt.Sprintf(format, args...))
}

func (c *checker) Data(d flow.Dir, b []byte, tsNs int64) {
	c.note("%d %s %s", tsNs, name(d), b)
	from, to := c.pos[d], c.pos[d]+len(b)
	if to > len(c.talk.bytes[d]) || !bytes.Equal(b, c.talk.bytes[d][from:to]) {
		c.t.Fatalf("%s at %d: got %q", name(d), from, b)
	}
	for i := from; i < to; i++ {
		c.checkCause(d, i)
	}
	c.pos[d], c.told[d] = to, c.told[d]+len(b)
}

func (c *checker) checkCause(d flow.Dir, i int) {
	if need := c.talk.acked[d][i]; c.pos[d.Other()] < need && !c.lossy {
		c.t.Errorf("%s byte %d delivered when the other side was at %d, not %d", name(d), i, c.pos[d.Other()], need)
	}
}

func (c *checker) Gap(d flow.Dir, n int64, why flow.Gap, tsNs int64) {
	c.note("%d %s gap %d %d", tsNs, name(d), n, why)
	c.pos[d] += int(n)
}

func (c *checker) End(d flow.Dir, tsNs int64) {
	c.note("%d %s end", tsNs, name(d))
	if c.ended[d] || c.pos[d] != len(c.talk.bytes[d]) {
		c.t.Errorf("%s ended (before: %t) at %d of %d", name(d), c.ended[d], c.pos[d], len(c.talk.bytes[d]))
	}
	c.checkCause(d, len(c.talk.bytes[d]))
	c.ended[d] = true
}

func (c *checker) Close(why CloseReason, tsNs int64) {
	c.note("close")
	c.closed++
	c.why = why
}

// newChecker expects each side to begin with its first byte sent.
func newChecker(t *testing.T, tk *talk) *checker {
	return &checker{t: t, talk: tk, pos: [2]int{tk.lowest(A), tk.lowest(B)}}
}

// hear feeds segments to an assembler.
func (c *checker) hear(segments []*flow.Segment) *Assembler {
	t, conns := c.t, 0
	t.Helper()
	a := New(Config{}, func(*Conn) Receiver {
		if conns++; conns > 1 {
			t.Fatalf("a second connection")
		}
		return c
	})
	for _, s := range segments {
		a.Segment(s)
		checkStats(t, a)
	}
	return a
}

// shuffled never begins with a bare FIN, which opens nothing.
func (t *talk) shuffled() []*flow.Segment {
	out := append([]*flow.Segment(nil), t.segments...)
	t.rng.Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
	opens := func(s *flow.Segment) bool { return s.Len > 0 || s.Flags.Has(flow.SYN) }
	if i := slices.IndexFunc(out, opens); i > 0 {
		out[0], out[i] = out[i], out[0]
	}
	return out
}

func withoutACKs(segments []*flow.Segment) (out []*flow.Segment) {
	for _, s := range segments {
		if s.Len > 0 || s.Flags.Has(flow.SYN|flow.FIN) {
			out = append(out, s)
		}
	}
	return out
}

// forEachSeed runs f with many generators, and names the one that fails.
func forEachSeed(t *testing.T, f func(t *testing.T, rng *rand.Rand)) {
	t.Helper()
	for seed := range uint64(1000) {
		f(t, rand.New(rand.NewPCG(seed, 0)))
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

func TestAnyOrderGivesTheSameBytes(t *testing.T) {
	forEachSeed(t, func(t *testing.T, rng *rand.Rand) {
		tk := newTalk(rng, [2]int{}, true)
		c := newChecker(t, tk)
		a := c.hear(tk.shuffled())
		// Everything is there before the assembler closes.
		for d, b := range tk.bytes {
			if c.pos[d] != len(b) || c.ended[d] != tk.fins[d] {
				t.Errorf("%s: at %d of %d, end %t", name(flow.Dir(d)), c.pos[d], len(b), c.ended[d])
			}
		}
		a.Close()
		if s := a.Stats(); s.Conflicts != 0 || s.Lost != [NumLossCauses]Count{} || s.Dropped[Implausible].N != 0 {
			t.Errorf("stats: %+v", s)
		}
		both := tk.fins[A] && tk.fins[B]
		if c.closed != 1 || (c.why == Finished) != both {
			t.Errorf("closed %d times, why %s, FIN both ways: %t", c.closed, c.why, both)
		}
	})
}

func TestAnyOrderWithoutSYNGivesTheSameBytes(t *testing.T) {
	forEachSeed(t, func(t *testing.T, rng *rand.Rand) {
		tk := newTalk(rng, [2]int{rng.IntN(1000), rng.IntN(1000)}, false)
		c := newChecker(t, tk)
		a := c.hear(tk.shuffled())
		a.Close()
		for d, b := range tk.bytes {
			if c.pos[d] != len(b) || c.ended[d] != tk.fins[d] {
				t.Errorf("%s: at %d of %d, end %t", name(flow.Dir(d)), c.pos[d], len(b), c.ended[d])
			}
		}
		if s := a.Stats(); s.Conflicts != 0 || s.Lost != [NumLossCauses]Count{} || s.Dropped[Implausible].N != 0 {
			t.Errorf("stats: %+v", s)
		}
	})
}

func TestWhatWasCapturedIsDelivered(t *testing.T) {
	forEachSeed(t, func(t *testing.T, rng *rand.Rand) {
		tk := newTalk(rng, [2]int{}, true)
		var seen [2]map[int]bool
		seen[A], seen[B] = map[int]bool{}, map[int]bool{}
		var captured []*flow.Segment
		for _, s := range tk.shuffled() {
			if s.Flags.Has(flow.SYN) || rng.IntN(5) > 0 {
				captured = append(captured, s)
				off := int(int32(s.Seq - tk.isn[s.Dir] - 1))
				for i := range s.Data {
					seen[s.Dir][off+i] = true
				}
			}
		}
		c := newChecker(t, tk)
		c.lossy = true
		c.hear(captured).Close()
		for d := range tk.bytes {
			if c.told[d] != len(seen[d]) {
				t.Errorf("%s: %d bytes captured, %d delivered", name(flow.Dir(d)), len(seen[d]), c.told[d])
			}
		}
	})
}

func TestBareACKsMakeNoDifference(t *testing.T) {
	forEachSeed(t, func(t *testing.T, rng *rand.Rand) {
		tk := newTalk(rng, [2]int{}, rng.IntN(2) == 0)
		file := tk.shuffled()
		all, live := newChecker(t, tk), newChecker(t, tk)
		all.hear(file).Close()
		live.hear(withoutACKs(file)).Close()
		if diff := cmp.Diff(all.lines, live.lines); diff != "" {
			t.Errorf("with (-) and without (+) bare ACKs:\n%s", diff)
		}
	})
}
