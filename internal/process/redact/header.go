package redact

import (
	"bytes"
	"encoding/base64"

	"gortap/internal/process/message"
	"gortap/internal/proto/syntax"
)

// headers hides the secrets of all fields.
func (r *Redactor) headers(v *message.View) {
	for i := range v.Fields() {
		name, value := v.Field(i)
		class := r.classOf(name)
		if class == public || len(value) == 0 {
			continue
		}
		r.value = r.appendField(r.value[:0], class, value)
		if !bytes.Equal(r.value, value) {
			v.SetValue(i, r.value)
		}
	}
}

func (r *Redactor) appendField(dst []byte, class class, value []byte) []byte {
	switch class {
	case secret:
		return r.appendHash(dst, value)
	case credential:
		return r.appendCredential(dst, value)
	case cookies:
		return r.appendCookies(dst, value)
	case setCookie:
		return r.appendSetCookie(dst, value)
	case address:
		return append(dst, r.Target(value)...)
	case link:
		return r.appendLinks(dst, value)
	}
	return append(dst, value...)
}

func (r *Redactor) classOf(name []byte) class {
	r.name = syntax.AppendLower(r.name[:0], name)
	return r.fields[string(r.name)]
}

// appendCredential keeps the scheme. Basic stays what it has to be: base64 of a
// name and a password.
func (r *Redactor) appendCredential(dst, value []byte) []byte {
	scheme, rest, found := bytes.Cut(value, []byte{' '})
	if !found || !knownScheme(scheme) {
		return r.appendHash(dst, value)
	}
	dst = append(append(dst, scheme...), ' ')
	rest = bytes.TrimSpace(rest)
	if !bytes.EqualFold(scheme, []byte("basic")) {
		return r.appendHash(dst, rest)
	}
	user := r.appendHash([]byte("redacted:"), rest)
	return base64.StdEncoding.AppendEncode(dst, user)
}

// appendCookies keeps the names.
func (r *Redactor) appendCookies(dst, value []byte) []byte {
	for i, pair := range bytes.Split(value, []byte{';'}) {
		if i > 0 {
			dst = append(dst, ';')
		}
		dst = r.appendCookie(dst, pair)
	}
	return dst
}

func (r *Redactor) appendCookie(dst, pair []byte) []byte {
	trimmed := bytes.TrimLeft(pair, " \t\r\n")
	dst = append(dst, pair[:len(pair)-len(trimmed)]...)
	trimmed = bytes.TrimSpace(trimmed)
	if len(trimmed) == 0 {
		return dst
	}
	name, value, found := bytes.Cut(trimmed, []byte{'='})
	if !found {
		return r.appendHash(dst, trimmed)
	}
	return r.appendHash(append(append(dst, name...), '='), value)
}

// appendSetCookie keeps the name, and the attributes that have a fixed meaning.
func (r *Redactor) appendSetCookie(dst, value []byte) []byte {
	for i, part := range bytes.Split(value, []byte{';'}) {
		if i == 0 {
			dst = r.appendCookie(dst, part)
			continue
		}
		dst = append(dst, ';')
		name, _, _ := bytes.Cut(part, []byte{'='})
		if knownAttribute(bytes.TrimSpace(name)) {
			dst = append(dst, part...)
		} else {
			dst = r.appendCookie(dst, part)
		}
	}
	return dst
}

// appendLinks hides in <URL>; rel=next what it would in a URL.
func (r *Redactor) appendLinks(dst, value []byte) []byte {
	for len(value) > 0 {
		open := bytes.IndexByte(value, '<')
		end := bytes.IndexByte(value, '>')
		if open < 0 || end < open {
			return append(dst, r.Target(value)...)
		}
		dst = append(dst, value[:open+1]...)
		dst = append(append(dst, r.Target(value[open+1:end])...), '>')
		value = value[end+1:]
	}
	return dst
}
