package process

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Limit is what stands behind the "|" of an output: how many of the captured
// connections are played, and how many requests a second.
type Limit struct {
	// Connections is the share of connections that are played: 1 is each of
	// them once, 0.1 a tenth, 2.5 each twice and every second one a third time.
	Connections float64
	// PerSecond is how many requests a second may start; 0 is no limit.
	PerSecond float64
}

// maxCopies bounds a multiplication, which costs a connection for each copy.
const maxCopies = 10000

// ParseLimit splits "http://x|10%" at the first "|" into the base and its
// limits: "10%" of connections ("200%" is each of them twice), "x10" for each
// ten times, "50" requests a second. Several combine: "http://x|x10|500".
func ParseLimit(s string) (base string, l Limit, err error) {
	base, rest, found := strings.Cut(s, "|")
	l = Limit{Connections: 1}
	if !found {
		return base, l, nil
	}
	for part := range strings.SplitSeq(rest, "|") {
		if err := l.parse(strings.TrimSpace(part)); err != nil {
			return "", Limit{}, fmt.Errorf("parse limit %q of %q: %w", part, base, err)
		}
	}
	if l.Connections > maxCopies {
		return "", Limit{}, fmt.Errorf("parse limit %q of %q: more than %d times", rest, base, maxCopies)
	}
	return base, l, nil
}

func (l *Limit) parse(part string) error {
	target, scale, digits := &l.PerSecond, 1.0, part
	if d, ok := strings.CutSuffix(part, "%"); ok {
		target, scale, digits = &l.Connections, 0.01, d
	} else if d, ok := strings.CutPrefix(part, "x"); ok {
		target, digits = &l.Connections, d
	}
	v, err := strconv.ParseFloat(digits, 64)
	if err != nil || !(v > 0) || math.IsInf(v, 0) {
		return errors.New("want a number above 0 as in 50 (requests a second), 10% (of connections) or x10 (times)")
	}
	if target == &l.Connections {
		l.Connections *= v * scale
		return nil
	}
	if l.PerSecond != 0 {
		return errors.New("a second number of requests a second")
	}
	l.PerSecond = v
	return nil
}

// String returns the limit as it is written behind a "|", "" where there is none.
func (l Limit) String() string {
	var parts []string
	if l.Connections != 1 {
		parts = append(parts, strconv.FormatFloat(l.Connections*100, 'g', 10, 64)+"%")
	}
	if l.PerSecond != 0 {
		parts = append(parts, strconv.FormatFloat(l.PerSecond, 'g', -1, 64))
	}
	return strings.Join(parts, "|")
}

// Copies returns how often a connection is played; 0 is not at all. It depends on
// nothing but the share and the connection, and what 10% lets through 20% does too.
func (l Limit) Copies(conn uint64) int {
	whole := math.Floor(l.Connections)
	n := int(whole)
	// The upper 53 bits are what a float64 holds exactly.
	if float64(mix(conn)>>11)/(1<<53) < l.Connections-whole {
		n++
	}
	return n
}

// mix spreads numbers that may be consecutive over all of 64 bits, one to one:
// the finalizer of SplitMix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom
// Number Generators, 2014).
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// maxWindow bounds what a Rate remembers.
const maxWindow = 10000

// Rate says which requests may start so that there are never more than so many
// in any second, and refuses none before that many did. It has no clock of its
// own. One goroutine may use it.
type Rate struct {
	windowNs int64
	n        int     // starts in a window
	starts   []int64 // the latest n, a ring
	oldest   int
}

// NewRate makes a Rate of perSecond, which is above 0. Where that is no whole
// number, or above 10,000, the window in which it holds is longer or shorter than
// a second.
func NewRate(perSecond float64) *Rate {
	n := min(math.Ceil(perSecond), maxWindow)
	return &Rate{n: int(n), windowNs: int64(math.Ceil(n / perSecond * 1e9))}
}

// Allow reports whether a request may start now. Times do not go back.
func (r *Rate) Allow(nowNs int64) bool {
	if len(r.starts) < r.n {
		r.starts = append(r.starts, nowNs)
		return true
	}
	if nowNs-r.starts[r.oldest] < r.windowNs {
		return false
	}
	r.starts[r.oldest] = nowNs
	r.oldest = (r.oldest + 1) % r.n
	return true
}
