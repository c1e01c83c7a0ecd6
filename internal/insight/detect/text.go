package detect

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// size shows bytes in decimal units, as networks are measured: "15 MB".
func size(n int64) string {
	units := []string{"bytes", "kB", "MB", "GB", "TB", "PB"}
	v, u := float64(n), 0
	for v >= 999.5 && u < len(units)-1 {
		v, u = v/1000, u+1
	}
	return round(v) + " " + units[u]
}

// round shows three digits at most where there is a fraction.
func round(v float64) string {
	switch {
	case v >= 9.95 || v == float64(int64(v)):
		return strconv.FormatFloat(v, 'f', 0, 64)
	case v >= 0.095:
		return strconv.FormatFloat(v, 'f', 1, 64)
	}
	return strconv.FormatFloat(v, 'g', 1, 64)
}

func percent(share float64) string {
	p := 100 * share
	if p < 0.95 {
		return round(p) + " %"
	}
	return strconv.FormatFloat(p, 'f', 0, 64) + " %"
}

// count groups thousands: "1,234".
func count(n int64) string {
	digits := strconv.FormatInt(n, 10)
	var b strings.Builder
	for i, d := range digits {
		if i > 0 && d != '-' && (len(digits)-i)%3 == 0 && digits[i-1] != '-' {
			b.WriteByte(',')
		}
		b.WriteRune(d)
	}
	return b.String()
}

// list is "a, b and c".
func list(names []string) string {
	switch len(names) {
	case 0:
		return ""
	case 1:
		return names[0]
	}
	return strings.Join(names[:len(names)-1], ", ") + " and " + names[len(names)-1]
}

// span shows a time: "4 min", "12 s".
func span(d time.Duration) string {
	switch {
	case d >= 2*time.Hour:
		return fmt.Sprintf("%.0f h", d.Hours())
	case d >= 2*time.Minute:
		return fmt.Sprintf("%.0f min", d.Minutes())
	case d >= time.Second:
		return fmt.Sprintf("%.0f s", d.Seconds())
	}
	return "less than a second"
}

func plural(n int64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return count(n) + " " + many
}

const secondNs = int64(time.Second)

func seconds(d time.Duration) int64 { return max(1, int64(d/time.Second)) }
