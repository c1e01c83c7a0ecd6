package account

import (
	"bytes"

	"gortap/internal/proto"
)

const (
	maxTemplate = 200 // bytes of a path label, the mark of a cut included
	maxSegments = 16
	maxPath     = 2048 // bytes of a path that are looked at
	maxSegment  = 64   // a longer segment is taken for data

	pathConnect = "(connect)" // CONNECT names an authority, which is no path
	pathInvalid = "(invalid)" // neither of the four forms of RFC 9112, 3.2
	idMark      = "{id}"
	restMark    = "/{rest}"
)

var slash = []byte{'/'}

// templater turns request targets into path labels of few values. The labels
// are printable ASCII without quotes; parentheses only come from the words
// above, because every path starts with a slash.
type templater struct {
	patterns []pattern
	path     []byte // scratch: the normalised path
	out      []byte // scratch: the template
}

// template returns the label of a target, valid until the next call, and
// whether it is one of the configured patterns.
func (t *templater) template(method, target []byte) (label []byte, configured bool) {
	path, ok := originPath(target)
	if !ok {
		switch {
		case string(method) == "CONNECT":
			return append(t.out[:0], pathConnect...), false
		case string(target) == proto.Unknown:
			return append(t.out[:0], proto.Unknown...), false
		}
		return append(t.out[:0], pathInvalid...), false
	}
	cut := len(path) > maxPath
	if cut {
		path = path[:maxPath]
	}
	t.path = appendNormalised(t.path[:0], path)
	for i := range t.patterns {
		if t.path[0] == '/' && t.patterns[i].match(t.path) {
			return append(t.out[:0], t.patterns[i].text...), true
		}
	}
	t.out = appendTemplate(t.out[:0], t.path, cut)
	return t.out, false
}

// originPath takes the path out of the origin, absolute and asterisk forms.
func originPath(target []byte) ([]byte, bool) {
	for _, end := range []byte("?#") {
		if i := bytes.IndexByte(target, end); i >= 0 {
			target = target[:i]
		}
	}
	if len(target) > 0 && target[0] == '/' {
		return target, true
	}
	if len(target) == 1 && target[0] == '*' {
		return target, true
	}
	scheme, rest, ok := bytes.Cut(target, []byte("://"))
	if !ok || len(scheme) == 0 || !allLetters(scheme) {
		return nil, false
	}
	if i := bytes.IndexByte(rest, '/'); i >= 0 {
		return rest[i:], true
	}
	return slash, true
}

func allLetters(b []byte) bool {
	for _, c := range b {
		if c|0x20 < 'a' || c|0x20 > 'z' {
			return false
		}
	}
	return true
}

// appendNormalised writes a path in one spelling (RFC 3986, 6.2.2): unreserved
// characters decoded, everything else that is not plain encoded in upper case.
// Parameters of a segment, from ";" on, are left out like the query is.
func appendNormalised(dst, path []byte) []byte {
	for i := 0; i < len(path); i++ {
		c := path[i]
		if c == ';' {
			end := bytes.IndexByte(path[i:], '/')
			if end < 0 {
				break
			}
			i += end - 1
			continue
		}
		encoded := false
		if c == '%' && i+2 < len(path) && isHex(path[i+1]) && isHex(path[i+2]) {
			c = unhex(path[i+1])<<4 | unhex(path[i+2])
			i += 2
			encoded = true
		}
		if classes[c]&unreserved != 0 || (!encoded && classes[c]&punctuation != 0) {
			dst = append(dst, c)
		} else {
			dst = append(dst, '%', upperHex[c>>4], upperHex[c&15])
		}
	}
	return dst
}

// appendTemplate replaces what looks like data in a normalised path. cut says
// that the path was longer.
func appendTemplate(dst, path []byte, cut bool) []byte {
	if path[0] != '/' {
		return append(dst, path...)
	}
	rest, more := path[1:], true
	for n := 0; more; n++ {
		var segment []byte
		segment, rest, more = bytes.Cut(rest, slash)
		if cut && !more {
			return append(dst, restMark...) // its last segment may be half a one
		}
		start := len(dst)
		dst = append(dst, '/')
		dst = appendSegment(dst, segment)
		if n >= maxSegments || len(dst) > maxTemplate-len(restMark) {
			return append(dst[:start], restMark...)
		}
	}
	return dst
}
