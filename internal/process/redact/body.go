package redact

import (
	"bytes"
	"mime"
	"strings"

	"gortap/internal/process/message"
)

// kind is what a body is made of, as far as it matters here.
type kind uint8

const (
	opaque kind = iota // it is not looked into
	unsure             // the content decides
	jsonKind
	formKind
	multipartKind
)

// kindOf reads a Content-Type.
func kindOf(contentType []byte) (k kind, boundary string) {
	media, params, err := mime.ParseMediaType(string(contentType))
	if err != nil {
		media, _, _ = strings.Cut(strings.ToLower(string(contentType)), ";")
		media = strings.TrimSpace(media)
	}
	switch {
	case strings.Contains(media, "json"):
		return jsonKind, ""
	case media == "application/x-www-form-urlencoded":
		return formKind, ""
	case strings.HasPrefix(media, "multipart/"):
		return multipartKind, params["boundary"]
	case media == "" || media == "text/plain" || media == "application/octet-stream":
		return unsure, ""
	}
	return opaque, ""
}

// body hides the secrets of a body and its trailers. Where it cannot be read, and
// may have any, all of it is replaced.
func (r *Redactor) body(v *message.View) {
	how, boundary := kindOf(v.Value("Content-Type"))
	trailers := r.trailers(v)
	content, err := v.Content(maxContent)
	if err != nil {
		if how != opaque || v.Chunked() && trailers == nil {
			r.replaceBody(v, how, v.Body(), trailers)
		}
		return
	}
	clean, err := r.content(content, how, boundary)
	if err != nil {
		r.replaceBody(v, how, content, trailers)
		return
	}
	if !bytes.Equal(clean, content) && v.SetContent(clean) != nil {
		r.replaceBody(v, how, content, trailers)
		return
	}
	if trailers != nil {
		v.SetTrailers(trailers)
	}
}

// replaceBody puts a hash in the place of a body, as a string where JSON belongs.
func (r *Redactor) replaceBody(v *message.View, how kind, body, trailers []byte) {
	hash := r.appendHash(nil, body)
	if how == jsonKind {
		hash = append(append([]byte{'"'}, hash...), '"')
	}
	v.ReplaceContent(hash, trailers)
}

// trailers returns the trailers of a chunked body without their secrets, nil where
// there are none.
func (r *Redactor) trailers(v *message.View) []byte {
	trailers := v.Trailers()
	if trailers == nil {
		return nil
	}
	r.partial.ParseFields(trailers)
	r.headers(&r.partial)
	return r.partial.Bytes()
}

// content returns a body without its secrets; an error where it cannot be read.
func (r *Redactor) content(content []byte, how kind, boundary string) ([]byte, error) {
	switch how {
	case jsonKind:
		return r.jsonText(content)
	case formKind:
		return r.form(content), nil
	case multipartKind:
		return r.multipart(content, boundary)
	case unsure:
		switch start := bytes.TrimLeft(content, " \t\r\n\xef\xbb\xbf"); {
		case len(start) == 0:
		case start[0] == '{' || start[0] == '[':
			return r.jsonText(content)
		case beginsForm(start):
			return r.form(content), nil
		}
	}
	return content, nil
}

// beginsForm says whether text begins as name=value does.
func beginsForm(text []byte) bool {
	for i, c := range text {
		if c == '=' {
			return i > 0
		}
		if c <= ' ' || c >= 0x7f || bytes.IndexByte([]byte(`"<>(){}|\^`), c) >= 0 {
			return false
		}
	}
	return false
}

// multipart hides the parts that have the name of a parameter, and goes into
// those of a kind that it knows.
func (r *Redactor) multipart(content []byte, boundary string) ([]byte, error) {
	if boundary == "" {
		return nil, errJSON
	}
	delimiter := []byte("--" + boundary)
	parts := bytes.Split(content, delimiter)
	if len(parts) < 2 {
		return nil, errJSON
	}
	out := append([]byte(nil), parts[0]...)
	for _, part := range parts[1:] {
		out = append(out, delimiter...)
		out = append(out, r.part(part)...)
	}
	return out, nil
}

// part is what follows a delimiter: the end of its line, fields, an empty line
// and a body with the line end that belongs to the next delimiter.
func (r *Redactor) part(part []byte) []byte {
	if bytes.HasPrefix(part, []byte("--")) {
		return part
	}
	end := bytes.IndexByte(part, '\n') + 1
	v := &r.partial
	v.ParseFields(part[end:])
	r.headers(v)
	head, body := len(part)-len(v.Body()), v.Body()
	disposition := v.Value("Content-Disposition")
	_, params, err := mime.ParseMediaType(string(disposition))
	hide := err != nil && disposition != nil // a name that cannot be read
	tail := len(bytes.TrimSuffix(bytes.TrimSuffix(body, []byte("\n")), []byte("\r")))
	body, rest := body[:tail], body[tail:]
	fields := part[:head]
	if v.Changed() {
		fields = append(bytes.Clone(part[:end]), v.Bytes()[:len(v.Bytes())-len(v.Body())]...)
	}
	fields = fields[:len(fields):len(fields)]
	if hide || r.isParameter([]byte(params["name"])) {
		return append(r.appendHash(fields, body), rest...)
	}
	how, _ := kindOf(v.Value("Content-Type"))
	if how == multipartKind { // nested: nobody uses it in forms
		how = opaque
	}
	clean, err := r.content(body, how, "")
	if err != nil {
		clean = r.appendHash(nil, body)
	}
	return append(append(fields, clean...), rest...)
}
