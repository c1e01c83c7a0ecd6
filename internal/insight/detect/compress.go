package detect

import (
	"compress/gzip"
	"io"
	"net/http"
	"strings"

	"gortap/internal/insight"
)

// compress finds answers that are sent as they are and would shrink: it compresses
// samples with gzip at its fastest level, as nginx does by default.
type compress struct {
	t      *Thresholds
	writer *gzip.Writer // made when it is first needed: about 1 MB
	purse  purse
	slots[compressState]
}

type compressState struct {
	n, bodies   int64 // answers without a coding
	coded       int64 // with one
	refused     int64 // clients that do not accept gzip
	in, out     int64 // of the samples
	samples     int64
	when        schedule
	contentType string
	seen        span64
	examples    examples
}

func (d *compress) observe(x *exchange) {
	if !x.HasHead || !x.ok || x.Method == http.MethodHead || x.ResponseSize < d.t.CompressMin || x.Head.Range != "" || x.Status == 206 {
		return
	}
	if x.Head.ContentType != "" && !x.isData() {
		return
	}
	st := d.at(x.ep.slot)
	if x.Head.ContentEncoding != "" && x.Head.ContentEncoding != "identity" {
		st.coded++
		return
	}
	st.n++
	st.bodies += x.ResponseSize
	if x.Head.AcceptEncoding == "" || !strings.Contains(x.Head.AcceptEncoding, "gzip") && !strings.Contains(x.Head.AcceptEncoding, "*") {
		st.refused++
	}
	st.contentType = x.Head.ContentType
	st.seen.see(x.nowNs)
	st.examples.add(x)
	if int64(len(x.Sample)) >= min(d.t.CompressMin, x.ResponseSize) && st.when.due(true) && d.purse.take(x.nowNs) {
		st.in += int64(len(x.Sample))
		st.out += d.shrunk(x.Sample)
		st.samples++
	}
}

// shrunk returns the size of data after gzip.
func (d *compress) shrunk(data []byte) int64 {
	var n counter
	if d.writer == nil {
		d.writer, _ = gzip.NewWriterLevel(&n, gzip.BestSpeed) // the level is valid
	} else {
		d.writer.Reset(&n)
	}
	d.writer.Write(data) //nolint:errcheck // a counter does not fail
	d.writer.Close()
	return int64(n)
}

// counter counts what is written.
type counter int64

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}

var _ io.Writer = (*counter)(nil)

func (d *compress) find(r *report) {
	for slot, st := range d.of {
		if st == nil || st.samples == 0 || st.in == 0 {
			continue
		}
		share := 1 - float64(st.out)/float64(st.in)
		saves := int64(share * float64(st.bodies))
		if share < d.t.CompressSaves || !r.matters(saves) {
			continue
		}
		e := r.table.slots[slot]
		f := r.on(e, insight.Uncompressed, st.seen)
		f.Title = "Answers of " + e.name() + " are not compressed: " + percent(share) + " smaller with gzip (" + size(st.bodies/st.n) + " each)" + r.who(e)
		f.evidence("Answers without Content-Encoding", "%s, %s with one", count(st.n), count(st.coded))
		f.evidence("Compressed for the measurement", "%s: %s became %s", plural(st.samples, "sample", "samples"), size(st.in), size(st.out))
		f.evidence("Content-Type", "%s", st.contentType)
		f.Remedy = compressRemedy(st)
		f.Examples, f.Saves = st.examples.of, saves
		r.add(f)
	}
}

func compressRemedy(st *compressState) string {
	media, _, _ := strings.Cut(st.contentType, ";")
	if media == "" {
		media = "application/json"
	}
	server := "On the server: nginx \"gzip on; gzip_types " + media + "; gzip_min_length 1024; gzip_vary on;\" (behind a proxy also \"gzip_proxied any;\"), Apache " +
		"mod_deflate, Envoy's compressor filter, or gzip in the service. Not where an answer mixes secrets with what a stranger sends (BREACH)."
	switch {
	case 10*st.refused >= 9*st.n:
		return "The clients do not say that they accept it: send Accept-Encoding: gzip (curl --compressed, Go's default transport, requests in Python do). " + server
	case st.refused > 0:
		return server + " " + percent(float64(st.refused)/float64(st.n)) + " of the requests come without Accept-Encoding: gzip: let these clients send it."
	}
	return server
}
