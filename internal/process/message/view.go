// Package message looks at an HTTP/1 message in place, as the bytes that were
// sent, and changes parts of it without touching the others: names keep their
// case, fields their order and duplicates, bodies their chunks. It is made for
// what comes off the wire: it takes what servers take, bare LF and folded lines
// among it, and does not judge.
package message

import (
	"bytes"
	"strings"

	"gortap/internal/proto/syntax"
)

// View is one message. The zero value is ready; Parse makes it look at another
// message, and its buffers are used again. What its methods return is borrowed
// until the next change. One goroutine may use it.
type View struct {
	head, body []byte
	words      [3]span // method, target, version; or version, status, reason
	fieldsAt   int     // where the first field line begins
	fields     []field
	response   bool
	ended      bool // by an empty line
	changed    bool
	owned      bool // head is in headBuf, so that it may be changed
	headBuf    []byte
	codec      codec
}

// span is a part of the head.
type span struct{ from, to int }

// field is a line, or several where they are folded, with its name and value.
type field struct{ line, name, value span }

// Parse looks at data, which it neither keeps beyond the next Parse nor changes.
// It reports false where data begins with no start line of HTTP.
func (v *View) Parse(data []byte) bool {
	v.changed, v.owned = false, false
	return v.parse(data)
}

// ParseFields looks at field lines without a start line, as trailers are.
func (v *View) ParseFields(data []byte) {
	v.changed, v.owned, v.response, v.words = false, false, false, [3]span{}
	v.parseFields(data, 0)
}

func (v *View) parse(data []byte) bool {
	v.head, v.body = data, nil
	at := 0
	for at < len(data) && (data[at] == '\r' || data[at] == '\n') { // RFC 9112, 2.2
		at++
	}
	end := bytes.IndexByte(data[at:], '\n')
	if end < 0 {
		return false
	}
	if !v.parseStart(data, span{at, trimEnd(data, at, at+end)}) {
		return false
	}
	v.parseFields(data, at+end+1)
	return true
}

// parseStart takes the words of the start line: the first one, the last one of a
// request, and what is between.
func (v *View) parseStart(data []byte, line span) bool {
	text := data[line.from:line.to]
	first := bytes.IndexByte(text, ' ')
	v.response = bytes.HasPrefix(text, []byte("HTTP/"))
	if v.response {
		if first < 0 {
			return false
		}
		status := trim(data, span{line.from + first, line.to})
		end := status.to
		if i := bytes.IndexByte(data[status.from:status.to], ' '); i >= 0 {
			end = status.from + i
		}
		v.words = [3]span{{line.from, line.from + first}, {status.from, end}, trim(data, span{end, line.to})}
		return v.Status() > 0
	}
	if first <= 0 || !isToken(text[:first]) {
		return false
	}
	rest := trim(data, span{line.from + first, line.to})
	version := span{rest.to, rest.to}
	if last := bytes.LastIndex(data[rest.from:rest.to], []byte(" HTTP/")); last >= 0 {
		version.from = rest.from + last + 1
	} else if string(text[:first]) != "GET" { // HTTP/0.9 knew no other
		return false
	}
	target := trim(data, span{rest.from, version.from})
	v.words = [3]span{{line.from, line.from + first}, target, version}
	return target.from < target.to
}

func (v *View) parseFields(data []byte, at int) {
	v.fieldsAt, v.ended = at, false
	v.fields = v.fields[:0]
	foldable := false
	for at < len(data) {
		next := len(data)
		if i := bytes.IndexByte(data[at:], '\n'); i >= 0 {
			next = at + i + 1
		}
		end := trimEnd(data, at, next)
		if end == at && next > at && data[next-1] == '\n' {
			v.ended = true
			v.head, v.body = data[:next:next], data[next:]
			return
		}
		colon := bytes.IndexByte(data[at:end], ':')
		switch {
		case data[at] == ' ' || data[at] == '\t': // RFC 9112, 5.2
			if foldable {
				last := &v.fields[len(v.fields)-1]
				last.line.to = next
				if more := trim(data, span{at, end}); more.from < more.to {
					last.value.to = more.to
				}
			}
		case colon < 0:
			foldable = false
		default:
			foldable = true
			v.fields = append(v.fields, field{
				line:  span{at, next},
				name:  trim(data, span{at, at + colon}),
				value: trim(data, span{at + colon + 1, end}),
			})
		}
		at = next
	}
	v.head, v.body = data, nil
}

