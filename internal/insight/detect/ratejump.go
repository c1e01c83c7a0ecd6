package detect

import (
	"fmt"
	"slices"
	"time"

	"gortap/internal/insight"
)

// rateJump finds endpoints that are asked much more often than before. It looks at
// runs of rateRecent seconds against the two minutes before them, or against what the
// state tells.
type rateJump struct {
	t       *Thresholds
	history *history
	warmup  int64
}

const (
	rateSeconds = 128
	rateRecent  = 5
	// calmSeconds is how long a rate is back until a jump is over.
	calmSeconds = 10
)

// rates is one endpoint's requests a second.
type rates struct {
	ring   [rateSeconds]uint32 // what was usual; not filled during a jump
	filled int64
	recent [rateRecent]uint32
	bytes  [rateRecent]int64
	closed int64
	// What the state told: the median, and the most on average of a run.
	median, most float64

	on    bool // a jump goes on
	since int64
	calm  int64
	base  float64
	found jumpFound
}

// jumpFound is what jumps of this window came to.
type jumpFound struct {
	base, peak float64
	n          int64
	excess     float64 // bytes
	seen       span64
}

func (s *rates) close(b bin, second int64) {
	at := s.closed % rateRecent
	if s.closed >= rateRecent && !s.on {
		// What leaves the recent run is usual now.
		s.ring[s.filled%rateSeconds] = s.recent[at]
		s.filled++
	}
	s.recent[at], s.bytes[at] = uint32(min(b.n, 1<<31)), b.bytes
	s.closed++
	if s.on {
		s.follow(b, second)
	}
}

// mean is of the recent run.
func (s *rates) mean() float64 {
	var sum float64
	for _, n := range s.recent {
		sum += float64(n)
	}
	return sum / rateRecent
}

// usual returns the median and the most, over a run, of what was usual; false where
// that is not known for so long.
func (s *rates) usual(warmup int64) (median, most float64, known bool) {
	n := min(s.filled, rateSeconds)
	if n < min(warmup, rateSeconds) {
		return s.median, s.most, s.most > 0
	}
	sorted := make([]uint32, n)
	var run, sum float64
	for i := range n {
		at := (s.filled - n + i) % rateSeconds
		v := s.ring[at]
		sorted[i] = v
		sum += float64(v)
		run += float64(v)
		if i >= rateRecent {
			run -= float64(s.ring[(s.filled-n+i-rateRecent)%rateSeconds])
		}
		most = max(most, run/rateRecent)
	}
	slices.Sort(sorted)
	return max(float64(sorted[n/2]), sum/float64(n)), max(most, s.most), true
}

// begin begins a jump: the run that showed it is part of it.
func (s *rates) begin(base float64, second int64) {
	s.on, s.base, s.calm, s.since = true, base, 0, second-rateRecent+1
	for i := range s.recent {
		s.add(int64(s.recent[i]), s.bytes[i], second)
	}
	s.found.base = base
	s.found.seen.see(s.since * secondNs)
}

func (s *rates) add(n, bytes, second int64) {
	if n == 0 {
		return
	}
	over := max(0, float64(n)-s.base)
	s.found.n += n
	s.found.excess += over * float64(bytes) / float64(n)
	s.found.seen.see((second + 1) * secondNs)
}

// follow takes a second of a jump.
func (s *rates) follow(b bin, second int64) {
	if s.found.base == 0 {
		s.found.base = s.base
	}
	mean := s.mean()
	s.found.peak = max(s.found.peak, mean)
	if mean < 2*s.base {
		s.calm++
	} else {
		s.calm = 0
		s.add(b.n, b.bytes, second)
	}
	if s.calm >= calmSeconds || (second-s.since)*secondNs > settleNs {
		s.on = false
		if s.calm < calmSeconds { // it is what is usual now
			s.filled, s.median, s.most = 0, 0, 0
		}
	}
}

func (d *rateJump) observe(x *exchange) {
	s := d.history.peek(x.ep.slot)
	// A look a second at most, and only where the rate is worth it.
	if s == nil || s.rates.on || s.rates.closed < rateRecent || s.open[(d.history.now)&1].n != 1 {
		return
	}
	d.look(&s.rates)
}

func (d *rateJump) look(s *rates) {
	mean := s.mean()
	if mean < d.t.JumpRate {
		return
	}
	median, most, known := s.usual(d.warmup)
	if !known || mean < d.t.JumpFactor*median || mean < 2*most {
		return
	}
	s.begin(median, d.history.now-2)
	s.found.peak = max(s.found.peak, mean)
}

func (d *rateJump) forget(int) {}

func (d *rateJump) reset() {
	for _, s := range d.history.of {
		if s != nil {
			s.rates.found = jumpFound{}
		}
	}
}

func (d *rateJump) find(r *report) {
	for slot, s := range d.history.of {
		if s == nil || s.rates.found.n == 0 {
			continue
		}
		j := &s.rates.found
		e := r.table.slots[slot]
		if !r.matters(int64(j.excess)) {
			continue
		}
		f := r.on(e, insight.RateJump, j.seen)
		f.symptom = true
		f.Title = fmt.Sprintf("Requests to %s jumped from %s to %s a second%s", e.name(), round(j.base), round(j.peak), r.who(e))
		f.evidence("Requests since", "%s", count(j.n))
		f.evidence("Share of all bytes", "%s", percent(float64(e.bytes)/float64(max(1, r.bytes))))
		if s.rates.on {
			f.evidence("Goes on", "yes")
		}
		f.Remedy = "See what changed at " + f.First.Format(time.RFC3339) + " in its callers: a deployment, a loop or a retry without end, a job, a crawler. Until that is found, limit it: nginx " +
			"limit_req_zone $binary_remote_addr zone=a:10m rate=" + round(max(1, 2*j.base)) + "r/s, or a quota by API key."
		f.Saves = int64(j.excess)
		r.add(f)
	}
}
