package message

import (
	"bytes"
	"errors"
	"strconv"

	"gortap/internal/proto/syntax"
)

// Errors of Payload and Content.
var (
	// ErrCut says that there is less of the body than its framing tells.
	ErrCut = errors.New("the message ends too early")
	// ErrChunks says that the chunked coding is damaged.
	ErrChunks = errors.New("read chunks: malformed")
	// ErrCoding says that the content coding is unknown or the data no such.
	ErrCoding = errors.New("decode body: unknown coding or damaged data")
	// ErrTooLarge says that the content is larger than the limit.
	ErrTooLarge = errors.New("decode body: too large")
)

// Bodiless says whether a response has no body whatever its fields say, because of
// its status or the method of the request (RFC 9112, 6.3), nil for an unknown one.
func (v *View) Bodiless(method []byte) bool {
	status := v.Status()
	return v.response && (string(method) == "HEAD" || status < 200 || status == 204 || status == 304 ||
		string(method) == "CONNECT" && status < 300)
}

// Chunked says whether the body is in chunks.
func (v *View) Chunked() bool {
	last := -1
	for i := v.Find("Transfer-Encoding", 0); i >= 0; i = v.Find("Transfer-Encoding", i+1) {
		last = i
	}
	return last >= 0 && syntax.LastToken(v.text(v.fields[last].value), "chunked")
}

// length returns the length that a field gives the body; false where none does.
func (v *View) length() (n int64, ok bool) { return syntax.Length(v.Value("Content-Length")) }

// framed says whether frames tell where the body ends, so that all is body.
func (v *View) framed() bool { return bytes.HasPrefix(v.Version(), []byte("HTTP/2")) }

// Payload returns the body without its framing. It is a part of the message where
// that is in one piece, or else borrowed until the next call. With ErrCut and
// ErrChunks it is what there is.
func (v *View) Payload() ([]byte, error) {
	if v.Chunked() {
		content, scratch, _, err := unchunk(v.codec.chunks, v.body)
		v.codec.chunks = kept(scratch)
		return content, err
	}
	n, ok := v.length()
	switch {
	case !ok || v.Find("Transfer-Encoding", 0) >= 0: // to the end of the connection
		return v.body, nil
	case int64(len(v.body)) < n:
		return v.body, ErrCut
	case v.framed():
		return v.body, nil
	}
	return v.body[:n:n], nil
}

// Content returns what the body stands for: chunks put together, content codings
// undone, up to limit bytes of it. It is borrowed until the next call. A body in
// one piece may be short of its length.
func (v *View) Content(limit int) ([]byte, error) {
	payload, err := v.Payload()
	if err != nil && v.Chunked() && len(v.body) > 0 {
		return nil, ErrChunks
	}
	return v.Decode(payload, limit)
}

// Decode undoes the content codings of a payload. With an error it returns what
// there is: with ErrTooLarge limit bytes, with ErrCoding what could be decoded.
func (v *View) Decode(payload []byte, limit int) (content []byte, err error) {
	content = payload
	if codings := v.codings(); len(codings) > 0 && len(payload) > 0 {
		content, err = v.codec.decoder.Decode(v.codec.decoded, payload, codings, limit)
		v.codec.decoded = kept(content)
	}
	if len(content) > limit {
		return content[:limit], ErrTooLarge
	}
	return content, err
}

// Trailers returns the field lines behind a chunked body and the empty line that
// ends them; nil where there is no such body.
func (v *View) Trailers() []byte {
	if !v.Chunked() {
		return nil
	}
	for body := v.body; ; {
		chunk, rest, err := CutChunk(body)
		if err != nil {
			return nil
		}
		if len(chunk) == 0 {
			return rest
		}
		body = rest
	}
}

// SetContent gives the message a new content in the same coding and framing: one
// chunk where there were chunks, the right Content-Length where there is one.
func (v *View) SetContent(content []byte) error {
	coded, err := v.codec.encode(v.codings(), content)
	if err != nil {
		return err
	}
	v.setBody(coded, v.Trailers())
	return nil
}

// ReplaceContent gives the message a content of another kind, without content
// coding; trailers replace those that there were.
func (v *View) ReplaceContent(content, trailers []byte) {
	for i := v.Find("Content-Encoding", 0); i >= 0; i = v.Find("Content-Encoding", i) {
		v.Delete(i)
	}
	v.setBody(content, trailers)
}

// SetTrailers replaces what is behind a chunked body, which stays as it was.
func (v *View) SetTrailers(trailers []byte) {
	if old := v.Trailers(); old != nil && !bytes.Equal(old, trailers) {
		kept := len(v.body) - len(old)
		v.body = append(v.body[:kept:kept], trailers...)
		v.changed = true
	}
}

// Cut takes Excess off.
func (v *View) Cut() {
	if end := len(v.body) - len(v.Excess()); end < len(v.body) {
		v.body, v.changed = v.body[:end:end], true
	}
}

// Excess returns what follows the end of the message, as its framing tells it: in
// recordings that is the beginning of another one. HTTP/2 and a response without
// a length end with the data.
func (v *View) Excess() []byte {
	end := len(v.body)
	length, known := v.length()
	switch {
	case v.Chunked():
		if trailers := v.Trailers(); trailers != nil {
			end -= len(trailers) - endOfFields(trailers)
		}
	case v.framed():
	case known:
		end = int(min(int64(end), length))
	case !v.response && v.Find("Content-Length", 0) < 0:
		end = 0
	}
	return v.body[end:]
}

// endOfFields returns where the empty line behind field lines ends.
func endOfFields(text []byte) int {
	for at := 0; ; {
		i := bytes.IndexByte(text[at:], '\n')
		if i < 0 {
			return len(text)
		}
		if trimEnd(text, at, at+i+1) == at {
			return at + i + 1
		}
		at += i + 1
	}
}

// setBody frames content, which it copies.
func (v *View) setBody(content, trailers []byte) {
	v.changed = true
	if v.Chunked() {
		body := make([]byte, 0, len(content)+len(trailers)+32)
		if len(content) > 0 {
			body = strconv.AppendInt(body, int64(len(content)), 16)
			body = append(body, "\r\n"...)
			body = append(body, content...)
			body = append(body, "\r\n"...)
		}
		body = append(body, "0\r\n"...)
		if len(trailers) == 0 {
			trailers = []byte("\r\n")
		}
		v.body = append(body, trailers...)
		return
	}
	v.body = bytes.Clone(content)
	length := strconv.AppendInt(nil, int64(len(content)), 10)
	for i := v.Find("Content-Length", 0); i >= 0; i = v.Find("Content-Length", i+1) {
		v.SetValue(i, length)
	}
}
