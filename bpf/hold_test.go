package bpf_test

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gortap/internal/flow"
)

// told is what user space has heard of the two directions: a mark for each byte,
// and of those that came with their bytes another.
type told struct {
	t    *testing.T
	isn  [2]uint32
	have [2][]byte
	sent [2]int // bytes that a hook has seen
}

const (
	byName = 1 + iota // skipped
	byCopy
)

// take hears a record. What it acknowledges was told before it.
func (m *told) take(r record) {
	m.t.Helper()
	e := r.Event
	if e == nil {
		if k := r.End.Skip; k.Len > 0 {
			m.mark(int(k.Dir), k.End-k.Len, int(k.Len), byName)
		}
		return
	}
	seq, other := e.Seq, int(e.Dir^1)
	if flow.Flags(e.Flags).Has(flow.SYN) {
		seq++
	}
	for i := range min(m.sent[other], max(0, int(int32(e.Ack-m.isn[other]-1)))) {
		if m.have[other][i] == 0 {
			m.t.Fatalf("byte %d of direction %d is acknowledged and not yet told", i, other)
		}
	}
	m.mark(int(e.Dir), seq, int(e.Len), byName)
	m.mark(int(e.Dir), seq, int(e.Cap), byCopy)
	m.mark(int(e.Dir), seq+e.Len-uint32(e.TailLen), int(e.TailLen), byCopy)
}

func (m *told) mark(dir int, seq uint32, n int, how byte) {
	at := int(int32(seq - m.isn[dir] - 1))
	for i := at; i < at+n; i++ {
		m.have[dir][i] = max(m.have[dir][i], how)
	}
}

// Records that are kept back change neither what is told in the end, nor what is
// copied, nor that a byte is told before what acknowledges it.
func TestEveryByteIsToldOnceItMatters(t *testing.T) {
	const budget = 2048
	k := newKernel(t, build{budget: budget})
	records, segments := 0, 0
	for seed := range uint64(150) {
		r := rand.New(rand.NewPCG(seed, 3))
		m := &told{t: t, isn: [2]uint32{r.Uint32(), -uint32(r.IntN(20_000))}}
		k.reset()
		k.show(k.ingress(), client(syn, m.isn[flow.FromB], 0, 0).frame(), 0)
		k.show(k.ingress(), server(synAck, m.isn[flow.FromA], m.isn[flow.FromB]+1, 0).frame(), 0)
		k.records()
		var heads [2][]int // where each turn's budget lies
		for _, turn := range conversation(r) {
			m.have[turn.Dir] = append(m.have[turn.Dir], make([]byte, turn.n)...)
			heads[turn.Dir] = append(heads[turn.Dir], turn.at, min(turn.n, budget))
			spread := 1
			if seed%3 == 0 {
				spread = 4
			}
			for _, p := range deal(r, turn.n, spread) {
				s := client(ack, 0, 0, 0)
				if turn.Dir == flow.FromA {
					s = server(ack, 0, 0, 0)
				}
				if r.IntN(8) == 0 {
					s.flags = push
				}
				s.seq = m.isn[turn.Dir] + 1 + uint32(turn.at+p.from)
				s.ack = m.isn[turn.Dir.Other()] + 1 + uint32(len(m.have[turn.Dir.Other()]))
				s.payload = pattern(p.to - p.from)
				k.show(k.ingress(), s.frame(), 0)
				k.checkTold()
				segments++
				for _, rec := range k.records() {
					m.take(rec)
					records++
				}
			}
			m.sent[turn.Dir] += turn.n
		}
		k.evict(math.MaxUint64, theKey())
		for _, rec := range k.records() {
			m.take(rec)
		}
		for dir := range m.have {
			for i, how := range m.have[dir] {
				if how == 0 {
					t.Fatalf("seed %d: byte %d of direction %d was never told", seed, i, dir)
				}
			}
			for h := heads[dir]; len(h) > 0; h = h[2:] {
				for i := h[0]; i < h[0]+h[1]; i++ {
					if m.have[dir][i] != byCopy {
						t.Fatalf("seed %d: byte %d of direction %d lies in a budget and was not copied", seed, i, dir)
					}
				}
			}
		}
	}
	if records > segments*9/10 {
		t.Errorf("%d records of %d segments: hardly any was kept back", records, segments)
	}
}

// checkTold checks what user space takes for told while something is kept back.
func (k *kernel) checkTold() {
	k.t.Helper()
	f := k.flow()
	if s := f.Skip; s.Len > 0 && f.Told != f.Dirs[s.Dir].Payload-uint64(s.Len) {
		k.t.Errorf("%d bytes of %d are kept back, and %d told", s.Len, f.Dirs[s.Dir].Payload, f.Told)
	}
}

