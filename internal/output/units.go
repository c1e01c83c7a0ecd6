package output

import (
	"strconv"
	"time"
)

// scaled writes v with three digits and a unit of its size: 950, 1.24k, 12.4M.
// space stands between the number and its unit.
func scaled(v float64, space string, units ...string) string {
	i := 0
	for v >= 999.5 && i < len(units)-1 {
		v /= 1000
		i++
	}
	decimals := 0
	switch {
	case v < 9.995 && (i > 0 || v != float64(int64(v))):
		decimals = 2
	case v < 99.95 && (i > 0 || v != float64(int64(v))):
		decimals = 1
	}
	return strconv.FormatFloat(v, 'f', decimals, 64) + space + units[i]
}

// bytesText is "1.24 MB", in powers of 1000.
func bytesText(v float64) string {
	return scaled(v, " ", "B", "kB", "MB", "GB", "TB", "PB")
}

// countText is "1.24M".
func countText(v float64) string {
	return scaled(v, "", "", "k", "M", "G", "T")
}

// shareText is "12.3 %".
func shareText(v float64) string { return strconv.FormatFloat(v*100, 'f', 1, 64) + " %" }

// durationText is "850us", "1.24ms" or "75.0s"; "-" for none.
func durationText(d time.Duration) string {
	if d <= 0 {
		return "-"
	}
	if d >= time.Second {
		return scaled(d.Seconds(), "", "s", "ks")
	}
	return scaled(float64(d)/float64(time.Microsecond), "", "us", "ms")
}
