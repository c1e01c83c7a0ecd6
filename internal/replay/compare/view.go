package compare

import (
	"bytes"
	"errors"
	"slices"
	"strconv"
)

// What can be wrong with a response.
var (
	errCut      = errors.New("the response ends too early")
	errNotHTTP  = errors.New("not an HTTP response")
	errChunking = errors.New("the chunked coding is broken")
)

// field is a header or trailer field. Its slices are part of the response or of
// the view's scratch.
type field struct {
	name  []byte // in lower case
	value []byte
}

// view is a response taken apart: what two of them have to agree in. It is used
// again for the next response, and is valid until then and as long as nobody
// changes the data it was read from.
type view struct {
	status   int
	head     []field // sorted by name, in the order of the response where equal
	trailers []field
	noBody   bool   // by status or method, not by chance
	coded    []byte // the body without transfer coding
	body     []byte // and without content coding; set by decode
	cut      bool   // there is more of the body, which nobody kept
	broken   bool   // the content coding could not be undone: body is coded
	form     form

	names   []byte // scratch
	plain   []byte // scratch: dechunked
	decoded []byte // scratch
}

// form says how bodies are compared.
type form uint8

const (
	asBytes form = iota
	asJSON
	asGRPC
)

// read takes a message in the form of record.Record.Data apart. method is that of
// the request, nil where it is not known. Where limit is not 0, whoever kept the
// response kept no more of its body than that.
func (v *view) read(data, method []byte, limit int) error {
	v.status, v.head, v.trailers, v.names = 0, v.head[:0], v.trailers[:0], v.names[:0]
	v.noBody, v.coded, v.body, v.cut, v.broken, v.form = false, nil, nil, false, false, asBytes
	line, rest, ok := cutLine(data)
	if !ok {
		if len(data) < len("HTTP/1.1 200") {
			return errCut
		}
		return errNotHTTP
	}
	if v.status, ok = statusOf(line); !ok {
		return errNotHTTP
	}
	if v.head, rest, ok = v.readFields(v.head, rest); !ok {
		return errCut
	}
	v.setForm()
	v.noBody = string(method) == "HEAD" || v.status < 200 || v.status == 204 || v.status == 304 ||
		string(method) == "CONNECT" && v.status < 300
	if v.noBody {
		return nil
	}
	err := v.readBody(rest)
	if limit > 0 && len(rest) >= limit {
		v.cut = true
		if errors.Is(err, errCut) {
			return nil
		}
	}
	return err
}

func statusOf(line []byte) (int, bool) {
	version, rest, ok := bytes.Cut(line, []byte(" "))
	if !ok || !bytes.HasPrefix(version, []byte("HTTP/")) {
		return 0, false
	}
	code, _, _ := bytes.Cut(bytes.TrimLeft(rest, " \t"), []byte(" "))
	if len(code) != 3 {
		return 0, false
	}
	n := 0
	for _, c := range code {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = 10*n + int(c-'0')
	}
	return n, true
}

// readFields reads field lines up to and with the empty one, and sorts them.
func (v *view) readFields(fields []field, b []byte) (out []field, rest []byte, ok bool) {
	for {
		line, after, ok := cutLine(b)
		if !ok {
			return fields, b, false
		}
		b = after
		switch {
		case len(line) == 0:
			sortFields(fields)
			return fields, b, true
		case line[0] == ' ' || line[0] == '\t': // folded (RFC 9112, 5.2)
			if n := len(fields); n > 0 {
				f := &fields[n-1]
				f.value = bytes.Join([][]byte{f.value, trim(line)}, []byte(" "))
			}
			continue
		}
		name, value, found := bytes.Cut(line, []byte(":"))
		if !found {
			continue // says nothing that could be compared
		}
		start := len(v.names)
		for _, c := range trim(name) {
			if 'A' <= c && c <= 'Z' {
				c |= 0x20
			}
			v.names = append(v.names, c)
		}
		fields = append(fields, field{v.names[start:len(v.names):len(v.names)], trim(value)})
	}
}

func sortFields(fields []field) {
	slices.SortStableFunc(fields, func(a, b field) int { return bytes.Compare(a.name, b.name) })
}

