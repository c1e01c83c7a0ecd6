package gauge

import (
	"fmt"
	"math"
	"slices"
)

// Spread is a figure over its rounds.
type Spread struct {
	Median float64 `json:"median"`
	Min    float64 `json:"min"`
	Max    float64 `json:"max"`
	Rounds int     `json:"rounds"`
}

// SpreadOf sums values up; nil where there are none. Of an even number the median is
// the mean of the two in the middle. Values that are no numbers do not count.
func SpreadOf(values []float64) *Spread {
	v := slices.DeleteFunc(slices.Clone(values), func(f float64) bool { return math.IsNaN(f) || math.IsInf(f, 0) })
	if len(v) == 0 {
		return nil
	}
	slices.Sort(v)
	median := (v[(len(v)-1)/2] + v[len(v)/2]) / 2
	return &Spread{median, v[0], v[len(v)-1], len(v)}
}

// Text is the median, or a dash.
func (s *Spread) Text(format string) string {
	if s == nil {
		return "-"
	}
	return fmt.Sprintf(format, s.Median)
}

// Range is the median, with its smallest and largest value where there are several,
// or a dash.
func (s *Spread) Range(format string) string {
	if s == nil || s.Rounds == 1 {
		return s.Text(format)
	}
	return fmt.Sprintf(format+" ("+format+".."+format+")", s.Median, s.Min, s.Max)
}

// Worst is the median with the smallest value where that is another, for shares that
// ought to be 1.
func (s *Spread) Worst(format string) string {
	if s == nil || s.Min == s.Median {
		return s.Text(format)
	}
	return fmt.Sprintf(format+" (min "+format+")", s.Median, s.Min)
}

// Quantile returns the value below which the share q of the values is. It sorts
// them; of none it is not a number.
func Quantile(values []float64, q float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	slices.Sort(values)
	i := int(math.Ceil(q*float64(len(values)))) - 1
	return values[min(max(i, 0), len(values)-1)]
}