// IsRequest says what Parse found.
func (v *View) IsRequest() bool { return !v.response }

// Method returns a request's method.
func (v *View) Method() []byte { return v.text(v.words[0]) }

// Target returns a request's target as sent.
func (v *View) Target() []byte { return v.text(v.words[1]) }

// Version returns for example "HTTP/1.1"; of a request of HTTP/0.9 nothing.
func (v *View) Version() []byte {
	if v.response {
		return v.text(v.words[0])
	}
	return v.text(v.words[2])
}

// Status returns a response's status, 0 where that is no number.
func (v *View) Status() int {
	n := 0
	for _, c := range v.text(v.words[1]) {
		if c < '0' || c > '9' || n > 999 {
			return 0
		}
		n = 10*n + int(c-'0')
	}
	return n
}

// Ended says whether the empty line behind the fields is there.
func (v *View) Ended() bool { return v.ended }

// Fields returns how many header fields there are.
func (v *View) Fields() int { return len(v.fields) }

// Field returns a field as sent, without white space around name and value. The
// value of a folded field has its line ends inside.
func (v *View) Field(i int) (name, value []byte) {
	return v.text(v.fields[i].name), v.text(v.fields[i].value)
}

// Find returns the first field of that name from number i on, or -1. Case does
// not matter.
func (v *View) Find(name string, i int) int {
	for ; i < len(v.fields); i++ {
		if syntax.EqualFold(v.text(v.fields[i].name), name) {
			return i
		}
	}
	return -1
}

// Value returns the value of the first field of that name, nil where there is none.
func (v *View) Value(name string) []byte {
	i := v.Find(name, 0)
	if i < 0 {
		return nil
	}
	return v.text(v.fields[i].value)
}

// Host returns the authority of a target in absolute form, or else the Host.
func (v *View) Host() []byte {
	target := v.Target()
	if i := bytes.Index(target, []byte("://")); i > 0 && target[0] != '/' {
		authority := target[i+3:]
		if end := bytes.IndexAny(authority, "/?#"); end >= 0 {
			authority = authority[:end]
		}
		return authority
	}
	return v.Value("Host")
}

// Body returns what follows the empty line, as sent.
func (v *View) Body() []byte { return v.body }

// Changed says whether there was a change since Parse.
func (v *View) Changed() bool { return v.changed }

// Bytes returns the message as it is now, in memory of its own.
func (v *View) Bytes() []byte {
	out := make([]byte, 0, len(v.head)+len(v.body))
	return append(append(out, v.head...), v.body...)
}

func (v *View) text(s span) []byte { return v.head[s.from:s.to:s.to] }

// trimEnd leaves a line's end out of it.
func trimEnd(data []byte, from, to int) int {
	if to > from && data[to-1] == '\n' {
		to--
	}
	if to > from && data[to-1] == '\r' {
		to--
	}
	return to
}

func trim(data []byte, s span) span {
	for s.from < s.to && isSpace(data[s.from]) {
		s.from++
	}
	for s.to > s.from && isSpace(data[s.to-1]) {
		s.to--
	}
	return s
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\r' || c == '\n' }

func isToken(s []byte) bool {
	for _, c := range s {
		if c <= ' ' || c >= 0x7f || strings.IndexByte(`"(),/:;<=>?@[\]{}`, c) >= 0 {
			return false
		}
	}
	return true
}
