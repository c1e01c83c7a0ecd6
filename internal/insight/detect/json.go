package detect

import "bytes"

// field is a scalar in a JSON text. Places in arrays are not told apart.
type field struct {
	path  uint64 // hash of the names that lead to it
	name  []byte // the last of them; borrowed
	value []byte // borrowed
	bytes int64  // with its name, quotes, colon and comma
}

// maxJSONDepth bounds the nesting that is followed.
const maxJSONDepth = 32

// scanJSON calls fn for each scalar of a JSON text, which may end anywhere. It returns
// how far it read: less than everything where it is not JSON. White space around is
// nobody's.
func scanJSON(text []byte, fn func(field)) (read int) {
	var stack [maxJSONDepth]uint64
	var object [maxJSONDepth]bool
	depth, at := 0, 0
	var name []byte
	named := false
	for at < len(text) {
		c := text[at]
		switch {
		case c == ' ' || c == '\n' || c == '\r' || c == '\t' || c == ',' || c == ':':
			at++
		case c == '{' || c == '[':
			if depth+1 >= maxJSONDepth {
				return at
			}
			path := stack[depth]
			if named {
				path = combine(path, fnv(name))
			}
			depth++
			stack[depth], object[depth] = path, c == '{'
			named = false
			at++
		case c == '}' || c == ']':
			if depth == 0 || object[depth] != (c == '}') {
				return at
			}
			depth--
			named = false
			at++
		default:
			value := scalar(text[at:])
			if value == nil {
				return at
			}
			at += len(value)
			if object[depth] && !named {
				name, named = value, true
				continue
			}
			f := field{path: stack[depth], value: value, bytes: int64(len(value)) + 1}
			if named {
				f.name, f.path = name, combine(f.path, fnv(name))
				f.bytes += int64(len(name)) + 1
			}
			fn(f)
			named = false
		}
	}
	return at
}

// scalar returns the string, number or word that a text begins with, nil where there is
// none or it does not end.
func scalar(text []byte) []byte {
	if text[0] == '"' {
		for i := 1; i < len(text); i++ {
			switch text[i] {
			case '\\':
				i++
			case '"':
				return text[:i+1]
			}
		}
		return nil
	}
	end := bytes.IndexAny(text, ",}] \n\r\t:")
	if end <= 0 {
		return nil
	}
	return text[:end]
}

// binaryBytes estimates what a scalar takes in a binary form with a schema: a tag of a
// byte, text with its length, numbers at two and a half digits a byte.
func binaryBytes(value []byte) int64 {
	switch value[0] {
	case '"':
		return int64(len(value)) // two quotes become tag and length
	case 't', 'f':
		return 2
	case 'n':
		return 0
	}
	return 2 + int64(len(value))*2/5
}
