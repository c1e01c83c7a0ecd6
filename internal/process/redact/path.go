package redact

import (
	"errors"
	"strconv"
	"strings"
)

// path names places in a JSON text.
type path []step

// step is a part of a path: a member's name, an index, or what stands for several.
type step struct {
	kind  stepKind
	name  string
	index int
}

type stepKind uint8

const (
	member    stepKind = iota // .name
	anyMember                 // .*
	element                   // [3]
	anyItem                   // [*]
	anyDepth                  // **, as many steps as there are, or none
)

// parsePath reads $.a.b, $.list[*].c, $.list[0], **.name, $.a.**.name and $..name.
func parsePath(text string) (path, error) {
	rest, p := text, path(nil)
	switch {
	case strings.HasPrefix(rest, "$"):
		rest = rest[1:]
	case strings.HasPrefix(rest, "**."):
		rest = "." + rest
	default:
		return nil, errors.New("want it to begin with '$' or '**.' as in $.user.password")
	}
	for rest != "" {
		var s step
		var err error
		if rest[0] == '[' {
			s, rest, err = parseIndex(rest)
		} else {
			s, rest, err = parseMember(rest)
		}
		if err != nil {
			return nil, err
		}
		p = append(p, s)
	}
	if len(p) == 0 || p[len(p)-1].kind == anyDepth {
		return nil, errors.New("it names no value")
	}
	return p, nil
}

func parseIndex(text string) (step, string, error) {
	inside, rest, found := strings.Cut(text[1:], "]")
	if inside == "*" && found {
		return step{kind: anyItem}, rest, nil
	}
	if n := len(inside); n > 2 && found && (inside[0] == '\'' || inside[0] == '"') && inside[n-1] == inside[0] {
		return step{kind: member, name: inside[1 : n-1]}, rest, nil
	}
	i, err := strconv.Atoi(inside)
	if !found || err != nil || i < 0 {
		return step{}, "", errors.New("want a number, '*' or a quoted name in brackets")
	}
	return step{kind: element, index: i}, rest, nil
}

func parseMember(text string) (step, string, error) {
	if text[0] != '.' {
		return step{}, "", errors.New("want '.' or '[' after a name")
	}
	text = text[1:]
	if strings.HasPrefix(text, ".") { // $..name
		return step{kind: anyDepth}, text, nil
	}
	end := strings.IndexAny(text, ".[")
	if end < 0 {
		end = len(text)
	}
	switch name, rest := text[:end], text[end:]; name {
	case "":
		return step{}, "", errors.New("a name is empty")
	case "*":
		return step{kind: anyMember}, rest, nil
	case "**":
		return step{kind: anyDepth}, rest, nil
	default:
		return step{kind: member, name: name}, rest, nil
	}
}

// matches says whether the way to a value is one that p names.
func (p path) matches(way []Place) bool {
	if len(p) == 0 {
		return len(way) == 0
	}
	if p[0].kind == anyDepth {
		for skip := 0; skip <= len(way); skip++ {
			if p[1:].matches(way[skip:]) {
				return true
			}
		}
		return false
	}
	return len(way) > 0 && p[0].takes(way[0]) && p[1:].matches(way[1:])
}

func (s step) takes(w Place) bool {
	switch s.kind {
	case member:
		return w.Name != nil && string(w.Name) == s.name
	case anyMember:
		return w.Name != nil
	case element:
		return w.Name == nil && w.Index == s.index
	default:
		return w.Name == nil
	}
}
