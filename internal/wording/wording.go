// Package wording writes figures and names for people: the same number looks the same
// in the terminal view, in the report and in its page. Figures have three digits, which
// is what one compares at a glance. Names come from traffic: Printable makes them safe
// to show on a terminal.
package wording

import (
	"math"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// Bytes is "512 B", "1.20 kB", "34.5 MB".
func Bytes(v float64) string { return scaled(v, " ", 1, "B", "kB", "MB", "GB", "TB", "PB") }

// Rate is bytes a second: "1.20 MB/s".
func Rate(v float64) string { return Bytes(v) + "/s" }

// Count is "12", "1.20k", "34.5M".
func Count(v float64) string { return scaled(v, "", 1, "", "k", "M", "G", "T", "P") }

// PerSecond is a rate of things, with digits where it is small: "0.25", "3.1", "120".
func PerSecond(v float64) string {
	switch {
	case v > 0 && v < 0.01:
		return "<0.01"
	case v > 0 && v < 1:
		return strconv.FormatFloat(v, 'f', 2, 64)
	case v > 0 && v < 10:
		return strconv.FormatFloat(v, 'f', 1, 64)
	}
	return Count(v)
}

// scaled divides by 1000 until there are at most three digits before the point. Whole
// is how many units at the start take no digits behind it.
func scaled(v float64, space string, whole int, units ...string) string {
	if v < 0 {
		return "-" + scaled(-v, space, whole, units...)
	}
	unit := 0
	for v >= 999.5 && unit < len(units)-1 {
		v /= 1000
		unit++
	}
	return digits(v, unit < whole) + space + units[unit]
}

func digits(v float64, whole bool) string {
	switch {
	case whole || v >= 99.95:
		return strconv.FormatFloat(v, 'f', 0, 64)
	case v >= 9.995:
		return strconv.FormatFloat(v, 'f', 1, 64)
	}
	return strconv.FormatFloat(v, 'f', 2, 64)
}

// Grouped is a whole number with thin spaces between its thousands: "1 234 567".
func Grouped(n uint64) string {
	s := strconv.FormatUint(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "\u202f" + s[i:]
	}
	return s
}

// Percent is a share of 1 with as many digits as say something: "100 %", "78 %",
// "3.4 %", "<0.1 %".
func Percent(share float64) string {
	v := 100 * share
	switch {
	case v == 0:
		return "0 %"
	case v < 0.1:
		return "<0.1 %"
	case v < 9.95:
		return strconv.FormatFloat(v, 'f', 1, 64) + " %"
	case v > 99.5 && v < 100:
		return ">99 %"
	}
	return strconv.FormatFloat(v, 'f', 0, 64) + " %"
}

// Latency is nanoseconds with three digits: "850us", "1.24ms", "75.0s"; "-" where it is
// not known.
func Latency(ns float64) string {
	if ns < 0 {
		return "-"
	}
	us := ns / 1e3
	switch {
	case us < 999.5:
		return digits(us, true) + "us"
	case us < 999_500:
		return digits(us/1e3, false) + "ms"
	case us < 999.5e6:
		return digits(us/1e6, false) + "s"
	}
	return strconv.FormatFloat(us/1e6, 'f', 0, 64) + "s"
}

// Span is how long something took, for sentences: "45 s", "12 min", "3 h 20 min".
func Span(d time.Duration) string {
	switch {
	case d < time.Second:
		return strconv.FormatInt(d.Milliseconds(), 10) + " ms"
	case d < 10*time.Second:
		return strconv.FormatFloat(math.Floor(d.Seconds()*10)/10, 'f', -1, 64) + " s"
	case d < 2*time.Minute:
		return strconv.Itoa(int(d.Seconds())) + " s"
	case d < 2*time.Hour:
		return strconv.Itoa(int(d.Minutes())) + " min"
	case d < 48*time.Hour:
		h, m := int(d.Hours()), int(d.Minutes())%60
		if m == 0 {
			return strconv.Itoa(h) + " h"
		}
		return strconv.Itoa(h) + " h " + strconv.Itoa(m) + " min"
	}
	return strconv.Itoa(int(d.Hours()/24)) + " days"
}

// Plural is "1 client", "3 clients".
func Plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.Itoa(n) + " " + many
}

// List is "a", "a and b", "a, b and c"; of more than most, "a, b and 3 more".
func List(names []string, most int) string {
	if n := len(names) - most; n > 0 {
		return strings.Join(names[:most], ", ") + " and " + strconv.Itoa(n) + " more"
	}
	switch n := len(names); n {
	case 0:
		return ""
	case 1:
		return names[0]
	default:
		return strings.Join(names[:n-1], ", ") + " and " + names[n-1]
	}
}

// Printable escapes what would not show, or would do something to a terminal.
func Printable(s string) string {
	for _, c := range s {
		if !unicode.IsPrint(c) {
			quoted := strconv.QuoteToGraphic(s)
			return strings.ReplaceAll(quoted[1:len(quoted)-1], `\"`, `"`)
		}
	}
	return s
}

// Shorten cuts the middle out of a text of more than n characters, for both ends tell
// more.
func Shorten(s string, n int) string {
	r := []rune(s)
	switch {
	case len(r) <= n:
		return s
	case n <= 0:
		return ""
	}
	return string(r[:n/2]) + "…" + string(r[len(r)-(n-n/2-1):])
}

// Wrap breaks a text at its spaces into lines of at most width characters, but not
// between a number and its unit. A word that is longer has a line of its own.
func Wrap(s string, width int) []string {
	var words []string
	for _, word := range strings.FieldsFunc(s, func(c rune) bool { return c == ' ' || c == '\n' }) {
		if n := len(words); n > 0 && isUnit(word) {
			words[n-1] += " " + word
		} else {
			words = append(words, word)
		}
	}
	var lines []string
	line, length := "", 0
	for _, word := range words {
		n := len([]rune(word))
		if length > 0 && length+1+n > width {
			lines = append(lines, line)
			line, length = "", 0
		}
		if length > 0 {
			line, length = line+" ", length+1
		}
		line, length = line+word, length+n
	}
	if length > 0 {
		lines = append(lines, line)
	}
	return lines
}

func isUnit(word string) bool {
	switch strings.TrimRight(word, ".,;:)") {
	case "%", "B", "kB", "MB", "GB", "TB", "B/s", "kB/s", "MB/s", "GB/s":
		return true
	}
	return false
}

// Spark draws a series as a line of blocks of so many characters, each as high as the
// largest of its values.
func Spark(values []float64, width int) string {
	const blocks = " ▁▂▃▄▅▆▇█"
	levels := []rune(blocks)
	if len(values) == 0 || width < 1 {
		return ""
	}
	most := 0.0
	for _, v := range values {
		most = max(most, v)
	}
	out := make([]rune, min(width, len(values)))
	for i := range out {
		v := 0.0
		for _, x := range values[i*len(values)/len(out) : (i+1)*len(values)/len(out)] {
			v = max(v, x)
		}
		out[i] = levels[0]
		if v > 0 {
			out[i] = levels[min(1+int(v/most*7.999), 8)]
		}
	}
	return string(out)
}
