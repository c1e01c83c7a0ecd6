package message

import (
	"bytes"
	"errors"
	"io"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"

	"gortap/internal/proto/syntax"
)

const (
	// maxCodings is how many content codings on top of each other are undone.
	maxCodings = 3
	// zstdWindow is the largest window that RFC 9659 lets an HTTP server use.
	zstdWindow = 8 << 20
)

// Decoder undoes content codings. The zero value is ready; its readers are made
// when first needed, and used again. It serves one goroutine.
type Decoder struct {
	source bytes.Reader
	gzip   *gzip.Reader
	zlib   io.ReadCloser
	flate  io.ReadCloser
	brotli *brotli.Reader
	zstd   *zstd.Decoder
}

// Decode writes over dst what the codings of data, a list with the last applied one
// last, are made from: at most a byte more than limit. With ErrCoding it returns
// what could be decoded.
func (d *Decoder) Decode(dst, data, codings []byte, limit int) ([]byte, error) {
	n := 0
	for len(codings) > 0 {
		coding := codings
		if i := bytes.LastIndexByte(codings, ','); i >= 0 {
			codings, coding = codings[:i], codings[i+1:]
		} else {
			codings = nil
		}
		coding = syntax.Trim(coding)
		if isIdentity(coding) {
			continue
		}
		if n == maxCodings {
			return nil, ErrCoding
		}
		r, err := d.reader(coding, data)
		if err != nil {
			return nil, ErrCoding
		}
		if n > 0 {
			dst = nil // it is what r reads from
		}
		if dst, err = appendAll(dst[:0], r, limit+1); err != nil {
			if len(codings) > 0 {
				dst = nil
			}
			return dst, ErrCoding
		}
		data, n = dst, n+1
	}
	if n == 0 {
		return append(dst[:0], data[:min(len(data), limit+1)]...), nil
	}
	return dst, nil
}

func isIdentity(coding []byte) bool { return len(coding) == 0 || syntax.EqualFold(coding, "identity") }

func (d *Decoder) reader(coding, data []byte) (io.Reader, error) {
	d.source.Reset(data)
	switch {
	case syntax.EqualFold(coding, "gzip"), syntax.EqualFold(coding, "x-gzip"):
		if d.gzip == nil {
			d.gzip = &gzip.Reader{}
		}
		return d.gzip, d.gzip.Reset(&d.source)
	case syntax.EqualFold(coding, "br"):
		if d.brotli == nil {
			d.brotli = brotli.NewReader(nil)
		}
		return d.brotli, d.brotli.Reset(&d.source)
	case syntax.EqualFold(coding, "zstd"):
		return d.zstdReader()
	case syntax.EqualFold(coding, "deflate"):
		return d.deflateReader(data)
	}
	return nil, ErrCoding
}

// zstdReader makes one that needs no Close: without concurrency it has no goroutine.
func (d *Decoder) zstdReader() (io.Reader, error) {
	if d.zstd == nil {
		z, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(zstdWindow), zstd.WithDecoderLowmem(true))
		if err != nil {
			return nil, err
		}
		d.zstd = z
	}
	return d.zstd, d.zstd.Reset(&d.source)
}

// deflateReader reads the zlib format that the name means (RFC 9110, 8.4.1.2), or
// the bare format that many servers send under it.
func (d *Decoder) deflateReader(data []byte) (io.Reader, error) {
	if len(data) >= 2 && data[0]&0x0f == 8 && (uint(data[0])<<8|uint(data[1]))%31 == 0 {
		if d.zlib != nil {
			return d.zlib, d.zlib.(zlib.Resetter).Reset(&d.source, nil)
		}
		z, err := zlib.NewReader(&d.source)
		d.zlib = z
		return z, err
	}
	if d.flate != nil {
		return d.flate, d.flate.(flate.Resetter).Reset(&d.source, nil)
	}
	d.flate = flate.NewReader(&d.source)
	return d.flate, nil
}

// appendAll reads r to its end or up to limit bytes.
func appendAll(dst []byte, r io.Reader, limit int) ([]byte, error) {
	for len(dst) < limit {
		if len(dst) == cap(dst) {
			dst = append(dst, 0)[:len(dst)]
		}
		n, err := r.Read(dst[len(dst):min(cap(dst), limit)])
		dst = dst[:len(dst)+n]
		if errors.Is(err, io.EOF) {
			return dst, nil
		}
		if err != nil {
			return dst, err
		}
	}
	return dst, nil
}
