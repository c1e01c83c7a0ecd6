package api

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"gortap/internal/insight"
)

// The limits of parameters.
const (
	MaxRows   = 1000
	MaxPoints = 1000
	maxName   = 4096 // bytes
)

// Query is what parameters say.
type Query struct {
	insight.Query
	After uint64 // of exchanges: those with a larger Seq only
	// Lists are those of a View's lists and histograms to answer with, by their JSON
	// names; nil: all.
	Lists []string
}

// Lists returns the names that Query.Lists may have.
func Lists() []string {
	return []string{"services", "endpoints", "clients", "networks", "pairs", "statuses", "sizes", "durations"}
}

// Parse reads the parameters of a path. Relative times are before now. The error is one
// line for the user.
func Parse(path string, v url.Values, now time.Time) (q Query, err error) {
	parameters := parametersOf(path)
	for name, values := range v {
		parse, known := parameters[name]
		switch {
		case !known:
			return q, fmt.Errorf("%s: unknown parameter (known here: %s)", shown(name), names(parameters))
		case len(values) > 1:
			return q, fmt.Errorf("%s: given %d times", name, len(values))
		case values[0] == "":
			continue
		case len(values[0]) > maxName || !utf8.ValidString(values[0]):
			return q, fmt.Errorf("%s: want UTF-8 of at most %d bytes", name, maxName)
		}
		if err := parse(&q, values[0], now); err != nil {
			return q, fmt.Errorf("%s: %q: %w", name, values[0], err)
		}
	}
	if to := cmpNow(q.ToNs, now); q.FromNs >= to && q.FromNs != 0 {
		return q, fmt.Errorf("from, to: %s is not before %s", stamp(q.FromNs), stamp(to))
	}
	return q, nil
}

func cmpNow(toNs int64, now time.Time) int64 {
	if toNs == 0 {
		return now.UnixNano()
	}
	return toNs
}

type parameter func(q *Query, text string, now time.Time) error

// parametersOf is what a path takes.
func parametersOf(path string) map[string]parameter {
	selection := map[string]parameter{
		"from":    func(q *Query, s string, now time.Time) (err error) { q.FromNs, err = instant(s, now); return err },
		"to":      func(q *Query, s string, now time.Time) (err error) { q.ToNs, err = instant(s, now); return err },
		"service": func(q *Query, s string, _ time.Time) error { q.Service = s; return nil },
		"method":  func(q *Query, s string, _ time.Time) error { q.Method = s; return nil },
		"path":    func(q *Query, s string, _ time.Time) error { q.Path = s; return nil },
		"client":  func(q *Query, s string, _ time.Time) error { q.Client = s; return nil },
		"search":  func(q *Query, s string, _ time.Time) error { q.Search = s; return nil },
		"rows":    func(q *Query, s string, _ time.Time) (err error) { q.Rows, err = number(s, MaxRows); return err },
	}
	switch path {
	case ViewPath:
		selection["points"] = func(q *Query, s string, _ time.Time) (err error) { q.Points, err = number(s, MaxPoints); return err }
		selection["lists"] = func(q *Query, s string, _ time.Time) (err error) { q.Lists, err = lists(s); return err }
		return selection
	case ExchangesPath:
		selection["after"] = func(q *Query, s string, _ time.Time) (err error) {
			if q.After, err = strconv.ParseUint(s, 10, 64); err != nil {
				return fmt.Errorf("want the seq of an exchange, a whole number")
			}
			return nil
		}
		return selection
	}
	return nil
}

func names(parameters map[string]parameter) string {
	if len(parameters) == 0 {
		return "none"
	}
	var all []string
	for name := range parameters {
		all = append(all, name)
	}
	slices.Sort(all)
	return strings.Join(all, ", ")
}

// shown keeps what a user typed from filling the line.
func shown(name string) string {
	if len(name) > 40 {
		name = name[:40]
	}
	return strconv.Quote(name)
}

func number(text string, limit int) (int, error) {
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > limit {
		return 0, fmt.Errorf("want a whole number from 1 to %d", limit)
	}
	return n, nil
}

func lists(text string) ([]string, error) {
	var chosen []string
	for name := range strings.SplitSeq(text, ",") {
		if !slices.Contains(Lists(), name) && name != "none" {
			return nil, fmt.Errorf("want some of %s with commas between them, or none", strings.Join(Lists(), ", "))
		}
		chosen = append(chosen, name)
	}
	return chosen, nil
}

// instant reads an RFC 3339 time, or a duration before now: "-15m", "-7d".
func instant(text string, now time.Time) (int64, error) {
	if ago, relative := strings.CutPrefix(text, "-"); relative {
		d, err := ParseDuration(ago)
		if err != nil || d > time.Duration(now.UnixNano()) {
			return 0, errInstant()
		}
		return now.Add(-d).UnixNano(), nil
	}
	// A form decodes "+" to a space, which an offset is easily written with.
	t, err := time.Parse(time.RFC3339Nano, strings.Replace(text, " ", "+", 1))
	if err != nil || t.Year() < 1971 || t.Year() > 2261 {
		return 0, errInstant()
	}
	return t.UnixNano(), nil
}

func errInstant() error {
	return fmt.Errorf("want RFC 3339 like 2026-01-31T12:00:00Z, or a time before now like -90s, -15m, -24h, -7d")
}

// ParseDuration reads what time.ParseDuration does, and days: "7d", not negative.
func ParseDuration(text string) (time.Duration, error) {
	if days, ok := strings.CutSuffix(text, "d"); ok {
		n, err := strconv.ParseUint(days, 10, 16)
		if err != nil {
			return 0, fmt.Errorf("read duration %q: want a number of days", text)
		}
		return time.Duration(n) * 24 * time.Hour, nil
	}
	d, err := time.ParseDuration(text)
	if err == nil && d < 0 {
		return 0, fmt.Errorf("read duration %q: negative", text)
	}
	return d, err
}

func stamp(ns int64) string { return time.Unix(0, ns).UTC().Format(time.RFC3339Nano) }

// Values are the parameters that Parse reads a query from.
func (q Query) Values() url.Values {
	v := url.Values{}
	set := func(name, value string, is bool) {
		if is {
			v.Set(name, value)
		}
	}
	set("from", stamp(q.FromNs), q.FromNs != 0)
	set("to", stamp(q.ToNs), q.ToNs != 0)
	set("service", q.Service, q.Service != "")
	set("method", q.Method, q.Method != "")
	set("path", q.Path, q.Path != "")
	set("client", q.Client, q.Client != "")
	set("search", q.Search, q.Search != "")
	set("rows", strconv.Itoa(q.Rows), q.Rows != 0)
	set("points", strconv.Itoa(q.Points), q.Points != 0)
	set("after", strconv.FormatUint(q.After, 10), q.After != 0)
	set("lists", strings.Join(q.Lists, ","), q.Lists != nil)
	return v
}

// Trim leaves out of a View what Lists does not name.
func (q Query) Trim(v *insight.View) {
	if q.Lists == nil {
		return
	}
	for name, list := range map[string]*[]insight.Row{
		"services": &v.Services, "endpoints": &v.Endpoints, "clients": &v.Clients,
		"networks": &v.Networks, "pairs": &v.Pairs, "statuses": &v.Statuses,
	} {
		if !slices.Contains(q.Lists, name) {
			*list = nil
		}
	}
	for name, bins := range map[string]*[]insight.Bin{"sizes": &v.Sizes, "durations": &v.Durations} {
		if !slices.Contains(q.Lists, name) {
			*bins = nil
		}
	}
}
