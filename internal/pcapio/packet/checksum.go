package packet

import "encoding/binary"

const protoTCP = 6

// Sum adds b to the running internet checksum s, without folding (RFC 1071).
// Only the last of several pieces may have an odd length.
func Sum(s uint64, b []byte) uint64 {
	for len(b) >= 8 {
		v := binary.BigEndian.Uint64(b)
		s += v>>32 + v&0xffffffff
		b = b[8:]
	}
	for len(b) >= 2 {
		s += uint64(binary.BigEndian.Uint16(b))
		b = b[2:]
	}
	if len(b) == 1 {
		s += uint64(b[0]) << 8
	}
	return s
}

// Fold finishes a checksum: the value to write into the header. Over data
// that includes a right checksum it is 0.
func Fold(s uint64) uint16 {
	for s > 0xffff {
		s = s>>16 + s&0xffff
	}
	return ^uint16(s)
}

// PseudoSum is the sum of the pseudo header before a TCP segment of n bytes.
// Addresses may be 4 or 16 bytes long. IPv4 in its mapped form gives a wrong
// sum, because of the prefix (RFC 9293, 3.1; RFC 8200, 8.1).
func PseudoSum(src, dst []byte, n int) uint64 {
	return Sum(Sum(uint64(protoTCP)+uint64(n), src), dst)
}

func (d *Decoder) validTCP(segment []byte) bool {
	src, dst := d.ip.src[:], d.ip.dst[:]
	if d.ip.v4 {
		src, dst = src[12:], dst[12:]
	}
	return Fold(Sum(PseudoSum(src, dst, len(segment)), segment)) == 0
}
