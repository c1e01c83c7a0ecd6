package message

import (
	"bytes"
	"errors"
	"strconv"
)

// Errors of Content.
var (
	// ErrChunks says that the chunked body is cut off or damaged.
	ErrChunks = errors.New("read chunks: malformed")
	// ErrCoding says that the content coding is unknown or the data no such.
	ErrCoding = errors.New("decode body: unknown coding or damaged data")
	// ErrTooLarge says that the content is larger than the limit.
	ErrTooLarge = errors.New("decode body: too large")
)

// Chunked says whether the body is in chunks.
func (v *View) Chunked() bool {
	last := []byte(nil)
	for i := v.Find("Transfer-Encoding", 0); i >= 0; i = v.Find("Transfer-Encoding", i+1) {
		_, last = v.Field(i)
	}
	if i := bytes.LastIndexByte(last, ','); i >= 0 {
		last = last[i+1:]
	}
	last = bytes.TrimSpace(last)
	return len(last) == len("chunked") && equalFold(last, "chunked")
}

// Content returns what the body stands for: chunks put together, gzip, deflate
// and zstd undone, up to limit bytes of it. It is borrowed until the next call.
func (v *View) Content(limit int) ([]byte, error) {
	content, err := v.unchunked()
	if err != nil {
		return nil, err
	}
	if len(content) > limit {
		return nil, ErrTooLarge
	}
	coding, ok := v.coding()
	if !ok {
		return nil, ErrCoding
	}
	return v.codec.decode(coding, content, limit)
}

func (v *View) unchunked() ([]byte, error) {
	if !v.Chunked() || len(v.body) == 0 {
		return v.body, nil
	}
	content, _, err := unchunk(v.codec.chunks[:0], v.body)
	if err == nil {
		v.codec.chunks = content
	}
	return content, err
}

// Trailers returns the field lines behind a chunked body and the empty line that
// ends them; nil where there is no such body.
func (v *View) Trailers() []byte {
	if !v.Chunked() || len(v.body) == 0 {
		return nil
	}
	_, trailers, err := unchunk(nil, v.body)
	if err != nil {
		return nil
	}
	return trailers
}

// SetContent gives the message a new content in the same coding and framing: one
// chunk where there were chunks, the right Content-Length where there is one.
func (v *View) SetContent(content []byte) error {
	coding, ok := v.coding()
	if !ok {
		return ErrCoding
	}
	coded, err := v.codec.encode(coding, content)
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
	switch length := v.Value("Content-Length"); {
	case bytes.HasPrefix(v.Version(), []byte("HTTP/2")):
	case v.Chunked():
		if trailers := v.Trailers(); trailers != nil {
			end -= len(trailers) - endOfFields(trailers)
		}
	case length != nil:
		if n, err := strconv.ParseUint(string(length), 10, 62); err == nil {
			end = int(min(uint64(end), n))
		}
	case !v.response:
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

// unchunk appends the content of a chunked body to dst, and returns what follows
// the line of the last chunk.
func unchunk(dst, body []byte) (content, trailers []byte, err error) {
	for {
		end := bytes.IndexByte(body, '\n')
		if end < 0 {
			return nil, nil, ErrChunks
		}
		line := body[:trimEnd(body, 0, end+1)]
		if i := bytes.IndexByte(line, ';'); i >= 0 {
			line = line[:i]
		}
		size, err := strconv.ParseUint(string(bytes.TrimSpace(line)), 16, 48)
		if err != nil {
			return nil, nil, ErrChunks
		}
		body = body[end+1:]
		if size == 0 {
			return dst, body, nil
		}
		if uint64(len(body)) < size+1 {
			return nil, nil, ErrChunks
		}
		dst = append(dst, body[:size]...)
		body = body[size:]
		if body[0] == '\r' {
			body = body[1:]
		}
		if len(body) == 0 || body[0] != '\n' {
			return nil, nil, ErrChunks
		}
		body = body[1:]
	}
}
