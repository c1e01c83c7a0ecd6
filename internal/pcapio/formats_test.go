package pcapio

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"math/big"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gortap/internal/pcapio/packet"
)

// seen is what a file format says about a packet.
type seen struct {
	Data   string
	Wire   int
	TsNs   int64
	Link   packet.LinkType
	Iface  uint64
	Copies bool
}

// records reads a file from memory, up to its end or to damage.
func records(t testing.TB, content []byte) ([]seen, error) {
	t.Helper()
	w := &window{r: bytes.NewReader(content), buf: make([]byte, 512)} // small, to fill often
	for _, f := range formats() {
		if !f.match(content) {
			continue
		}
		rr, err := f.open(w)
		if err != nil {
			return nil, err
		}
		var out []seen
		for {
			var r packet.Record
			if err := rr.next(&r); err != nil {
				return out, err
			}
			out = append(out, seen{string(r.Data), r.WireLen, r.TsNs, r.Link, r.Interface, r.Copies})
		}
	}
	return nil, ErrUnknownFormat
}

// file builds content in a byte order.
type file struct {
	binary.AppendByteOrder
	b []byte
}

func (f *file) u16(v ...uint16) *file {
	for _, v := range v {
		f.b = f.AppendUint16(f.b, v)
	}
	return f
}

func (f *file) u32(v ...uint32) *file {
	for _, v := range v {
		f.b = f.AppendUint32(f.b, v)
	}
	return f
}

func (f *file) text(s string) *file { f.b = append(f.b, s...); return f }

// block appends a pcapng block around a body.
func (f *file) block(typ uint32, body func(*file)) *file {
	in := &file{AppendByteOrder: f.AppendByteOrder}
	body(in)
	for len(in.b)%4 != 0 {
		in.b = append(in.b, 0)
	}
	size := uint32(len(in.b) + 12)
	f.u32(typ, size)
	f.b = append(f.b, in.b...)
	return f.u32(size)
}

func (f *file) section() *file {
	return f.block(blockSection, func(f *file) { f.u32(byteOrderMagic).u16(1, 0).u32(math.MaxUint32, math.MaxUint32) })
}

// iface appends an interface description with raw options.
func (f *file) iface(link uint16, snaplen uint32, options func(*file)) *file {
	return f.block(blockInterface, func(f *file) {
		f.u16(link, 0).u32(snaplen)
		if options != nil {
			options(f)
		}
	})
}

func (f *file) enhanced(id uint32, ts uint64, wire uint32, data string) *file {
	return f.block(blockEnhanced, func(f *file) {
		f.u32(id, uint32(ts>>32), uint32(ts), uint32(len(data)), wire).text(data)
	})
}

func bothOrders(t *testing.T, test func(t *testing.T, f *file)) {
	t.Helper()
	t.Run("little endian", func(t *testing.T) { test(t, &file{AppendByteOrder: binary.LittleEndian}) })
	t.Run("big endian", func(t *testing.T) { test(t, &file{AppendByteOrder: binary.BigEndian}) })
}

func TestPCAPVariants(t *testing.T) {
	const sec, frac = 1700000000, 123456
	want := seen{Data: "abc", Wire: 60, Link: packet.Raw}
	tests := []struct {
		name  string
		magic uint32
		minor uint16
		link  uint32
		want  func(*seen)
	}{
		{"microseconds", magicMicro, 4, 101, func(s *seen) { s.TsNs = sec*1e9 + frac*1e3 }},
		{"nanoseconds", magicNano, 4, 101, func(s *seen) { s.TsNs = sec*1e9 + frac }},
		{"modified", magicModified, 4, 101, func(s *seen) { s.TsNs, s.Iface, s.Copies = sec*1e9+frac*1e3, 5, true }},
		{"lengths swapped in version 2.2", magicMicro, 2, 101, func(s *seen) { s.TsNs = sec*1e9 + frac*1e3 }},
		{"frame check length in the link type", magicMicro, 4, 0x24000000 | 101, func(s *seen) { s.TsNs = sec*1e9 + frac*1e3 }},
		{"any", magicNano, 4, 276, func(s *seen) { s.TsNs, s.Link, s.Copies = sec*1e9+frac, packet.SLL2, true }},
	}
	for _, tt := range tests {
		bothOrders(t, func(t *testing.T, f *file) {
			t.Helper()
			f.u32(tt.magic).u16(2, tt.minor).u32(0, 0, 65535, tt.link)
			for range 2 {
				f.u32(sec, frac)
				if tt.minor < 3 {
					f.u32(60, 3)
				} else {
					f.u32(3, 60)
				}
				if tt.magic == magicModified {
					f.u32(5).u16(8).text("\x00\x00")
				}
				f.text("abc")
			}
			one := want
			tt.want(&one)
			got, err := records(t, f.b)
			if diff := cmp.Diff([]seen{one, one}, got); diff != "" {
				t.Errorf("%s (-want +got), %v:\n%s", tt.name, err, diff)
			}
		})
	}
}

