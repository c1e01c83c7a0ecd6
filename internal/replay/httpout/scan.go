package httpout

// maxSize is the largest body or chunk taken for one, in bytes.
const maxSize = 1 << 56

func trim(b []byte) []byte {
	b = b[leading(b):]
	for len(b) > 0 && isSpace(b[len(b)-1]) {
		b = b[:len(b)-1]
	}
	return b
}

// leading returns how many bytes of white space b begins with.
func leading(b []byte) int {
	for i, c := range b {
		if !isSpace(c) {
			return i
		}
	}
	return len(b)
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\r' }

// equalFold compares with a name in lower case.
func equalFold(b []byte, lower string) bool {
	if len(b) != len(lower) {
		return false
	}
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			c |= 0x20
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}

// hasToken reports whether a list holds the token.
func hasToken(list []byte, lower string) bool {
	for len(list) > 0 {
		var item []byte
		if item, list = cutItem(list); equalFold(item, lower) {
			return true
		}
	}
	return false
}

// lastToken reports whether the token is the last one of a list.
func lastToken(list []byte, lower string) bool {
	var item []byte
	for len(list) > 0 {
		item, list = cutItem(list)
	}
	return equalFold(item, lower)
}

func cutItem(list []byte) (item, rest []byte) {
	for i, c := range list {
		if c == ',' {
			return trim(list[:i]), list[i+1:]
		}
	}
	return trim(list), nil
}

// parseLength reads a Content-Length: a number, or the same one several times.
func parseLength(value []byte) (n int64, ok bool) {
	n = -1
	for len(value) > 0 {
		var item []byte
		item, value = cutItem(value)
		v, ok := parseDecimal(item)
		if !ok || n >= 0 && v != n {
			return 0, false
		}
		n = v
	}
	return n, n >= 0
}

func parseDecimal(b []byte) (n int64, ok bool) {
	for _, c := range b {
		if c < '0' || c > '9' || n > maxSize {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	return n, len(b) > 0
}

// chunkSize reads the line before a chunk, extensions left out.
func chunkSize(line []byte) (n int64, ok bool) {
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
