package detect

import (
	"strings"

	"gortap/internal/insight"
)

// etags finds servers that are asked "only if it changed" and send it again though it
// did not.
type etags struct {
	t *Thresholds
	slots[etagState]
}

type etagState struct {
	n, bytes int64
	unasked  int64 // 304 as it should be
	dated    bool  // told by Last-Modified
	clients  leaders
	seen     span64
	examples examples
}

func (d *etags) observe(x *exchange) {
	h := &x.Head
	if !x.HasHead || h.IfNoneMatch == "" && h.IfModifiedSince == "" || !x.safe {
		return
	}
	if x.Status == 304 {
		if st := d.peek(x.ep.slot); st != nil {
			st.unasked++
		}
		return
	}
	if x.Status != 200 || x.ResponseBytes <= notModified {
		return
	}
	tagged := h.IfNoneMatch != "" && h.ETag != "" && names(h.IfNoneMatch, h.ETag)
	dated := h.IfNoneMatch == "" && h.LastModified != "" && h.IfModifiedSince == h.LastModified
	if !tagged && !dated {
		return
	}
	st := d.at(x.ep.slot)
	st.n++
	st.bytes += x.ResponseBytes - notModified
	st.dated = dated
	st.clients.add(x.client, x.Client.Addr(), x.bytes)
	st.seen.see(x.nowNs)
	st.examples.add(x)
}

// names says whether a list of tags has one, by the weak comparison of RFC 9110, 8.8.3.2.
func names(tags, tag string) bool {
	tag = strings.TrimPrefix(strings.TrimSpace(tag), "W/")
	for tags != "" {
		var one string
		one, tags, _ = strings.Cut(tags, ",")
		one = strings.TrimPrefix(strings.TrimSpace(one), "W/")
		if one == tag {
			return true
		}
	}
	return false
}

func (d *etags) find(r *report) {
	for slot, st := range d.of {
		if st == nil || st.n < d.t.ETagCount || st.n < st.unasked || !r.matters(st.bytes) {
			continue
		}
		e := r.table.slots[slot]
		f := r.on(e, insight.ETagIgnored, st.seen)
		what, asked := "ETag", "If-None-Match"
		if st.dated {
			what, asked = "Last-Modified", "If-Modified-Since"
		}
		f.Title = e.name() + " ignores " + asked + ": it sent " + count(st.n) + " answers in full whose " + what + " the client already had" + r.who(e)
		f.evidence("In full with the same "+what, "%s", count(st.n))
		f.evidence("304 Not Modified", "%s", count(st.unasked))
		f.evidence("Bytes of them", "%s", size(st.bytes))
		f.Remedy = "Compare " + asked + " before the answer is made, and answer 304 without a body (Go: http.ServeContent with the ETag set; Express: res.send does, " +
			"unless the handler writes by itself; Rails: stale?; Django: ConditionalGetMiddleware). Look for a proxy that takes the field away or adds a suffix to the tag."
		f.Examples, f.Saves = st.examples.of, st.bytes
		r.add(f)
	}
}
