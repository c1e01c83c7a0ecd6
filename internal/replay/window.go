package replay

import (
	"fmt"
	"time"
)

// Instant is a place in a recording: a time, or an offset from its first message.
// The zero value is none.
type Instant struct {
	ns       int64
	relative bool
	set      bool
}

// ParseInstant reads "90s" or "1h30m" (from the first message), or a time like
// "2026-01-31T12:00:00Z". Empty is none.
func ParseInstant(s string) (Instant, error) {
	if s == "" {
		return Instant{}, nil
	}
	if d, err := time.ParseDuration(s); err == nil && d >= 0 {
		return Instant{ns: int64(d), relative: true, set: true}, nil
	}
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		return Instant{}, fmt.Errorf("parse instant %q: neither an offset like 90s nor a time like 2026-01-31T12:00:00Z", s)
	}
	return Instant{ns: t.UnixNano(), set: true}, nil
}

func (i Instant) at(firstNs int64) int64 {
	if i.relative {
		return firstNs + i.ns
	}
	return i.ns
}

// Window is the part of a recording that is played: From included, To not.
type Window struct{ From, To Instant }

// Empty reports whether nothing can be inside, as far as that is known without the
// recording.
func (w Window) Empty() bool {
	return w.From.set && w.To.set && w.From.relative == w.To.relative && w.From.ns >= w.To.ns
}

// Place says where something is beside a window.
type Place int

// The places.
const (
	Before Place = iota - 1
	Inside
	After
)

// Place returns where tsNs is. firstNs is the time of the recording's first
// message.
func (w Window) Place(firstNs, tsNs int64) Place {
	switch {
	case w.From.set && tsNs < w.From.at(firstNs):
		return Before
	case w.To.set && tsNs >= w.To.at(firstNs):
		return After
	}
	return Inside
}
