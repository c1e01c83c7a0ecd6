package httpout

import (
	"bytes"

	"gortap/internal/process/message"
	"gortap/internal/proto/syntax"
)

// span is a part of a request's bytes.
type span struct{ from, to int }

// request is what a sender has to know of one: all offsets are in its bytes.
type request struct {
	method, target span
	head           int // bytes up to and with the empty line
	// hosts are where the bytes name the host: in the Host field, and in a
	// target in absolute form. Both are empty where they do not.
	hosts    [2]span
	safe     bool // RFC 9110, 9.2.1: asks for nothing to change
	repeats  bool // idempotent: may be sent again
	isHead   bool
	connect  bool
	expects  bool // 100-continue
	closes   bool // the client wants no further exchange on the connection
	upgrades bool
	binary   bool // it came over HTTP/2: its body needs no length
}

// framing is what the fields say about the body.
type framing struct {
	length  int64 // -1: none given
	coded   bool
	chunked bool
	bad     bool
}

// parseRequest reads a request's head and reports whether data is one whole
// request and nothing else.
func parseRequest(data []byte) (q request, ok bool) {
	line, next := cutLine(data, 0)
	if next == 0 || !q.startLine(line, data) {
		return q, false
	}
	f := framing{length: -1}
	for {
		from := next
		line, next = cutLine(data, from)
		if next == from {
			return q, false // no empty line
		}
		if len(line) == 0 {
			break
		}
		q.field(line, from, &f)
	}
	q.head = next
	body := data[next:]
	switch {
	case f.bad:
		return q, false
	case f.coded:
		return q, f.chunked && wholeChunks(body)
	case f.length < 0 && q.binary:
		return q, true
	default:
		return q, int64(len(body)) == max(f.length, 0)
	}
}

// cutLine returns the line at from without its end, and where the next one is: from
// itself where the line does not end.
func cutLine(data []byte, from int) (line []byte, next int) {
	i := bytes.IndexByte(data[from:], '\n')
	if i < 0 {
		return nil, from
	}
	next = from + i + 1
	end := next - 1
	if end > from && data[end-1] == '\r' {
		end--
	}
	return data[from:end], next
}

func (q *request) startLine(line, data []byte) bool {
	i := bytes.IndexByte(line, ' ')
	j := bytes.LastIndexByte(line, ' ')
	if i <= 0 || j <= i || !bytes.HasPrefix(line[j+1:], []byte("HTTP/")) {
		return false
	}
	q.method, q.target = span{0, i}, span{i + 1, j}
	q.closes = string(line[j+1:]) == "HTTP/1.0"
	q.binary = string(line[j+1:]) == "HTTP/2.0"
	switch string(line[:i]) {
	case "GET", "OPTIONS", "TRACE":
		q.safe, q.repeats = true, true
	case "HEAD":
		q.safe, q.repeats, q.isHead = true, true, true
	case "PUT", "DELETE":
		q.repeats = true
	case "CONNECT":
		q.connect = true
	}
	if target := data[i+1 : j]; len(target) > 7 && target[0] != '/' {
		if k := bytes.Index(target, []byte("://")); k > 0 && !q.connect {
			end := bytes.IndexAny(target[k+3:], "/?#")
			if end < 0 {
				end = len(target) - k - 3
			}
			q.hosts[1] = span{i + 1 + k + 3, i + 1 + k + 3 + end}
		}
	}
	return true
}

func (q *request) field(line []byte, from int, f *framing) {
	i := bytes.IndexByte(line, ':')
	if i <= 0 {
		return
	}
	value := syntax.Trim(line[i+1:])
	switch i {
	case len("host"):
		if syntax.EqualFold(line[:i], "host") && q.hosts[0] == (span{}) {
			at := from + i + 1 + syntax.Leading(line[i+1:])
			q.hosts[0] = span{at, at + len(value)}
		}
	case len("expect"):
		if syntax.EqualFold(line[:i], "expect") && syntax.EqualFold(value, "100-continue") {
			q.expects = true
		}
	case len("upgrade"):
		if syntax.EqualFold(line[:i], "upgrade") {
			q.upgrades = true
		}
	case len("connection"):
		if syntax.EqualFold(line[:i], "connection") {
			if syntax.HasToken(value, "close") {
				q.closes = true
			} else if syntax.HasToken(value, "keep-alive") {
				q.closes = false
			}
		}
	case len("content-length"):
		if syntax.EqualFold(line[:i], "content-length") {
			n, ok := syntax.Length(value)
			f.bad = f.bad || !ok || f.length >= 0 && f.length != n
			f.length = n
		}
	case len("transfer-encoding"):
		if syntax.EqualFold(line[:i], "transfer-encoding") {
			f.coded, f.chunked = true, syntax.LastToken(value, "chunked")
		}
	}
}

// wholeChunks reports whether b is a body in chunked coding, from its first chunk
// size to the empty line after its trailers.
func wholeChunks(b []byte) bool {
	for {
		chunk, rest, err := message.CutChunk(b)
		if err != nil {
			return false
		}
		if len(chunk) == 0 {
			return wholeTrailers(rest)
		}
		b = rest
	}
}

func wholeTrailers(b []byte) bool {
	for {
		line, next := cutLine(b, 0)
		if next == 0 {
			return false
		}
		b = b[next:]
		if len(line) == 0 {
			return len(b) == 0
		}
	}
}

// appendTo appends the request's bytes to b, with host in place of the host that it
// names; an empty host leaves it.
func (q *request) appendTo(b, data []byte, host string) []byte {
	at := 0
	if host != "" {
		for _, s := range [2]span{q.hosts[1], q.hosts[0]} { // the target comes first
			if s != (span{}) {
				b = append(append(b, data[at:s.from]...), host...)
				at = s.to
			}
		}
	}
	return append(b, data[at:]...)
}
