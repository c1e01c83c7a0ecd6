package compare

import (
	"bytes"
	"unicode/utf8"
)

const (
	// maxDepth is how deep a JSON text may be nested to be compared by structure.
	maxDepth = 256
	// maxNodes is how many values it may have.
	maxNodes = 200_000
	// keepNodes is how many are kept for the next text.
	keepNodes = 1 << 14
)

// node is a value of a JSON text. The children of a node follow it; next leads
// over them.
type node struct {
	key   []byte // of a member, without escapes
	text  []byte // as it stands in the text
	next  int    // the node after this one and all below it
	count int    // of children
	kind  byte   // '{' '[' '"' '0' 't' 'f' 'n'
}

// document is a JSON text as nodes in the order of the text. It is used again.
type document struct {
	nodes []node
	b     []byte
	pos   int
}

// parse reads all of b, and reports whether it is one JSON text (RFC 8259) within
// the limits.
func (d *document) parse(b []byte) bool {
	if cap(d.nodes) > keepNodes {
		d.nodes = nil
	}
	d.nodes, d.b, d.pos = d.nodes[:0], b, 0
	d.space()
	if !d.value(nil, 0) {
		return false
	}
	d.space()
	return d.pos == len(b)
}

func (d *document) space() {
	for d.pos < len(d.b) {
		switch d.b[d.pos] {
		case ' ', '\t', '\r', '\n':
			d.pos++
		default:
			return
		}
	}
}

func (d *document) value(key []byte, depth int) bool {
	if d.pos == len(d.b) || depth > maxDepth || len(d.nodes) == maxNodes {
		return false
	}
	at, start := len(d.nodes), d.pos
	kind := d.b[d.pos]
	d.nodes = append(d.nodes, node{key: key, kind: kind})
	var ok bool
	switch kind {
	case '{', '[':
		ok = d.children(at, depth)
	case '"':
		ok = d.str()
	case 't':
		ok = d.literal("true")
	case 'f':
		ok = d.literal("false")
	case 'n':
		ok = d.literal("null")
	default:
		d.nodes[at].kind = '0'
		ok = d.number()
	}
	d.nodes[at].text, d.nodes[at].next = d.b[start:d.pos], len(d.nodes)
	return ok
}

func (d *document) children(at, depth int) bool {
	object := d.b[d.pos] == '{'
	end := d.b[d.pos] + 2 // of "{" and of "["
	d.pos++
	for first := true; ; first = false {
		d.space()
		if d.pos < len(d.b) && d.b[d.pos] == end && first {
			d.pos++
			return true
		}
		var key []byte
		if object {
			start := d.pos
			if d.pos == len(d.b) || d.b[d.pos] != '"' || !d.str() {
				return false
			}
			key = unescaped(d.b[start+1 : d.pos-1])
			if d.space(); !d.eat(':') {
				return false
			}
			d.space()
		}
		if !d.value(key, depth+1) {
			return false
		}
		d.nodes[at].count++
		d.space()
		if d.eat(end) {
			return true
		}
		if !d.eat(',') {
			return false
		}
	}
}

func (d *document) eat(c byte) bool {
	if d.pos < len(d.b) && d.b[d.pos] == c {
		d.pos++
		return true
	}
	return false
}

func (d *document) literal(word string) bool {
	if !bytes.HasPrefix(d.b[d.pos:], []byte(word)) {
		return false
	}
	d.pos += len(word)
	return true
}

func (d *document) str() bool {
	for i := d.pos + 1; i < len(d.b); i++ {
		switch c := d.b[i]; {
		case c == '"':
			d.pos = i + 1
			return true
		case c < ' ':
			return false
		case c == '\\':
			i++
			if i == len(d.b) {
				return false
			}
			switch d.b[i] {
			case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
			case 'u':
				if _, ok := hex4(d.b[i+1:]); !ok {
					return false
				}
				i += 4
			default:
				return false
			}
		}
	}
	return false
}

func (d *document) number() bool {
	d.eat('-')
	switch {
	case d.eat('0'):
	case d.digits() == 0:
		return false
	}
	if d.eat('.') && d.digits() == 0 {
		return false
	}
	if d.eat('e') || d.eat('E') {
		if !d.eat('+') {
			d.eat('-')
		}
		return d.digits() > 0
	}
	return true
}

func (d *document) digits() (n int) {
	for d.pos < len(d.b) && '0' <= d.b[d.pos] && d.b[d.pos] <= '9' {
		d.pos++
		n++
	}
	return n
}

func hex4(b []byte) (rune, bool) {
	if len(b) < 4 {
		return 0, false
	}
	var r rune
	for _, c := range b[:4] {
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c|0x20 && c|0x20 <= 'f':
			c = c | 0x20 - 'a' + 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}

// unescaped returns the meaning of what stands between the quotes of a valid
// string. Half a surrogate pair is kept as it would be in UTF-8, so that two
// strings are equal only where they are.
func unescaped(b []byte) []byte {
	if bytes.IndexByte(b, '\\') < 0 {
		return b
	}
	out := make([]byte, 0, len(b))
	for i := 0; i < len(b); i++ {
		if b[i] != '\\' {
			out = append(out, b[i])
			continue
		}
		i++
		switch b[i] {
		case 'b':
			out = append(out, '\b')
		case 'f':
			out = append(out, '\f')
		case 'n':
			out = append(out, '\n')
		case 'r':
			out = append(out, '\r')
		case 't':
			out = append(out, '\t')
		case 'u':
			var n int
			out, n = appendUnicode(out, b[i+1:])
			i += n
		default:
			out = append(out, b[i])
		}
	}
	return out
}

// appendUnicode writes the character whose four digits, and maybe the second half
// of the pair, begin b. It returns how many bytes of b that took.
func appendUnicode(out, b []byte) ([]byte, int) {
	r, _ := hex4(b)
	if 0xd800 <= r && r < 0xdc00 && len(b) >= 10 && b[4] == '\\' && b[5] == 'u' {
		if low, ok := hex4(b[6:]); ok && 0xdc00 <= low && low < 0xe000 {
			return utf8.AppendRune(out, (r-0xd800)<<10+(low-0xdc00)+0x10000), 10
		}
	}
	if 0xd800 <= r && r < 0xe000 {
		return append(out, 0xed, byte(0x80|r>>6&0x3f), byte(0x80|r&0x3f)), 4
	}
	return utf8.AppendRune(out, r), 4
}
