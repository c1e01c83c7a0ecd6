package packet

import (
	"bytes"
	"encoding/binary"

	"gortap/internal/flow"
)

// tcp emits the segment in b, of which wire bytes were sent (RFC 9293, 3.1).
// The 16 bytes up to the window are enough: a snap length may cut the rest.
func (d *Decoder) tcp(b []byte, wire int) Reason {
	if len(b) < 16 {
		return need(20, wire)
	}
	hdr := int(b[12]>>4) * 4
	if hdr < 20 || hdr > wire {
		return Malformed
	}
	if d.verify && len(b) >= wire && !d.validTCP(b[:wire]) {
		return BadChecksum
	}
	if d.copies && d.seen.duplicate(b[:min(hdr, len(b))], wire-hdr, d) {
		return Duplicate
	}
	s := &d.seg
	d.setKey(binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:]))
	s.Seq = binary.BigEndian.Uint32(b[4:])
	s.Ack = binary.BigEndian.Uint32(b[8:])
	s.Flags = flow.Flags(b[13])
	s.Window = binary.BigEndian.Uint16(b[14:])
	s.Scale = 0
	if s.Flags.Has(flow.SYN) {
		s.Scale = windowScale(b[min(20, len(b)):min(hdr, len(b))])
	}
	s.Len = wire - hdr
	s.NetBytes = d.ip.netBytes
	s.Data, s.Cut = nil, flow.Skipped
	if len(b) > hdr {
		s.Data = b[hdr:]
	}
	if len(s.Data) < s.Len {
		s.Cut = flow.Truncated
	}
	d.out.Segment(s)
	s.Data = nil
	return Delivered
}

// windowScale returns the window scale option plus 1, 0 where there is none (RFC 7323,
// 2.2).
func windowScale(options []byte) uint8 {
	const end, nop, scale, maxShift = 0, 1, 3, 14
	for len(options) >= 3 && options[0] != end {
		switch {
		case options[0] == scale:
			return min(options[2], maxShift) + 1
		case options[0] == nop:
			options = options[1:]
		case options[1] < 2 || int(options[1]) > len(options):
			return 0
		default:
			options = options[options[1]:]
		}
	}
	return 0
}

// setKey is flow.NewKey without the detour over netip, which costs more than
// the rest of the TCP layer.
func (d *Decoder) setKey(src, dst uint16) {
	k, ip := &d.seg.Key, &d.ip
	k.Net = uint32(d.net)
	if src < dst || (src == dst && bytes.Compare(ip.src[:], ip.dst[:]) <= 0) {
		k.A, k.B, k.APort, k.BPort = ip.src, ip.dst, src, dst
		d.seg.Dir = flow.FromA
		return
	}
	k.A, k.B, k.APort, k.BPort = ip.dst, ip.src, dst, src
	d.seg.Dir = flow.FromB
}
