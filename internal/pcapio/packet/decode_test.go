package packet

import (
	"testing"

	"gortap/internal/flow"
)

// checker asserts what holds for any segment.
type checker struct {
	t        testing.TB
	segments int
}

func (c *checker) Segment(s *flow.Segment) {
	c.segments++
	if s.Len < 0 || len(s.Data) > s.Len || s.NetBytes < s.Len {
		c.t.Errorf("%d of %d bytes in a packet of %d", len(s.Data), s.Len, s.NetBytes)
	}
	if (s.Cut == flow.Truncated) != (len(s.Data) < s.Len) {
		c.t.Errorf("%d of %d bytes, and the reason is %d", len(s.Data), s.Len, s.Cut)
	}
	k, d := flow.NewKey(s.Key.Source(s.Dir), s.Key.Source(s.Dir.Other()), s.Key.Net)
	if k != s.Key || (d != s.Dir && s.Key.APort != s.Key.BPort) {
		c.t.Errorf("key %v is not canonical", s.Key)
	}
}
func (c *checker) Update(*flow.Totals) {}
func (c *checker) End(*flow.Totals)    {}
func (c *checker) Tick(int64)          {}

func FuzzDecode(f *testing.F) {
	p4, p6 := plain4(), plain6()
	for link, seed := range map[LinkType][]byte{
		Ethernet: eth(0x8100, vlan(3, 0x8847, mplsLabel(3, true, p4))),
		Raw:      ip4(17, 9, 0, udp(4789, vxlanHeader(42, eth(0x86dd, p6)))),
		IPv6:     ip6(0, extension(44, 1, cat([]byte{6, 0}, u16(1), u32(5), tcpSegment(1, 2, 3, hello)))),
		PPP:      cat(hx(f, "ff03 0021"), ip4(47, 9, 0, cat(hx(f, "b000 6558 00000000 00000005 00000001"), eth(0x0800, p4)))),
		WiFi:     cat(hx(f, "8801 0000 020000000001 020000000002 020000000003 0000 8000"), make([]byte, 12), u16(uint16(8+len(p4))), snap(0x0800, p4)),
		Radiotap: hx(f, "0000 1900 03000080 00000000 00000000 0102030405060708 20"),
		PKTAP:    cat(hx(f, "0c000000 01000000 01000000"), eth(0x0800, p4)),
		PPPoE:    cat(hx(f, "1100 0001 0040 0021"), p4),
		SLL2:     cat(hx(f, "86dd 0000 00000003 0001 04 06 0200000000010000"), p6),
		Prism:    make([]byte, 144),
	} {
		f.Add(uint16(link), uint16(0), seed)
	}
	f.Fuzz(func(t *testing.T, link, beyond uint16, data []byte) {
		d, c := NewDecoder(Options{VerifyChecksums: beyond%2 == 1}), &checker{t: t}
		r := Record{Data: data, WireLen: len(data) + int(beyond), Link: LinkType(link), Copies: beyond%16 == 3}
		for i := range 3 {
			r.Interface = uint64(i)
			d.Decode(&r, c)
		}
		d.Flush()
		want := Count{3, 3 * uint64(r.WireLen)}
		if got := total(d.Stats()); got != want {
			t.Errorf("counted %+v of %+v", got, want)
		}
	})
}

func TestDecodingAllocatesNothing(t *testing.T) {
	frame := eth(0x0800, plain4())
	records := map[string]Record{
		"ethernet":        {Data: frame, Link: Ethernet},
		"IPv6":            {Data: eth(0x86dd, ip6(0, extension(6, 1, tcpSegment(1, 2, 3, hello)))), Link: Ethernet},
		"QinQ":            {Data: eth(0x88a8, vlan(3, 0x8100, vlan(9, 0x0800, plain4()))), Link: Ethernet},
		"VXLAN":           {Data: ip4(17, 9, 0, udp(4789, vxlanHeader(42, frame))), Link: Raw},
		"SLL2 of \"any\"": {Data: cat(hx(t, "86dd 0000 00000003 0001 04 06 0200000000010000"), plain6()), Link: SLL2, Copies: true},
		"no TCP":          {Data: eth(0x0806, make([]byte, 28)), Link: Ethernet},
	}
	for name, r := range records {
		r.WireLen = len(r.Data)
		d, c := NewDecoder(Options{}), &checker{t: t}
		d.Decode(&r, c)
		if n := testing.AllocsPerRun(100, func() { d.Decode(&r, c) }); n != 0 {
			t.Errorf("%s: %v allocations a packet", name, n)
		}
	}
}

