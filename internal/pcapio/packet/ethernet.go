package packet

import "encoding/binary"

// EtherTypes and the IP version nibbles behind them.
const (
	typeIPv4      = 0x0800
	typeIPv6      = 0x86dd
	typeVLAN      = 0x8100
	typeQinQ      = 0x88a8
	typeQinQ9100  = 0x9100 // before 802.1ad was a standard
	typeQinQ9200  = 0x9200
	typeMPLS      = 0x8847
	typeMPLSMulti = 0x8848
	typePPPoE     = 0x8864
	typePPP       = 0x880b
	typeEthernet  = 0x6558 // transparent Ethernet bridging
	typeMACsec    = 0x88e5
	typeERSPAN2   = 0x88be
	typeERSPAN3   = 0x22eb
)

// maxLength is the largest value of an EtherType field that is a length.
const maxLength = 1500

// ethernet decodes an Ethernet II or 802.3 frame.
func (d *Decoder) ethernet(b []byte, wire int) Reason {
	p, n, why := skip(b, wire, 14)
	if why != Delivered {
		return why
	}
	return d.etherType(binary.BigEndian.Uint16(b[12:]), p, n)
}

// etherType decodes what follows an EtherType, or an 802.3 length.
func (d *Decoder) etherType(t uint16, b []byte, wire int) Reason {
	for {
		switch t {
		case typeIPv4:
			return d.ipv4(b, wire)
		case typeIPv6:
			return d.ipv6(b, wire)
		case typeVLAN, typeQinQ, typeQinQ9100, typeQinQ9200:
			p, n, why := skip(b, wire, 4)
			if why != Delivered {
				return why
			}
			if !d.nest() {
				return Nesting
			}
			d.enterVLAN(binary.BigEndian.Uint16(b) & 0xfff)
			t, b, wire = binary.BigEndian.Uint16(b[2:]), p, n
			continue
		case typeMPLS, typeMPLSMulti:
			return d.mpls(b, wire)
		case typePPPoE:
			return d.pppoe(b, wire)
		case typePPP:
			return d.ppp(b, wire)
		case typeEthernet:
			if !d.nest() {
				return Nesting
			}
			return d.ethernet(b, wire)
		case typeMACsec:
			return Encrypted
		}
		if t <= maxLength { // 802.3, 3.2.6; where the padding begins, IP knows
			return d.llc(b, wire)
		}
		return NotIP
	}
}

// llc decodes an 802.2 header: SNAP, or IP with a SAP of its own.
func (d *Decoder) llc(b []byte, wire int) Reason {
	if len(b) < 3 {
		return need(3, wire)
	}
	switch dsap, ssap, control := b[0], b[1], b[2]; {
	case control != 3: // not an unnumbered information frame
		return NotIP
	case dsap == 0x06 && ssap == 0x06:
		return d.ipv4(b[3:], wire-3)
	case dsap != 0xaa || ssap != 0xaa:
		return NotIP
	}
	p, n, why := skip(b, wire, 8)
	if why != Delivered {
		return why
	}
	oui := uint32(b[3])<<16 | uint32(b[4])<<8 | uint32(b[5])
	t := binary.BigEndian.Uint16(b[6:])
	if oui != 0 && oui != 0x0000f8 { // RFC 1042; bridge tunnel encapsulation
		return NotIP
	}
	return d.protocol(t, p, n)
}

// protocol decodes what follows an EtherType where no length can stand in its place.
func (d *Decoder) protocol(t uint16, b []byte, wire int) Reason {
	if t <= maxLength {
		return NotIP
	}
	return d.etherType(t, b, wire)
}

// mpls pops labels and guesses what is below them, for which MPLS has no field.
func (d *Decoder) mpls(b []byte, wire int) Reason {
	for bottom := false; !bottom; {
		if len(b) < 4 {
			return need(4, wire)
		}
		if !d.nest() {
			return Nesting
		}
		bottom = b[2]&1 != 0
		b, wire = b[4:], wire-4
	}
	if len(b) == 0 {
		return need(1, wire)
	}
	switch b[0] >> 4 {
	case 4:
		if plausibleIPv4(b, wire) {
			return d.ipv4(b, wire)
		}
	case 6:
		if plausibleIPv6(b, wire) {
			return d.ipv6(b, wire)
		}
	case 0: // a pseudowire's control word (RFC 4385), if a frame follows it
		if len(b) > 4 && plausibleEthernet(b[4:]) {
			b, wire = b[4:], wire-4
		}
	}
	if plausibleEthernet(b) {
		return d.ethernet(b, wire)
	}
	return NotIP
}

func plausibleIPv4(b []byte, wire int) bool {
	if len(b) < 20 {
		return len(b) < wire
	}
	total := int(binary.BigEndian.Uint16(b[2:]))
	return b[0]&15 >= 5 && (total == 0 || total >= 20 && total <= wire)
}

func plausibleIPv6(b []byte, wire int) bool {
	return len(b) < 40 && len(b) < wire || len(b) >= 40 && 40+int(binary.BigEndian.Uint16(b[4:])) <= wire
}

// plausibleEthernet reports whether b may begin a frame that leads to IP.
func plausibleEthernet(b []byte) bool {
	if len(b) < 14 {
		return false
	}
	switch t := binary.BigEndian.Uint16(b[12:]); t {
	case typeIPv4, typeIPv6, typeVLAN, typeQinQ, typeMPLS, typePPPoE:
		return true
	}
	return false
}
