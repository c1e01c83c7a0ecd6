package compare

import (
	"fmt"
	"time"

	"gortap/internal/process/redact"
)

// Config says what is compared and how much memory that may take. The zero value
// of a field stands for its default.
type Config struct {
	// Original, Candidate and Baseline name the three in reports, for example
	// by their URLs (without credentials).
	Original, Candidate, Baseline string

	// IgnoreHeaders are names, or patterns like X-Debug-*, in any case.
	// CompareHeaders are compared though they are ignored by default.
	IgnoreHeaders, CompareHeaders []string
	// IgnoreJSON are paths like $.a.b, $.items[*].id and $..updated; what is
	// below them is ignored too.
	IgnoreJSON []string
	// PathPatterns are templates of endpoints, like those of the metrics.
	PathPatterns []string

	// Baselines is how many baseline responses an exchange waits for: 0, 1 or
	// 2. The second is of use where there are no original responses.
	Baselines int
	// Threshold is the share of exchanges that may differ, 0 to 1.
	Threshold float64
	Latency   LatencyConfig

	// Timeout is how long an exchange waits for its other responses: 60 s.
	Timeout time.Duration
	// MaxPending is how many bytes of responses may wait: 64 MiB.
	MaxPending int
	// MaxBody is how much of a decoded body is compared: 8 MiB.
	MaxBody int
	// ResponseLimit is how much of a response's body the replay keeps; 0: all.
	// Bodies that reach it are compared as far as they go.
	ResponseLimit int
	// MaxEndpoints and MaxPlaces (of an endpoint) are told apart: 300 and 200.
	// What is beyond is "(other)".
	MaxEndpoints, MaxPlaces int
	// MaxExamples are kept of a difference: 3.
	MaxExamples int

	// Sampled says that the replay leaves requests out on purpose. Those without
	// a replayed response are not counted as missing then.
	Sampled bool
	// Block makes the calls that bring a response wait rather than drop where
	// the comparison is slower than they are. It is meant for files; live, the
	// caller may be the capture.
	Block bool
	// Redactor takes the secrets out of what is shown; nil shows values as they
	// are. It is nobody else's.
	Redactor *redact.Redactor
	// Now is time.Now but for tests.
	Now func() time.Time
}

// LatencyConfig says when latencies differ: when the median moved by more than
// both MinShift and MinRelative, and by no chance; or the 90th percentile by more
// than twice, or the 99th by more than four times that.
type LatencyConfig struct {
	Off         bool
	MinShift    time.Duration // 5 ms
	MinRelative float64       // 0.1
	MinSamples  int           // 30, on each side
}

// withDefaults returns c with nothing left open, or what is wrong with it.
func (c Config) withDefaults() (Config, error) {
	if c.Baselines < 0 || c.Baselines > 2 {
		return c, fmt.Errorf("compare with %d baselines: out of range (0 to 2)", c.Baselines)
	}
	if !(c.Threshold >= 0 && c.Threshold <= 1) {
		return c, fmt.Errorf("allow a share of %g to differ: out of range (0 to 1)", c.Threshold)
	}
	if c.Latency.MinShift < 0 || !(c.Latency.MinRelative >= 0) {
		return c, fmt.Errorf("compare latencies with a negative threshold (0 stands for the default)")
	}
	orDefault(&c.Original, "original")
	orDefault(&c.Candidate, "candidate")
	orDefault(&c.Baseline, "baseline")
	orDefault(&c.Timeout, time.Minute)
	orDefault(&c.MaxPending, 64<<20)
	orDefault(&c.MaxBody, 8<<20)
	orDefault(&c.MaxEndpoints, 300)
	orDefault(&c.MaxPlaces, 200)
	orDefault(&c.MaxExamples, 3)
	orDefault(&c.Latency.MinShift, 5*time.Millisecond)
	orDefault(&c.Latency.MinRelative, 0.1)
	orDefault(&c.Latency.MinSamples, 30)
	if c.Now == nil {
		c.Now = time.Now
	}
	return c, nil
}

func orDefault[T comparable](v *T, value T) {
	var zero T
	if *v == zero {
		*v = value
	}
}