func TestAPacketIsNeverShorterThanWhatWasCaptured(t *testing.T) {
	f := &file{AppendByteOrder: binary.LittleEndian}
	f.u32(magicMicro).u16(2, 4).u32(0, 0, 65535, 101).u32(1, 0, 3, 0).text("abc")
	ng := &file{AppendByteOrder: binary.LittleEndian}
	ng.section().iface(101, 0, nil).enhanced(0, 1, 2, "abc")
	for _, content := range [][]byte{f.b, ng.b} {
		if got, err := records(t, content); len(got) != 1 || got[0].Wire != 3 {
			t.Errorf("got %+v, %v, want a length of 3", got, err)
		}
	}
}

func TestPCAPNGBlocks(t *testing.T) {
	bothOrders(t, func(t *testing.T, f *file) {
		f.section()
		f.iface(101, 0, nil)
		f.iface(1, 8, func(f *file) { f.u16(9, 1).text("\x09\x00\x00\x00").u16(0, 0) })
		f.block(0x80000bad, func(f *file) { f.text("of a vendor") })                  // unknown
		f.block(4, func(f *file) { f.u16(0, 0) })                                     // names
		f.block(0x0bad, func(f *file) { f.text(string(make([]byte, 3*windowSize))) }) // unknown and large
		f.enhanced(0, 1700000000123456, 60, "abc")                                    // in microseconds
		f.block(blockEnhanced, func(f *file) { f.u32(1, 1, 2, 5, 5).text("defgh\x00\x00\x00").u16(1, 3).text("hey\x00").u16(0, 0) })
		f.block(blockPacket, func(f *file) { f.u16(0, 9).u32(0, 7, 2, 40).text("ij") })
		f.block(blockSimplePacket, func(f *file) { f.u32(4).text("klmn") })
		f.section() // forgets the interfaces
		f.iface(113, 3, nil)
		f.block(blockSimplePacket, func(f *file) { f.u32(9).text("opq") })
		want := []seen{
			{"abc", 60, 1700000000123456000, packet.Raw, 0, true},
			{"defgh", 5, 1<<32 + 2, packet.Ethernet, 1 << 32, true},
			{"ij", 40, 7000, packet.Raw, 0, true},
			{"klmn", 4, 7000, packet.Raw, 0, true},
			{"opq", 9, 7000, packet.SLL, 0, false},
		}
		got, err := records(t, f.b)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("packets (-want +got), %v:\n%s", err, diff)
		}
	})
}

func TestASectionMayChangeTheByteOrder(t *testing.T) {
	a, b := &file{AppendByteOrder: binary.LittleEndian}, &file{AppendByteOrder: binary.BigEndian}
	a.section().iface(101, 0, nil).enhanced(0, 1, 1, "a")
	b.section().iface(101, 0, nil).enhanced(0, 2, 1, "b")
	got, _ := records(t, slices.Concat(a.b, b.b, a.b))
	if len(got) != 3 || got[1].Data != "b" || got[1].TsNs != 2000 || got[2].Data != "a" {
		t.Errorf("got %+v", got)
	}
}

func TestTimestampsOfAnyResolution(t *testing.T) {
	for _, resolution := range []byte{0, 3, 6, 9, 10, 12, 18, 19, 0x80, 0x8a, 0x9e, 0xa0, 0xbf} {
		for _, ts := range []uint64{0, 1, 999, 1700000000, 1700000000123456789, math.MaxUint64} {
			for _, offset := range []int64{0, 1700000000, -5} {
				f := &file{AppendByteOrder: binary.LittleEndian}
				f.section().iface(1, 0, func(f *file) {
					f.u16(9, 1).text(string([]byte{resolution, 0, 0, 0})).u16(14, 8).u32(uint32(offset), uint32(offset>>32))
				}).enhanced(0, ts, 1, "a")
				got, _ := records(t, f.b)
				if want := exactNs(ts, resolution, offset); len(got) != 1 || got[0].TsNs != want {
					t.Errorf("%d at resolution %#x, offset %d: got %+v, want %d", ts, resolution, offset, got, want)
				}
			}
		}
	}
}

// exactNs computes what the format says in unbounded arithmetic.
func exactNs(ts uint64, resolution byte, offset int64) int64 {
	base := int64(10)
	if resolution&0x80 != 0 {
		base = 2
	}
	units := new(big.Int).Exp(big.NewInt(base), big.NewInt(int64(resolution&0x7f)), nil)
	ns := new(big.Int).Mul(new(big.Int).SetUint64(ts), big.NewInt(1e9))
	ns.Quo(ns, units)
	most := big.NewInt(math.MaxInt64)
	if ns.Cmp(most) > 0 {
		ns.Set(most)
	}
	ns.Add(ns, new(big.Int).Mul(big.NewInt(offset), big.NewInt(1e9)))
	if ns.Cmp(most) > 0 {
		ns.Set(most)
	}
	return ns.Int64()
}

