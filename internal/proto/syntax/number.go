package syntax

// maxSize is the largest body or chunk taken for one, in bytes.
const maxSize = 1 << 56

// Length reads a Content-Length: a number, or the same one several times.
func Length(value []byte) (n int64, ok bool) {
	n = -1
	for len(value) > 0 {
		var item []byte
		item, value = CutItem(value)
		v, ok := Decimal(item)
		if !ok || n >= 0 && v != n {
			return 0, false
		}
		n = v
	}
	return n, n >= 0
}

// Decimal reads a number that is nothing but digits.
func Decimal(b []byte) (n int64, ok bool) {
	for _, c := range b {
		if c < '0' || c > '9' || n > maxSize {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	return n, len(b) > 0
}

// ChunkSize reads the line before a chunk, extensions left out.
func ChunkSize(line []byte) (n int64, ok bool) {
	digits := 0
	for _, c := range line {
		var d byte
		switch {
		case '0' <= c && c <= '9':
			d = c - '0'
		case 'a' <= c|0x20 && c|0x20 <= 'f':
			d = c | 0x20 - 'a' + 10
		case digits > 0 && (c == ';' || isSpace(c)):
			return n, true
		default:
			return 0, false
		}
		if n > maxSize>>4 {
			return 0, false
		}
		n, digits = n<<4|int64(d), digits+1
	}
	return n, digits > 0
}
