package message

import (
	"bytes"
	"compress/zlib"
	"errors"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// coding is a content coding that can be undone.
type coding uint8

const (
	identity coding = iota
	gzipped
	deflated
	zstandard
)

// coding returns how the content is coded; false where it is unknown.
func (v *View) coding() (coding, bool) {
	i := v.Find("Content-Encoding", 0)
	if i < 0 {
		return identity, true
	}
	if v.Find("Content-Encoding", i+1) >= 0 {
		return 0, false
	}
	_, value := v.Field(i)
	switch string(bytes.ToLower(value)) {
	case "", "identity":
		return identity, true
	case "gzip", "x-gzip":
		return gzipped, true
	case "deflate":
		return deflated, true
	case "zstd":
		return zstandard, true
	}
	return 0, false
}

// codec keeps what coding needs from one message to the next.
type codec struct {
	chunks  []byte
	decoded bytes.Buffer
	encoded bytes.Buffer
	unzip   gzip.Reader
	zip     *gzip.Writer
}

func (c *codec) decode(how coding, content []byte, limit int) ([]byte, error) {
	if how == identity || len(content) == 0 {
		return content, nil
	}
	in := bytes.NewReader(content)
	var out io.Reader
	switch how {
	case gzipped:
		if err := c.unzip.Reset(in); err != nil {
			return nil, ErrCoding
		}
		out = &c.unzip
	case deflated:
		r, err := zlib.NewReader(in)
		if err != nil {
			return nil, ErrCoding
		}
		out = r
	case zstandard:
		// One goroutine, none in the background.
		r, err := zstd.NewReader(in, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
			zstd.WithDecoderMaxMemory(uint64(max(limit, 1<<20))))
		if err != nil {
			return nil, ErrCoding
		}
		defer r.Close()
		out = r
	}
	c.decoded.Reset()
	n, err := c.decoded.ReadFrom(io.LimitReader(out, int64(limit)+1))
	if n > int64(limit) || errors.Is(err, zstd.ErrDecoderSizeExceeded) {
		return nil, ErrTooLarge
	}
	if err != nil {
		return nil, ErrCoding
	}
	return c.decoded.Bytes(), nil
}

func (c *codec) encode(how coding, content []byte) ([]byte, error) {
	if how == identity {
		return content, nil
	}
	c.encoded.Reset()
	var w io.WriteCloser
	switch how {
	case gzipped:
		if c.zip == nil {
			c.zip = gzip.NewWriter(&c.encoded)
		} else {
			c.zip.Reset(&c.encoded)
		}
		w = c.zip
	case deflated:
		w = zlib.NewWriter(&c.encoded)
	default:
		z, err := zstd.NewWriter(&c.encoded, zstd.WithEncoderConcurrency(1))
		if err != nil {
			return nil, ErrCoding
		}
		w = z
	}
	if _, err := w.Write(content); err != nil {
		return nil, ErrCoding
	}
	if err := w.Close(); err != nil {
		return nil, ErrCoding
	}
	return c.encoded.Bytes(), nil
}
