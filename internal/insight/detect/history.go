package detect

import (
	"math"
	"time"
)

// history is what each endpoint did second by second, for those that look at changes.
// It outlives windows; with the state, restarts too.
type history struct {
	slots[series]
	now      int64 // the second that goes on; those before now-1 are closed
	step     int64 // seconds of a forecast's step
	warm     int   // steps until a forecast is believed
	warmup   int64 // seconds
	events   eventLog
	restored map[endpointKey]*savedEndpoint
	shares   [2]share // of the present second and of the one before it
}

// series is one endpoint's.
type series struct {
	ep    *endpoint
	open  [2]bin // of the present second and of the one before it
	quiet int64  // seconds without an exchange
	rates rates
	fc    forecast
}

// bin sums up a second, or a step.
type bin struct {
	n, bytes, bodies, errors int64
	durationNs, timed        int64
	looked                   int64 // exchanges that n is told from
}

func (b *bin) add(o bin) {
	b.n += o.n
	b.bytes += o.bytes
	b.bodies += o.bodies
	b.errors += o.errors
	b.durationNs += o.durationNs
	b.timed += o.timed
	b.looked += o.looked
}

// share is how many exchanges of a second were told of one by one, and how many were
// not, of all endpoints.
type share struct{ told, missed int64 }

// whole tells what a bin would be if all had been told of: those that were are a
// sample.
func (s share) whole(b bin) bin {
	if s.missed == 0 || s.told == 0 {
		return b
	}
	f := float64(s.told+s.missed) / float64(s.told)
	for _, v := range []*int64{&b.n, &b.bytes, &b.bodies, &b.errors, &b.durationNs, &b.timed} {
		*v = int64(math.Round(float64(*v) * f))
	}
	return b
}

const (
	// A longer silence of all traffic is a pause of the capture, not one of the services.
	maxPause = 300
	// maxQuiet is how many seconds an endpoint's silence is followed.
	maxQuiet = 900
)

func newHistory(warmup time.Duration) *history {
	h := &history{warmup: seconds(warmup)}
	h.step = min(5, max(1, h.warmup/12))
	h.warm = int(max(3, h.warmup/h.step))
	return h
}

func (h *history) forget(slot int) {
	if s := h.peek(slot); s != nil {
		s.fc.end(h.now * secondNs)
	}
	h.slots.forget(slot)
}

// saved returns what the state knows of an endpoint.
func (h *history) saved(e *endpoint) *savedEndpoint {
	return h.restored[endpointKey{e.service, e.method, e.path}]
}

func (h *history) observe(x *exchange) {
	s := h.peek(x.ep.slot)
	if s == nil {
		s = h.at(x.ep.slot)
		s.ep = x.ep
		if saved := h.saved(x.ep); saved != nil {
			s.rates.restore(saved)
			s.fc.restore(saved, max(h.warm, maxFirst+1))
		}
	}
	s.quiet = 0
	at := h.openAt(x.nowNs)
	h.shares[at].told++
	b := &s.open[at]
	b.n++
	b.looked++
	if x.Upgraded {
		return // its bytes are those of hours, not of this second
	}
	b.bytes += x.bytes
	b.bodies += x.ResponseSize
	if x.failed {
		b.errors++
	}
	if x.Duration >= 0 {
		b.durationNs += int64(x.Duration)
		b.timed++
	}
}

// openAt is which of the open seconds a time is in. What comes later than a second
// belongs to the earliest that is open.
func (h *history) openAt(ns int64) int64 { return max(ns/secondNs, h.now-1) & 1 }

// missed takes exchanges of any endpoints.
func (h *history) missed(atNs int64, n uint32) { h.shares[h.openAt(atNs)].missed += int64(n) }

// advance closes the seconds that are over.
func (h *history) advance(now int64) {
	first := h.now - 1
	if h.now == 0 || now-h.now > maxPause {
		first = now - 1 // what was open is lost: it is at most two seconds
		for _, s := range h.of {
			if s != nil {
				s.open = [2]bin{}
			}
		}
		h.shares = [2]share{}
	}
	h.now = now
	for second := first; second < now-1; second++ {
		for _, s := range h.of {
			if s != nil {
				h.close(s, second)
			}
		}
		h.shares[second&1] = share{}
	}
}

func (h *history) close(s *series, second int64) {
	b := h.shares[second&1].whole(s.open[second&1])
	s.open[second&1] = bin{}
	if b.n == 0 {
		if s.quiet++; s.quiet > maxQuiet {
			s.fc.end(second * secondNs)
			return
		}
	}
	s.rates.close(b, second)
	s.fc.partial.add(b)
	if (second+1)%h.step == 0 {
		s.fc.close(h, s.ep, second+1)
	}
}
