package detect

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"gortap/internal/flow"
	"gortap/internal/pcapio"
	"gortap/internal/proto"
	"gortap/internal/proto/websocket"
	"gortap/internal/reassembly"
	"gortap/internal/testutil/corpus"

	gocmp "github.com/google/go-cmp/cmp"
)

const (
	// overtakeBy is how many others a packet may overtake or fall behind.
	overtakeBy = 8
	// burstPause parts packets that do not overtake each other.
	burstPause = 50e6
	tickEvery  = 100e6
)

// packets collects the segments of a capture.
type packets []flow.Segment

func (p *packets) Segment(s *flow.Segment) {
	kept := *s
	kept.Data = slices.Clone(s.Data)
	*p = append(*p, kept)
}
func (p *packets) Update(*flow.Totals) {}
func (p *packets) End(*flow.Totals)    {}
func (p *packets) Tick(int64)          {}

// real is the agent's table.
func real() []Protocol {
	return append(table(nil)[:2], Protocol{Name: "websocket", New: func() proto.Factory { return websocket.NewFactory(websocket.Options{}) }})
}

func readPackets(t *testing.T, path string) packets {
	t.Helper()
	f, err := pcapio.Open([]string{path}, pcapio.Options{})
	if err != nil {
		t.Fatalf("open capture: %v", err)
	}
	defer f.Close()
	var p packets
	if err := f.Run(context.Background(), &p); err != nil {
		t.Logf("read capture: %v", err)
	}
	return p
}

// mangling is what a network may do to packets on their way to the capture. Left
// out is what changes the meaning:
//   - a RST that overtakes data: what it overtakes is not part of the
//     connection any more, so no packet passes a RST;
//   - a FIN that overtakes everything before it: alone it opens no connection;
//   - a packet that comes later than gaps are waited for, so what is parted by
//     a pause stays in order.
type mangling struct {
	cut     bool // in smaller segments
	repeat  bool // a quarter of them comes twice
	reorder bool // within overtakeBy packets of their connection
}

// slot is a packet on its way, and where it comes.
type slot struct {
	flow.Segment
	place int
}

// mangle returns what becomes of the packets of each connection by itself; how
// those of different ones are interleaved stays.
func (m mangling) mangle(r *rand.Rand, p packets) packets {
	byFlow := map[flow.Key][]slot{}
	var order []flow.Key
	for _, s := range p {
		if byFlow[s.Key] == nil {
			order = append(order, s.Key)
		}
		byFlow[s.Key] = append(byFlow[s.Key], slot{Segment: s})
	}
	var out packets
	for _, k := range order {
		slots := byFlow[k]
		for from, i := 0, 1; i <= len(slots); i++ {
			if i == len(slots) || slots[i].TsNs-slots[i-1].TsNs > burstPause || (slots[i].Flags | slots[i-1].Flags).Has(flow.RST) {
				out = append(out, m.burst(r, slots[from:i])...)
				from = i
			}
		}
	}
	slices.SortStableFunc(out, func(x, y flow.Segment) int { return cmp.Compare(x.TsNs, y.TsNs) })
	return out
}

func (m mangling) burst(r *rand.Rand, in []slot) packets {
	var all []slot
	for i, s := range in {
		copies := 1
		if m.repeat && r.IntN(4) == 0 {
			copies++
		}
		for range copies {
			for _, piece := range m.pieces(r, s.Segment) {
				all = append(all, slot{piece, i})
			}
		}
	}
	var times []int64
	for i := range all {
		times = append(times, all[i].TsNs)
		all[i].place = i
		if m.reorder {
			all[i].place += r.IntN(overtakeBy)
		}
	}
	slices.SortStableFunc(all, func(x, y slot) int { return cmp.Compare(x.place, y.place) })
	slices.Sort(times)
	behindOthers(all)
	out := make(packets, len(all))
	for i, s := range all {
		out[i] = s.Segment
		out[i].TsNs = times[i]
	}
	return out
}

// behindOthers puts a FIN behind the packets that it would be the first of: a
// FIN alone opens no connection.
func behindOthers(all []slot) {
	first := slices.IndexFunc(all, func(s slot) bool { return s.Len > 0 || s.Flags.Has(flow.SYN) })
	if first > 0 {
		all[0], all[first] = all[first], all[0]
	}
}

// pieces cuts a segment in smaller ones. A SYN stays with the first, a FIN or
// RST with the last.
func (m mangling) pieces(r *rand.Rand, s flow.Segment) packets {
	var out packets
	for m.cut && s.Len > 1 && r.IntN(3) > 0 && len(out) < 20 {
		n := 1 + r.IntN(s.Len-1)
		if r.IntN(2) == 0 {
			n = min(n, 1+r.IntN(30))
		}
		first := s
		first.Len, first.NetBytes = n, 40+n
		first.Data = s.Data[:min(n, len(s.Data))]
		first.Flags &^= flow.FIN | flow.RST
		s.Data = s.Data[len(first.Data):]
		s.Len -= n
		s.NetBytes = 40 + s.Len
		s.Seq += uint32(n)
		if s.Flags.Has(flow.SYN) {
			s.Seq++
			s.Flags &^= flow.SYN
		}
		out = append(out, first)
	}
	return append(out, s)
}

// understood renders what comes of packets: a text for each connection in which
// anything was said, equal ones counted.
func understood(t *testing.T, p packets) map[string]int {
	r := &reading{t: t, detector: New(real())}
	r.assembler = reassembly.New(reassembly.Config{}, r.open)
	var now int64
	for i := range p {
		if p[i].TsNs-now > tickEvery {
			now = p[i].TsNs
			r.Tick(now)
		}
		r.Segment(&p[i])
	}
	r.assembler.Close()
	conns := map[string]int{}
	for _, w := range r.conns {
		if err := w.ledger.Check(w.fed); err != nil {
			t.Errorf("%s to %s: %v", w.client, w.server, err)
		}
		text := fmt.Sprintf("%s to %s\n%s", w.client, w.server, w.ledger)
		for _, x := range w.ledger.Exchanges {
			text += fmt.Sprintln(x.Seq, x.Code, x.HasCode, x.Request.Messages, x.Request.MessageBytes, x.Response.Messages, x.Response.MessageBytes)
		}
		if w.fed != [2]int64{} {
			conns[text]++
		}
	}
	return conns
}

// A capture shows packets as the network delivered them: in other pieces where
// something on the way resegments, out of order, and some of them twice. What
// is said with them stays the same.
func TestAnyCutOrderAndRepetitionGivesTheSameExchanges(t *testing.T) {
	seeds := uint64(5)
	if testing.Short() {
		seeds = 1
	}
	ordered := map[string]string{
		"suri-bug-3286-02-linux-evasion.pcap": "a forged RST comes amid the handshake: what follows is a new connection only if it begins with its SYN",
	}
	for _, e := range corpus.Entries(t) {
		t.Run(e.File, func(t *testing.T) {
			p := readPackets(t, e.Path())
			want := understood(t, p)
			for _, m := range []mangling{{cut: true}, {repeat: true}, {reorder: true}, {cut: true, repeat: true, reorder: true}} {
				if why := ordered[e.File]; m.reorder && why != "" {
					t.Logf("left in order: %s", why)
					m.reorder = false
				}
				for seed := range seeds {
					got := understood(t, m.mangle(rand.New(rand.NewPCG(seed, 1)), p))
					if diff := gocmp.Diff(want, got); diff != "" {
						t.Errorf("%+v, seed %d (-want +got)\n%s", m, seed, diff)
					}
				}
			}
		})
	}
}
