package account

// class is what a byte is good for in a path (RFC 3986, 2 and 3.3).
type class uint8

const (
	digit class = 1 << iota
	lower
	upper
	hexLetter
	// unreserved means the same with and without percent-encoding.
	unreserved
	// punctuation may stand in a path as it is; quotes, parentheses and ";",
	// which may too, are kept out of labels.
	punctuation
)

// classes is a table because every byte of every path is looked at thrice.
var classes = makeClasses()

func makeClasses() (t [256]class) {
	for c := range t {
		switch {
		case '0' <= c && c <= '9':
			t[c] = digit | unreserved
		case 'a' <= c && c <= 'z':
			t[c] = lower | unreserved
		case 'A' <= c && c <= 'Z':
			t[c] = upper | unreserved
		}
		if ('a' <= c && c <= 'f') || ('A' <= c && c <= 'F') {
			t[c] |= hexLetter
		}
	}
	for _, c := range []byte("-._~") {
		t[c] = unreserved
	}
	for _, c := range []byte("/!$&*+,=:@") {
		t[c] = punctuation
	}
	return t
}

func isDigit(c byte) bool { return classes[c]&digit != 0 }

func isLetter(c byte) bool { return classes[c]&(lower|upper) != 0 }

func isHex(c byte) bool { return classes[c]&(digit|hexLetter) != 0 }

func unhex(c byte) byte {
	if isDigit(c) {
		return c - '0'
	}
	return c | 0x20 - 'a' + 10
}

const upperHex = "0123456789ABCDEF"
