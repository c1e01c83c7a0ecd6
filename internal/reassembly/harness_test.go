package reassembly

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"gortap/internal/flow"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

const (
	A = flow.FromA
	B = flow.FromB
)

// wire makes the segments of one connection. Offsets count payload bytes; the
// first has the number isn+1.
type wire struct {
	key flow.Key
	isn [2]uint32
}

var testWire = wire{key: testKey(1), isn: [2]uint32{1000, 5000}}

func testKey(n int) flow.Key {
	server := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, 1}), 80)
	client := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 1, byte(n >> 16), byte(n >> 8)}), 1024+uint16(n&0xff))
	key, _ := flow.NewKey(server, client, 0)
	return key
}

// data carries b at offset off, and acknowledges the other side up to ack.
func (w wire) data(d flow.Dir, off int, b string, ack int) *flow.Segment {
	return &flow.Segment{
		Key: w.key, Dir: d, Flags: flow.ACK, Len: len(b), Data: []byte(b), NetBytes: 40 + len(b),
		Seq: w.isn[d] + 1 + uint32(off), Ack: w.isn[d.Other()] + 1 + uint32(ack),
	}
}

// cut is data of which only the first keep bytes were captured.
func (w wire) cut(d flow.Dir, off int, b string, ack, keep int, why flow.Gap) *flow.Segment {
	s := w.data(d, off, b, ack)
	s.Data, s.Cut = s.Data[:keep], why
	return s
}

func (w wire) fin(d flow.Dir, off int, b string, ack int) *flow.Segment {
	return set(w.data(d, off, b, ack), flow.FIN|flow.ACK)
}

func (w wire) rst(d flow.Dir, off int) *flow.Segment {
	return set(w.data(d, off, "", 0), flow.RST)
}

func (w wire) syn(d flow.Dir) *flow.Segment { return set(w.data(d, -1, "", -1), flow.SYN) }

func (w wire) synACK(d flow.Dir) *flow.Segment {
	return set(w.data(d, -1, "", 0), flow.SYN|flow.ACK)
}

// open is a whole handshake, opened by A.
func (w wire) open() []any {
	return []any{w.syn(A), w.synACK(B), w.data(A, 0, "", 0)}
}

func set(s *flow.Segment, f flow.Flags) *flow.Segment {
	s.Flags = f
	return s
}

func at(tsNs time.Duration, s *flow.Segment) *flow.Segment {
	s.TsNs = int64(tsNs)
	return s
}

// tick is a step that advances the clock to a time.
type tick time.Duration

// closeFlow is a step that ends a connection as the capture does.
type closeFlow flow.Key

// log records what the receivers are told, one line an event; bytes that
// follow each other are one event.
type log struct {
	lines []string
	given [2]uint64 // payload of the segments that belong to a connection
	sum   [2]DirCount
	last  flow.Dir
	open  bool // the last line is data of last
	conns int
	seen  []Conn // as they were when closed
}

type recorder struct {
	log    *log
	conn   *Conn
	prefix string
}

func (l *log) opener(c *Conn) Receiver {
	l.conns++
	r := &recorder{log: l, conn: c}
	if l.conns > 1 {
		r.prefix = fmt.Sprintf("#%d ", l.conns)
		l.add(r.prefix + "open")
	}
	return r
}

func (l *log) add(line string) {
	l.open = false
	l.lines = append(l.lines, line)
}

func name(d flow.Dir) string { return string("AB"[d]) }

func (r *recorder) Data(d flow.Dir, b []byte, tsNs int64) {
	l := r.log
	if l.open && l.last == d {
		l.lines[len(l.lines)-1] += string(b)
		return
	}
	l.add(r.prefix + name(d) + " " + string(b))
	l.open, l.last = true, d
}

func (r *recorder) Gap(d flow.Dir, n int64, why flow.Gap, tsNs int64) {
	r.log.add(fmt.Sprintf("%s%s gap %d %s", r.prefix, name(d), n, [...]string{"skipped", "truncated", "lost"}[why]))
}

func (r *recorder) End(d flow.Dir, tsNs int64) { r.log.add(r.prefix + name(d) + " end") }

func (r *recorder) Close(why CloseReason, tsNs int64) {
	r.log.add(r.prefix + "close " + why.String())
	r.log.seen = append(r.log.seen, *r.conn)
	for d := range r.conn.Dirs {
		r.log.sum[d] = addDirs(r.log.sum[d], r.conn.Dirs[d])
	}
}

func addDirs(a, b DirCount) DirCount {
	return DirCount{
		a.Packets + b.Packets, a.NetBytes + b.NetBytes,
		a.Delivered + b.Delivered, a.Skipped + b.Skipped, a.Truncated + b.Truncated, a.Lost + b.Lost,
		a.Retransmitted + b.Retransmitted, a.Conflicts + b.Conflicts, a.Dropped + b.Dropped, a.Buffered + b.Buffered,
	}
}

