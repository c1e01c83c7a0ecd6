package redact

import "bytes"

// Target returns a target or URL without the values of secret parameters and
// without who is before an "@". It is target itself where there is nothing to
// hide, or else borrowed until the next call. Names are compared without regard
// to case, percent-encoding, "-" and "_". A nil Redactor hides nothing.
func (r *Redactor) Target(target []byte) []byte {
	if r == nil || !bytes.ContainsAny(target, "?&;#@") {
		return target
	}
	r.target = r.appendParameters(r.target[:0], r.withoutUser(target), "?&;#/")
	return r.target
}

// withoutUser replaces the user and password of each URL in text.
func (r *Redactor) withoutUser(text []byte) []byte {
	var out []byte
	at := 0
	for {
		i := bytes.Index(text[at:], []byte("://"))
		if i < 0 {
			break
		}
		start := at + i + len("://")
		end := len(text)
		if i := bytes.IndexAny(text[start:], "/?#&; \"<>"); i >= 0 {
			end = start + i
		}
		user := bytes.LastIndexByte(text[start:end], '@')
		if user < 0 {
			// A password that nobody encoded may hold what ends an authority.
			if user = strayUser(text[start:]); user < 0 {
				at = start
				continue
			}
		}
		out = append(out, text[:start]...)
		out = r.appendHash(out, text[start:start+user])
		out = append(out, text[start+user:]...)
		text, at, out = out, len(out)-len(text)+start+user, nil
	}
	return text
}

// strayUser finds the "@" in user:pass/word@host: behind a colon, before anything
// that a path does not have in this place.
func strayUser(text []byte) int {
	colon := bytes.IndexAny(text, "[:/?#") // "[" begins an IPv6 address
	if colon < 0 || text[colon] != ':' {
		return -1
	}
	port := bytes.TrimLeft(text[colon+1:], "0123456789")
	if len(port) == 0 || bytes.ContainsAny(port[:1], "/?#&;") {
		return -1 // host:port
	}
	return bytes.LastIndexByte(text, '@')
}

// appendParameters copies text without the values of secret parameters. Those of
// a path end at one of pathEnds, those behind a "?" at "&", and at ";" or "#"
// where another pair may follow; a value may hold "?" and "/".
func (r *Redactor) appendParameters(dst, text []byte, pathEnds string) []byte {
	inQuery := false
	for len(text) > 0 {
		// A parameter begins after a delimiter, also after a second "?": then a
		// URL stands in a value, and its parameters count.
		end := bytes.IndexAny(text, "?&;#")
		if end < 0 {
			return append(dst, text...)
		}
		inQuery = inQuery || text[end] == '?' || text[end] == '#'
		dst = append(dst, text[:end+1]...)
		text = text[end+1:]
		end = bytes.IndexAny(text, "=?&;#")
		if end < 0 || text[end] != '=' || !r.isParameter(text[:end]) {
			continue
		}
		dst = append(dst, text[:end+1]...)
		text = text[end+1:]
		if inQuery {
			end = queryValueEnd(text)
		} else if end = bytes.IndexAny(text, pathEnds); end < 0 {
			end = len(text)
		}
		dst = r.appendHash(dst, text[:end])
		text = text[end:]
	}
	return dst
}

// queryValueEnd returns where a value ends. A ";" or "#" that no pair follows is
// taken as a part of it: better too much than half a secret.
func queryValueEnd(text []byte) int {
	for end := 0; end < len(text); end++ {
		switch text[end] {
		case '&':
			return end
		case ';', '#':
			next := text[end+1:]
			if i := bytes.IndexAny(next, "&;#="); i > 0 && next[i] == '=' {
				return end
			}
		}
	}
	return len(text)
}

// form returns an urlencoded form without its secrets. Only "&" ends a value.
func (r *Redactor) form(text []byte) []byte {
	var out []byte
	for i, pair := range bytes.Split(text, []byte{'&'}) {
		if i > 0 {
			out = append(out, '&')
		}
		name, value, found := bytes.Cut(pair, []byte{'='})
		if !found || !r.isParameter(bytes.TrimSpace(name)) {
			out = append(out, r.Target(pair)...)
			continue
		}
		out = append(append(out, name...), '=')
		out = r.appendHash(out, value)
	}
	return out
}

// isParameter decodes a name and looks it up. What comes before the brackets of
// user[password] is a name too, and what is in them.
func (r *Redactor) isParameter(name []byte) bool {
	r.name = r.name[:0]
	for i := 0; i < len(name); i++ {
		c := name[i]
		if c == '%' && i+2 < len(name) {
			if high, low := unhex(name[i+1]), unhex(name[i+2]); high|low < 16 {
				c = high<<4 | low
				i += 2
			}
		}
		r.name = append(r.name, c)
	}
	n := len(r.name)
	r.name = fold(r.name, r.name)
	folded := r.name[n:]
	if r.params[string(folded)] {
		return true
	}
	open := bytes.IndexByte(folded, '[')
	if open < 0 {
		return false
	}
	if r.params[string(folded[:open])] {
		return true
	}
	for _, part := range bytes.FieldsFunc(folded[open:], func(c rune) bool { return c == '[' || c == ']' }) {
		if r.params[string(part)] {
			return true
		}
	}
	return false
}

// unhex returns the value of a hexadecimal digit, or 255.
func unhex(c byte) byte {
	switch {
	case '0' <= c && c <= '9':
		return c - '0'
	case 'a' <= c|0x20 && c|0x20 <= 'f':
		return c | 0x20 - 'a' + 10
	}
	return 255
}
