package hpack

// maxInteger bounds what an integer can say. Nothing meaningful is larger: a
// table size is 32 bits wide, a length is at most that of the block.
const maxInteger = 1<<32 - 1

// readInteger takes an integer with an n-bit prefix (RFC 7541, 5.1) off b.
func readInteger(b *[]byte, n uint) (uint64, bool) {
	p := *b
	if len(p) == 0 {
		return 0, false
	}
	mask := uint64(1)<<n - 1
	v := uint64(p[0]) & mask
	p = p[1:]
	if v < mask {
		*b = p
		return v, true
	}
	for shift := uint(0); shift <= 28 && len(p) > 0; shift += 7 {
		c := p[0]
		p = p[1:]
		v += uint64(c&0x7f) << shift
		if c&0x80 == 0 {
			*b = p
			return v, v <= maxInteger
		}
	}
	return 0, false
}

// readString takes a string literal (RFC 7541, 5.2) off b, still Huffman-coded
// where it is.
func readString(b *[]byte) (raw []byte, huffman, ok bool) {
	if len(*b) == 0 {
		return nil, false, false
	}
	huffman = (*b)[0]&0x80 != 0
	n, ok := readInteger(b, 7)
	if !ok || n > uint64(len(*b)) {
		return nil, false, false
	}
	raw, *b = (*b)[:n:n], (*b)[n:]
	return raw, huffman, true
}