func BenchmarkDecode(b *testing.B) {
	frame := eth(0x0800, plain4())
	for name, r := range map[string]Record{
		"ethernet": {Data: frame, Link: Ethernet},
		"any":      {Data: cat(hx(b, "0800 0000 00000003 0001 04 06 0200000000010000"), plain4()), Link: SLL2, Copies: true},
		"vxlan":    {Data: ip4(17, 9, 0, udp(4789, vxlanHeader(42, frame))), Link: Raw},
	} {
		b.Run(name, func(b *testing.B) {
			r.WireLen = len(r.Data)
			d, c := NewDecoder(Options{}), discard{}
			b.ReportAllocs()
			for b.Loop() {
				d.Decode(&r, c)
			}
		})
	}
}

// discard is the cheapest handler.
type discard struct{}

func (discard) Segment(*flow.Segment) {}
func (discard) Update(*flow.Totals)   {}
func (discard) End(*flow.Totals)      {}
func (discard) Tick(int64)            {}

func TestTheScaleOfWindowsIsRead(t *testing.T) {
	for name, c := range map[string]struct {
		options []byte
		want    uint8
	}{
		"none":             {nil, 0},
		"first":            {[]byte{3, 3, 7, 0}, 8},
		"as Linux has it":  {[]byte{2, 4, 5, 180, 4, 2, 8, 10, 0, 0, 0, 0, 0, 0, 0, 0, 1, 3, 3, 9}, 10},
		"after the end":    {[]byte{1, 0, 3, 3, 7, 0, 0, 0}, 0},
		"larger than 14":   {[]byte{1, 3, 3, 200}, 15},
		"without a length": {[]byte{8, 0, 3, 3, 7, 0, 0, 0}, 0},
		"cut off":          {[]byte{1, 1, 3, 3}, 0},
	} {
		if got := windowScale(c.options); got != c.want {
			t.Errorf("%s: scale %d, want %d", name, got, c.want)
		}
	}
}

// datagrams is a handler that wants UDP.
type datagrams struct {
	flow.Handler
	got []flow.Datagram
}

func (h *datagrams) Datagram(d *flow.Datagram) { h.got = append(h.got, *d) }

func TestDatagramsAreForThoseWhoWantThem(t *testing.T) {
	for name, c := range map[string]struct {
		packet []byte
		want   string
		size   int
	}{
		"IPv4":           {ip4(17, 1, 0x4000, udp(53, []byte("question"))), "question", 8},
		"IPv6":           {ip6(17, udp(53, []byte("question"))), "question", 8},
		"cut by a file":  {ip4(17, 1, 0x4000, udp(53, []byte("question")))[:32], "ques", 8},
		"a wrong length": {ip4(17, 1, 0x4000, replace(udp(53, []byte("question")), 4, 0xff)), "", 0},
	} {
		d, h := NewDecoder(Options{}), &datagrams{}
		whole := ip4(17, 1, 0x4000, udp(53, []byte("question")))
		d.Decode(&Record{Data: c.packet, WireLen: max(len(whole), len(c.packet)), Link: Raw}, h)
		if c.size == 0 {
			if len(h.got) > 0 {
				t.Errorf("%s: got %+v", name, h.got)
			}
			continue
		}
		if len(h.got) != 1 || string(h.got[0].Data) != c.want || h.got[0].Len != c.size || h.got[0].Key.APort != 53 && h.got[0].Key.BPort != 53 {
			t.Errorf("%s: got %+v", name, h.got)
		}
		if s := d.Stats(); s.Dropped[NotTCP].Packets != 1 {
			t.Errorf("%s: it is not counted as a packet without TCP", name)
		}
	}
}
