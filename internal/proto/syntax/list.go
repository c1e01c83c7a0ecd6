// Package syntax reads the small parts that heads of HTTP are made of: names,
// lists and numbers. It is for whoever has the bytes of a line already, streaming
// or not, and allocates nothing. It bears with what servers bear with.
package syntax

// EqualFold compares without regard to case, in ASCII, as HTTP does.
func EqualFold(b []byte, s string) bool {
	if len(b) != len(s) {
		return false
	}
	for i, c := range b {
		if d := s[i]; c != d && (c^d != 0x20 || c|0x20 < 'a' || c|0x20 > 'z') {
			return false
		}
	}
	return true
}

// AppendLower appends b in lower case.
func AppendLower(dst, b []byte) []byte {
	for _, c := range b {
		if 'A' <= c && c <= 'Z' {
			c |= 0x20
		}
		dst = append(dst, c)
	}
	return dst
}

// Trim takes white space off both ends.
func Trim(b []byte) []byte {
	b = b[Leading(b):]
	for len(b) > 0 && isSpace(b[len(b)-1]) {
		b = b[:len(b)-1]
	}
	return b
}

// Leading returns how many bytes of white space b begins with.
func Leading(b []byte) int {
	for i, c := range b {
		if !isSpace(c) {
			return i
		}
	}
	return len(b)
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\r' }

// HasToken reports whether a list holds the token.
func HasToken(list []byte, token string) bool {
	for len(list) > 0 {
		var item []byte
		if item, list = CutItem(list); EqualFold(item, token) {
			return true
		}
	}
	return false
}

// LastToken reports whether the token is the last one of a list.
func LastToken(list []byte, token string) bool {
	var item []byte
	for len(list) > 0 {
		item, list = CutItem(list)
	}
	return EqualFold(item, token)
}

// CutItem splits the first item off a list.
func CutItem(list []byte) (item, rest []byte) {
	for i, c := range list {
		if c == ',' {
			return Trim(list[:i]), list[i+1:]
		}
	}
	return Trim(list), nil
}
