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

// PseudoSum is the sum of the pseudo header before a TCP segment of n bytes
// (RFC 9293, 3.1; RFC 8200, 8.1). It is right for IPv4 in its mapped form as
// well: the prefix adds 0xffff, which is zero in this arithmetic.
func PseudoSum(src, dst *[16]byte, n int) uint64 {
	return Sum(Sum(uint64(protoTCP)+uint64(n), src[:]), dst[:])
}

func (d *Decoder) validTCP(segment []byte) bool {
	return Fold(Sum(PseudoSum(&d.ip.src, &d.ip.dst, len(segment)), segment)) == 0
}
