package redact

// Place is a step down a JSON text: the name of a member, or, where it is nil, the
// index of an element.
type Place struct {
	Name  []byte
	Index int
}

// AppendField appends the value of a header field without its secrets. Like all of
// this file it is for values that are shown alone, and a nil Redactor hides nothing.
func (r *Redactor) AppendField(dst, name, value []byte) []byte {
	if r == nil || len(value) == 0 {
		return append(dst, value...)
	}
	return r.appendField(dst, r.classOf(name), value)
}

// AppendJSON appends a value of a JSON text, as it stands there, without its
// secrets. way leads to it.
func (r *Redactor) AppendJSON(dst []byte, way []Place, value []byte) []byte {
	if r == nil {
		return append(dst, value...)
	}
	s := scan{r: r, in: value, way: r.way[:0]}
	hide := false
	for _, p := range way {
		s.way = append(s.way, p)
		hide = hide || s.hides()
	}
	r.way = s.way
	var err error
	if hide {
		err = s.hide()
	} else {
		err = s.anyValue()
	}
	if err != nil {
		return r.appendHash(dst, value)
	}
	return append(append(dst, s.out...), value[s.copied:]...)
}

// Body returns the decoded content of a body of a media type without its secrets:
// content itself where there are none, and a hash where it cannot be read.
func (r *Redactor) Body(contentType, content []byte) []byte {
	if r == nil {
		return content
	}
	how, boundary := kindOf(contentType)
	clean, err := r.content(content, how, boundary)
	if err != nil {
		return r.appendHash(nil, content)
	}
	return clean
}
