package prototest

import (
	"math/rand/v2"

	"gortap/internal/flow"
	"gortap/internal/proto"
)

// Event is one thing that a parser is told: Data, or a Gap, or the end of a side.
type Event struct {
	Side proto.Side
	Data []byte
	Gap  int64
	Why  flow.Gap
	End  bool
}

// Script is a connection, in the order a parser sees it. Event i happens at
// (i+1) microseconds, however it is cut.
type Script []Event

// From appends bytes sent by s.
func (sc *Script) From(s proto.Side, b ...byte) {
	*sc = append(*sc, Event{Side: s, Data: append([]byte(nil), b...)})
}

// Whole cuts nothing, Single cuts everything into bytes.
func Whole(n int) int { return n }

// Single cuts everything into single bytes.
func Single(int) int { return 1 }

// Random cuts into pieces of up to 40 bytes, mostly.
func Random(r *rand.Rand) func(int) int {
	return func(n int) int {
		if r.IntN(4) == 0 {
			return n
		}
		return 1 + r.IntN(min(n, 40))
	}
}

// Play drives a parser through the script, in pieces of cut(bytes left), and
// closes it. It returns how many bytes of each side had to be credited.
func (sc Script) Play(p proto.Parser, cut func(left int) int, why proto.Reason) (delivered [2]int64) {
	for i, e := range sc {
		ts := int64(i+1) * 1000
		switch {
		case e.End:
			p.End(e.Side, ts)
		case e.Gap > 0:
			p.Gap(e.Side, e.Gap, e.Why, ts)
			if e.Why != flow.Lost {
				delivered[e.Side] += e.Gap
			}
		}
		for b := e.Data; len(b) > 0; {
			n := cut(len(b))
			lent := append([]byte(nil), b[:n]...)
			p.Data(e.Side, lent, ts)
			for i := range lent {
				lent[i] = 0xa5 // whoever kept it shall notice
			}
			delivered[e.Side] += int64(n)
			b = b[n:]
		}
	}
	p.Close(why, int64(len(sc)+1)*1000)
	return delivered
}

// Damaged returns the script with up to n gaps of any kind in place of bytes.
func (sc Script) Damaged(r *rand.Rand, n int) Script {
	out := append(Script(nil), sc...)
	for range n {
		i := r.IntN(len(out))
		e := out[i]
		if len(e.Data) == 0 {
			continue
		}
		from := r.IntN(len(e.Data))
		to := from + 1 + r.IntN(len(e.Data)-from)
		pieces := Script{
			{Side: e.Side, Data: e.Data[:from]},
			{Side: e.Side, Gap: int64(to - from), Why: flow.Gap(r.IntN(3))},
			{Side: e.Side, Data: e.Data[to:]},
		}
		out = append(out[:i:i], append(pieces, out[i+1:]...)...)
	}
	return out
}
