package report

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"gortap/internal/insight"
	"gortap/internal/wording"
)

// list is one of the lists of a view.
type list struct {
	key   string // its name in the JSON
	title string
	what  string // the head of its first column
	rows  []insight.Row
	name  func(*insight.Row) string
	// where is a second part of the name, that may be cut first.
	where func(*insight.Row) string
}

func (r *Report) lists() []list {
	v := &r.View
	return []list{
		{"endpoints", "Endpoints", "endpoint", v.Endpoints, endpointName, func(e *insight.Row) string { return "  " + wording.Printable(e.Service) }},
		{"clients", "Clients", "client", v.Clients, func(e *insight.Row) string { return wording.Printable(e.Client) }, nil},
		{"services", "Services", "service", v.Services, func(e *insight.Row) string { return wording.Printable(e.Service) }, nil},
		{"pairs", "Pairs", "client and service", v.Pairs, func(e *insight.Row) string { return wording.Printable(e.Client) }, func(e *insight.Row) string {
			return " -> " + wording.Printable(e.Service)
		}},
		{"networks", "Networks", "network", v.Networks, func(e *insight.Row) string { return wording.Printable(e.Client) }, nil},
		{"statuses", "Statuses", "status", v.Statuses, func(e *insight.Row) string { return statusName(e.Status) }, nil},
	}
}

// spread is a quantile, which is not kept for every list.
func spread(r *insight.Row, v int64, write func(float64) string) string {
	if !hasSpread(*r) {
		return "-"
	}
	return write(float64(v))
}

func hasSpread(r insight.Row) bool { return r.SizeP99 != 0 || r.DurationP99 != 0 }

// fullName is the name of a row in all its parts.
func (l *list) fullName(r *insight.Row) string {
	if l.where == nil {
		return l.name(r)
	}
	return l.name(r) + l.where(r)
}

// fit cuts the name of a row to a width, each part so that the other keeps some room.
func (l *list) fit(r *insight.Row, width int) string {
	name := l.name(r)
	if l.where == nil {
		return wording.Shorten(name, width)
	}
	where := l.where(r)
	room := max(width*2/3, width-utf8.RuneCountInString(where))
	name = wording.Shorten(name, room)
	return name + wording.Shorten(where, width-utf8.RuneCountInString(name))
}

func statusName(status int) string {
	if status == 0 {
		return "none seen"
	}
	return strconv.Itoa(status)
}

// textColumn is one of numbers, after the name.
type textColumn struct {
	head  string
	width int
	text  func(*insight.Row) string
}

// spreadColumns is how many columns come before those of quantiles.
const spreadColumns = 4

func textColumns() []textColumn {
	return []textColumn{
		{"share", 7, func(r *insight.Row) string { return wording.Percent(r.Share) }},
		{"bytes", 8, func(r *insight.Row) string { return wording.Bytes(bytesOf(r)) }},
		{"requests", 9, func(r *insight.Row) string { return wording.Count(float64(r.Requests)) }},
		{"errors", 7, func(r *insight.Row) string { return wording.Count(float64(r.Errors)) }},
		{"size p50", 9, func(r *insight.Row) string { return spread(r, r.SizeP50, wording.Bytes) }},
		{"p99", 8, func(r *insight.Row) string { return spread(r, r.SizeP99, wording.Bytes) }},
		{"time p99", 9, func(r *insight.Row) string { return spread(r, r.DurationP99, wording.Latency) }},
	}
}

// tables writes the lists. On a narrow terminal the last columns go, and those that
// nothing is known for.
func (t *textWriter) tables() {
	for _, l := range t.r.lists() {
		if len(l.rows) == 0 || l.key == "networks" && len(l.rows) == len(t.r.View.Clients) {
			continue
		}
		cols := textColumns()
		if !slices.ContainsFunc(l.rows, hasSpread) {
			cols = cols[:spreadColumns]
		}
		width := func() int {
			n := t.o.Width - 2
			for _, c := range cols {
				n -= c.width + 1
			}
			return n
		}
		for width() < 28 && len(cols) > 2 {
			cols = cols[:len(cols)-1]
		}
		t.table(l, cols, width())
	}
}

func (t *textWriter) table(l list, cols []textColumn, width int) {
	head := pad(l.what, width)
	for _, c := range cols {
		head += fmt.Sprintf(" %*s", c.width, c.head)
	}
	t.line("\n%s\n  %s", t.paint(bold, l.title), t.paint(dim, head))
	for i := range l.rows {
		if i == textRows {
			break
		}
		line := pad(l.fit(&l.rows[i], width), width)
		for _, c := range cols {
			text := c.text(&l.rows[i])
			line += " " + strings.Repeat(" ", max(c.width-utf8.RuneCountInString(text), 0)) + text
		}
		t.line("  %s", line)
	}
	if n := len(l.rows) - textRows + t.r.View.More[l.key]; n > 0 && len(l.rows) >= textRows {
		t.line("  %s", t.paint(dim, fmt.Sprintf("and %d more", n)))
	}
}

func pad(s string, width int) string {
	return s + strings.Repeat(" ", max(width-utf8.RuneCountInString(s), 0))
}
