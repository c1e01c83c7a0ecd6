package account

import (
	"bytes"
	"fmt"
	"strings"
)

// pattern is a path template of the configuration, split at the slashes. Its
// text is the label.
type pattern struct {
	text     string
	segments []string
	rest     bool // ends in "**": any further segments, none included
}

func compilePatterns(texts []string) ([]pattern, error) {
	patterns := make([]pattern, 0, len(texts))
	for _, text := range texts {
		p, err := compilePattern(text)
		if err != nil {
			return nil, fmt.Errorf("read path pattern %q: %w", text, err)
		}
		patterns = append(patterns, p)
	}
	return patterns, nil
}

func compilePattern(text string) (pattern, error) {
	if !strings.HasPrefix(text, "/") {
		return pattern{}, fmt.Errorf("no leading slash (for example /users/{id})")
	}
	if len(text) > maxTemplate {
		return pattern{}, fmt.Errorf("longer than %d bytes", maxTemplate)
	}
	if i := strings.IndexFunc(text, func(r rune) bool { return r <= ' ' || r >= 0x7f }); i >= 0 {
		return pattern{}, fmt.Errorf("byte %d is not printable ASCII (percent-encode it)", i)
	}
	p := pattern{text: text, segments: strings.Split(text[1:], "/")}
	last := len(p.segments) - 1
	if p.segments[last] == "**" {
		p.rest = true
		p.segments = p.segments[:last]
	}
	for _, s := range p.segments {
		if strings.Contains(s, "**") {
			return pattern{}, fmt.Errorf("** must be the last segment (* matches within one)")
		}
		if strings.ContainsAny(s, "{}") && !isPlaceholder(s) {
			return pattern{}, fmt.Errorf("segment %q mixes a placeholder with text (use *)", s)
		}
	}
	return p, nil
}

func isPlaceholder(s string) bool {
	return len(s) > 2 && s[0] == '{' && s[len(s)-1] == '}' && !strings.ContainsAny(s[1:len(s)-1], "{}")
}

// match tells whether a normalised path (leading slash, no query) fits.
func (p *pattern) match(path []byte) bool {
	rest, more := path[1:], true
	for _, want := range p.segments {
		if !more {
			return false
		}
		var segment []byte
		segment, rest, more = bytes.Cut(rest, slash)
		switch {
		case isPlaceholder(want):
			if len(segment) == 0 {
				return false
			}
		case !globMatch(want, segment):
			return false
		}
	}
	return !more || p.rest
}
