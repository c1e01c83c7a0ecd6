package reassembly

import (
	"fmt"
	"testing"

	"gortap/internal/flow"
)

// nothing is a Receiver that costs nothing.
type nothing struct{}

func (nothing) Data(flow.Dir, []byte, int64)         {}
func (nothing) Gap(flow.Dir, int64, flow.Gap, int64) {}
func (nothing) End(flow.Dir, int64)                  {}
func (nothing) Close(CloseReason, int64)             {}
func openNothing(*Conn) Receiver                     { return nothing{} }

// traffic makes endless segments of 1,448 bytes on n connections in turn, each
// direction acknowledging the other.
type traffic struct {
	segments []flow.Segment
	i        int
}

func newTraffic(a *Assembler, net uint32, conns int) *traffic {
	t := &traffic{segments: make([]flow.Segment, 2*conns)}
	payload := make([]byte, 1448)
	for i := range t.segments {
		w := testWire
		w.key = testKey(i / 2)
		w.key.Net = net
		d := flow.Dir(i % 2)
		if d == A {
			a.Segment(w.syn(A))
			a.Segment(w.synACK(B))
		}
		t.segments[i] = *w.data(d, 0, string(payload), 0)
	}
	return t
}

func (t *traffic) next() *flow.Segment {
	s := &t.segments[t.i]
	if t.i++; t.i == len(t.segments) {
		t.i = 0
	}
	return s
}

// sent moves a segment of the traffic on to what its side sends next: the
// n bytes were sent, and as many the other way.
func sent(s *flow.Segment, n int) {
	s.Seq += uint32(n)
	s.Ack += uint32(n)
	s.TsNs += 1000
}

func BenchmarkInOrder(b *testing.B) {
	for _, conns := range []int{1, 10_000} {
		b.Run(fmt.Sprintf("conns=%d", conns), func(b *testing.B) {
			a := New(Config{}, openNothing)
			t := newTraffic(a, 0, conns)
			b.ReportAllocs()
			b.ResetTimer()
			for range b.N {
				s := t.next()
				a.Segment(s)
				sent(s, s.Len)
			}
			if s := a.Stats(); s.Delivered != uint64(b.N)*1448 {
				b.Fatalf("got %+v", s)
			}
		})
	}
}

// BenchmarkSwapped has each pair of segments change places: the first is held,
// the second passed through.
func BenchmarkSwapped(b *testing.B) {
	a := New(Config{}, openNothing)
	t := newTraffic(a, 0, 1)
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		swapped(a, t)
	}
}

func swapped(a *Assembler, t *traffic) {
	s := t.next()
	s.Seq += uint32(s.Len)
	a.Segment(s)
	s.Seq -= uint32(s.Len)
	a.Segment(s)
	sent(s, 2*s.Len)
}

func BenchmarkShortConnections(b *testing.B) {
	a := New(Config{}, openNothing)
	b.ReportAllocs()
	b.ResetTimer()
	c := newShort()
	for i := range b.N {
		c.play(a, i)
	}
}

// short is a connection with one request and one response.
type short []*flow.Segment

func newShort() short {
	w := testWire
	return short{w.syn(A), w.synACK(B), w.data(A, 0, "request", 0), w.data(B, 0, "response", 7),
		w.fin(A, 7, "", 8), w.fin(B, 8, "", 8)}
}

func (c short) play(a *Assembler, i int) {
	key := testKey(i & 0xffff)
	for _, s := range c {
		s.Key = key
		s.TsNs += 100_000
		s.Seq += 10_000_000 // a new ISN
		s.Ack += 10_000_000
		a.Segment(s)
	}
	a.Advance(c[0].TsNs)
}

func TestSteadyStateAllocatesNothing(t *testing.T) {
	a := New(Config{}, openNothing)
	inOrder, outOfOrder, short := newTraffic(a, 1, 8), newTraffic(a, 2, 8), newShort()
	i := 0
	for name, f := range map[string]func(){
		"in order":     func() { s := inOrder.next(); a.Segment(s); sent(s, s.Len) },
		"out of order": func() { swapped(a, outOfOrder) },
		// Addresses recur, as they do; a new key may make the map grow.
		"short connections": func() { short.play(a, i&0xff); i++ },
	} {
		for range 1000 {
			f()
		}
		if n := testing.AllocsPerRun(1000, f); n != 0 {
			t.Errorf("%s: %v allocations a run", name, n)
		}
	}
	if s := a.Stats(); s.Dropped != [NumDropReasons]Count{} || s.Lost != [NumLossCauses]Count{} {
		t.Errorf("not what was meant: %+v", s)
	}
}
