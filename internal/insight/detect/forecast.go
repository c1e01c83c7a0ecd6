package detect

import (
	"math"
	"slices"
	"time"
)

// forecast tells what an endpoint should do next, from its level, the same minute of
// the hours before and the same quarter of an hour of the days before. It works on
// log(1+x): traffic varies by factors.
type forecast struct {
	partial bin // of the step that goes on
	begun   bool
	of      [numMeasures]measure
}

// The measures. Names are those of insight.Event.
const (
	requestsMeasure = iota
	bytesMeasure
	sizeMeasure
	durationMeasure
	errorsMeasure
	numMeasures
)

// measure is the forecast of one figure.
type measure struct {
	level, spread float64
	steps         int
	first         *[maxFirst]float64 // until there are enough to begin with
	season        *season            // of requests and bytes only
	outside       int                // steps in a row
	inside        int
	event         *eventRef
}

// How a forecast follows: a step moves the level by a twentieth of how far it was off,
// and no further than an outlier of 3 spreads would.
const (
	levelGain  = 0.05
	spreadGain = 0.03
	maxPull    = 3
	minSpread  = 0.05
	// bandSpreads makes a band of the mean deviation: about 4 standard deviations.
	bandSpreads = 5
	// maxFirst is how many values a forecast begins with at most: their median.
	maxFirst = 16
	// enterSteps and leaveSteps are how many steps in a row begin and end an event.
	enterSteps = 3
	leaveSteps = 3
)

// rule is what makes a departure of a measure an event.
type rule struct {
	name      string
	floor     float64 // log of the least factor beside the spread
	least     float64 // the least difference, in the unit shown
	low, seen bool    // below the band counts too; steps without enough exchanges tell nothing
}

// rules are in the order of the measures. Requests and bytes are of a second.
func rules() [numMeasures]rule {
	return [numMeasures]rule{
		requestsMeasure: {name: "requests", floor: math.Log(1.5), least: 5, low: true},
		bytesMeasure:    {name: "bytes", floor: math.Log(1.7), least: 20e3, low: true},
		sizeMeasure:     {name: "size", floor: math.Log(1.5), least: 1024, seen: true},
		durationMeasure: {name: "duration", floor: math.Log(2.5), least: 50e6, seen: true},
		errorsMeasure:   {name: "errors", floor: math.Log(4), least: 2},
	}
}

// minSeen is how many exchanges a step needs to tell a mean.
const minSeen = 5

// values are of a step of so many seconds; NaN where nothing can be told.
func (b *bin) values(step int64) (v [numMeasures]float64) {
	v[requestsMeasure] = float64(b.n) / float64(step)
	v[bytesMeasure] = float64(b.bytes) / float64(step)
	v[errorsMeasure] = float64(b.errors) / float64(step)
	v[sizeMeasure], v[durationMeasure] = math.NaN(), math.NaN()
	if b.looked >= minSeen {
		v[sizeMeasure] = float64(b.bodies) / float64(b.n)
	}
	if b.timed >= minSeen {
		v[durationMeasure] = float64(b.durationNs) / float64(b.timed)
	}
	return v
}

// close ends a step at a second.
func (f *forecast) close(h *history, ep *endpoint, second int64) {
	b := f.partial
	f.partial = bin{}
	if !f.begun {
		f.begun = true // the first step began before the first exchange
		return
	}
	r := rules()
	for i, v := range b.values(h.step) {
		if math.IsNaN(v) {
			continue
		}
		m := &f.of[i]
		if m.season == nil && (i == requestsMeasure || i == bytesMeasure) {
			m.season = &season{}
		}
		low, high := m.band(second, &r[i], float64(max(1, b.looked)))
		if m.steps >= h.warm {
			m.judge(h, ep, &r[i], second, v, low, high)
		}
		m.learn(second, v, h.warm)
	}
}

// band is what is expected, in the unit shown.
func (m *measure) band(second int64, r *rule, n float64) (low, high float64) {
	want := m.level + m.season.offset(second)
	half := bandSpreads*m.spread + r.floor
	if !r.seen {
		half += 3 / math.Sqrt(n) // counts vary by their root
	}
	return max(0, math.Expm1(want-half)), math.Expm1(want + half)
}