// What is of no interest any more counts as told, though what was kept back before
// goes on waiting.
func TestWhatIsCountedOnlyCountsAsTold(t *testing.T) {
	const n = 1000
	k := newKernel(t, build{budget: 100})
	k.begin(opened(client(push, 1001, 5001, 50), server(ack, 5001, 1051, n), server(ack, 5001+n, 1051, n)), n)
	k.setDepth(flow.DepthNone, theKey())
	k.show(k.ingress(), server(push, 5001+2*n, 1051, n).frame(), 0)
	if f := k.flow(); f.Skip.Len != n || f.Told != 2*n {
		t.Errorf("%d bytes are kept back and %d told, want %d and %d", f.Skip.Len, f.Told, n, 2*n)
	}
	k.checkTold()
}

// What a record tells of the bytes before it.
func TestSkippedBytesAreToldWithTheNextRecord(t *testing.T) {
	const budget, n = 100, 1000
	k := newKernel(t, build{budget: budget})
	turn := opened(client(push, 1001, 5001, 50), server(ack, 5001, 1051, n))
	end := uint32(5001 + n)
	for _, tc := range []struct {
		name string
		then []segment
		want []piece // of each record its place, length and bytes copied; Flags and Data only
	}{
		{"the end of the write", []segment{server(ack, end, 1051, n), server(push, end+n, 1051, n)},
			[]piece{{Seq: end, Len: 2 * n, Tail: string(pattern(n)[n-16:])}}},
		{"an end without bytes", []segment{server(ack, end, 1051, n), server(fin, end+n, 1051, 0)},
			[]piece{{Seq: end, Len: n}}},
		{"the next request", []segment{server(ack, end, 1051, n), client(push, 1051, end+n, 40)},
			[]piece{{Seq: end, Len: n}, {Seq: 1051, Len: 40, Data: string(pattern(40))}}},
		{"a reset", []segment{server(ack, end, 1051, n), server(rst, end+n, 1051, 0)},
			[]piece{{Seq: end, Len: n}, {Seq: end + n}}},
		{"a hole", []segment{server(ack, end, 1051, n), server(ack, end+2*n, 1051, n)},
			[]piece{{Seq: end, Len: n}, {Seq: end + 2*n, Len: n}}},
		{"a retransmission", []segment{server(ack, end, 1051, n), server(ack, end, 1051, n)},
			[]piece{{Seq: end, Len: n}, {Seq: end, Len: n}}},
		{"a request that waits for no answer", []segment{
			client(ack, 1051, 5001, n), client(ack, 1051+n, 5001, n),
			{seq: 1051 + 2*n, ack: 5001, flags: push, payload: []byte("GET /2 HTTP/1.1\r\n\r\n" + strings.Repeat("x", n))},
		}, []piece{
			{Seq: 1051, Len: n, Data: string(pattern(n)[:budget-50])}, {Seq: 1051 + n, Len: n},
			{Seq: 1051 + 2*n, Len: n + 19, Data: "GET /2 HTTP/1.1\r\n\r\n" + strings.Repeat("x", n)},
		}},
		{"another connection", []segment{server(ack, end, 1051, n), client(syn, 70_000, 0, 0)},
			[]piece{{Seq: end, Len: n}, {Seq: 70_000}}},
		{"nothing", []segment{server(ack, end, 1051, n), client(ack, 1051, end+n, 0)}, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			k.t = t
			k.reset()
			for _, s := range turn {
				k.show(k.ingress(), s.frame(), 0)
			}
			k.records()
			for _, s := range tc.then {
				k.show(k.ingress(), s.frame(), 0)
			}
			got := pieces(t, k.records())
			for i := range got {
				got[i].NetBytes, got[i].Flags = 0, 0
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("records (-want +got):\n%s", diff)
			}
			k.evict(math.MaxUint64, theKey())
			records := k.records()
			skip := records[len(records)-1].End.Skip
			if want := uint32(0); tc.want == nil && (skip.Len != n || skip.End != end+n) || tc.want != nil && skip.Len != want {
				t.Errorf("the flow's end tells of %d bytes up to %d", skip.Len, skip.End)
			}
		})
	}
}

// However fast a stream, its counts are not far ahead of what is told.
func TestSkipIsToldAtALimit(t *testing.T) {
	const n, limit = 3000, 512 << 10
	k := newKernel(t, build{budget: 100})
	seq := uint32(1)
	for range 3 * limit / n {
		k.show(k.ingress(), client(ack, seq, 1, n).frame(), 0)
		seq += n
		if f := k.flow(); f.Skip.Len > limit {
			t.Fatalf("%d bytes are kept back", f.Skip.Len)
		}
	}
	// Its first, and one a limit; more where a test run took long.
	if got := len(k.records()); got < 3 || got > 20 {
		t.Errorf("%d records of %d segments", got, 3*limit/n)
	}
}
