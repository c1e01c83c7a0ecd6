package hpack

import "bytes"

// Shape is what can be told of a header block without its dynamic table.
type Shape uint8

// The shapes.
const (
	Invalid  Shape = iota
	Fields         // a valid block without a pseudo-header field that can be recognised
	Request        // it has a request's pseudo-header field
	Response       // it has :status
)

// Bounds of what a real encoder sends: no known peer offers a dynamic table
// beyond 1 MiB.
const (
	maxPlausibleSize  = 1 << 20
	maxPlausibleIndex = 61 + maxPlausibleSize/entryOverhead
)

// ShapeOf reads a block without any state, to tell header blocks from other
// bytes. Where whole is false, b is only the beginning of a block.
func ShapeOf(b []byte, whole bool) Shape {
	shape, fields, regular := Fields, false, false
	for len(b) > 0 {
		if b[0]&0xe0 == 0x20 {
			size, ok := readInteger(&b, 5)
			switch {
			case fields || size > maxPlausibleSize || (!ok && whole):
				return Invalid
			case !ok:
				return shape
			}
			continue
		}
		fields = true
		k, ok := skipField(&b, whole)
		if !ok {
			return Invalid
		}
		switch {
		case k == regularField:
			regular = true
		case k == unknownField:
		case regular || (shape != Fields && shape != Shape(k)):
			// Pseudo-header fields come first, and of one kind (RFC 9113, 8.3).
			return Invalid
		default:
			shape = Shape(k)
		}
	}
	return shape
}

// kind is what a field is known to be by its name.
type kind uint8

const (
	regularField kind = iota
	unknownField
	requestField  = kind(Request)
	responseField = kind(Response)
)

// skipField takes a field off b. A field that the end of a beginning cuts is
// taken for valid, and leaves nothing.
func skipField(b *[]byte, whole bool) (kind, bool) {
	first, bits := (*b)[0], uint(4)
	switch {
	case first&0x80 != 0:
		bits = 7
	case first&0x40 != 0:
		bits = 6
	}
	i, ok := readInteger(b, bits)
	if !ok {
		return cut(b, unknownField, whole)
	}
	if i > maxPlausibleIndex || (i == 0 && bits == 7) {
		return 0, false
	}
	k := kindOfIndex(i)
	if bits == 7 {
		return k, true
	}
	if i == 0 {
		name, huffman, ok := readString(b)
		if !ok {
			return cut(b, unknownField, whole)
		}
		if !huffman {
			if k, ok = kindOfName(name); !ok {
				return 0, false
			}
		}
	}
	value, huffman, ok := readString(b)
	if !ok {
		return cut(b, k, whole)
	}
	return k, huffman || !bytes.ContainsFunc(value, isControl)
}

func cut(b *[]byte, k kind, whole bool) (kind, bool) {
	*b = nil
	return k, !whole
}

// kindOfIndex goes by the order of the static table.
func kindOfIndex(i uint64) kind {
	switch {
	case i == 0 || i > uint64(len(static)):
		return unknownField
	case i <= 7:
		return requestField
	case i <= 14:
		return responseField
	default:
		return regularField
	}
}

// kindOfName is false for what is not a field name (RFC 9113, 8.2.1).
func kindOfName(name []byte) (kind, bool) {
	if len(name) == 0 {
		return 0, false
	}
	if name[0] != ':' {
		return regularField, !bytes.ContainsFunc(name, isNotName)
	}
	switch string(name) {
	case ":status":
		return responseField, true
	case ":method", ":path", ":scheme", ":authority", ":protocol":
		return requestField, true
	}
	return 0, false
}

func isNotName(r rune) bool { return r <= ' ' || r >= 0x7f || ('A' <= r && r <= 'Z') || r == ':' }

func isControl(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }
