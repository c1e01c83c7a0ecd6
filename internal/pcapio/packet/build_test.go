package packet

import (
	"encoding/binary"
	"encoding/hex"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"gortap/internal/flow"
)

// The builders below make one header each, before what they are given.

func cat(parts ...[]byte) []byte { return slices.Concat(parts...) }

func hx(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatalf("bad hex %q: %v", s, err)
	}
	return b
}

func u16(v uint16) []byte { return binary.BigEndian.AppendUint16(nil, v) }
func u32(v uint32) []byte { return binary.BigEndian.AppendUint32(nil, v) }

func tcpSegment(src, dst uint16, seq uint32, payload string) []byte {
	return cat(u16(src), u16(dst), u32(seq), u32(7), []byte{0x50, 0x18}, u16(4096), u16(0), u16(0), []byte(payload))
}

const (
	client4, server4 = "10.0.0.1", "10.0.0.2"
	client6, server6 = "2001:db8::1", "2001:db8::2"
)

func ip4(proto byte, id, frag uint16, payload []byte) []byte {
	src, dst := netip.MustParseAddr(client4).As4(), netip.MustParseAddr(server4).As4()
	h := cat([]byte{0x45, 0}, u16(uint16(20+len(payload))), u16(id), u16(frag), []byte{64, proto}, u16(0), src[:], dst[:])
	binary.BigEndian.PutUint16(h[10:], Fold(Sum(0, h)))
	return cat(h, payload)
}

func ip6(next byte, payload []byte) []byte {
	src, dst := netip.MustParseAddr(client6).As16(), netip.MustParseAddr(server6).As16()
	return cat(u32(6<<28), u16(uint16(len(payload))), []byte{next, 64}, src[:], dst[:], payload)
}

// extension is an IPv6 extension header of n*8 bytes.
func extension(next byte, n int, payload []byte) []byte {
	return cat([]byte{next, byte(n - 1)}, make([]byte, n*8-2), payload)
}

func udp(dst uint16, payload []byte) []byte {
	return cat(u16(40000), u16(dst), u16(uint16(8+len(payload))), u16(0), payload)
}

func eth(etherType uint16, payload []byte) []byte {
	return cat([]byte{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2}, u16(etherType), payload)
}

func vlan(id, etherType uint16, payload []byte) []byte {
	return cat(u16(id|0x6000), u16(etherType), payload)
}

func snap(etherType uint16, payload []byte) []byte {
	return cat([]byte{0xaa, 0xaa, 3, 0, 0, 0}, u16(etherType), payload)
}

func mplsLabel(label uint32, bottom bool, payload []byte) []byte {
	v := label<<12 | 64
	if bottom {
		v |= 1 << 8
	}
	return cat(u32(v), payload)
}

func vxlanHeader(vni uint32, payload []byte) []byte {
	return cat([]byte{8, 0, 0, 0}, u32(vni<<8), payload)
}

const hello = "GET / HTTP/1.1\r\n\r\n"

// plain4 and plain6 are the packet that most tests wrap into something.
func plain4() []byte { return ip4(6, 1, 0x4000, tcpSegment(40000, 80, 1000, hello)) }
func plain6() []byte { return ip6(6, tcpSegment(40000, 80, 1000, hello)) }

// collector copies what a Decoder emits.
type collector struct{ segments []flow.Segment }

func (c *collector) Segment(s *flow.Segment) {
	k := *s
	k.Data = slices.Clone(s.Data)
	c.segments = append(c.segments, k)
}
func (c *collector) Update(*flow.Totals) {}
func (c *collector) End(*flow.Totals)    {}
func (c *collector) Tick(int64)          {}

var _ flow.Handler = (*collector)(nil)

// decodeAll decodes records, flushes, and checks that each was counted once.
func decodeAll(t testing.TB, o Options, records ...Record) ([]flow.Segment, Stats) {
	t.Helper()
	d, c := NewDecoder(o), &collector{}
	var want Count
	for i := range records {
		records[i].WireLen = max(records[i].WireLen, len(records[i].Data))
		want.add(Count{1, uint64(records[i].WireLen)})
		d.Decode(&records[i], c)
	}
	if got := total(d.Stats()); got != want {
		t.Errorf("before the flush: counted %+v of %+v", got, want)
	}
	d.Flush()
	s := d.Stats()
	if got := total(s); got != want || s.Pending != (Count{}) {
		t.Errorf("after the flush: counted %+v of %+v, pending %+v", got, want, s.Pending)
	}
	return c.segments, s
}

func total(s Stats) Count {
	c := s.Delivered.Plus(s.Pending)
	for _, d := range s.Dropped {
		c.add(d)
	}
	return c
}

// outcome names what became of the records: delivered, or the reasons.
func outcome(s Stats) string {
	var names []string
	if s.Delivered.Packets > 0 {
		names = append(names, "delivered")
	}
	for r, c := range s.Dropped {
		if c.Packets > 0 {
			names = append(names, Reason(r).String())
		}
	}
	return strings.Join(names, "+")
}

// wantSegment is the segment of plain4 or plain6 in network net.
func wantSegment(v6 bool, net uint32) flow.Segment {
	src, dst, overhead := client4, server4, 40
	if v6 {
		src, dst, overhead = client6, server6, 60
	}
	k, dir := flow.NewKey(netip.AddrPortFrom(netip.MustParseAddr(src), 40000), netip.AddrPortFrom(netip.MustParseAddr(dst), 80), net)
	return flow.Segment{
		Key: k, Dir: dir, Flags: flow.PSH | flow.ACK, Seq: 1000, Ack: 7, Window: 4096,
		Len: len(hello), Data: []byte(hello), NetBytes: overhead + len(hello),
	}
}
