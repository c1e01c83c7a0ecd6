package message

import (
	"bytes"
	"io"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"

	"gortap/internal/proto/syntax"
)

// codec keeps what coding needs from one message to the next.
type codec struct {
	chunks  []byte
	decoded []byte
	decoder Decoder
	zip     *gzip.Writer
}

// keepScratch is the largest buffer that is kept for the next message.
const keepScratch = 1 << 20

func kept(scratch []byte) []byte {
	if cap(scratch) > keepScratch {
		return nil
	}
	return scratch
}

// codings returns the list of content codings, the last applied one last. Several
// fields are one list (RFC 9110, 5.3).
func (v *View) codings() []byte {
	var list []byte
	for i := v.Find("Content-Encoding", 0); i >= 0; i = v.Find("Content-Encoding", i+1) {
		value := v.text(v.fields[i].value)
		if list == nil {
			list = value
			continue
		}
		list = append(append(list, ','), value...) // the slice of a field has no room: this copies it
	}
	return list
}

// encode applies a list of codings.
func (c *codec) encode(codings, content []byte) ([]byte, error) {
	for len(codings) > 0 {
		var coding []byte
		if coding, codings = syntax.CutItem(codings); isIdentity(coding) {
			continue
		}
		var out bytes.Buffer
		w, err := c.writer(coding, &out)
		if err != nil {
			return nil, ErrCoding
		}
		if _, err := w.Write(content); err != nil {
			return nil, ErrCoding
		}
		if err := w.Close(); err != nil {
			return nil, ErrCoding
		}
		content = out.Bytes()
	}
	return content, nil
}

func (c *codec) writer(coding []byte, out io.Writer) (io.WriteCloser, error) {
	switch {
	case syntax.EqualFold(coding, "gzip"), syntax.EqualFold(coding, "x-gzip"):
		if c.zip == nil {
			c.zip = gzip.NewWriter(nil)
		}
		c.zip.Reset(out)
		return c.zip, nil
	case syntax.EqualFold(coding, "br"):
		return brotli.NewWriter(out), nil
	case syntax.EqualFold(coding, "zstd"):
		return zstd.NewWriter(out, zstd.WithEncoderConcurrency(1))
	case syntax.EqualFold(coding, "deflate"):
		return zlib.NewWriter(out), nil
	}
	return nil, ErrCoding
}
