package packet

import "encoding/binary"

// IP protocol numbers and IPv6 extension headers (iana.org/assignments/protocol-numbers).
const (
	protoHopByHop  = 0
	protoICMP      = 1
	protoIPIP      = 4
	protoUDP       = 17
	protoIPv6      = 41
	protoRouting   = 43
	protoFragment  = 44
	protoGRE       = 47
	protoESP       = 50
	protoAH        = 51
	protoICMPv6    = 58
	protoNoNext    = 59
	protoDestOpts  = 60
	protoIPIPOlder = 94
	protoMobility  = 135
	protoMPLS      = 137
	protoHIP       = 139
	protoShim6     = 140
	protoEthernet  = 143
)

// ipv4 decodes an IPv4 packet (RFC 791, 3.1). Its total length, not the
// frame's, says where it ends: short frames are padded.
func (d *Decoder) ipv4(b []byte, wire int) Reason {
	if len(b) < 20 {
		return need(20, wire)
	}
	hdr := int(b[0]&15) * 4
	total := int(binary.BigEndian.Uint16(b[2:]))
	if total == 0 { // too large for the field: captured before segmentation offload
		total = wire
	}
	if b[0]>>4 != 4 || hdr < 20 || total < hdr {
		return Malformed
	}
	b = b[:min(len(b), total)]
	if len(b) < hdr {
		return need(hdr, wire)
	}
	if d.verify && Fold(Sum(0, b[:hdr])) != 0 {
		return BadChecksum
	}
	if !d.nest() {
		return Nesting
	}
	d.ip.src, d.ip.dst = mapped(b[12:16]), mapped(b[16:20])
	d.ip.v4, d.ip.id, d.ip.netBytes = true, uint32(binary.BigEndian.Uint16(b[4:])), total

	proto, payload, size := b[9], b[hdr:], total-hdr
	frag := binary.BigEndian.Uint16(b[6:])
	if frag&0x3fff == 0 { // neither an offset nor more fragments
		return d.transport(proto, payload, size)
	}
	return d.fragment(fragment{
		proto: proto, offset: int(frag&0x1fff) * 8, more: frag&0x2000 != 0, data: payload, size: size,
	})
}

func mapped(v4 []byte) (a [16]byte) {
	a[10], a[11] = 0xff, 0xff
	copy(a[12:], v4)
	return a
}

// ipv6 decodes an IPv6 packet (RFC 8200, 3).
func (d *Decoder) ipv6(b []byte, wire int) Reason {
	if len(b) < 40 {
		return need(40, wire)
	}
	if b[0]>>4 != 6 {
		return Malformed
	}
	total := 40 + int(binary.BigEndian.Uint16(b[4:]))
	if total == 40 && b[6] != protoNoNext { // a jumbogram (RFC 2675), or before segmentation offload
		total = wire
	}
	if !d.nest() {
		return Nesting
	}
	b = b[:min(len(b), total)]
	d.ip.src, d.ip.dst = [16]byte(b[8:24]), [16]byte(b[24:40])
	d.ip.v4, d.ip.id, d.ip.netBytes = false, 0, total
	return d.transport(b[6], b[40:], total-40)
}

// transport walks extension headers to what the packet carries.
func (d *Decoder) transport(proto byte, b []byte, wire int) Reason {
	for {
		hdr := 0
		switch proto {
		case protoTCP:
			return d.tcp(b, wire)
		case protoHopByHop, protoRouting, protoDestOpts, protoMobility, protoHIP, protoShim6:
			if len(b) < 8 {
				return need(8, wire)
			}
			hdr = 8 + int(b[1])*8
		case protoAH: // counts in words, less two (RFC 4302, 2.2)
			if len(b) < 8 {
				return need(8, wire)
			}
			hdr = 8 + int(b[1])*4
		case protoFragment:
			return d.fragment6(b, wire)
		default:
			return d.tunnel(proto, b, wire)
		}
		p, n, why := skip(b, wire, hdr)
		if why != Delivered {
			return why
		}
		if proto == protoRouting && !d.ip.v4 {
			d.finalDestination(b[:hdr])
		}
		proto, b, wire = b[0], p, n
	}
}

// finalDestination takes the address that the connection is with from a
// routing header; until all its hops are visited, the IPv6 header holds the
// next hop. Source routes and home addresses have it last (RFC 8200, 4.4),
// segment routing has it first (RFC 8754, 2).
func (d *Decoder) finalDestination(h []byte) {
	const sourceRoute, homeAddress, segmentRouting = 0, 2, 4
	if h[3] == 0 || len(h) < 24 { // no segments left
		return
	}
	switch h[2] {
	case sourceRoute, homeAddress:
		d.ip.dst = [16]byte(h[8+(len(h)-8)/16*16-16:])
	case segmentRouting:
		d.ip.dst = [16]byte(h[8:24])
	}
}

// fragment6 decodes a fragment header (RFC 8200, 4.5).
func (d *Decoder) fragment6(b []byte, wire int) Reason {
	p, n, why := skip(b, wire, 8)
	if why != Delivered {
		return why
	}
	offset := binary.BigEndian.Uint16(b[2:])
	d.ip.id = binary.BigEndian.Uint32(b[4:])
	if offset&0xfff9 == 0 { // atomic: not fragmented at all (RFC 6946)
		return d.transport(b[0], p, n)
	}
	return d.fragment(fragment{
		proto: b[0], offset: int(offset & 0xfff8), more: offset&1 != 0, data: p, size: n,
	})
}
