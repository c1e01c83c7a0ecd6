package packet

import "encoding/binary"

// LinkType says what a record begins with, as files number it: the LINKTYPE_
// values of the registry at tcpdump.org/linktypes.html, which differ from
// libpcap's DLT_ values for a few types.
type LinkType uint16

// The link types that are decoded.
const (
	Null     LinkType = 0
	Ethernet LinkType = 1
	PPP      LinkType = 9
	FDDI     LinkType = 10
	PPPHDLC  LinkType = 50
	PPPoE    LinkType = 51
	Raw      LinkType = 101
	CHDLC    LinkType = 104
	WiFi     LinkType = 105 // IEEE 802.11
	Loop     LinkType = 108
	Enc      LinkType = 109 // OpenBSD IPsec
	SLL      LinkType = 113 // Linux "any"
	PFLog    LinkType = 117
	Prism    LinkType = 119
	Radiotap LinkType = 127
	AVS      LinkType = 163
	PPPD     LinkType = 166
	PPI      LinkType = 192
	PPPDir   LinkType = 204
	CHDLCDir LinkType = 205
	IPv4     LinkType = 228
	IPv6     LinkType = 229
	PKTAP    LinkType = 258 // Darwin
	SLL2     LinkType = 276 // Linux "any", with the interface
	rawBSD   LinkType = 12  // DLT_RAW, which some writers put into files
	rawOpen  LinkType = 14
)

// link decodes a record from its first byte.
func (d *Decoder) link(t LinkType, b []byte, wire int) Reason {
	switch t {
	case Ethernet:
		return d.ethernet(b, wire)
	case Raw, rawBSD, rawOpen, IPv4, IPv6:
		return d.rawIP(b, wire)
	case Null, Loop:
		return d.family(b, wire, 0, 4)
	case Enc:
		return d.family(b, wire, 0, 12)
	case SLL:
		return d.sll(b, wire)
	case SLL2:
		return d.sll2(b, wire)
	case PPP, PPPHDLC, PPPD, PPPDir, PPPoE, CHDLC, CHDLCDir:
		return d.serial(t, b, wire)
	case WiFi:
		return d.wifi(b, wire, false)
	case Radiotap:
		return d.radiotap(b, wire)
	case Prism, AVS:
		return d.prism(b, wire)
	case FDDI:
		return d.fddi(b, wire)
	case PFLog:
		return d.pflog(b, wire)
	case PPI:
		return d.wrapped(b, wire, 2, 4)
	case PKTAP:
		d.flat = true
		return d.wrapped(b, wire, 0, 8)
	}
	return Unsupported
}

// skip returns b and wire without their
// first n bytes, or the reason why that cannot be read.
func skip(b []byte, wire, n int) ([]byte, int, Reason) {
	if len(b) < n {
		return nil, 0, need(n, wire)
	}
	return b[n:], wire - n, Delivered
}

// rawIP goes by the version nibble.
func (d *Decoder) rawIP(b []byte, wire int) Reason {
	if len(b) == 0 {
		return need(1, wire)
	}
	switch b[0] >> 4 {
	case 4:
		return d.ipv4(b, wire)
	case 6:
		return d.ipv6(b, wire)
	}
	return NotIP
}

// family decodes a BSD address family in the capturing host's byte order (or
// the network's, for Loop) at offset at, before a packet at offset hdr.
func (d *Decoder) family(b []byte, wire, at, hdr int) Reason {
	p, n, why := skip(b, wire, hdr)
	if why != Delivered {
		return why
	}
	af := binary.LittleEndian.Uint32(b[at:])
	if af > 0xffff {
		af = binary.BigEndian.Uint32(b[at:])
	}
	return d.addressFamily(af, p, n)
}

func (d *Decoder) addressFamily(af uint32, b []byte, wire int) Reason {
	switch af {
	case 2:
		return d.ipv4(b, wire)
	case 10, 24, 28, 30: // AF_INET6 of Linux, NetBSD and OpenBSD, FreeBSD, Darwin
		return d.ipv6(b, wire)
	}
	return NotIP
}

// sll decodes the cooked header of Linux' "any" device. Such a capture sees
// one host's packets on several of its interfaces, tagged on some and untagged
// on others, so networks are not told apart: as in live capture.
func (d *Decoder) sll(b []byte, wire int) Reason {
	d.flat = true
	p, n, why := skip(b, wire, 16)
	if why != Delivered {
		return why
	}
	return d.sllProtocol(binary.BigEndian.Uint16(b[14:]), p, n)
}

func (d *Decoder) sll2(b []byte, wire int) Reason {
	d.flat = true
	p, n, why := skip(b, wire, 20)
	if why != Delivered {
		return why
	}
	d.iface = d.iface&^0xffffffff | uint64(binary.BigEndian.Uint32(b[4:]))
	return d.sllProtocol(binary.BigEndian.Uint16(b), p, n)
}

func (d *Decoder) sllProtocol(proto uint16, b []byte, wire int) Reason {
	if proto == 4 { // LINUX_SLL_P_802_2
		return d.llc(b, wire)
	}
	return d.protocol(proto, b, wire)
}

// pflog decodes OpenBSD's firewall log: a header that tells its own length,
// padded to 4 bytes, and the address family in its second byte.
func (d *Decoder) pflog(b []byte, wire int) Reason {
	if len(b) < 2 {
		return need(2, wire)
	}
	p, n, why := skip(b, wire, (int(b[0])+3)&^3)
	if why != Delivered {
		return why
	}
	return d.addressFamily(uint32(b[1]), p, n)
}

// wrapped decodes a little-endian header that tells its own length (at offset
// length) and the link type of what follows (at offset link).
func (d *Decoder) wrapped(b []byte, wire, length, link int) Reason {
	if len(b) < link+4 {
		return need(link+4, wire)
	}
	hdr := int(binary.LittleEndian.Uint16(b[length:]))
	p, n, why := skip(b, wire, hdr)
	if why != Delivered {
		return why
	}
	if hdr < link+4 {
		return Malformed
	}
	if !d.nest() {
		return Nesting
	}
	return d.link(LinkType(binary.LittleEndian.Uint32(b[link:])), p, n)
}

// fddi decodes a frame control byte and two addresses before LLC.
func (d *Decoder) fddi(b []byte, wire int) Reason {
	p, n, why := skip(b, wire, 13)
	if why != Delivered {
		return why
	}
	if b[0]&0xf0 != 0x50 { // not an LLC frame
		return NotIP
	}
	return d.llc(p, n)
}
