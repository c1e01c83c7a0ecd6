package output

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"gortap/internal/account"
	"gortap/internal/proto"
)

// Table turns snapshots into text for people: who uses how much. It is a pure
// function of its fields and the snapshot.
type Table struct {
	Width  int  // columns of the terminal; 0 for no limit
	Height int  // lines of the terminal; 0 for no limit
	Colour bool // ANSI colours
	// Sums shows requests and bytes instead of their rates, for the end of a run.
	Sums bool
}

// The escape sequences of ECMA-48 that the table uses.
const (
	toTop      = "\x1b[H"
	toLineEnd  = "\x1b[K" // clears the rest of the line
	toEnd      = "\x1b[J" // clears the rest of the screen
	boldText   = "\x1b[1m"
	dimText    = "\x1b[2m"
	yellowText = "\x1b[33m"
	plainText  = "\x1b[0m"

	// EnterScreen shows an empty screen without cursor, LeaveScreen what was
	// there before.
	EnterScreen = "\x1b[?1049h\x1b[?25l"
	LeaveScreen = "\x1b[?25h\x1b[?1049l"
)

// column is one of numbers; the endpoint comes before all of them.
type column struct {
	rate, sum string // heads
	width     int
	// keep is how long the column is kept on a terminal that is too narrow: the
	// lowest goes first.
	keep int
	text func(r *account.Row, sums bool) string
}

func columns() []column {
	return []column{
		{"req/s", "requests", 8, 6, func(r *account.Row, sums bool) string {
			return countText(choose(sums, float64(r.Requests), r.RequestRate))
		}},
		{"request", "request", 11, 4, func(r *account.Row, sums bool) string { return sideText(r, proto.Client, sums) }},
		{"response", "response", 11, 7, func(r *account.Row, sums bool) string { return sideText(r, proto.Server, sums) }},
		{"share", "share", 7, 5, func(r *account.Row, _ bool) string { return shareText(r.Share) }},
		{"p50", "p50", 7, 2, func(r *account.Row, _ bool) string { return durationText(r.P50) }},
		{"p99", "p99", 7, 3, func(r *account.Row, _ bool) string { return durationText(r.P99) }},
	}
}

func choose(sums bool, sum, rate float64) float64 {
	if sums {
		return sum
	}
	return rate
}

func sideText(r *account.Row, side proto.Side, sums bool) string {
	if sums {
		return bytesText(float64(r.Bytes[side]))
	}
	return bytesText(r.ByteRate[side]) + "/s"
}

const (
	minEndpoint = 20 // columns of the endpoint before a number gives way
	maxEndpoint = 100
	gap         = 2
)

// Text returns the table as lines.
func (t Table) Text(s account.Snapshot) string {
	return strings.Join(t.lines(s), "\n") + "\n"
}

// Frame returns the table as a frame of a live view: it goes over what the
// frame before it drew, without clearing first, which would flicker.
func (t Table) Frame(s account.Snapshot) string {
	return toTop + strings.Join(t.lines(s), toLineEnd+"\n") + toLineEnd + toEnd
}

func (t Table) lines(s account.Snapshot) []string {
	rows := s.Rows
	hidden := 0
	if room := max(t.Height-4, 1); t.Height > 0 && len(rows) > room {
		hidden = len(rows) - room
		rows = rows[:room]
	}
	width, cols := t.layout(rows)
	lines := []string{
		t.colour(boldText, t.cut(t.headline(s))),
		t.line(boldText, width, cols, "endpoint", func(c column) string { return pick(t.Sums, c.sum, c.rate) }),
	}
	for i := range rows {
		r := &rows[i]
		lines = append(lines, t.line(rowColour(r), width, cols, endpointText(r), func(c column) string { return c.text(r, t.Sums) }))
	}
	total := "total"
	if hidden > 0 {
		total = fmt.Sprintf("total, with %d more endpoints", hidden)
	}
	return append(lines, t.line(boldText, width, cols, total, func(c column) string { return c.text(&s.Total, t.Sums) }))
}

func pick(sums bool, sum, rate string) string {
	if sums {
		return sum
	}
	return rate
}

func (t Table) headline(s account.Snapshot) string {
	over := s.Over.Round(100 * time.Millisecond)
	if t.Sums {
		all := float64(s.Total.Bytes[proto.Client] + s.Total.Bytes[proto.Server])
		return fmt.Sprintf("%s requests and %s in %s", countText(float64(s.Total.Requests)), bytesText(all), over)
	}
	return fmt.Sprintf("%s requests/s, %s/s over the last %s",
		countText(s.Total.RequestRate), bytesText(s.Total.ByteRate[proto.Client]+s.Total.ByteRate[proto.Server]), over)
}

// layout returns the width of the endpoints and the columns that fit.
func (t Table) layout(rows []account.Row) (width int, cols []column) {
	cols = columns()
	longest := minEndpoint
	for i := range rows {
		longest = max(longest, len(endpointText(&rows[i])))
	}
	longest = min(longest, maxEndpoint)
	if t.Width <= 0 {
		return longest, cols
	}
	for {
		room := t.Width
		for _, c := range cols {
			room -= c.width + gap
		}
		if room >= minEndpoint || len(cols) == 0 {
			return max(min(room, longest), 1), cols
		}
		least := slices.MinFunc(cols, func(x, y column) int { return x.keep - y.keep })
		cols = slices.DeleteFunc(cols, func(c column) bool { return c.keep == least.keep })
	}
}

func (t Table) line(colour string, width int, cols []column, endpoint string, text func(column) string) string {
	var b strings.Builder
	b.WriteString(shorten(endpoint, width))
	b.WriteString(strings.Repeat(" ", width-utf8.RuneCountInString(shorten(endpoint, width))))
	for _, c := range cols {
		fmt.Fprintf(&b, "%*s", c.width+gap, text(c))
	}
	return t.colour(colour, strings.TrimRight(b.String(), " "))
}

// endpointText is "service METHOD path", or "service (reason)".
func endpointText(r *account.Row) string {
	if r.Method == "" {
		return r.Service + " " + r.Path
	}
	return r.Service + " " + r.Method + " " + r.Path
}

// rowColour sets apart what is no message, and what is lost.
func rowColour(r *account.Row) string {
	switch {
	case r.Method == "" && r.Path == "("+proto.Lost.String()+")":
		return yellowText
	case r.Method == "":
		return dimText
	}
	return ""
}

// shorten cuts a text in its middle: both the service and the end of the path
// tell endpoints apart. Labels are ASCII.
func shorten(s string, width int) string {
	if len(s) <= width {
		return s
	}
	if width < 3 {
		return s[:width]
	}
	head := (width - 1) / 2
	return s[:head] + "…" + s[len(s)-(width-1-head):]
}

func (t Table) cut(s string) string {
	if t.Width > 0 {
		return s[:min(len(s), t.Width)]
	}
	return s
}

func (t Table) colour(sequence, s string) string {
	if !t.Colour || sequence == "" {
		return s
	}
	return sequence + s + plainText
}
