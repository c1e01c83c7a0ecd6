package bpf_test

import (
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gortap/bpf"
	"gortap/internal/flow"
)

const maxHoles = 4 // MAX_HOLES in event.h

// stretch is a range of a stream's bytes: what a segment carries.
type stretch struct{ from, to int }

// stream is what a sender could do to n bytes: a model of how they count, which
// keeps a mark for each byte and knows nothing of sequence numbers.
type stream struct {
	seen  []bool
	high  int // end of the highest stretch
	holes int // gaps below high
	bytes [2]uint64
}

const (
	fresh = iota
	again
)

func (s *stream) send(p stretch) {
	for i := p.from; i < p.to; i++ {
		if s.seen[i] {
			s.bytes[again]++
			continue
		}
		s.seen[i] = true
		s.bytes[fresh]++
	}
	s.high = max(s.high, p.to)
	s.holes = 0
	for i := range s.high {
		if !s.seen[i] && (i == 0 || s.seen[i-1]) {
			s.holes++
		}
	}
}

// deal cuts n bytes into segments and plays a network: it repeats, merges and
// cuts anew, and puts off segments by up to spread places.
func deal(r *rand.Rand, n, spread int) []stretch {
	var sent []stretch
	for at := 0; at < n; {
		to := min(n, at+1+r.IntN(200))
		sent = append(sent, stretch{at, to})
		if r.IntN(4) == 0 {
			from := r.IntN(to)
			sent = append(sent, stretch{from, from + 1 + r.IntN(min(to-from, 1400))})
		}
		at = to
	}
	for i := range sent {
		j := i + r.IntN(min(spread, len(sent)-i))
		sent[i], sent[j] = sent[j], sent[i]
	}
	return sent
}

// Whatever the network does, each byte counts once as long as the holes can be
// remembered; and in the end, when all has arrived, however many there were.
func TestPayloadIsTheNumberOfDistinctBytes(t *testing.T) {
	k := newKernel(t, build{budget: 2048})
	overflowed := 0
	for seed := range uint64(150) {
		r := rand.New(rand.NewPCG(seed, 1))
		n := 1 + r.IntN(3000)
		model := &stream{seen: make([]bool, n)}
		isn := r.Uint32()
		if seed%2 == 0 {
			isn = -uint32(r.IntN(n)) // the sequence wraps on the way
		}
		k.reset()
		k.show(k.ingress(), client(syn, isn, 0, 0).frame(), 0)
		exact := true
		for i, p := range deal(r, n, 1+int(seed%8)*4) {
			k.show(k.ingress(), client(ack, isn+1+uint32(p.from), 1, p.to-p.from).frame(), 0)
			model.send(p)
			exact = exact && model.holes <= maxHoles
			if d := k.clientDir(); exact && (d.payload != model.bytes[fresh] || d.retrans != model.bytes[again]) {
				t.Fatalf("seed %d, segment %d: payload %d, again %d, want %d, %d (%d holes)",
					seed, i, d.payload, d.retrans, model.bytes[fresh], model.bytes[again], model.holes)
			}
		}
		if !exact {
			overflowed++
		}
		if d := k.clientDir(); d.payload != uint64(n) {
			t.Errorf("seed %d: payload %d at the end, want %d (exact on the way: %v)", seed, d.payload, n, exact)
		}
	}
	if overflowed < 20 || overflowed > 130 {
		t.Errorf("%d of 150 streams had too many holes: that tests one kind only", overflowed)
	}
}

// dirCount is what the property tests compare of a direction.
type dirCount struct{ payload, retrans uint64 }

// sent returns what the flow says of a direction.
func sent(f *bpf.CaptureFlow, dir flow.Dir) dirCount {
	return dirCount{f.Dirs[dir].Payload, f.Dirs[dir].Rare.Retrans}
}

// clientDir looks the client's direction of the one connection up.
func (k *kernel) clientDir() dirCount {
	k.t.Helper()
	key, dir := flow.NewKey(client4, server4, 0)
	kernel := kernelKey(key)
	var f bpf.CaptureFlow
	if err := k.Flows.Lookup(&kernel, &f); err != nil {
		k.t.Fatal(err)
	}
	return sent(&f, dir)
}

// turn is what one side sends until the other does.
type turn struct {
	flow.Dir
	at, n int // place in the direction's stream
}

// What is copied of a segment is what of it lies in the budget of its turn, in
// whatever order a turn's segments come and however often.
func TestBudgetIsOfTheTurnInAnyOrder(t *testing.T) {
	const budget = 2048
	k := newKernel(t, build{budget: budget})
	for seed := range uint64(60) {
		r := rand.New(rand.NewPCG(seed, 2))
		isn := [2]uint32{r.Uint32(), -uint32(r.IntN(5000))}
		k.reset()
		k.show(k.ingress(), client(syn, isn[flow.FromB], 0, 0).frame(), 0)
		k.show(k.ingress(), server(synAck, isn[flow.FromA], isn[flow.FromB]+1, 0).frame(), 0)
		k.records()
		var want []piece
		var got [2]int // bytes that the other side has sent so far
		for _, turn := range conversation(r) {
			for _, p := range deal(r, turn.n, 1+int(seed%5)) {
				s := client(push, 0, 0, 0) // pushed: each is told at once
				if turn.Dir == flow.FromA {
					s = server(push, 0, 0, 0)
				}
				s.seq = isn[turn.Dir] + 1 + uint32(turn.at+p.from)
				s.ack = isn[turn.Dir.Other()] + 1 + uint32(got[turn.Dir.Other()])
				s.payload = pattern(p.to - p.from)
				k.show(k.ingress(), s.frame(), 0)
				copied := min(max(budget-p.from, 0), len(s.payload))
				tail := min(16, len(s.payload)-copied)
				if len(s.payload)-copied <= 16 {
					copied, tail = len(s.payload), 0
				}
				want = append(want, piece{
					Tail: string(s.payload[len(s.payload)-tail:]),
					Seq:  s.seq, Len: uint32(len(s.payload)), NetBytes: uint32(ipv4Len + tcpLen + len(s.payload)),
					Flags: s.flags, Data: string(s.payload[:copied]),
				})
			}
			got[turn.Dir] = turn.at + turn.n
		}
		if diff := cmp.Diff(want, pieces(t, k.records())); diff != "" {
			t.Fatalf("seed %d: records (-want +got):\n%s", seed, diff)
		}
	}
}

// conversation is a few turns to and fro, of less and of more than the budget.
func conversation(r *rand.Rand) (turns []turn) {
	var at [2]int
	dir := flow.FromB
	for range 1 + r.IntN(5) {
		n := 1 + r.IntN(6000)
		turns = append(turns, turn{dir, at[dir], n})
		at[dir] += n
		dir = dir.Other()
	}
	return turns
}