// play feeds steps (segments, ticks, flow ends, and slices of them) to an assembler.
func play(t *testing.T, cfg Config, steps ...any) (*Assembler, *log) {
	t.Helper()
	l := &log{}
	a := New(cfg, l.opener)
	feed(t, a, l, steps)
	return a, l
}

func feed(t *testing.T, a *Assembler, l *log, steps []any) {
	t.Helper()
	for _, step := range steps {
		switch s := step.(type) {
		case *flow.Segment:
			l.give(a, s)
		case tick:
			a.Advance(int64(s))
		case closeFlow:
			a.CloseConn(flow.Key(s), Evicted)
		case []any:
			feed(t, a, l, s)
		default:
			t.Fatalf("step of type %T", step)
		}
		checkStats(t, a)
	}
}

// give hands over a copy that is overwritten afterwards: borrowed means borrowed.
func (l *log) give(a *Assembler, s *flow.Segment) {
	borrowed := *s
	borrowed.Data = append([]byte(nil), s.Data...)
	before := a.stats.Dropped
	a.Segment(&borrowed)
	for i := range borrowed.Data {
		borrowed.Data[i] = '#'
	}
	if a.stats.Dropped[Orphan] == before[Orphan] && a.stats.Dropped[AfterClose] == before[AfterClose] {
		l.given[s.Dir] += uint64(s.Len)
	}
}

// checkStats asserts conservation over the whole assembler, and its limits.
func checkStats(t *testing.T, a *Assembler) {
	t.Helper()
	s := a.Stats()
	sum := s.Delivered + s.Skipped + s.Truncated + s.Retransmitted + uint64(s.Buffered)
	for _, d := range s.Dropped {
		sum += d.Bytes
	}
	if sum != s.Bytes {
		t.Fatalf("%d bytes given, %d accounted for: %+v", s.Bytes, sum, s)
	}
	if s.Memory > a.cfg.MaxTotal || s.Conns > a.cfg.MaxConns || s.Lingering > a.cfg.MaxConns {
		t.Fatalf("over a limit: %+v", s)
	}
	var held int
	for n := a.active.head; n != nil; n = n.next {
		c := n.owner
		for d := range c.halves {
			h := &c.halves[d]
			held += c.Dirs[d].Buffered
			if h.held.memory > a.cfg.MaxBuffered {
				t.Fatalf("%d bytes held, limit %d", h.held.memory, a.cfg.MaxBuffered)
			}
			if h.held.empty() == h.waiting.linked {
				t.Fatalf("holds nothing: %t, waits: %t", h.held.empty(), h.waiting.linked)
			}
		}
	}
	if held != s.Buffered {
		t.Fatalf("connections hold %d bytes, stats say %d", held, s.Buffered)
	}
}

// checkClosed asserts conservation per direction once everything is closed.
func checkClosed(t *testing.T, a *Assembler, l *log) {
	t.Helper()
	for d, s := range l.sum {
		sum := s.Delivered + s.Skipped + s.Truncated + s.Retransmitted + s.Dropped
		if sum != l.given[d] || s.Buffered != 0 {
			t.Errorf("direction %s: %d bytes given, %d accounted for: %+v", name(flow.Dir(d)), l.given[d], sum, s)
		}
	}
	if s := a.Stats(); s.Conns != 0 || s.Memory != 0 || s.Buffered != 0 || a.waiting.head != nil {
		t.Errorf("not empty after Close: %+v", s)
	}
}

// replay is a table test's case.
type replay struct {
	name  string
	cfg   Config
	steps []any
	want  []string
	rest  []string // on Close, but for "close stopped"
	drops map[DropReason]Count
	again [2]uint64 // retransmitted, conflicts
}

func runReplays(t *testing.T, cases []replay) {
	t.Helper()
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			a, l := play(t, tc.cfg, tc.steps...)
			drops := map[DropReason]Count{}
			for r, n := range a.Stats().Dropped {
				if n.N > 0 {
					drops[DropReason(r)] = n
				}
			}
			if tc.drops == nil {
				tc.drops = map[DropReason]Count{}
			}
			if diff := cmp.Diff(tc.want, l.lines); diff != "" {
				t.Errorf("events (-want +got):\n%s", diff)
			}
			l.lines, l.open = nil, false
			a.Close()
			checkClosed(t, a, l)
			l.lines = slices.DeleteFunc(l.lines, func(s string) bool { return strings.HasSuffix(s, "close stopped") })
			if diff := cmp.Diff(tc.rest, l.lines, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("events on Close (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tc.drops, drops); diff != "" {
				t.Errorf("drops (-want +got):\n%s", diff)
			}
			if got := [2]uint64{a.Stats().Retransmitted, a.Stats().Conflicts}; got != tc.again {
				t.Errorf("retransmitted, conflicts: got %v, want %v", got, tc.again)
			}
		})
	}
}
