package compare

import (
	"bytes"
	"strconv"
)

// around is how much is shown before the first byte that differs.
const around = 24

// bodies compares what two responses carry. The views are decoded already.
func (d *differ) bodies(a, b *view) {
	switch {
	case a.noBody != b.noBody || bytes.Equal(a.body, b.body) && a.broken == b.broken:
		return // which of the two have none, the status says
	case a.cut || b.cut:
		d.parts(a, b)
		return
	case a.broken != b.broken:
		d.add([]byte("body coding"), coding(a), coding(b))
		return
	case a.form == asGRPC && b.form == asGRPC:
		d.grpcBodies(a, b)
		return
	case a.form == asJSON && b.form == asJSON && d.docA.parse(a.body) && d.docB.parse(b.body):
		d.json(0, 0)
		return
	}
	d.bytes("body", a, b, a.body, b.body)
}

// parts compares bodies of which at least one is not there whole. Of one with a
// structure, half says too little.
func (d *differ) parts(a, b *view) {
	n := min(len(a.body), len(b.body))
	longer := !a.cut && len(a.body) == n || !b.cut && len(b.body) == n
	if a.form == asBytes && b.form == asBytes && (longer && len(a.body) != len(b.body) || !bytes.Equal(a.body[:n], b.body[:n])) {
		d.bytes("body", a, b, a.body, b.body)
	}
}

func coding(v *view) []byte {
	if v.broken {
		return []byte("does not decode")
	}
	return []byte("decodes")
}

// bytes reports two bodies, or parts of them, that differ, by what stands at the
// first byte that does once they are without secrets.
func (d *differ) bytes(place string, from, to *view, x, y []byte) {
	a, b := d.redact.Body(get(from.head, "content-type"), x), d.redact.Body(get(to.head, "content-type"), y)
	at := 0
	for at < len(a) && at < len(b) && a[at] == b[at] {
		at++
	}
	if d.add(d.keep([]byte(place)), d.excerpt(from, a, at), d.excerpt(to, b, at)) {
		last := &d.found[len(d.found)-1]
		last.hashA, last.hashB = d.hash(x), d.hash(y)
	}
}

// excerpt shows a body around an offset, unless nobody could read what it says.
func (d *differ) excerpt(v *view, b []byte, at int) []byte {
	out := d.joined[0][:0]
	out = append(out, "byte "...)
	out = strconv.AppendInt(out, int64(at), 10)
	out = append(out, " of "...)
	out = strconv.AppendInt(out, int64(len(b)), 10)
	if !v.broken {
		out = append(out, ": "...)
		if at > around {
			out = append(out, "..."...)
		}
		out = append(out, b[max(at-around, 0):min(at+around, len(b))]...)
	}
	d.joined[0] = out
	return d.keep(out)
}
