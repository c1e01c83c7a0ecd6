package http1

import (
	"bytes"

	"gortap/internal/proto"
)

// Detect tells what b, the first bytes that a side of a connection sent, are to
// HTTP/1. A known method and a path are enough, and so is all that lenient
// servers take for a request line. A verdict is always sure.
func Detect(b []byte) (v proto.Verdict, sure bool) {
	b = bytes.TrimLeft(b, "\r\n")
	switch {
	case len(b) == 0:
		return proto.More, true
	case bytes.HasPrefix(b, []byte("HTTP/1.")):
		return proto.FromServer, true
	case knownRequest(b):
		return proto.FromClient, true
	}
	if v, _ := DetectMid(b); v != proto.No {
		return v, true
	}
	if i := bytes.IndexByte(b, '\n'); i >= 0 {
		if _, ok := parseRequestLine(trimCR(b[:i])); ok {
			return proto.FromClient, true
		}
		return proto.No, true
	}
	if couldBeRequest(b) && len(b) < maxMethod {
		return proto.More, true
	}
	return proto.No, true
}

// DetectMid tells what b, bytes from the middle of a connection where a message
// may begin, are to HTTP/1. They may be the middle of anything, so only a whole
// and exact start line counts.
func DetectMid(b []byte) (v proto.Verdict, sure bool) {
	i := bytes.IndexByte(b, '\n')
	if i < 0 {
		if couldStartStatus(b) || couldStartRequest(b) {
			return proto.More, true
		}
		return proto.No, true
	}
	line := trimCR(b[:i])
	switch {
	case isStatusStart(line):
		return proto.FromServer, true
	case isRequestStart(line):
		return proto.FromClient, true
	}
	return proto.No, true
}

// knownMethods are those that other text protocols do not begin with and a
// path follow.
var knownMethods = [...]string{"GET ", "POST ", "PUT ", "HEAD ", "DELETE ", "PATCH ", "OPTIONS ", "TRACE "}

// knownRequest reports whether b begins with a well-known method and a target.
func knownRequest(b []byte) bool {
	for _, m := range &knownMethods {
		if bytes.HasPrefix(b, []byte(m)) {
			return beginsTarget(b[len(m):])
		}
	}
	return false
}

// isRequestStart reports whether line is a request line to the letter.
func isRequestStart(line []byte) bool {
	const version = len(" HTTP/1.1")
	if len(line) < len("A /")+version || line[len(line)-version] != ' ' {
		return false
	}
	if !couldBeVersion(line[len(line)-version+1:]) {
		return false
	}
	line = line[:len(line)-version]
	i := tokenLen(line)
	if i == 0 || i == len(line) || line[i] != ' ' {
		return false
	}
	target := line[i+1:]
	return bytes.IndexByte(target, ' ') < 0 && printable(target)
}

// isStatusStart reports whether line is a status line to the letter.
func isStatusStart(line []byte) bool {
	status, _, ok := parseStatusLine(line)
	return ok && status >= 100 && couldBeVersion(line[:8]) && line[8] == ' ' && isDigit(line[9])
}

// couldStartRequest reports whether the incomplete line b may become an exact
// request line.
func couldStartRequest(b []byte) bool {
	i := tokenLen(b)
	if i == len(b) {
		return i <= maxMethod
	}
	if i == 0 || b[i] != ' ' {
		return false
	}
	target := b[i+1:]
	j := bytes.IndexByte(target, ' ')
	if j < 0 {
		return len(target) == 0 || printable(target)
	}
	return j > 0 && printable(target[:j]) && couldBeVersion(target[j+1:])
}

// couldStartStatus is the same for a status line.
func couldStartStatus(b []byte) bool {
	if len(b) <= 8 {
		return couldBeVersion(b)
	}
	if !couldBeVersion(b[:8]) || b[8] != ' ' {
		return false
	}
	for i := 9; i < len(b) && i < 12; i++ {
		if !isDigit(b[i]) {
			return false
		}
	}
	return len(b) <= 12 || isSpace(b[12]) || b[12] == '\r'
}

// couldBeVersion reports whether b may be the beginning of "HTTP/1.x", with a
// CR after it.
func couldBeVersion(b []byte) bool {
	const name = "HTTP/1."
	if len(b) <= len(name) {
		return string(b) == name[:len(b)]
	}
	return string(b[:len(name)]) == name && isDigit(b[7]) && (len(b) == 8 || len(b) == 9 && b[8] == '\r')
}
