package pcapio

import (
	"context"
	"encoding/binary"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gortap/internal/flow"
	"gortap/internal/pcapio/packet"
)

// collector copies what a Reader gives.
type collector struct {
	segments  []flow.Segment
	ticks     []int64
	onTick    func()
	onSegment func(n int)
}

func (c *collector) Segment(s *flow.Segment) {
	k := *s
	k.Data = slices.Clone(s.Data)
	c.segments = append(c.segments, k)
	if c.onSegment != nil {
		c.onSegment(len(c.segments))
	}
}
func (c *collector) Update(*flow.Totals) { panic("a file reader knows no totals") }
func (c *collector) End(*flow.Totals)    { panic("a file reader knows no totals") }
func (c *collector) Tick(ns int64) {
	c.ticks = append(c.ticks, ns)
	if c.onTick != nil {
		c.onTick()
	}
}

var _ flow.Handler = (*collector)(nil)

// read runs a Reader over files and checks the conservation of packets.
func read(t testing.TB, o Options, paths ...string) (*collector, Stats, error) {
	t.Helper()
	r, err := Open(paths, o)
	if err != nil {
		return &collector{}, Stats{}, err
	}
	c := &collector{}
	err = r.Run(context.Background(), c)
	s := r.Stats()
	checkConservation(t, &s)
	return c, s, err
}

func checkConservation(t testing.TB, s *Stats) {
	t.Helper()
	sum := s.Delivered.Plus(s.Pending)
	for _, d := range s.Dropped {
		sum = sum.Plus(d)
	}
	if sum != s.Matched() {
		t.Errorf("matched %+v, but delivered and dropped are %+v: %+v", s.Matched(), sum, s)
	}
}

func mustRead(t testing.TB, paths ...string) *collector {
	t.Helper()
	c, _, err := read(t, Options{}, paths...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// write puts content into a file of the test's folder.
func write(t testing.TB, name string, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// rawTCP is an IPv4 packet with a TCP segment.
func rawTCP(seq uint32, payload string) []byte {
	b := []byte{0x45, 0, 0, 0, 0, 1, 0x40, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2}
	binary.BigEndian.PutUint16(b[2:], uint16(40+len(payload)))
	b = binary.BigEndian.AppendUint16(b, 40000)
	b = binary.BigEndian.AppendUint16(b, 80)
	b = binary.BigEndian.AppendUint32(b, seq)
	b = append(b, 0, 0, 0, 0, 0x50, byte(flow.ACK), 1, 0, 0, 0, 0, 0)
	return append(b, payload...)
}

// pcapFile is a file of raw IP packets, whose sequence numbers are their times
// in milliseconds.
func pcapFile(t testing.TB, name string, ms ...uint32) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	w, err := Create(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, at := range ms {
		p := rawTCP(at, "x")
		if err := w.Packet(&packet.Record{Data: p, TsNs: int64(at) * 1e6, Link: packet.Raw}); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

func seqs(c *collector) []uint32 {
	var out []uint32
	for _, s := range c.segments {
		out = append(out, s.Seq)
	}
	return out
}

// diff is cmp.Diff, which walks each byte, for lists that are mostly equal.
func diff(want, got []flow.Segment) string {
	if reflect.DeepEqual(want, got) {
		return ""
	}
	return cmp.Diff(want, got)
}
