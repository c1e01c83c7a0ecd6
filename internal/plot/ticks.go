package plot

import "math"

// Scale returns an axis that shows the values from low to high with about five
// ticks at round numbers; a logarithmic one where they span more than a factor of
// 30 and are all above 0.
func Scale(low, high float64, label func(float64) string) Axis {
	if !(high > low) {
		low, high = low-math.Abs(low)/2, high+math.Abs(high)/2
		if !(high > low) {
			low, high = 0, 1
		}
	}
	if low > 0 && high > 30*low {
		return logScale(low, high, label)
	}
	if low > 0 && low < high/2 {
		low = 0
	}
	step := roundStep((high - low) / 4)
	a := Axis{Min: math.Floor(low/step) * step, Max: math.Ceil(high/step) * step}
	for n := 0; ; n++ {
		v := a.Min + float64(n)*step
		if v > a.Max+step/2 {
			return a
		}
		a.Ticks = append(a.Ticks, Tick{v, label(v)})
	}
}

// roundStep returns the least of 1, 2 and 5 times a power of ten that is not below
// v.
func roundStep(v float64) float64 {
	power := math.Pow(10, math.Floor(math.Log10(v)))
	for _, m := range []float64{1, 2, 5} {
		if m*power >= v*(1-1e-9) {
			return m * power
		}
	}
	return 10 * power
}

func logScale(low, high float64, label func(float64) string) Axis {
	a := Axis{Min: low, Max: high, Log: true}
	steps := []float64{1, 2, 5}
	if high > 1000*low {
		steps = steps[:1]
	}
	for power := math.Pow(10, math.Floor(math.Log10(low))); power <= high; power *= 10 {
		for _, m := range steps {
			if v := m * power; v >= low*0.999 && v <= high*1.001 {
				a.Ticks = append(a.Ticks, Tick{v, label(v)})
			}
		}
	}
	return a
}

// Tail returns where a quantile lies on an axis that gives each nine the same
// room: 0 for the least, 1 for the 90th percentile, 2 for the 99th.
func Tail(q float64) float64 { return -math.Log10(max(1-q, 1e-9)) }
