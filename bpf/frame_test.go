package bpf_test

import (
	"encoding/binary"
	"net/netip"

	"gortap/internal/flow"
)

// The ends of the connection that most tests speak of. The server has the lower
// port: its direction is flow.FromA.
var (
	server4 = netip.MustParseAddrPort("192.0.2.1:80")
	client4 = netip.MustParseAddrPort("192.0.2.10:40000")
	server6 = netip.MustParseAddrPort("[2001:db8::1]:80")
	client6 = netip.MustParseAddrPort("[2001:db8::a]:40000")
)

const (
	etherLen = 14
	ipv4Len  = 20
	ipv6Len  = 40
	tcpLen   = 20

	protoTCP = 6
)

// segment is a TCP segment to be sent.
type segment struct {
	src, dst netip.AddrPort // zero: from client4 to server4
	seq, ack uint32
	flags    flow.Flags
	window   uint16
	options  []byte // a multiple of 4 bytes
	payload  []byte
}

// tcp returns the segment from its TCP header on. Checksums are zero throughout:
// the programs look at none.
func (s segment) tcp() []byte {
	b := make([]byte, tcpLen, tcpLen+len(s.options)+len(s.payload))
	binary.BigEndian.PutUint16(b[0:], s.src.Port())
	binary.BigEndian.PutUint16(b[2:], s.dst.Port())
	binary.BigEndian.PutUint32(b[4:], s.seq)
	binary.BigEndian.PutUint32(b[8:], s.ack)
	b[12] = uint8(tcpLen+len(s.options)) / 4 << 4
	b[13] = uint8(s.flags)
	binary.BigEndian.PutUint16(b[14:], s.window)
	b = append(b, s.options...)
	return append(b, s.payload...)
}

// frame returns the segment in an IP packet of its addresses' family, in an
// Ethernet frame.
func (s segment) frame() []byte {
	if !s.src.IsValid() {
		s.src, s.dst = client4, server4
	}
	if s.src.Addr().Is4() {
		return ether(etherIPv4, ipv4(s.src.Addr(), s.dst.Addr(), protoTCP, nil, s.tcp()))
	}
	return ether(etherIPv6, ipv6(s.src.Addr(), s.dst.Addr(), protoTCP, s.tcp()))
}

const (
	etherIPv4  = 0x0800
	etherIPv6  = 0x86dd
	etherARP   = 0x0806
	etherVLAN  = 0x8100
	etherQinQ  = 0x88a8
	etherMPLS  = 0x8847
	etherPPPoE = 0x8864
)

func ether(proto uint16, payload []byte) []byte {
	b := []byte{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2}
	b = binary.BigEndian.AppendUint16(b, proto)
	return append(b, payload...)
}

// tagged puts a VLAN tag in front of what the frame carries.
func tagged(frame []byte, proto uint16) []byte {
	b := append([]byte{}, frame[:12]...)
	b = binary.BigEndian.AppendUint16(b, proto)
	b = append(b, 0x00, 0x64)
	return append(b, frame[12:]...)
}

func ipv4(src, dst netip.Addr, proto uint8, options, payload []byte) []byte {
	b := make([]byte, ipv4Len)
	b[0] = 4<<4 | uint8(ipv4Len+len(options))/4
	binary.BigEndian.PutUint16(b[2:], uint16(ipv4Len+len(options)+len(payload)))
	b[8] = 64
	b[9] = proto
	copy(b[12:], src.AsSlice())
	copy(b[16:], dst.AsSlice())
	return append(append(b, options...), payload...)
}

func ipv6(src, dst netip.Addr, next uint8, payload []byte) []byte {
	b := make([]byte, ipv6Len)
	b[0] = 6 << 4
	binary.BigEndian.PutUint16(b[4:], uint16(len(payload)))
	b[6] = next
	b[7] = 64
	copy(b[8:], src.AsSlice())
	copy(b[24:], dst.AsSlice())
	return append(b, payload...)
}

// extension is an IPv6 extension header, its "next header" still to be filled in.
type extension struct {
	kind uint8
	body []byte
}

// IPv6 extension headers of the smallest size, and one larger.
var (
	hopByHop  = extension{0, make([]byte, 8)}
	routing   = extension{43, make([]byte, 8)}
	dstOpts   = extension{60, make([]byte, 8)}
	dstOpts24 = extension{60, append([]byte{0, 2}, make([]byte, 22)...)}
	auth      = extension{51, append([]byte{0, 4}, make([]byte, 22)...)} // (4 + 2) * 4 bytes
	mobility  = extension{135, make([]byte, 8)}
	whole     = extension{44, make([]byte, 8)} // an atomic fragment (RFC 6946)
)

// fragmentAt is a fragment header with its offset and flags field.
func fragmentAt(field uint16) extension {
	b := make([]byte, 8)
	binary.BigEndian.PutUint16(b[2:], field)
	return extension{44, b}
}

// chain returns a frame with a packet that has these headers before its payload.
func chain(payload []byte, last uint8, headers ...extension) []byte {
	first := last
	var b []byte
	for i, h := range headers {
		next := last
		if i+1 < len(headers) {
			next = headers[i+1].kind
		}
		if i == 0 {
			first = h.kind
		}
		b = append(b, next)
		b = append(b, h.body[1:]...)
	}
	return ether(etherIPv6, ipv6(client6.Addr(), server6.Addr(), first, append(b, payload...)))
}

// put16 changes a field of the frame.
func put16(frame []byte, at int, value int) []byte {
	binary.BigEndian.PutUint16(frame[at:], uint16(value))
	return frame
}

// pattern returns n bytes in which no two places nearby look the same.
func pattern(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i*7 + i>>8*13)
	}
	return b
}

// flowAddr is a client of its own for each number.
func flowAddr(n uint16) netip.AddrPort { return netip.AddrPortFrom(client4.Addr(), 40000+n) }
