package output

import (
	"bytes"
	"strings"
)

// redacted replaces a secret.
const redacted = "REDACTED"

// SensitiveParameters are the names whose values are secrets by default.
func SensitiveParameters() []string {
	return []string{
		"access_token", "api-key", "api_key", "apikey", "assertion", "auth", "auth_token", "authorization",
		"client_secret", "code", "id_token", "jsessionid", "jwt", "key", "pass", "passwd", "password", "phpsessid",
		"private_key", "pwd", "refresh_token", "samlrequest", "samlresponse", "secret", "session", "session_id",
		"sessionid", "sid", "sig", "signature", "token", "x-amz-credential", "x-amz-security-token",
		"x-amz-signature", "x-api-key", "x-goog-credential", "x-goog-signature",
	}
}

// redactor hides the values of sensitive parameters and passwords in targets.
// Names are compared whole, without regard to case or percent-encoding. What
// is encoded inside of another value is not looked into.
type redactor struct {
	names   map[string]bool
	scratch []byte
}

func newRedactor(names []string) *redactor {
	r := &redactor{names: map[string]bool{}}
	for _, n := range names {
		r.names[strings.ToLower(n)] = true
	}
	return r
}

// appendTarget writes the inside of a JSON string. A nil redactor hides nothing.
func (r *redactor) appendTarget(dst, target []byte) []byte {
	if r == nil {
		return appendText(dst, target)
	}
	dst, target = r.appendAuthority(dst, target)
	valueEnds := "?&;#/" // of a path's parameter; a query's may hold "?" and "/"
	for len(target) > 0 {
		// A parameter begins after a delimiter, also after a second "?": then a
		// URL stands in a value, and its parameters count.
		end := bytes.IndexAny(target, "?&;#")
		if end < 0 {
			return appendText(dst, target)
		}
		if target[end] == '?' || target[end] == '#' {
			valueEnds = "&;#"
		}
		dst = appendText(dst, target[:end+1])
		target = target[end+1:]
		end = bytes.IndexAny(target, "=?&;#")
		if end < 0 || target[end] != '=' || !r.isSensitive(target[:end]) {
			continue
		}
		dst = appendText(dst, target[:end+1])
		dst = append(dst, redacted...)
		if target = target[end+1:]; len(target) > 0 {
			end = bytes.IndexAny(target, valueEnds)
			if end < 0 {
				return dst
			}
			target = target[end:]
		}
	}
	return dst
}

// appendAuthority writes the beginning of a target in absolute form, without
// the user's name and password, and returns the rest.
func (r *redactor) appendAuthority(dst, target []byte) (out, rest []byte) {
	start := bytes.Index(target, []byte("://")) + len("://")
	if start < len("://") || target[0] == '/' {
		return dst, target
	}
	end := len(target)
	if i := bytes.IndexAny(target[start:], "/?#"); i >= 0 {
		end = start + i
	}
	at := bytes.LastIndexByte(target[start:end], '@')
	if at < 0 {
		return dst, target
	}
	dst = appendText(dst, target[:start])
	dst = append(dst, redacted...)
	return dst, target[start+at:]
}

func (r *redactor) isSensitive(name []byte) bool {
	r.scratch = r.scratch[:0]
	for i := 0; i < len(name); i++ {
		c := name[i]
		if c == '%' && i+2 < len(name) {
			if high, low := unhex(name[i+1]), unhex(name[i+2]); high|low < 16 {
				c = high<<4 | low
				i += 2
			}
		}
		if 'A' <= c && c <= 'Z' {
			c |= 0x20
		}
		r.scratch = append(r.scratch, c)
	}
	return r.names[string(r.scratch)]
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
