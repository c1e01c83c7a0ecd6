package detect

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"gortap/internal/insight"
)

// maxEvents is how many events are remembered.
const maxEvents = 500

// eventLog holds the latest events.
type eventLog struct{ of []*eventRef }

// eventRef is an event that may still go on. Once it has left the log it is only
// written to.
type eventRef struct{ insight.Event }

func (l *eventLog) open(ep *endpoint, measure string, start time.Time, v, low, high float64) *eventRef {
	e := &eventRef{insight.Event{Time: start, Service: ep.service, Method: ep.method, Path: ep.path, Measure: measure, Value: v, Low: low, High: high}}
	e.Reason = reason(ep, e)
	if len(l.of) >= maxEvents {
		l.of = slices.Delete(l.of, 0, 1)
	}
	l.of = append(l.of, e)
	return e
}

func (e *eventRef) startNs() int64 { return e.Time.UnixNano() }
func (e *eventRef) end(ns int64)   { e.End = time.Unix(0, ns).UTC() }

// extend keeps the value that is farthest out.
func (e *eventRef) extend(v float64) {
	if v > e.High && v > e.Value || v < e.Low && v < e.Value {
		old := shown(e.Measure, e.Value)
		e.Value = v
		e.Reason = strings.Replace(e.Reason, old, shown(e.Measure, v), 1)
	}
}

// list returns the events, the latest first.
func (l *eventLog) list() []insight.Event {
	out := make([]insight.Event, len(l.of))
	for i, e := range l.of {
		out[i] = e.Event
	}
	slices.SortStableFunc(out, func(a, b insight.Event) int { return b.Time.Compare(a.Time) })
	return out
}

func reason(ep *endpoint, e *eventRef) string {
	what := map[string]string{
		"requests": "requests a second", "bytes": "a second", "size": "an answer on average", "duration": "an answer on average", "errors": "failures a second",
	}[e.Measure]
	side := "more"
	if e.Value < e.Low {
		side = "less"
	}
	text := fmt.Sprintf("%s: %s %s, %s than the %s to %s that were expected", ep.name(), shown(e.Measure, e.Value), what, side, shown(e.Measure, e.Low), shown(e.Measure, e.High))
	if who, _ := ep.clients.phrase(ep.bytes, func(l leader) string { return l.addr.Unmap().String() }); who != "" {
		text += "; " + who
	}
	return text
}

// shown is a value in its unit.
func shown(measure string, v float64) string {
	switch measure {
	case "bytes", "size":
		return size(int64(v))
	case "duration":
		return time.Duration(v).Round(time.Millisecond).String()
	}
	return round(v)
}
