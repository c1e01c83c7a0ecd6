package detect

import "math"

// linearCount estimates how many keys set so many of 1024 bits (linear counting).
func linearCount(set int) int {
	const n = 1024
	if set >= n {
		return 8 * n // more than can be told
	}
	return int(math.Round(-n * math.Log(1-float64(set)/n)))
}
