package detect

import (
	"strings"

	"gortap/internal/insight"
)

// oversized finds single answers that are larger than anybody reads: exports, dumps.
// Files (images, video, archives, documents) are not meant.
type oversized struct {
	t *Thresholds
	slots[oversizedState]
}

type oversizedState struct {
	n, bytes, above, largest int64
	contentType              string
	seen                     span64
	examples                 examples
}

// oversizedPage is what of a body would do: what is above it is counted as saved.
const oversizedPage = 1 << 20

func (d *oversized) observe(x *exchange) {
	if x.ResponseSize < d.t.OversizedBytes || !x.ok || !x.isData() {
		return
	}
	st := d.at(x.ep.slot)
	st.n++
	st.bytes += x.ResponseSize
	st.above += x.ResponseSize - oversizedPage
	st.largest = max(st.largest, x.ResponseSize)
	st.contentType = x.Head.ContentType
	st.seen.see(x.nowNs)
	st.examples.add(x)
}

// isData says whether a body is made of records or text, as far as is known.
func (x *exchange) isData() bool {
	if !x.HasHead {
		return true
	}
	if e := x.ep; e.contentType != x.Head.ContentType || e.contentType == "" {
		e.contentType, e.isData = x.Head.ContentType, isData(x.Head.ContentType)
	}
	return x.ep.isData
}

func isData(contentType string) bool {
	media, _, _ := strings.Cut(contentType, ";")
	media = strings.ToLower(strings.TrimSpace(media))
	if strings.HasPrefix(media, "text/") {
		return media != "text/event-stream"
	}
	for _, part := range []string{"json", "xml", "csv", "yaml", "graphql", "form-urlencoded", "spreadsheet", "javascript"} {
		if strings.Contains(media, part) {
			return !strings.HasPrefix(media, "image/")
		}
	}
	return false
}

func (d *oversized) find(r *report) {
	for slot, st := range d.of {
		if st == nil || st.n < d.t.OversizedCount || !r.matters(st.above) {
			continue
		}
		e := r.table.slots[slot]
		f := r.on(e, insight.Oversized, st.seen)
		f.Title = "Answers of " + e.name() + " are " + size(st.bytes/st.n) + " on average, " + size(st.largest) + " the largest" + r.who(e)
		f.evidence("Answers of "+size(d.t.OversizedBytes)+" and more", "%s of %s", count(st.n), count(e.requests))
		f.evidence("Bytes of them", "%s", size(st.bytes))
		if st.contentType != "" {
			f.evidence("Content-Type", "%s", st.contentType)
		} else {
			f.evidence("Content-Type", "not known: may be files")
		}
		f.Remedy = "Give " + e.path + " a limit that the server enforces (limit=100 by default, 1000 at most) and a cursor to the next page, and let clients " +
			"ask for what changed (updated_since=, or If-None-Match) and for the fields they need (fields=). Where somebody needs all of it, write " +
			"it to a compressed file once, and serve that with ETag and Range."
		f.Examples, f.Saves = st.examples.of, st.above
		r.add(f)
	}
}
