package http1

import (
	"bytes"
	"encoding/binary"

	"gortap/internal/proto"
)

// version is the protocol version of a start line.
type version uint8

const (
	v11 version = iota
	v10
	v09
)

func (v version) protocol() proto.Protocol {
	switch v {
	case v09:
		return proto.HTTP09
	case v10:
		return proto.HTTP10
	default:
		return proto.HTTP11
	}
}

// maxMethod is the longest method taken for one, in bytes. The longest
// registered ones have 17 (UPDATEREDIRECTREF, BASELINE-CONTROL is 16).
const maxMethod = 64

// requestLine is a parsed request line; the slices are part of the line.
type requestLine struct {
	method, target []byte
	version        version
}

// exactRequestLine reads a request line that is to the letter, as nearly all are.
func exactRequestLine(line []byte) (r requestLine, ok bool) {
	const version = " HTTP/1.1"
	end := len(line) - len(version)
	if end < len("A /") || string(line[end:]) != version {
		return r, false
	}
	i := tokenLen(line)
	if i == 0 || i+1 >= end || line[i] != ' ' || isSpace(line[i+1]) || isSpace(line[end-1]) {
		return r, false
	}
	r.method, r.target = line[:i], line[i+1:end]
	return r, printable(r.target)
}

// parseRequestLine reads a request line.
func parseRequestLine(line []byte) (r requestLine, ok bool) {
	if r, ok = exactRequestLine(line); ok {
		return r, true
	}
	return lenientRequestLine(line)
}

// lenientRequestLine reads a request line as lenient servers do (RFC 9112, 3):
// any white space separates, the target is whatever stands between the method
// and the version, and of the version the major number is enough. Without one
// it is an HTTP/0.9 simple request, which needs a method in capitals and a path
// or an absolute URI.
func lenientRequestLine(line []byte) (r requestLine, ok bool) {
	i := tokenLen(line)
	if i == 0 || i == len(line) || !isSpace(line[i]) {
		return r, false
	}
	r.method = line[:i]
	rest := trim(line[i:])
	j := len(rest) - 1
	for j >= 0 && !isSpace(rest[j]) {
		j--
	}
	if j >= 0 {
		v, isVersion := parseVersion(rest[j+1:])
		if !isVersion && bytes.HasPrefix(rest[j+1:], []byte("HTTP/1")) {
			v, isVersion = v11, true
		}
		r.version, r.target = v, trim(rest[:j])
		return r, isVersion && printable(r.target)
	}
	r.version, r.target = v09, rest
	return r, capitals(r.method) && beginsTarget(rest) && printable(rest)
}

// capitals reports whether a method is written like the registered ones.
func capitals(method []byte) bool {
	for _, c := range method {
		if (c < 'A' || c > 'Z') && c != '-' && c != '_' {
			return false
		}
	}
	return true
}

// beginsTarget reports whether b begins like a path or an absolute URI of
// HTTP. The relatives of HTTP (RTSP, SIP, ICAP) have other schemes.
func beginsTarget(b []byte) bool {
	return bytes.HasPrefix(b, []byte("/")) || bytes.HasPrefix(b, []byte("http://")) || bytes.HasPrefix(b, []byte("https://"))
}

// parseCutRequestLine reads the beginning of a request line whose end, with the
// version, was not kept: it is beyond the limit or in a gap.
func parseCutRequestLine(line []byte) (r requestLine, ok bool) {
	i := tokenLen(line)
	if i == 0 || i == len(line) || !isSpace(line[i]) {
		return r, false
	}
	r.method, r.target = line[:i], trim(line[i:])
	if j := bytes.LastIndexByte(r.target, ' '); j > 0 && couldBeVersion(r.target[j+1:]) {
		r.target = trim(r.target[:j])
	}
	return r, printable(r.target)
}

// parseVersion reads "HTTP/1.1" and its like. Only major version 1 can be framed as HTTP/1.
func parseVersion(b []byte) (version, bool) {
	if len(b) != 8 || string(b[:5]) != "HTTP/" || b[6] != '.' || !isDigit(b[7]) {
		return 0, false
	}
	switch {
	case b[5] == '1' && b[7] == '0':
		return v10, true
	case b[5] == '1':
		return v11, true
	case b[5] == '0':
		return v10, true // whoever names 0.9 sends fields like 1.0
	}
	return 0, false
}

// parseStatusLine reads a status line (RFC 9112, 4): any three digits, and the
// reason phrase may be missing with its space.
func parseStatusLine(line []byte) (status int, v version, ok bool) {
	if len(line) < 12 || !isSpace(line[8]) {
		return 0, 0, false
	}
	v, ok = parseVersion(line[:8])
	if !ok {
		return 0, 0, false
	}
	rest := trim(line[8:])
	if len(rest) < 3 || !isDigit(rest[0]) || !isDigit(rest[1]) || !isDigit(rest[2]) || (len(rest) > 3 && !isSpace(rest[3])) {
		return 0, 0, false
	}
	return int(rest[0]-'0')*100 + int(rest[1]-'0')*10 + int(rest[2]-'0'), v, true
}

// couldBeRequest reports whether b may be the beginning of a request line.
func couldBeRequest(b []byte) bool {
	i := tokenLen(b)
	if i == len(b) {
		return i <= maxMethod
	}
	return i > 0 && isSpace(b[i])
}

// couldBeStatus reports whether b may be the beginning of a status line.
func couldBeStatus(b []byte) bool {
	const name = "HTTP/"
	if len(b) < len(name) {
		return string(b) == name[:len(b)]
	}
	return string(b[:len(name)]) == name
}

// tokenLen returns how many bytes at the start of b are token characters
// (RFC 9110, 5.6.2), at most maxMethod+1.
func tokenLen(b []byte) int {
	for i, c := range b {
		if i > maxMethod || !isToken(c) {
			return i
		}
	}
	return len(b)
}

func isToken(c byte) bool {
	switch {
	case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', isDigit(c):
		return true
	}
	switch c {
	case '!', '#', '$', '%', '&', '\'', '*', '+', '-', '.', '^', '_', '`', '|', '~':
		return true
	}
	return false
}

// printable reports whether a target has at least a byte and no control
// characters. Spaces and bytes above 127 are wrong but do occur.
func printable(b []byte) bool {
	rest := b
	for len(rest) >= 8 && plain(binary.LittleEndian.Uint64(rest)) {
		rest = rest[8:]
	}
	for _, c := range rest {
		if c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return len(b) > 0
}

// plain reports whether none of eight bytes is a control character. Where one is, it may
// take the byte after it for another.
func plain(word uint64) bool {
	const each, high = 0x0101010101010101, 0x8080808080808080
	del := word ^ 0x7f*each
	return ((word-' '*each)&^word|(del-each)&^del)&high == 0
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }
func isSpace(c byte) bool { return c == ' ' || c == '\t' }
