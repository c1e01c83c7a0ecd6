package account

// Templater names endpoints the way the metrics do, for those who group
// exchanges without keeping an account of them. It serves one goroutine.
type Templater struct{ t templater }

// NewTemplater takes the configured path patterns, which may be none.
func NewTemplater(patterns []string) (*Templater, error) {
	compiled, err := compilePatterns(patterns)
	if err != nil {
		return nil, err
	}
	return &Templater{templater{patterns: compiled}}, nil
}

// Path returns the path template of a request's target, valid until the next
// call.
func (t *Templater) Path(method, target []byte) []byte {
	label, _ := t.t.template(method, target)
	return label
}

// IsData reports whether a name looks like data rather than like a word: a
// number, a date, a UUID, a hash, a token.
func IsData(name []byte) bool {
	if h := shapeOf(name); h.isPlain() {
		return false // most are
	}
	var scratch [maxSegment]byte
	return string(appendSegment(scratch[:0], name)) == idMark
}
