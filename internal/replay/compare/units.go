package compare

import (
	"fmt"
	"math"
	"strconv"
)

// percent writes a share with as many digits as say something: 100 %, 12.3 %,
// 0.05 %.
func percent(share float64) string {
	v := 100 * share
	switch {
	case v == math.Trunc(v):
		return strconv.FormatFloat(v, 'f', 0, 64) + " %"
	case v < 0.01:
		return "<0.01 %"
	case v < 1:
		return strconv.FormatFloat(v, 'f', 2, 64) + " %"
	case v > 99.9:
		return ">99.9 %"
	}
	return strconv.FormatFloat(v, 'f', 1, 64) + " %"
}

// duration writes seconds with three digits: 850 us, 1.24 ms, 75.0 s.
func duration(s float64) string {
	unit := "us"
	switch v := s * 1e6; {
	case v >= 999_500:
		unit = "s"
	case v >= 999.5:
		unit, s = "ms", s*1e3
	default:
		s = v
	}
	digits := 0
	switch {
	case unit == "us":
	case s < 9.995:
		digits = 2
	case s < 99.95:
		digits = 1
	}
	return strconv.FormatFloat(s, 'f', digits, 64) + " " + unit
}

// change writes by how much a latency moved: "+20.1 ms".
func change(from, to float64) string {
	if to < from {
		return "-" + duration(from-to)
	}
	return "+" + duration(to-from)
}

// percentile writes a quantile: p50, p99.9.
func percentile(q float64) string {
	return "p" + strconv.FormatFloat(math.Round(1e6*q)/1e4, 'f', -1, 64)
}

func plural(n int, one, many string) string {
	if n == 1 {
		return fmt.Sprintf("%d %s", n, one)
	}
	return fmt.Sprintf("%d %s", n, many)
}
