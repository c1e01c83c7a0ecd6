package message

import (
	"bytes"
	"slices"
)

// SetTarget replaces a request's target; an empty one becomes "/".
// A response has none: nothing happens.
func (v *View) SetTarget(target []byte) {
	if v.response {
		return
	}
	if target = bytes.TrimSpace(target); len(target) == 0 {
		target = []byte("/")
	}
	v.replace(v.words[1], oneLine(target))
}

// SetValue replaces the value of field i. The numbers of the fields stay.
func (v *View) SetValue(i int, value []byte) {
	f := v.fields[i]
	if f.value.from == f.value.to {
		f.value = v.emptyValue(f)
	}
	v.replace(f.value, oneLine(value))
}

// emptyValue finds where the value of a field without one belongs.
func (v *View) emptyValue(f field) span {
	at := f.name.to + bytes.IndexByte(v.head[f.name.to:], ':') + 1
	if at < f.line.to && v.head[at] == ' ' {
		at++
	}
	return span{at, at}
}

// Set gives a field a value: the first one of that name keeps its place and its
// case, more of them go. Where there is none, Set makes it the first field.
func (v *View) Set(name, value string) {
	i := v.Find(name, 0)
	if i < 0 {
		v.Insert(name, value)
		return
	}
	for j := v.Find(name, i+1); j >= 0; j = v.Find(name, j) {
		v.Delete(j)
	}
	if _, old := v.Field(i); string(old) != value {
		v.SetValue(i, []byte(value))
	}
}

// Insert adds a field before the others. HTTP/0.9 has none: nothing happens.
func (v *View) Insert(name, value string) {
	version := v.Version()
	if len(version) == 0 {
		return
	}
	line := make([]byte, 0, len(name)+len(value)+4)
	line = append(line, name...)
	if bytes.HasPrefix(version, []byte("HTTP/2")) { // RFC 9113, 8.2
		line = bytes.ToLower(line)
	}
	line = append(line, ": "...)
	line = append(line, value...)
	line = append(oneLine(line), v.lineEnd()...)
	v.replace(span{v.fieldsAt, v.fieldsAt}, line)
}

// lineEnd returns how the start line ends.
func (v *View) lineEnd() string {
	if v.fieldsAt >= 2 && v.head[v.fieldsAt-2] == '\r' {
		return "\r\n"
	}
	return "\n"
}

// Delete takes field i out.
func (v *View) Delete(i int) { v.replace(v.fields[i].line, nil) }

// replace puts text, which may be a part of the head, in the place of at. The
// head is read again then: it is short, and that leaves nothing to adjust.
func (v *View) replace(at span, text []byte) {
	if !v.owned {
		v.headBuf = append(v.headBuf[:0], v.head...)
		v.owned = true
	} else {
		v.headBuf = v.headBuf[:len(v.head)]
	}
	v.changed = true
	body, bare := v.body, v.words == [3]span{}
	v.headBuf = slices.Replace(v.headBuf, at.from, at.to, text...)
	v.head = v.headBuf
	if bare {
		v.parseFields(v.headBuf, 0)
	} else {
		v.parse(v.headBuf)
	}
	v.body = body
}

// oneLine makes spaces of line ends, which would begin another field.
func oneLine(text []byte) []byte {
	if !bytes.ContainsAny(text, "\r\n") {
		return text
	}
	text = bytes.Clone(text)
	for i, c := range text {
		if c == '\r' || c == '\n' {
			text[i] = ' '
		}
	}
	return text
}
