package account

import "bytes"

// appendSegment writes one path segment with what looks like data replaced by
// {id}: numbers, dates, UUIDs, hashes, addresses, random tokens, long texts.
// Words around it stay: "order-1234.pdf" becomes "order-{id}.pdf". It works on
// looks alone, so a rare word may be taken for data; a configured pattern has
// the last word.
func appendSegment(dst, segment []byte) []byte {
	h := shapeOf(segment)
	switch {
	case h.isPlain(), isVersion(segment):
		return append(dst, segment...)
	case h.isWholeID(), isEmail(segment):
		return append(dst, idMark...)
	case h.dots > 0:
		return appendPieces(dst, segment, '.', appendPart)
	}
	return appendPart(dst, segment)
}

// appendPart writes a segment, or what stands between its dots.
func appendPart(dst, part []byte) []byte {
	h := shapeOf(part)
	switch {
	case h.isPlain():
		return append(dst, part...)
	case h.isWholeID():
		return append(dst, idMark...)
	case h.joiners > 0:
		return appendPieces(dst, part, 0, appendPiece)
	}
	return appendPiece(dst, part)
}

func appendPiece(dst, piece []byte) []byte {
	if isPieceID(piece) {
		return append(dst, idMark...)
	}
	return append(dst, piece...)
}

// appendPieces splits s at a separator, or at any joiner where that is 0, and
// writes each piece with write. Neighbours that both became {id} are written
// as one.
func appendPieces(dst, s []byte, separator byte, write func(dst, piece []byte) []byte) []byte {
	wasID := false
	for i := 0; ; {
		end := i
		for end < len(s) && s[end] != separator && (separator != 0 || !isJoiner(s[end])) {
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

func isJoiner(c byte) bool { return !isLetter(c) && !isDigit(c) && c != '%' && c != '.' }

// shape counts what a piece of path is made of.
type shape struct {
	length, digits, letters, hexLetters int
	escapes                             int // percent-encoded bytes
	joiners, dots                       int
	// turns counts the changes of kind (digit, lower, upper) from one
	// character to the next; a capital that begins a word is none.
	turns int
}

func shapeOf(s []byte) (h shape) {
	h.length = len(s)
	var last class
	for i := 0; i < len(s); i++ {
		is := classes[s[i]]
		kind := is & (digit | lower | upper)
		switch {
		case kind == digit:
			h.digits++
		case kind != 0:
			h.letters++
			if is&hexLetter != 0 {
				h.hexLetters++
			}
		case s[i] == '%':
			h.escapes++
			i += 2
		case s[i] == '.':
			h.dots++
		default:
			h.joiners++
		}
		if kind != last && kind != 0 && last != 0 && (last != upper || kind != lower) {
			h.turns++
		}
		last = kind
	}
	return h
}

// isPlain tells what is too short and simple to be data: most segments.
func (h *shape) isPlain() bool {
	return h.digits == 0 && h.escapes == 0 && h.joiners == 0 && h.length < 16
}

// isRandom tells a token from words in camel case: it changes kind often.
func (h *shape) isRandom() bool {
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

// isHash tells hexadecimal of at least 8 digits. Letters alone need 16, as the
// callers see to: short words may be made of a to f too.
func (h *shape) isHash() bool {
	return h.hexLetters == h.letters && h.escapes == 0 && h.digits+h.letters >= 8
}

// isWholeID judges a text that may hold separators: numbers and dates, UUIDs,
// base64 with its "-" and "_", and text in a foreign script.
func (h *shape) isWholeID() bool {
	switch {
	case h.length > maxSegment, h.escapes >= 4:
		return true
	case h.digits > 0 && h.letters == 0 && h.escapes == 0:
		return true
	case h.digits >= 8 && h.letters <= 3: // a date with "T" and "Z"
		return true
	case h.joiners+h.dots == 0 || h.digits+h.letters >= 24:
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
