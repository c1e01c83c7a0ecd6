package message

import (
	"bytes"

	"gortap/internal/proto/syntax"
)

// CutChunk splits the first chunk off a chunked body (RFC 9112, 7.1). The last one
// is empty, and rest is the trailers then. With ErrCut and ErrChunks the chunk is
// what there is of it.
func CutChunk(b []byte) (chunk, rest []byte, err error) {
	line, b, ok := cutLine(b)
	if !ok {
		return nil, nil, ErrCut
	}
	size, ok := syntax.ChunkSize(line)
	switch {
	case !ok:
		return nil, nil, ErrChunks
	case size == 0:
		return nil, b, nil
	case int64(len(b)) < size:
		return b, nil, ErrCut
	}
	chunk = b[:size:size]
	line, rest, ok = cutLine(b[size:])
	switch {
	case !ok:
		return chunk, nil, ErrCut
	case len(line) > 0:
		return chunk, nil, ErrChunks
	}
	return chunk, rest, nil
}

// unchunk puts the chunks of a body together, in dst unless it is one alone, and
// returns what follows the line of the last one too. Of a body that is cut off or
// damaged it returns what there is.
func unchunk(dst, body []byte) (content, scratch, trailers []byte, err error) {
	for n := 0; ; n++ {
		var chunk []byte
		chunk, body, err = CutChunk(body)
		if err == nil && len(chunk) == 0 {
			return content, dst, body, nil
		}
		switch n {
		case 0:
			content = chunk
		case 1:
			dst = append(append(dst[:0], content...), chunk...)
			content = dst
		default:
			dst = append(dst, chunk...)
			content = dst
		}
		if err != nil {
			return content, dst, nil, err
		}
	}
}

// cutLine splits a line off, without its end. A bare LF ends one too.
func cutLine(b []byte) (line, rest []byte, ok bool) {
	i := bytes.IndexByte(b, '\n')
	if i < 0 {
		return nil, b, false
	}
	return b[:trimEnd(b, 0, i+1)], b[i+1:], true
}
