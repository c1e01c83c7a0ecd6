package detect

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"io"
	"strings"

	"gortap/internal/insight"
)

// doubleCoded finds what is compressed again though it was compressed before: gzip of
// gzip, of images, of archives. It costs CPU on both sides and some bytes.
type doubleCoded struct {
	purse purse
	slots[doubleState]
}

type doubleState struct {
	n, bytes    int64 // answers with a coding
	samples     int64
	double      int64 // samples that were compressed inside
	in, inner   int64 // bytes of whole samples, coded and not
	inside      string
	contentType string
	coding      string
	when        schedule
	seen        span64
	examples    examples
}

const doubleMin = 256 // a body

func (d *doubleCoded) observe(x *exchange) {
	if !x.HasHead || !x.ok || x.ResponseSize < doubleMin || x.Head.ContentEncoding == "" || x.Head.ContentEncoding == "identity" {
		return
	}
	st := d.at(x.ep.slot)
	st.n++
	st.bytes += x.ResponseSize
	if len(x.Sample) < 64 || !st.when.due(true) || !d.purse.take(x.nowNs) {
		return
	}
	st.samples++
	start, whole := undo(x.Head.ContentEncoding, x.Sample)
	inside := compressedAs(start)
	if inside == "" && imageTypes(x.Head.ContentType) {
		inside = x.Head.ContentType
	}
	if inside == "" {
		return
	}
	st.double++
	st.inside, st.coding, st.contentType = inside, x.Head.ContentEncoding, x.Head.ContentType
	if int64(len(x.Sample)) == x.ResponseSize && whole > 0 {
		st.in += x.ResponseSize
		st.inner += whole
	}
	st.seen.see(x.nowNs)
	st.examples.add(x)
}

// undo takes away one coding and returns how the content begins and, where all of it
// was there, its size. Codings other than gzip and deflate are told by their outer form.
func undo(coding string, sample []byte) (start []byte, whole int64) {
	var r io.Reader
	var err error
	switch strings.ToLower(strings.TrimSpace(coding)) {
	case "gzip", "x-gzip":
		r, err = gzip.NewReader(bytes.NewReader(sample))
	case "deflate":
		r, err = zlib.NewReader(bytes.NewReader(sample))
	default:
		if strings.Contains(coding, ",") { // gzip, gzip
			return sample, 0
		}
		return nil, 0
	}
	if err != nil {
		return nil, 0
	}
	start = make([]byte, 64)
	n, err := io.ReadFull(r, start)
	if err != nil {
		return start[:n], int64(n)
	}
	rest, err := io.Copy(io.Discard, io.LimitReader(r, 4*insight.SampleSize))
	if err != nil {
		return start, 0
	}
	return start, int64(n) + rest
}

// compressedAs tells a compressed form by its first bytes.
func compressedAs(start []byte) string {
	for _, m := range []struct{ magic, name string }{
		{"\x1f\x8b", "gzip"}, {"PK\x03\x04", "zip"}, {"\x89PNG", "PNG"}, {"\xff\xd8\xff", "JPEG"}, {"GIF8", "GIF"}, {"\x28\xb5\x2f\xfd", "zstd"},
		{"wOF2", "WOFF2"}, {"7z\xbc\xaf", "7z"}, {"\xfd7zXZ", "xz"}, {"BZh", "bzip2"}, {"\x1aE\xdf\xa3", "Matroska"},
	} {
		if bytes.HasPrefix(start, []byte(m.magic)) {
			return m.name
		}
	}
	if len(start) > 12 && (string(start[4:8]) == "ftyp" || string(start[:4]) == "RIFF" && string(start[8:12]) == "WEBP") {
		return "media"
	}
	return ""
}

func imageTypes(contentType string) bool {
	for _, t := range []string{"image/png", "image/jpeg", "image/webp", "image/avif", "video/", "application/zip", "application/gzip", "font/woff2"} {
		if strings.HasPrefix(contentType, t) {
			return true
		}
	}
	return false
}

// doubleBytes is what double compression must concern: it saves little, and costs time.
const doubleBytes = 1 << 20

func (d *doubleCoded) find(r *report) {
	for slot, st := range d.of {
		if st == nil || st.double == 0 || 2*st.double < st.samples || st.bytes < doubleBytes || float64(st.bytes) < r.t.MinShare*float64(r.bytes) {
			continue
		}
		e := r.table.slots[slot]
		f := r.on(e, insight.DoubleCompression, st.seen)
		f.Severity = insight.Info
		f.Title = e.name() + " compresses twice: its Content-Encoding: " + st.coding + " holds " + st.inside + " (" + count(st.n) + " answers, " + size(st.bytes) + ")" + r.who(e)
		f.evidence("Samples that are compressed inside", "%s of %s", count(st.double), count(st.samples))
		f.evidence("Content-Type", "%s", st.contentType)
		if st.in > 0 {
			f.evidence("Size with and without the outer coding", "%s and %s", size(st.in), size(st.inner))
			f.Saves = int64(float64(st.bytes) * (1 - float64(st.inner)/float64(st.in)))
		}
		f.Remedy = "Compress once: where the service has compressed already, the proxy must not (nginx: take " + st.contentType + " out of gzip_types, or " +
			"\"gzip off;\" for this location); where a file is compressed, serve it without Content-Encoding. It saves the CPU of both sides."
		f.Examples = st.examples.of
		r.add(f)
	}
}