// get returns the first value of a field, or nil.
func get(fields []field, name string) []byte {
	for i := range fields {
		if string(fields[i].name) == name {
			return fields[i].value
		}
	}
	return nil
}

// setForm looks at the media type.
func (v *view) setForm() {
	media, _, _ := bytes.Cut(get(v.head, "content-type"), []byte(";"))
	media = trim(media)
	switch {
	case hasPrefixFold(media, "application/grpc"):
		v.form = asGRPC
	case len(media) == 0, hasSuffixFold(media, "/json"), hasSuffixFold(media, "+json"):
		v.form = asJSON
	}
}

// readBody undoes the transfer coding.
func (v *view) readBody(b []byte) error {
	coding := get(v.head, "transfer-encoding")
	if hasSuffixFold(trim(coding), "chunked") {
		return v.dechunk(b)
	}
	length := get(v.head, "content-length")
	if length == nil || len(coding) > 0 {
		v.coded = b // to the end of the connection
		return nil
	}
	n, err := strconv.ParseUint(string(length), 10, 63)
	switch {
	case err != nil: // two lengths, or none: take what came
		n = uint64(len(b))
	case uint64(len(b)) < n:
		v.coded = b
		return errCut
	}
	v.coded = b[:n]
	return nil
}

// dechunk reads the chunked coding (RFC 9112, 7.1). One chunk alone, which is
// common, is not copied.
func (v *view) dechunk(b []byte) error {
	v.plain = v.plain[:0]
	for first := true; ; first = false {
		line, rest, ok := cutLine(b)
		if !ok {
			return v.endChunks(errCut)
		}
		size, ok := chunkSize(line)
		if !ok {
			return v.endChunks(errChunking)
		}
		if size == 0 {
			if v.coded == nil {
				v.coded = v.plain
			}
			if v.trailers, _, ok = v.readFields(v.trailers, rest); !ok {
				return errCut
			}
			return nil
		}
		if uint64(len(rest)) < size {
			v.plain = append(append(v.plain, v.coded...), rest...)
			v.coded = nil
			return v.endChunks(errCut)
		}
		switch {
		case first:
			v.coded = rest[:size]
		case v.coded != nil:
			v.plain = append(append(v.plain, v.coded...), rest[:size]...)
			v.coded = nil
		default:
			v.plain = append(v.plain, rest[:size]...)
		}
		line, b, ok = cutLine(rest[size:])
		if !ok {
			return v.endChunks(errCut)
		}
		if len(line) > 0 {
			return v.endChunks(errChunking)
		}
	}
}

func (v *view) endChunks(why error) error {
	if v.coded == nil {
		v.coded = v.plain
	}
	return why
}

func chunkSize(line []byte) (uint64, bool) {
	if i := bytes.IndexByte(line, ';'); i >= 0 {
		line = line[:i]
	}
	line = trim(line)
	if len(line) == 0 || len(line) > 15 {
		return 0, false
	}
	var n uint64
	for _, c := range line {
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c|0x20 && c|0x20 <= 'f':
			c = c | 0x20 - 'a' + 10
		default:
			return 0, false
		}
		n = n<<4 | uint64(c)
	}
	return n, true
}

// cutLine splits a line off, without its end. A bare LF ends one too.
func cutLine(b []byte) (line, rest []byte, ok bool) {
	i := bytes.IndexByte(b, '\n')
	if i < 0 {
		return nil, b, false
	}
	line = b[:i]
	if i > 0 && line[i-1] == '\r' {
		line = line[:i-1]
	}
	return line, b[i+1:], true
}

func trim(b []byte) []byte { return bytes.Trim(b, " \t") }

func hasPrefixFold(b []byte, prefix string) bool {
	return len(b) >= len(prefix) && equalFold(b[:len(prefix)], prefix)
}

func hasSuffixFold(b []byte, suffix string) bool {
	return len(b) >= len(suffix) && equalFold(b[len(b)-len(suffix):], suffix)
}

// equalFold compares with a text in lower case.
func equalFold(b []byte, lower string) bool {
	if len(b) != len(lower) {
		return false
	}
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			c |= 0x20
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}