// judge opens, follows and closes an event.
func (m *measure) judge(h *history, ep *endpoint, r *rule, second int64, v, low, high float64) {
	want := math.Expm1(m.level + m.season.offset(second))
	out := math.Abs(v-want) >= r.least && (v > high || r.low && v < low)
	if !out {
		m.outside = 0
		if m.inside++; m.event != nil && m.inside >= leaveSteps {
			m.event.end(second * secondNs)
			m.event = nil
		}
		return
	}
	m.outside++
	m.inside = 0
	switch {
	case m.event != nil:
		m.event.extend(v)
		if second*secondNs-m.event.startNs() > settleNs {
			m.event.end(second * secondNs)
			m.event, m.outside = nil, 0
			m.level, m.spread = math.Log1p(v), max(m.spread, 0.3) // this is what is usual now
		}
	case m.outside >= enterSteps:
		start := second - int64(m.outside)*h.step
		m.event = h.events.open(ep, r.name, time.Unix(start, 0).UTC(), v, low, high)
	}
}

// learn takes a value into the forecast. During an event only the season learns.
func (m *measure) learn(second int64, v float64, warm int) {
	y := math.Log1p(v)
	m.steps++
	if begin := min(warm, maxFirst); m.steps <= begin {
		m.begin(y, m.steps == begin)
		return
	}
	m.season.add(second, y-m.level)
	if m.event != nil || m.outside > 0 {
		return
	}
	off := y - m.level - m.season.offset(second)
	pull := max(m.spread, minSpread) * maxPull
	m.level += levelGain * max(-pull, min(pull, off))
	m.spread += spreadGain * (min(math.Abs(off), pull) - m.spread)
	m.spread = max(m.spread, minSpread)
}

// begin gathers the first values; the last of them gives the level, their median, and
// the spread, twice the median of how far they are from it.
func (m *measure) begin(y float64, last bool) {
	if m.first == nil {
		m.first = new([maxFirst]float64)
	}
	m.first[m.steps-1] = y
	if !last {
		return
	}
	of := m.first[:m.steps]
	slices.Sort(of)
	m.level = of[len(of)/2]
	for i := range of {
		of[i] = math.Abs(of[i] - m.level)
	}
	slices.Sort(of)
	m.spread = max(minSpread, 2*of[len(of)/2])
	m.first = nil
}

// end ends the events that are open.
func (f *forecast) end(nowNs int64) {
	for i := range f.of {
		if e := f.of[i].event; e != nil {
			e.end(nowNs)
			f.of[i].event = nil
		}
	}
}

// season is how the level differs in each minute of the hour and each quarter of an
// hour of the day: the median of the last three. Until a time came twice it is 0.
type season struct {
	minutes  [60]last3
	quarters [96]last3
	minute   running
	quarter  running
}

// last3 are the latest values of one time of the hour or of the day.
type last3 struct {
	v [3]float32
	n uint8
}

// running is the mean of the time that goes on.
type running struct {
	at  int64
	sum float64
	n   int
}

func (l *last3) add(v float64) {
	l.v[0], l.v[1], l.v[2] = l.v[1], l.v[2], float32(v)
	l.n = min(3, l.n+1)
}

// median is of three; of two the one nearer to 0.
func (l *last3) median() float64 {
	switch l.n {
	case 3:
		s := l.v
		slices.Sort(s[:])
		return float64(s[1])
	case 2:
		a, b := float64(l.v[1]), float64(l.v[2])
		if a*b <= 0 {
			return 0
		}
		return math.Copysign(min(math.Abs(a), math.Abs(b)), a)
	}
	return 0
}

// offset is how much is expected beside the level. The day counts where it is known,
// the hour for what is left of it: only what stands out of the day's quarter.
func (s *season) offset(second int64) float64 {
	if s == nil {
		return 0
	}
	minute := s.minutes[second/60%60].median()
	quarter := s.quarters[second/900%96].median()
	if math.Abs(minute) > math.Abs(quarter) {
		return minute
	}
	return quarter
}

// add takes how far a value is from the level.
func (s *season) add(second int64, off float64) {
	if s == nil {
		return
	}
	s.minute.add(second/60, off, s.minutes[:])
	s.quarter.add(second/900, off, s.quarters[:])
}

func (r *running) add(at int64, off float64, into []last3) {
	if at != r.at {
		if r.n > 0 {
			into[r.at%int64(len(into))].add(r.sum / float64(r.n))
		}
		*r = running{at: at}
	}
	r.sum += off
	r.n++
}
