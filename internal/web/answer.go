package web

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strings"
	"time"
)

// minZip is the size below which compression does not pay: one packet.
const minZip = 1400

// answer is a body with its tag, and compressed where that pays.
type answer struct {
	kind         string // Content-Type
	plain, small []byte // small is nil where it would not be
	tag          string
}

// newAnswer compresses at a level: gzip.BestSpeed what is made for each request.
func newAnswer(kind string, body []byte, level int) answer {
	sum := sha256.Sum256(body)
	// Weak, as the compressed form has the same.
	a := answer{kind: kind, plain: body, tag: `W/"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`}
	if len(body) < minZip {
		return a
	}
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, level)
	if err != nil {
		return a // a level that there is not
	}
	_, _ = z.Write(body) // to memory
	if z.Close() == nil && b.Len() < len(body) {
		a.small = b.Bytes()
	}
	return a
}

// write answers with the body, or with 304 where the client has it.
func (a *answer) write(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Cache-Control", "private, no-cache") // kept, and asked for each time
	h.Set("ETag", a.tag)
	h.Set("Vary", "Accept-Encoding")
	h.Set("Content-Type", a.kind)
	body := a.plain
	if a.small != nil && takesGzip(r.Header.Get("Accept-Encoding")) {
		h.Set("Content-Encoding", "gzip")
		body = a.small
	}
	// It knows about ranges, HEAD and If-None-Match.
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(body))
}

// takesGzip reads Accept-Encoding as far as it matters: "gzip;q=0" is rare, and no.
func takesGzip(accepted string) bool {
	for part := range strings.SplitSeq(accepted, ",") {
		name, quality, _ := strings.Cut(part, ";")
		if strings.EqualFold(strings.TrimSpace(name), "gzip") {
			return strings.Trim(strings.ReplaceAll(quality, " ", ""), "0.") != "q="
		}
	}
	return false
}
