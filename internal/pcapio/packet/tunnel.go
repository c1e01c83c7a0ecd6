package packet

import "encoding/binary"

// UDP destination ports of tunnels.
const (
	portVXLAN      = 4789 // RFC 7348
	portVXLANLinux = 8472 // the kernel's default, older than the RFC
	portGENEVE     = 6081 // RFC 8926
	portGREinUDP   = 4754 // RFC 8086
	portMPLSinUDP  = 6635 // RFC 7510
)

// tunnel decodes the IP protocols that carry another packet.
func (d *Decoder) tunnel(proto byte, b []byte, wire int) Reason {
	switch proto {
	case protoIPIP, protoIPIPOlder:
		return d.ipv4(b, wire)
	case protoIPv6:
		return d.ipv6(b, wire)
	case protoGRE:
		return d.gre(b, wire)
	case protoMPLS:
		return d.mpls(b, wire)
	case protoEthernet:
		if !d.nest() {
			return Nesting
		}
		return d.ethernet(b, wire)
	case protoUDP:
		return d.udp(b, wire)
	case protoESP:
		return Encrypted
	}
	return NotTCP
}

// udp looks for tunnels by destination port: the source port only spreads load.
func (d *Decoder) udp(b []byte, wire int) Reason {
	if len(b) < 8 {
		return NotTCP
	}
	d.datagram(b, wire)
	port := binary.BigEndian.Uint16(b[2:])
	b, wire = b[8:], wire-8
	switch port {
	case portVXLAN, portVXLANLinux:
		return d.vxlan(b, wire)
	case portGENEVE:
		return d.geneve(b, wire)
	case portGREinUDP:
		return d.gre(b, wire)
	case portMPLSinUDP:
		return d.mpls(b, wire)
	}
	return NotTCP
}

// vxlan decodes RFC 7348, 5. Anything that does not look like it is plain UDP.
func (d *Decoder) vxlan(b []byte, wire int) Reason {
	if len(b) < 8 || b[0]&^0x80 != 0x08 || b[7] != 0 { // the id flag, maybe the policy flag
		return NotTCP
	}
	if !d.nest() {
		return Nesting
	}
	d.enterOverlay(vxlanID, binary.BigEndian.Uint32(b[4:])>>8)
	return d.ethernet(b[8:], wire-8)
}

// geneve decodes RFC 8926, 3.4, and skips its options.
func (d *Decoder) geneve(b []byte, wire int) Reason {
	if len(b) < 8 || b[0]>>6 != 0 {
		return NotTCP
	}
	p, n, why := skip(b, wire, 8+int(b[0]&0x3f)*4)
	if why != Delivered {
		return why
	}
	if !d.nest() {
		return Nesting
	}
	d.enterOverlay(geneveID, binary.BigEndian.Uint32(b[4:])>>8)
	return d.protocol(binary.BigEndian.Uint16(b[2:]), p, n)
}

// gre decodes RFC 2784 with the key and sequence number of RFC 2890, and the
// enhanced version of PPTP (RFC 2637, 4.1).
func (d *Decoder) gre(b []byte, wire int) Reason {
	const checksum, routing, key, seq, ack = 0x8000, 0x4000, 0x2000, 0x1000, 0x0080
	if len(b) < 4 {
		return need(4, wire)
	}
	flags, proto := binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])
	hdr, version := 4, flags&7
	if flags&routing != 0 || version > 1 {
		return Unsupported
	}
	if flags&checksum != 0 {
		hdr += 4
	}
	keyAt := hdr
	for _, f := range [...]uint16{key, seq} {
		if flags&f != 0 {
			hdr += 4
		}
	}
	if version == 1 && flags&ack != 0 {
		hdr += 4
	}
	p, n, why := skip(b, wire, hdr)
	if why != Delivered {
		return why
	}
	if !d.nest() {
		return Nesting
	}
	if flags&key != 0 && version == 0 {
		d.enterOverlay(greKey, greNetwork(proto, binary.BigEndian.Uint32(b[keyAt:])))
	}
	switch {
	case proto == typeERSPAN2 && flags&seq != 0:
		return d.mirrored(p, n, 8)
	case proto == typeERSPAN2: // type I has no header of its own
		return d.ethernet(p, n)
	case proto == typeERSPAN3 && len(p) >= 12:
		return d.mirrored(p, n, 12+int(p[11]&1)*8) // the O bit announces a subheader
	}
	return d.protocol(proto, p, n)
}

// greNetwork drops the flow id that NVGRE puts into the key's low byte, which
// differs by direction. Its network ids begin at 0x1000 (RFC 7637, 3.2); other
// users of Ethernet over GRE count their keys from 1.
func greNetwork(proto uint16, key uint32) uint32 {
	if proto == typeEthernet && key >= 0x1000<<8 {
		return key >> 8
	}
	return key
}

// mirrored decodes a frame behind an ERSPAN header of hdr bytes.
func (d *Decoder) mirrored(b []byte, wire, hdr int) Reason {
	p, n, why := skip(b, wire, hdr)
	if why != Delivered {
		return why
	}
	return d.ethernet(p, n)
}
