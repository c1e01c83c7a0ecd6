package process

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
)

// The parsers of this file read what a user writes behind a flag. Their forms are
// those of GoReplay.

// parseNamed splits "Name: text".
func parseNamed(spec string) (name, text string, err error) {
	name, text, found := strings.Cut(spec, ":")
	name, text = strings.TrimSpace(name), strings.TrimSpace(text)
	if !found || name == "" {
		return "", "", errors.New("want 'Name: value'")
	}
	if strings.ContainsAny(name, " \t\r\n") || strings.ContainsAny(text, "\r\n") {
		return "", "", errors.New("white space in the name, or a line end")
	}
	return name, text, nil
}

// fieldPattern is a regular expression for the values of a header field.
type fieldPattern struct {
	name string
	re   *regexp.Regexp
}

func parseFieldPattern(spec string) (fieldPattern, error) {
	name, text, err := parseNamed(spec)
	if err != nil {
		return fieldPattern{}, err
	}
	re, err := regexp.Compile(text)
	return fieldPattern{name, re}, err
}

// share is a limiter: the part of a name's values that is let through.
type share struct {
	name    string
	percent float64
}

func parseShare(spec string) (share, error) {
	name, text, err := parseNamed(spec)
	if err != nil {
		return share{}, err
	}
	var percent float64
	if digits, ok := strings.CutSuffix(text, "%"); ok {
		percent, err = strconv.ParseFloat(digits, 64)
	} else if num, den, ok := strings.Cut(text, "/"); ok { // an old form of GoReplay's
		var n, d uint64
		n, err = strconv.ParseUint(num, 10, 32)
		if err == nil {
			d, err = strconv.ParseUint(den, 10, 32)
		}
		percent = math.Floor(float64(n) / float64(d) * 100)
	} else {
		err = errors.New("no percent sign")
	}
	if err != nil || !(percent >= 0 && percent <= 100) {
		return share{}, errors.New("want a share of 0 to 100 % as in 'user_id: 25%'")
	}
	return share{name, percent}, nil
}

// lets says whether a value is in the share: always the same, and GoReplay takes
// the same values where the percent are whole.
func (s share) lets(value []byte) bool {
	h := uint32(2166136261) // FNV-1a
	for _, c := range value {
		h = (h ^ uint32(c)) * 16777619
	}
	return float64(h%100)+float64(h/100%1000)/1000 < s.percent
}

// pair is a name and its new value.
type pair struct{ name, value string }

func parseHeader(spec string) (pair, error) {
	name, value, err := parseNamed(spec)
	return pair{name, value}, err
}

func parseParam(spec string) (pair, error) {
	name, value, found := strings.Cut(spec, "=")
	name, value = strings.TrimSpace(name), strings.TrimSpace(value)
	if !found || name == "" || strings.ContainsAny(name+value, " \t\r\n&#") {
		return pair{}, errors.New("want 'name=value' as it stands in a URL")
	}
	return pair{name, value}, nil
}

// rewrite replaces what matches. $1 stands for the first group.
type rewrite struct {
	name string // of a header field
	re   *regexp.Regexp
	to   []byte
}

// parseRewrite splits "REGEXP:REPLACEMENT" at the first separator that has a
// valid regular expression before it, so that (?i) and (?:...) need no escape.
func parseRewrite(spec, separator string) (rewrite, error) {
	first := errors.New("want 'REGEXP" + separator + "REPLACEMENT'")
	for at := 0; ; at++ {
		i := strings.Index(spec[at:], separator)
		if i < 0 {
			return rewrite{}, first
		}
		at += i
		re, err := regexp.Compile(spec[:at])
		if err == nil && at > 0 {
			return rewrite{re: re, to: []byte(spec[at+1:])}, nil
		}
		if err != nil {
			first = err
		}
	}
}

func parseURLRewrite(spec string) (rewrite, error) {
	r, err := parseRewrite(spec, ":")
	if err == nil && strings.ContainsAny(string(r.to), " \t\r\n") {
		err = errors.New("white space in the replacement (write it as %20)")
	}
	return r, err
}

func parseBodyRewrite(spec string) (rewrite, error) { return parseRewrite(spec, ":") }

func parseHeaderRewrite(spec string) (rewrite, error) {
	name, text, err := parseNamed(spec)
	if err != nil {
		return rewrite{}, errors.New("want 'Name: REGEXP,REPLACEMENT'")
	}
	r, err := parseRewrite(text, ",")
	r.name = name
	return r, err
}

func parseMethod(spec string) (string, error) {
	if spec == "" || strings.ContainsAny(spec, " \t\r\n,:/") {
		return "", errors.New("want one method as in GET (give the flag again for more)")
	}
	return spec, nil
}

// parseAll reads all that was given for one flag.
func parseAll[T any](flag string, specs []string, parse func(string) (T, error)) ([]T, error) {
	var all []T
	for _, s := range specs {
		v, err := parse(s)
		if err != nil {
			return nil, fmt.Errorf("parse --%s %q: %w", flag, s, err)
		}
		all = append(all, v)
	}
	return all, nil
}
