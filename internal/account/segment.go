package account

import "bytes"

// appendSegment writes one path segment with what looks like data replaced by
// {id}: numbers, dates, UUIDs, hashes, addresses, random tokens, long texts.
// Words around it stay: "order-1234.pdf" becomes "order-{id}.pdf". It works on
// looks alone, so a rare word may be taken for data; a configured pattern has
// the last word.
func appendSegment(dst, segment []byte) []byte {
	if isVersion(segment) {
		return append(dst, segment...)
	}
	if isWholeID(segment) || isEmail(segment) {
		return append(dst, idMark...)
	}
	return appendPieces(dst, segment, isDot, func(dst, part []byte) []byte {
		if isWholeID(part) {
			return append(dst, idMark...)
		}
		return appendPieces(dst, part, isJoiner, func(dst, piece []byte) []byte {
			if isPieceID(piece) {
				return append(dst, idMark...)
			}
			return append(dst, piece...)
		})
	})
}

// appendPieces splits s at separators and writes each piece with write.
// Neighbours that both became {id} are written as one.
func appendPieces(dst, s []byte, separates func(byte) bool, write func(dst, piece []byte) []byte) []byte {
	wasID := false
	for i := 0; ; {
		end := i
		for end < len(s) && !separates(s[end]) {
			end++
		}
		start := len(dst)
		dst = write(dst, s[i:end])
		isID := string(dst[start:]) == idMark
		if isID && wasID {
			dst = dst[:start-1] // with the separator before it
		}
		wasID = isID
		if end == len(s) {
			return dst
		}
		dst = append(dst, s[end])
		i = end + 1
	}
}

func isDot(c byte) bool { return c == '.' }

func isJoiner(c byte) bool { return !isLetter(c) && !isDigit(c) && c != '%' && c != '.' }

// shape counts what a piece of path is made of.
type shape struct {
	length, digits, letters, hexLetters int
	escapes                             int // percent-encoded bytes
	joiners                             int
	// turns counts the changes of kind (digit, lower, upper) from one
	// character to the next; a capital that begins a word is none.
	turns int
}

func shapeOf(s []byte) (h shape) {
	h.length = len(s)
	var last byte
	for i := 0; i < len(s); i++ {
		var kind byte
		switch c := s[i]; {
		case isDigit(c):
			h.digits++
			kind = 'd'
		case isLetter(c):
			h.letters++
			if isHex(c) {
				h.hexLetters++
			}
			kind = 'l'
			if c < 'a' {
				kind = 'u'
			}
		case c == '%':
			h.escapes++
			i += 2
		default:
			h.joiners++
		}
		if kind != 0 && last != 0 && kind != last && (last != 'u' || kind != 'l') {
			h.turns++
		}
		last = kind
	}
	return h
}

// isRandom tells a token from words in camel case: it changes kind often.
func (h shape) isRandom() bool {
	switch {
	case h.letters == 0 || h.length < 10:
		return false
	case h.length >= 32:
		return h.turns*4 >= h.length
	case h.digits == 0:
		return h.length >= 16 && h.turns*3 >= h.length
	default:
		return h.turns*3 >= h.length
	}
}

// isHash tells hexadecimal of at least 8 digits; without a single decimal
// digit, which a short word may lack too, of 16.
func (h shape) isHash() bool {
	if h.hexLetters != h.letters || h.escapes > 0 {
		return false
	}
	n := h.digits + h.letters
	return n >= 16 || (n >= 8 && h.digits > 0)
}

// isWholeID judges a text that may hold separators: numbers and dates, UUIDs,
// base64 with its "-" and "_", and text in a foreign script.
func isWholeID(s []byte) bool {
	h := shapeOf(s)
	switch {
	case h.length > maxSegment, h.escapes >= 4:
		return true
	case h.digits > 0 && h.letters == 0 && h.escapes == 0:
		return true
	case h.digits >= 8 && h.letters <= 3: // a date with "T" and "Z"
		return true
	case h.joiners == 0 || h.digits+h.letters >= 24:
		return h.isHash() || h.isRandom()
	}
	return false
}

// isPieceID judges a text without separators.
func isPieceID(s []byte) bool {
	h := shapeOf(s)
	switch {
	case h.escapes > 0 || h.digits == 0 && h.length < 16:
		return false
	case h.letters == 0:
		return true
	case h.digits >= 4 && h.digits*2 >= h.length: // u123456
		return true
	}
	return h.isHash() || h.isRandom()
}

// isEmail tells "local@domain.tld", the at sign encoded or not.
func isEmail(s []byte) bool {
	local, domain, ok := bytes.Cut(s, []byte("@"))
	if !ok {
		local, domain, ok = bytes.Cut(s, []byte("%40"))
	}
	return ok && len(local) > 0 && bytes.IndexByte(domain, '.') > 0
}

// isVersion tells "v1" or "v2.10": part of an interface's name, not data.
func isVersion(s []byte) bool {
	if len(s) < 2 || len(s) > 8 || s[0]|0x20 != 'v' || !isDigit(s[1]) {
		return false
	}
	for _, c := range s[1:] {
		if !isDigit(c) && c != '.' {
			return false
		}
	}
	return true
}
