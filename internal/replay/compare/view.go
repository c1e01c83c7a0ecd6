package compare

import (
	"bytes"
	"errors"
	"slices"

	"gortap/internal/process/message"
	"gortap/internal/proto/syntax"
)

var errNotHTTP = errors.New("not an HTTP response")

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

	message message.View
	tail    message.View // the trailers
	names   []byte       // scratch
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
	m := &v.message
	if !m.Parse(data) || m.IsRequest() || len(m.Target()) != 3 {
		if len(data) < len("HTTP/1.1 200") && bytes.IndexByte(data, '\n') < 0 {
			return message.ErrCut
		}
		return errNotHTTP
	}
	v.status = m.Status()
	if v.head = v.appendFields(v.head, m); !m.Ended() {
		return message.ErrCut
	}
	v.setForm()
	if v.noBody = m.Bodiless(method); v.noBody {
		return nil
	}
	err := v.readBody()
	if limit > 0 && len(m.Body()) >= limit {
		v.cut = true
		if errors.Is(err, message.ErrCut) {
			return nil
		}
	}
	return err
}

// readBody undoes the transfer coding.
func (v *view) readBody() (err error) {
	if v.coded, err = v.message.Payload(); err != nil || !v.message.Chunked() {
		return err
	}
	v.tail.ParseFields(v.message.Trailers())
	if v.trailers = v.appendFields(v.trailers, &v.tail); !v.tail.Ended() {
		return message.ErrCut
	}
	return nil
}

// appendFields lists the fields of a message by name.
func (v *view) appendFields(fields []field, m *message.View) []field {
	for i := range m.Fields() {
		name, value := m.Field(i)
		start := len(v.names)
		v.names = syntax.AppendLower(v.names, name)
		fields = append(fields, field{v.names[start:len(v.names):len(v.names)], unfolded(value)})
	}
	slices.SortStableFunc(fields, func(a, b field) int { return bytes.Compare(a.name, b.name) })
	return fields
}

// unfolded makes one line of a value on several (RFC 9112, 5.2).
func unfolded(value []byte) []byte {
	if bytes.IndexByte(value, '\n') < 0 {
		return value
	}
	lines := bytes.Split(value, []byte("\n"))
	for i := range lines {
		lines[i] = syntax.Trim(lines[i])
	}
	return bytes.Join(lines, []byte(" "))
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
	media = syntax.Trim(media)
	switch {
	case hasPrefixFold(media, "application/grpc"):
		v.form = asGRPC
	case len(media) == 0, hasSuffixFold(media, "/json"), hasSuffixFold(media, "+json"):
		v.form = asJSON
	}
}

// decode undoes the content coding, up to limit bytes. What cannot be undone is
// compared as it is, and broken says so.
func (v *view) decode(limit int) {
	body, err := v.message.Decode(v.coded, limit)
	if v.broken = errors.Is(err, message.ErrCoding) && !v.cut; v.broken {
		body = v.coded
	}
	v.body = body[:min(len(body), limit)]
	v.cut = v.cut || errors.Is(err, message.ErrTooLarge) || len(body) > limit
}

func hasPrefixFold(b []byte, prefix string) bool {
	return len(b) >= len(prefix) && syntax.EqualFold(b[:len(prefix)], prefix)
}

func hasSuffixFold(b []byte, suffix string) bool {
	return len(b) >= len(suffix) && syntax.EqualFold(b[len(b)-len(suffix):], suffix)
}
