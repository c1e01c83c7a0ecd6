package compare

import (
	"bytes"
	"hash/maphash"
	"strconv"

	"gortap/internal/process/message"
	"gortap/internal/process/redact"
	"gortap/internal/proto/syntax"
)

const (
	// maxDifferences is how many places of one exchange are told apart.
	maxDifferences = 64
	// maxValue is how much of a value is shown, in bytes.
	maxValue = 80
)

// difference is a place where two responses do not agree.
type difference struct {
	place []byte // "status 200 -> 500", "header x-version", "json $.price"
	// a and b are the two values as they are shown, nil for none.
	a, b []byte
	// hashA and hashB tell equal values, of which only a part may be shown.
	hashA, hashB uint64
}

// differ compares two views. Its results are valid until the next comparison. It
// serves one goroutine.
type differ struct {
	rules  *rules
	seed   maphash.Seed
	redact *redact.Redactor // may be nil

	found []difference
	more  bool   // there were more than maxDifferences
	arena []byte // what found points into

	docA, docB document
	steps      []step
	order      []int     // scratch: children of objects, sorted
	joined     [2][]byte // scratch: values made of several fields
	clean      []field   // scratch: fields without secrets
	way        []redact.Place
	messages   [2][]byte // scratch: gRPC messages, decompressed
	decoder    message.Decoder
	maxBody    int
}

// diff compares two responses. Where the classes of the status differ, nothing
// else is compared: an error page has another body, and nobody needs to be told.
func (d *differ) diff(a, b *view) []difference {
	d.reset()
	if a.status != b.status {
		d.addStatus("status ", strconv.Itoa(a.status), strconv.Itoa(b.status))
		if a.status/100 != b.status/100 {
			return d.found
		}
	}
	if a.form == asGRPC && b.form == asGRPC {
		if d.grpcStatus(a, b) {
			return d.found
		}
	}
	d.fields("header ", a.head, b.head, a.noBody && b.noBody)
	d.bodies(a, b)
	d.fields("trailer ", a.trailers, b.trailers, false)
	return d.found
}

func (d *differ) reset() {
	d.found, d.more, d.arena, d.steps = d.found[:0], false, d.arena[:0], d.steps[:0]
}

// keep copies b to where it stays until the next comparison.
func (d *differ) keep(b []byte) []byte {
	start := len(d.arena)
	d.arena = append(d.arena, b...)
	return d.arena[start:len(d.arena):len(d.arena)]
}

// add reports a difference. The place is kept already, and the values are without
// secrets; only as much of them as is shown is copied.
func (d *differ) add(place, a, b []byte) bool {
	if len(d.found) == maxDifferences {
		d.more = true
		return false
	}
	d.found = append(d.found, difference{
		place: place, a: d.show(a), b: d.show(b),
		hashA: d.hash(a), hashB: d.hash(b),
	})
	return true
}

func (d *differ) hash(b []byte) uint64 { return maphash.Bytes(d.seed, b) }

func (d *differ) show(value []byte) []byte {
	if value == nil {
		return nil
	}
	start := len(d.arena)
	d.arena = append(d.arena, value[:min(len(value), maxValue)]...)
	if len(value) > maxValue {
		d.arena = append(d.arena, "..."...)
	}
	return d.arena[start:len(d.arena):len(d.arena)]
}

// addStatus reports two codes, which are part of the place: 200 -> 500 is not
// 200 -> 404.
func (d *differ) addStatus(what, a, b string) {
	d.add(d.keep([]byte(what+a+" -> "+b)), []byte(a), []byte(b))
}

// fields compares two sorted lists of fields.
func (d *differ) fields(where string, a, b []field, noBody bool) {
	for len(a) > 0 || len(b) > 0 {
		var name []byte
		switch {
		case len(b) == 0 || len(a) > 0 && bytes.Compare(a[0].name, b[0].name) <= 0:
			name = a[0].name
		default:
			name = b[0].name
		}
		var x, y []field
		x, a = cutName(a, name)
		y, b = cutName(b, name)
		d.field(where, name, x, y, noBody)
	}
}

// cutName splits the fields of a name off.
func cutName(fields []field, name []byte) (same, rest []field) {
	n := 0
	for n < len(fields) && bytes.Equal(fields[n].name, name) {
		n++
	}
	return fields[:n], fields[n:]
}

func (d *differ) field(where string, name []byte, a, b []field, noBody bool) {
	if sameValues(a, b) {
		return
	}
	how := d.rules.header(name)
	switch {
	case how == notAtAll, how == length && !noBody, how == presence && len(a) > 0 && len(b) > 0:
		return
	}
	x, y := d.join(0, a, how), d.join(1, b, how)
	if len(a) > 0 && len(b) > 0 && bytes.Equal(x, y) {
		return
	}
	start := len(d.arena)
	d.arena = append(append(d.arena, where...), name[:min(len(name), maxPath)]...)
	d.add(d.arena[start:len(d.arena):len(d.arena)], d.public(0, a, how), d.public(1, b, how))
}

func sameValues(a, b []field) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if !bytes.Equal(a[i].value, b[i].value) {
			return false
		}
	}
	return true
}

// public is join without secrets.
func (d *differ) public(side int, fields []field, how treatment) []byte {
	if d.redact == nil {
		return d.join(side, fields, how)
	}
	d.clean = d.clean[:0]
	for _, f := range fields {
		start := len(d.arena)
		d.arena = d.redact.AppendField(d.arena, f.name, f.value)
		d.clean = append(d.clean, field{f.name, d.arena[start:len(d.arena):len(d.arena)]})
	}
	return d.join(side, d.clean, how)
}

// join makes one value of the fields of a name, which means the same (RFC 9110,
// 5.3); nil for none.
func (d *differ) join(side int, fields []field, how treatment) []byte {
	if len(fields) == 0 {
		return nil
	}
	out := append(d.joined[side][:0], ""...)
	if how == cookies {
		out = appendCookies(out, fields)
	} else {
		for i, f := range fields {
			if i > 0 {
				out = append(out, ", "...)
			}
			out = append(out, f.value...)
		}
	}
	if out == nil {
		out = []byte{} // an empty value is a value
	}
	d.joined[side] = out
	return out
}

// appendCookies writes Set-Cookie fields without what identifies a session: the
// cookies' values, and when they end.
func appendCookies(out []byte, fields []field) []byte {
	for i, f := range fields {
		if i > 0 {
			out = append(out, ", "...)
		}
		pair, attributes, _ := bytes.Cut(f.value, []byte(";"))
		name, _, _ := bytes.Cut(pair, []byte("="))
		out = append(append(out, syntax.Trim(name)...), "=*"...)
		for len(attributes) > 0 {
			var attribute []byte
			attribute, attributes, _ = bytes.Cut(attributes, []byte(";"))
			attribute = syntax.Trim(attribute)
			if name, _, _ := bytes.Cut(attribute, []byte("=")); syntax.EqualFold(name, "expires") {
				attribute = name
			}
			out = append(append(out, "; "...), attribute...)
		}
	}
	return out
}
