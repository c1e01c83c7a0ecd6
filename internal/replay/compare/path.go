package compare

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"gortap/internal/account"
)

// step is a step down a JSON text: to the member of an object, or to an element
// of an array.
type step struct {
	key     []byte
	index   int
	element bool
}

// jsonPath is a pattern of the form $.a['b'].*[*][0]..c. It stands for the values
// it names and all below them.
type jsonPath []jsonStep

type jsonStep struct {
	step
	any  bool // * or [*]: any one step, be it a member or an element
	deep bool // ..: any number of steps
}

var errPath = errors.New("not a JSON path (for example $.items[*].id, $..updated, $['a.b'])")

// parseJSONPath reads a pattern.
func parseJSONPath(text string) (jsonPath, error) {
	rest, ok := strings.CutPrefix(text, "$")
	if !ok {
		return nil, fmt.Errorf("read %q: %w", text, errPath)
	}
	var p jsonPath
	for rest != "" {
		var s jsonStep
		if deep, isDeep := strings.CutPrefix(rest, ".."); isDeep {
			p = append(p, jsonStep{deep: true})
			if rest = "." + deep; strings.HasPrefix(deep, "[") {
				rest = deep
			}
		}
		if s, rest, ok = cutStep(rest); !ok {
			return nil, fmt.Errorf("read %q: %w", text, errPath)
		}
		p = append(p, s)
	}
	return p, nil
}

func cutStep(text string) (s jsonStep, rest string, ok bool) {
	if name, found := strings.CutPrefix(text, "."); found {
		end := strings.IndexAny(name, ".[")
		if end < 0 {
			end = len(name)
		}
		s.key = []byte(name[:end])
		s.any = name[:end] == "*"
		return s, name[end:], end > 0
	}
	if quoted, found := strings.CutPrefix(text, "['"); found {
		name, rest, closed := strings.Cut(quoted, "']")
		s.key = []byte(name)
		return s, rest, closed
	}
	inner, found := strings.CutPrefix(text, "[")
	inner, rest, closed := strings.Cut(inner, "]")
	if !found || !closed || inner == "" {
		return s, "", false
	}
	s.element = true
	if s.any = inner == "*"; s.any {
		return s, rest, true
	}
	for _, c := range []byte(inner) {
		if c < '0' || c > '9' || s.index > 1<<30 {
			return s, "", false
		}
		s.index = 10*s.index + int(c-'0')
	}
	return s, rest, true
}

// matches reports whether the pattern names the place, or one above it.
func (p jsonPath) matches(place []step) bool {
	if len(p) == 0 {
		return true
	}
	if p[0].deep {
		for i := range place {
			if p[1:].matches(place[i:]) {
				return true
			}
		}
		return false
	}
	return len(place) > 0 && p[0].fits(place[0]) && p[1:].matches(place[1:])
}

func (s *jsonStep) fits(at step) bool {
	switch {
	case s.any:
		return !s.element || at.element
	case s.element != at.element:
		return false
	}
	return s.index == at.index && bytes.Equal(s.key, at.key)
}

// maxPath is how long the name of a place may get.
const maxPath = 200

// appendPath writes a place as a pattern that fits all places of its kind:
// elements as [*], keys that look like data as *.
func appendPath(dst []byte, place []step) []byte {
	start := len(dst)
	dst = append(dst, '$')
	for _, s := range place {
		before := len(dst)
		switch {
		case s.element:
			dst = append(dst, "[*]"...)
		case account.IsData(s.key):
			dst = append(dst, ".*"...)
		case isWord(s.key):
			dst = append(append(dst, '.'), s.key...)
		default:
			dst = append(append(append(dst, "['"...), s.key...), "']"...)
		}
		if len(dst)-start > maxPath {
			return append(dst[:before], "..."...)
		}
	}
	return dst
}

func isWord(key []byte) bool {
	for _, c := range key {
		if c <= ' ' || c == '.' || c == '[' || c == ']' || c == '\'' || c == '"' || c == '*' || c == 0x7f {
			return false
		}
	}
	return len(key) > 0
}
