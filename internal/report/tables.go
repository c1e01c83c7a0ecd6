package report

import (
	"fmt"
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
}

func (r *Report) lists() []list {
	v := &r.View
	return []list{
		{"endpoints", "Endpoints", "endpoint", v.Endpoints, func(e *insight.Row) string {
			return endpointName(e) + "  " + wording.Printable(e.Service)
		}},
		{"clients", "Clients", "client", v.Clients, func(e *insight.Row) string { return wording.Printable(e.Client) }},
		{"services", "Services", "service", v.Services, func(e *insight.Row) string { return wording.Printable(e.Service) }},
		{"pairs", "Pairs", "client and service", v.Pairs, func(e *insight.Row) string {
			return wording.Printable(e.Client) + " -> " + wording.Printable(e.Service)
		}},
		{"networks", "Networks", "network", v.Networks, func(e *insight.Row) string { return wording.Printable(e.Client) }},
		{"statuses", "Statuses", "status", v.Statuses, func(e *insight.Row) string { return statusName(e.Status) }},
	}
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

func textColumns() []textColumn {
	return []textColumn{
		{"share", 7, func(r *insight.Row) string { return wording.Percent(r.Share) }},
		{"bytes", 8, func(r *insight.Row) string { return wording.Bytes(bytesOf(r)) }},
		{"requests", 9, func(r *insight.Row) string { return wording.Count(float64(r.Requests)) }},
		{"errors", 7, func(r *insight.Row) string { return wording.Count(float64(r.Errors)) }},
		{"size p50", 9, func(r *insight.Row) string { return wording.Bytes(float64(r.SizeP50)) }},
		{"p99", 8, func(r *insight.Row) string { return wording.Bytes(float64(r.SizeP99)) }},
		{"time p99", 9, func(r *insight.Row) string { return wording.Latency(float64(r.DurationP99)) }},
	}
}

// tables writes the lists. On a narrow terminal the last columns go.
func (t *textWriter) tables() {
	cols := textColumns()
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
	for _, l := range t.r.lists() {
		if len(l.rows) == 0 || l.key == "networks" && len(l.rows) == len(t.r.View.Clients) {
			continue
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
		line := pad(wording.Shorten(l.name(&l.rows[i]), width), width)
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
