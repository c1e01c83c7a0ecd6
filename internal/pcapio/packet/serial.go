package packet

import "encoding/binary"

// serial decodes the link types of point-to-point lines.
func (d *Decoder) serial(t LinkType, b []byte, wire int) Reason {
	if t == PPPoE {
		return d.pppoe(b, wire)
	}
	if t == PPPDir || t == CHDLCDir { // one byte tells the direction
		p, n, why := skip(b, wire, 1)
		if why != Delivered {
			return why
		}
		b, wire = p, n
	}
	if len(b) == 0 {
		return need(1, wire)
	}
	cisco := b[0] == 0x0f || b[0] == 0x8f // its unicast and multicast addresses
	if t == CHDLC || t == CHDLCDir || (t == PPPHDLC && cisco) {
		p, n, why := skip(b, wire, 4)
		if why != Delivered {
			return why
		}
		return d.protocol(binary.BigEndian.Uint16(b[2:]), p, n)
	}
	if t == PPPD && len(b) > 1 && b[1] == 3 { // pppd puts the direction into the address byte
		return d.ppp(b[2:], wire-2)
	}
	return d.ppp(b, wire)
}

// pppoe decodes a session packet (RFC 2516, 4). Its length field says no more
// than that of IP.
func (d *Decoder) pppoe(b []byte, wire int) Reason {
	p, n, why := skip(b, wire, 6)
	if why != Delivered {
		return why
	}
	if b[0] != 0x11 || b[1] != 0 { // not version 1 type 1, or discovery
		return NotIP
	}
	return d.ppp(p, n)
}

// ppp decodes an optional address and control field and a protocol number of
// one or two bytes (RFC 1661, 2 and 6.5).
func (d *Decoder) ppp(b []byte, wire int) Reason {
	if len(b) >= 2 && b[0] == 0xff && b[1] == 3 {
		b, wire = b[2:], wire-2
	}
	if len(b) < 2 {
		return need(2, wire)
	}
	if !d.nest() {
		return Nesting
	}
	proto, hdr := binary.BigEndian.Uint16(b), 2
	if b[0]&1 != 0 { // compressed: the last byte of a number is the odd one
		proto, hdr = uint16(b[0]), 1
	}
	b, wire = b[hdr:], wire-hdr
	switch proto {
	case 0x0021:
		return d.ipv4(b, wire)
	case 0x0057:
		return d.ipv6(b, wire)
	case 0x0281, 0x0283:
		return d.mpls(b, wire)
	case 0x003d, 0x002d, 0x002f, 0x00fd: // multilink, header compression, compressed
		return Unsupported
	case 0x0053:
		return Encrypted
	}
	return NotIP
}
