package redact

import (
	"bytes"
	"encoding/json"
	"errors"
)

// maxDepth bounds how deep JSON may be.
const maxDepth = 500

var errJSON = errors.New("read JSON: malformed")

// scan goes through a JSON text, copies it, and puts hashes in the place of
// secrets. What it does not touch keeps its form.
type scan struct {
	r      *Redactor
	in     []byte
	at     int
	out    []byte
	copied int // how much of in is in out
	way    []Place
}

// jsonText returns a JSON text, or several after each other, without secrets: an
// error where it cannot be read to its end.
func (r *Redactor) jsonText(text []byte) ([]byte, error) {
	s := scan{r: r, in: text}
	for s.space(); s.at < len(s.in); s.space() {
		if err := s.anyValue(); err != nil {
			return nil, err
		}
	}
	if s.copied == 0 {
		return text, nil
	}
	return append(s.out, s.in[s.copied:]...), nil
}

// space skips white space, and the marks of texts in sequence (RFC 7464) and of UTF-8.
func (s *scan) space() {
	for s.at < len(s.in) {
		switch c := s.in[s.at]; {
		case c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == 0x1e:
			s.at++
		case s.at == 0 && bytes.HasPrefix(s.in, []byte("\xef\xbb\xbf")):
			s.at += 3
		default:
			return
		}
	}
}

func (s *scan) peek() byte {
	if s.at < len(s.in) {
		return s.in[s.at]
	}
	return 0
}

func (s *scan) anyValue() error {
	if len(s.way) > maxDepth {
		return errJSON
	}
	switch s.peek() {
	case '{':
		return s.object()
	case '[':
		return s.array()
	case '"':
		start := s.at
		if err := s.str(); err != nil {
			return err
		}
		s.hideInString(start)
		return nil
	}
	return s.scalar()
}

func (s *scan) object() error {
	s.at++
	for first := true; ; first = false {
		s.space()
		if s.peek() == '}' && first {
			break
		}
		start := s.at
		if err := s.str(); err != nil {
			return err
		}
		name, err := unquote(s.in[start:s.at])
		if err != nil {
			return err
		}
		if s.space(); s.peek() != ':' {
			return errJSON
		}
		s.at++
		s.space()
		s.way = append(s.way, Place{Name: name})
		if err := s.child(); err != nil {
			return err
		}
		if s.peek() == '}' {
			break
		}
		if s.peek() != ',' {
			return errJSON
		}
		s.at++
	}
	s.at++
	return nil
}

func (s *scan) array() error {
	s.at++
	for i := 0; ; i++ {
		s.space()
		if s.peek() == ']' && i == 0 {
			break
		}
		s.way = append(s.way, Place{Index: i})
		if err := s.child(); err != nil {
			return err
		}
		if s.peek() == ']' {
			break
		}
		if s.peek() != ',' {
			return errJSON
		}
		s.at++
	}
	s.at++
	return nil
}

// child reads the value that the last step of the way leads to.
func (s *scan) child() error {
	var err error
	if s.hides() {
		err = s.hide()
	} else {
		err = s.anyValue()
	}
	s.way = s.way[:len(s.way)-1]
	s.space()
	return err
}

// hides says whether the value that the last step of the way leads to is a secret.
func (s *scan) hides() bool {
	if name := s.way[len(s.way)-1].Name; name != nil && s.r.isMember(name) {
		return true
	}
	for _, p := range s.r.paths {
		if p.matches(s.way) {
			return true
		}
	}
	return false
}

// hide reads a value and replaces it, unless it is one that tells nothing.
func (s *scan) hide() error {
	start := s.at
	kept := scan{r: &Redactor{}, in: s.in, at: s.at, way: s.way} // reads, and finds no secrets
	if err := kept.anyValue(); err != nil {
		return err
	}
	s.at = kept.at
	value := s.in[start:s.at]
	switch string(value) {
	case "null", "true", "false":
		return nil
	}
	if value[0] == '"' {
		text, err := unquote(value)
		if err != nil {
			return err
		}
		value = text
	}
	s.out = append(append(s.out, s.in[s.copied:start]...), '"')
	s.out = append(s.r.appendHash(s.out, value), '"')
	s.copied = s.at
	return nil
}

// hideInString hides what is secret in a URL or a form inside of a string.
func (s *scan) hideInString(start int) {
	quoted := s.in[start:s.at]
	if s.r.mac == nil || !bytes.ContainsAny(quoted, `=@\`) {
		return
	}
	text, err := unquote(quoted)
	if err != nil {
		return
	}
	hidden := s.r.Target(text)
	if bytes.Equal(hidden, text) {
		return
	}
	again, err := json.Marshal(string(hidden))
	if err != nil {
		return
	}
	s.out = append(append(s.out, s.in[s.copied:start]...), again...)
	s.copied = s.at
}

// str passes over a string.
func (s *scan) str() error {
	if s.peek() != '"' {
		return errJSON
	}
	for s.at++; s.at < len(s.in); s.at++ {
		switch s.in[s.at] {
		case '\\':
			s.at++
		case '"':
			s.at++
			return nil
		}
	}
	return errJSON
}

// scalar passes over a number or a word.
func (s *scan) scalar() error {
	start := s.at
	for s.at < len(s.in) && bytes.IndexByte([]byte(" \t\r\n,]}:\"{[\x1e"), s.in[s.at]) < 0 {
		s.at++
	}
	if word := s.in[start:s.at]; !json.Valid(word) {
		return errJSON
	}
	return nil
}

// unquote returns what a string stands for.
func unquote(quoted []byte) ([]byte, error) {
	if bytes.IndexByte(quoted, '\\') < 0 {
		return quoted[1 : len(quoted)-1], nil
	}
	var text string
	if json.Unmarshal(quoted, &text) != nil {
		return nil, errJSON
	}
	return []byte(text), nil
}

func (r *Redactor) isMember(name []byte) bool {
	r.name = fold(r.name[:0], name)
	return r.members[string(r.name)]
}