func TestInterfacesAreBounded(t *testing.T) {
	f := (&file{AppendByteOrder: binary.LittleEndian}).section()
	for range maxInterfaces {
		f.iface(1, 0, nil)
	}
	if got, _ := records(t, (&file{AppendByteOrder: f, b: slices.Clone(f.b)}).enhanced(maxInterfaces-1, 1, 1, "a").b); len(got) != 1 {
		t.Errorf("the last interface gives %d packets, want 1", len(got))
	}
	if _, err := records(t, f.iface(1, 0, nil).b); !errors.As(err, new(*DamageError)) {
		t.Errorf("error %v, want damage", err)
	}
}

func TestDamageIsNamedAndPlaced(t *testing.T) {
	good := func() *file {
		return (&file{AppendByteOrder: binary.LittleEndian}).section().iface(1, 0, nil).enhanced(0, 1, 1, "a")
	}
	pcap := func() *file {
		f := &file{AppendByteOrder: binary.LittleEndian}
		return f.u32(magicMicro).u16(2, 4).u32(0, 0, 65535, 1).u32(1, 1, 1, 1).text("a")
	}
	tests := []struct {
		name string
		f    *file
		add  func(*file)
		want string
	}{
		{"pcap, a huge packet", pcap(), func(f *file) { f.u32(1, 1, 1<<20, 1<<20) }, "a packet of 1048576 bytes (the limit is 262144)"},
		{"pcap, cut header", pcap(), func(f *file) { f.u32(1, 1) }, ErrCut.Error()},
		{"pcap, cut packet", pcap(), func(f *file) { f.u32(1, 1, 9, 9).text("abc") }, ErrCut.Error()},
		{"block of 8 bytes", good(), func(f *file) { f.u32(99, 8) }, "a block of 8 bytes"},
		{"block of 13 bytes", good(), func(f *file) { f.u32(99, 13) }, "a block of 13 bytes"},
		{"lengths differ", good(), func(f *file) { f.u32(99, 12, 16) }, "a block whose two lengths differ: 12 and 16"},
		{"packet lengths differ", good(), func(f *file) { f.u32(6, 12, 16) }, "a block whose two lengths differ: 12 and 16"},
		{"unknown block longer than the file", good(), func(f *file) { f.u32(99, 1<<31) }, ErrCut.Error()},
		{"packet block too large", good(), func(f *file) { f.u32(6, 1<<30) }, "a block of 1073741824 bytes"},
		{"packet block too small", good(), func(f *file) { f.u32(6, 16, 0, 16) }, "a packet block of 16 bytes"},
		{"packet beyond its block", good(), func(f *file) { f.block(6, func(f *file) { f.u32(0, 0, 0, 9, 9).text("abcd") }) }, "a packet of 9 bytes in a block of 36"},
		{"unknown interface", good(), func(f *file) { f.enhanced(1, 1, 1, "a") }, "a packet of interface 1, of 1 known"},
		{"simple packet without an interface", good(), func(f *file) { f.section().block(3, func(f *file) { f.u32(0) }) }, "a packet of interface 0, of 0 known"},
		{"interface without fields", good(), func(f *file) { f.block(1, func(f *file) { f.u32(0) }) }, "an interface block without its fields"},
		{"option beyond its block", good(), func(f *file) { f.iface(1, 0, func(f *file) { f.u16(9, 8).u32(0) }) }, "an option longer than its block"},
		{"resolution", good(), func(f *file) { f.iface(1, 0, func(f *file) { f.u16(9, 1).u32(20) }) }, "a timestamp resolution of 0x14"},
		{"section without magic", good(), func(f *file) { f.block(blockSection, func(f *file) { f.u32(1, 2, 3, 4) }) }, "a section without the byte-order magic"},
		{"version 2", good(), func(f *file) { f.block(blockSection, func(f *file) { f.u32(byteOrderMagic).u16(2, 0).u32(0, 0) }) }, "pcapng version 2 (1.x is known)"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			at := int64(len(tt.f.b))
			tt.add(tt.f)
			if tt.name == "simple packet without an interface" {
				at += 28 // the damage is behind the good section
			}
			got, err := records(t, tt.f.b)
			var damage *DamageError
			if !errors.As(err, &damage) {
				t.Fatalf("error %v, want a DamageError", err)
			}
			if len(got) != 1 || damage.Offset != at || damage.Err.Error() != tt.want {
				t.Errorf("after %d packets at byte %d: %v; want after 1 at byte %d: %s", len(got), damage.Offset, damage.Err, at, tt.want)
			}
		})
	}
}
