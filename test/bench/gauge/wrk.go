package gauge

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Load is what a load generator says of its run.
type Load struct {
	Requests  float64
	PerSecond float64
	P99       time.Duration // 0: it does not tell
	// Failed are requests that got no good answer.
	Failed float64
}

var (
	wrkRequests = regexp.MustCompile(`(\d+) requests in`)
	wrkRate     = regexp.MustCompile(`Requests/sec:\s+([\d.]+)`)
	wrkP99      = regexp.MustCompile(`99%\s+([\d.]+)(us|ms|s)`)
	wrkStatus   = regexp.MustCompile(`Non-2xx or 3xx responses: (\d+)`)
	wrkSocket   = regexp.MustCompile(`Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)`)

	h2Rate     = regexp.MustCompile(`finished in [^,]+, ([\d.]+) req/s`)
	h2Requests = regexp.MustCompile(`requests: .*?(\d+) succeeded, (\d+) failed`)
)

// ParseWrk reads what wrk --latency printed.
func ParseWrk(out string) (Load, error) {
	l := Load{Requests: first(wrkRequests, out), PerSecond: first(wrkRate, out), Failed: first(wrkStatus, out)}
	if m := wrkP99.FindStringSubmatch(out); m != nil {
		l.P99, _ = time.ParseDuration(m[1] + m[2]) // the expression admits nothing else
	}
	for _, n := range wrkSocket.FindStringSubmatch(out) {
		if v, err := strconv.ParseFloat(n, 64); err == nil {
			l.Failed += v
		}
	}
	if l.Requests == 0 {
		return l, fmt.Errorf("read wrk's output: no requests in it: %s", strings.TrimSpace(out))
	}
	return l, nil
}

// ParseH2load reads what h2load printed.
func ParseH2load(out string) (Load, error) {
	l := Load{PerSecond: first(h2Rate, out)}
	if m := h2Requests.FindStringSubmatch(out); m != nil {
		l.Requests, _ = strconv.ParseFloat(m[1], 64) // digits
		l.Failed, _ = strconv.ParseFloat(m[2], 64)
	}
	if l.Requests == 0 {
		return l, fmt.Errorf("read h2load's output: no requests in it: %s", strings.TrimSpace(out))
	}
	return l, nil
}

// H2loadP99 is the 99th percentile of the answers in a log of h2load: start in us,
// status, time in us.
func H2loadP99(log string) time.Duration {
	var us []float64
	for line := range strings.Lines(log) {
		fields := strings.Fields(line)
		if len(fields) != 3 {
			continue // cut short
		}
		if v, err := strconv.ParseFloat(fields[2], 64); err == nil {
			us = append(us, v)
		}
	}
	if len(us) == 0 {
		return 0
	}
	return time.Duration(Quantile(us, 0.99) * float64(time.Microsecond))
}

func first(re *regexp.Regexp, text string) float64 {
	m := re.FindStringSubmatch(text)
	if m == nil {
		return 0
	}
	v, _ := strconv.ParseFloat(m[1], 64) // digits
	return v
}
