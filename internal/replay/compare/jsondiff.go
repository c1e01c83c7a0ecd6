package compare

import (
	"bytes"
	"slices"
	"strconv"

	"gortap/internal/process/redact"
)

// json compares the nodes i and j of the two documents, and what is below them.
func (d *differ) json(i, j int) {
	a, b := &d.docA.nodes[i], &d.docB.nodes[j]
	if bytes.Equal(a.text, b.text) || d.more {
		return
	}
	if a.kind != b.kind {
		d.addJSON(a.text, b.text, "")
		return
	}
	switch a.kind {
	case '{':
		d.objects(i, j)
	case '[':
		d.arrays(i, j)
	case '"':
		if !bytes.Equal(unescaped(a.text), unescaped(b.text)) {
			d.addJSON(a.text, b.text, "")
		}
	case '0':
		if !equalNumbers(a.text, b.text) {
			d.addJSON(a.text, b.text, "")
		}
	default: // true and false have kinds of their own
	}
}

// arrays compares element by element. Where the numbers of elements differ only
// that is reported: which of them were left out cannot be told.
func (d *differ) arrays(i, j int) {
	a, b := &d.docA.nodes[i], &d.docB.nodes[j]
	if a.count != b.count {
		d.addJSON(strconv.AppendInt(nil, int64(a.count), 10), strconv.AppendInt(nil, int64(b.count), 10), " (length)")
		return
	}
	i++
	j++
	for n := range a.count {
		d.steps = append(d.steps, step{index: n, element: true})
		d.json(i, j)
		d.steps = d.steps[:len(d.steps)-1]
		i, j = d.docA.nodes[i].next, d.docB.nodes[j].next
	}
}

// objects compares member by member, in any order. Of several members with one
// name the first is compared with the first, and so on.
func (d *differ) objects(i, j int) {
	start := len(d.order)
	d.order = appendChildren(d.order, &d.docA, i)
	middle := len(d.order)
	d.order = appendChildren(d.order, &d.docB, j)
	x, y := d.order[start:middle:middle], d.order[middle:len(d.order):len(d.order)]
	if !d.sameKeys(x, y) {
		sortByKey(&d.docA, x)
		sortByKey(&d.docB, y)
	}
	for len(x) > 0 || len(y) > 0 {
		var order int
		switch {
		case len(x) == 0:
			order = 1
		case len(y) == 0:
			order = -1
		default:
			order = bytes.Compare(d.docA.nodes[x[0]].key, d.docB.nodes[y[0]].key)
		}
		switch {
		case order < 0:
			d.member(d.docA.nodes[x[0]].key, d.docA.nodes[x[0]].text, nil)
			x = x[1:]
		case order > 0:
			d.member(d.docB.nodes[y[0]].key, nil, d.docB.nodes[y[0]].text)
			y = y[1:]
		default:
			d.steps = append(d.steps, step{key: d.docA.nodes[x[0]].key})
			d.json(x[0], y[0])
			d.steps = d.steps[:len(d.steps)-1]
			x, y = x[1:], y[1:]
		}
	}
	d.order = d.order[:start]
}

func appendChildren(dst []int, doc *document, i int) []int {
	count := doc.nodes[i].count
	for child := i + 1; count > 0; count-- {
		dst = append(dst, child)
		child = doc.nodes[child].next
	}
	return dst
}

func (d *differ) sameKeys(x, y []int) bool {
	if len(x) != len(y) {
		return false
	}
	for n := range x {
		if !bytes.Equal(d.docA.nodes[x[n]].key, d.docB.nodes[y[n]].key) {
			return false
		}
	}
	return true
}

func sortByKey(doc *document, children []int) {
	slices.SortStableFunc(children, func(i, j int) int { return bytes.Compare(doc.nodes[i].key, doc.nodes[j].key) })
}

// member reports one that only one side has.
func (d *differ) member(key, a, b []byte) {
	d.steps = append(d.steps, step{key: key})
	d.addJSON(a, b, "")
	d.steps = d.steps[:len(d.steps)-1]
}

// addJSON reports a difference at the present place. One that was reported for
// another element of the same array is not reported again.
func (d *differ) addJSON(a, b []byte, what string) {
	if d.rules.ignoresJSON(d.steps) {
		return
	}
	start := len(d.arena)
	d.arena = append(d.arena, "json "...)
	d.arena = append(appendPath(d.arena, d.steps), what...)
	place := d.arena[start:len(d.arena):len(d.arena)]
	for i := range d.found {
		if bytes.Equal(d.found[i].place, place) {
			d.arena = d.arena[:start]
			return
		}
	}
	d.way = d.way[:0]
	for _, s := range d.steps {
		d.way = append(d.way, redact.Place{Name: s.key, Index: s.index})
	}
	d.add(place, d.publicJSON(a), d.publicJSON(b))
}

// publicJSON returns a value at the present place without secrets; nil for none.
func (d *differ) publicJSON(value []byte) []byte {
	if value == nil || d.redact == nil {
		return value
	}
	start := len(d.arena)
	d.arena = d.redact.AppendJSON(d.arena, d.way, value)
	return d.arena[start:len(d.arena):len(d.arena)]
}
