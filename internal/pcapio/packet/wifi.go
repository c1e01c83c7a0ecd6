package packet

import "encoding/binary"

// radiotap decodes the header that monitor interfaces put before 802.11
// frames (radiotap.org). Of its fields only the flags matter.
func (d *Decoder) radiotap(b []byte, wire int) Reason {
	if len(b) < 8 {
		return need(8, wire)
	}
	hdr := int(binary.LittleEndian.Uint16(b[2:]))
	if hdr < 8 {
		return Malformed
	}
	p, n, why := skip(b, wire, hdr)
	if why != Delivered {
		return why
	}
	const padded, badFCS = 0x20, 0x40
	flags := radiotapFlags(b[:hdr])
	if flags&badFCS != 0 {
		return BadChecksum
	}
	return d.wifi(p, n, flags&padded != 0)
}

// radiotapFlags returns the flags field, or 0. It is the second of the
// optional fields, after a timestamp aligned to 8 bytes.
func radiotapFlags(hdr []byte) byte {
	const more, timestamp, flags = 1 << 31, 1 << 0, 1 << 1
	present := binary.LittleEndian.Uint32(hdr[4:])
	at := 8
	for p := present; p&more != 0; at += 4 { // further words of field bits
		if len(hdr) < at+4 {
			return 0
		}
		p = binary.LittleEndian.Uint32(hdr[at:])
	}
	if present&timestamp != 0 {
		at = (at+7)&^7 + 8
	}
	if present&flags == 0 || len(hdr) <= at {
		return 0
	}
	return hdr[at]
}

// prism decodes the two older monitor headers: AVS, which begins with a magic
// and its length in network order, and Prism, whose length is in host order.
func (d *Decoder) prism(b []byte, wire int) Reason {
	if len(b) < 8 {
		return need(8, wire)
	}
	hdr := int64(binary.BigEndian.Uint32(b[4:]))
	if m := binary.BigEndian.Uint32(b); m != 0x80211001 && m != 0x80211002 {
		hdr = min(hdr, int64(binary.LittleEndian.Uint32(b[4:])))
	}
	if hdr < 8 || hdr > int64(wire) {
		return Malformed
	}
	p, n, why := skip(b, wire, int(hdr))
	if why != Delivered {
		return why
	}
	return d.wifi(p, n, false)
}

// wifi decodes an 802.11 frame (IEEE 802.11-2020, 9.2.4, 9.3.2). padded tells
// that the card aligned the body to 4 bytes.
func (d *Decoder) wifi(b []byte, wire int, padded bool) Reason {
	if len(b) < 2 {
		return need(2, wire)
	}
	const (
		data, null, qos     = 0x08, 0x40, 0x80 // of the first byte
		toDS, fromDS, more  = 0x01, 0x02, 0x04
		protected, htOrder  = 0x40, 0x80
		aggregate, meshCtrl = 0x80, 0x01 // of the two QoS bytes
	)
	fc, flags := b[0], b[1]
	if fc&0x0f != data || fc&null != 0 { // version 0, type data, with a body
		return NotIP
	}
	hdr := 24
	if flags&toDS != 0 && flags&fromDS != 0 {
		hdr += 6
	}
	qosAt := hdr
	if fc&qos != 0 {
		hdr += 2
		if flags&htOrder != 0 {
			hdr += 4
		}
	}
	body := hdr
	if padded {
		body = (hdr + 3) &^ 3
	}
	p, n, why := skip(b, wire, body)
	switch {
	case why != Delivered:
		return why
	case flags&protected != 0:
		return Encrypted
	case flags&more != 0 || b[22]&0x0f != 0: // a fragment of a frame
		return Unsupported
	case fc&qos != 0 && b[qosAt]&aggregate != 0:
		return d.aggregate(p, n)
	case fc&qos != 0 && flags&toDS != 0 && flags&fromDS != 0 && b[qosAt+1]&meshCtrl != 0:
		return Unsupported
	}
	return d.llc(p, n)
}

// aggregate decodes the frames inside an A-MSDU (9.3.2.2). The record counts
// as delivered if one of them is.
func (d *Decoder) aggregate(b []byte, wire int) Reason {
	result, net, depth := NotIP, d.net, d.depth
	for wire >= 14 { // less is padding, or the frame's own checksum
		d.net, d.depth = net, depth
		p, n, why := skip(b, wire, 14)
		if why != Delivered {
			return worst(result, why)
		}
		size := int(binary.BigEndian.Uint16(b[12:]))
		if size > n {
			return worst(result, Malformed)
		}
		why = d.llc(p[:min(size, len(p))], size)
		if why == Delivered || why == held {
			d.settle(why) // what follows adds no record
			result = held
		}
		result = worst(result, why)
		next := (14+size+3)&^3 - 14
		p = p[min(next, len(p)):]
		b, wire = p, n-next
	}
	return result
}

// worst keeps held, which says that the record was counted already.
func worst(a, b Reason) Reason { return max(a, b) }
