package compare

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"errors"
	"fmt"
	"io"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/zstd"
)

const (
	// maxCodings is how many content codings on top of each other are undone.
	maxCodings = 3
	// keepScratch is the largest buffer that is kept for the next response.
	keepScratch = 1 << 20
	// zstdWindow is the largest window that RFC 9659 lets an HTTP server use.
	zstdWindow = 8 << 20
)

// decoders undoes content codings. Its readers are made when first needed, and
// used again. It serves one goroutine.
type decoders struct {
	source bytes.Reader
	gzip   *gzip.Reader
	zlib   io.ReadCloser
	flate  io.ReadCloser
	brotli *brotli.Reader
	zstd   *zstd.Decoder
}

func (d *decoders) close() {
	if d.zstd != nil {
		d.zstd.Close()
	}
}

// decode undoes the content coding of v, up to limit bytes. What cannot be undone
// is compared as it is, and v.broken says so.
func (v *view) decode(d *decoders, limit int) {
	v.body = v.coded
	coding := trim(get(v.head, "content-encoding"))
	if len(coding) == 0 || len(v.coded) == 0 {
		v.limit(limit)
		return
	}
	body, err := d.undo(v.decoded, v.coded, coding, limit)
	if err != nil && !v.cut {
		v.broken = true
		v.limit(limit)
		return
	}
	v.body = body
	if v.decoded = body; cap(body) > keepScratch {
		v.decoded = nil
	}
	v.limit(limit)
}

func (v *view) limit(n int) {
	if len(v.body) > n {
		v.body, v.cut = v.body[:n], true
	}
}

var errCoding = errors.New("unknown content coding")

// undo writes what the codings of b, a list with the last applied one last, are
// made from over dst: at most a byte more than limit. With an error it returns what
// could be decoded.
func (d *decoders) undo(dst, b, codings []byte, limit int) ([]byte, error) {
	for n := 0; len(codings) > 0; n++ {
		if n == maxCodings {
			return nil, fmt.Errorf("%w: more than %d", errCoding, maxCodings)
		}
		coding := codings
		if i := bytes.LastIndexByte(codings, ','); i >= 0 {
			codings, coding = codings[:i], codings[i+1:]
		} else {
			codings = nil
		}
		coding = trim(coding)
		if len(coding) == 0 || equalFold(coding, "identity") {
			dst = append(dst[:0], b...)
			b = dst
			continue
		}
		r, err := d.reader(coding, b)
		if err != nil {
			return nil, err
		}
		if n > 0 {
			dst = nil // it is what r reads from
		}
		if dst, err = appendAll(dst[:0], r, limit+1); err != nil && len(codings) > 0 {
			return nil, err
		} else if err != nil {
			return dst, err
		}
		b = dst
	}
	return b, nil
}

func (d *decoders) reader(coding, b []byte) (io.Reader, error) {
	d.source.Reset(b)
	switch {
	case equalFold(coding, "gzip"), equalFold(coding, "x-gzip"):
		if d.gzip == nil {
			d.gzip = &gzip.Reader{}
		}
		return d.gzip, d.gzip.Reset(&d.source)
	case equalFold(coding, "br"):
		if d.brotli == nil {
			d.brotli = brotli.NewReader(nil)
		}
		return d.brotli, d.brotli.Reset(&d.source)
	case equalFold(coding, "zstd"):
		return d.zstdReader()
	case equalFold(coding, "deflate"):
		return d.deflateReader(b)
	}
	return nil, errCoding
}

func (d *decoders) zstdReader() (io.Reader, error) {
	if d.zstd == nil {
		z, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(zstdWindow), zstd.WithDecoderLowmem(true))
		if err != nil {
			return nil, fmt.Errorf("make zstd decoder: %w", err)
		}
		d.zstd = z
	}
	return d.zstd, d.zstd.Reset(&d.source)
}

// deflateReader reads the zlib format that the name means (RFC 9110, 8.4.1.2), or
// the bare format that many servers send under it.
func (d *decoders) deflateReader(b []byte) (io.Reader, error) {
	if len(b) >= 2 && b[0]&0x0f == 8 && (uint(b[0])<<8|uint(b[1]))%31 == 0 {
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
