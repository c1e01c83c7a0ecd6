package compare

import (
	"encoding/binary"
	"slices"
	"strings"
	"sync"
)

const (
	other = "(other)"
	// maxSets is how many combinations of places are remembered, of all
	// endpoints together; maxAllPlaces is how many places.
	maxSets      = 20_000
	maxAllPlaces = 5_000
)

// books hold what was found. All methods may be called from any goroutine.
type books struct {
	config *Config

	mu         sync.Mutex
	endpoints  map[string]*endpoint
	rows       []*endpoint // in the order they came
	places     int
	sets       int
	all        latencies
	unread     uint64 // exchanges whose original cannot be read
	cut        uint64 // exchanges with a body that was compared in part
	byBaseline uint64 // exchanges whose reference is a baseline's response
	first      int64
	last       int64
}

// endpoint is what was found at one.
type endpoint struct {
	books     *books
	name      string
	compared  uint64
	seconds   uint64 // of them with a second response of the old version
	places    map[string]*place
	rows      []*place
	latencies latencies
	// sets counts the exchanges by the places in which their candidates
	// differed, so that it can be told in the end in how many exchanges more
	// than noise differed.
	sets    map[string]*uint64
	beyond  uint64 // exchanges beyond maxSets in which more than noise differed
	scratch []uint16
	key     []byte
}

// place is where responses of an endpoint differ.
type place struct {
	name   string
	index  uint16
	count  uint64
	counts counts
	// mark tells what the present exchange said of this place.
	mark     uint8
	examples []Example
	first    int64
	last     int64
	a, b     distinct
	hashes   [2]uint64 // of the first pair of values
	varies   bool      // another pair came
}

const (
	markCandidate = 1 << iota
	markNoise
)

func newBooks(c *Config) *books { return &books{config: c, endpoints: map[string]*endpoint{}} }

func (b *books) incomplete(*entry) {
	b.mu.Lock()
	b.unread++
	b.mu.Unlock()
}

// add enters a comparison.
func (b *books) add(o *outcome) {
	b.mu.Lock()
	defer b.mu.Unlock()
	ts := o.entry.timeNs
	if ts == 0 {
		ts = recordTime(o.entry)
	}
	if b.first == 0 || ts < b.first {
		b.first = ts
	}
	b.last = max(b.last, ts)
	if o.cut {
		b.cut++
	}
	if o.byBaseline {
		b.byBaseline++
	}
	e := b.endpoint(o.entry.endpoint)
	e.compared++
	if o.hasNoise {
		e.seconds++
	}
	e.latencies.add(o.latencies)
	b.all.add(o.latencies)
	e.differences(b.config, o, ts)
}

func recordTime(e *entry) int64 {
	for _, r := range e.parts {
		if r != nil && r.TimeNs != 0 {
			return r.TimeNs
		}
	}
	return 0
}

func (b *books) endpoint(name string) *endpoint {
	if name == "" {
		name = unknownEndpoint
	}
	e := b.endpoints[name]
	if e == nil && len(b.rows) >= b.config.MaxEndpoints {
		name = other
		e = b.endpoints[name]
	}
	if e == nil {
		e = &endpoint{books: b, name: name, places: map[string]*place{}, sets: map[string]*uint64{}}
		b.endpoints[name] = e
		b.rows = append(b.rows, e)
	}
	return e
}

// differences enters where an exchange differed.
func (e *endpoint) differences(c *Config, o *outcome, ts int64) {
	e.scratch = e.scratch[:0]
	for i := range o.found {
		e.differs(c, &o.found[i], markCandidate, o, ts)
	}
	for i := range o.noise {
		e.differs(c, &o.noise[i], markNoise, o, ts)
	}
	if o.more {
		e.differs(c, &difference{place: []byte(other)}, markCandidate, o, ts)
	}
	e.key = e.key[:0]
	slices.Sort(e.scratch)
	for _, index := range e.scratch {
		p := e.rows[index]
		if p.mark&markCandidate != 0 {
			e.key = binary.LittleEndian.AppendUint16(e.key, index)
		}
		if o.hasNoise {
			p.counts.add(p.mark)
		}
		p.mark = 0
	}
	if len(e.key) == 0 {
		return
	}
	n := e.sets[string(e.key)]
	switch {
	case n != nil:
		*n++
	case e.books.sets < maxSets:
		e.books.sets++
		once := uint64(1)
		e.sets[string(e.key)] = &once
	case e.isReal(string(e.key)):
		e.beyond++ // judged by what is known now
	}
}

func (c *counts) add(mark uint8) {
	switch mark {
	case markCandidate:
		c.candidate++
	case markNoise:
		c.noise++
	case markCandidate | markNoise:
		c.both++
	}
}

// differs enters one difference of the present exchange.
func (e *endpoint) differs(c *Config, d *difference, mark uint8, o *outcome, ts int64) {
	p := e.place(c, d.place)
	if p.mark == 0 {
		e.scratch = append(e.scratch, p.index)
	}
	if p.mark&mark != 0 {
		return // counted: several are "(other)"
	}
	p.mark |= mark
	if mark != markCandidate {
		return
	}
	if p.count == 0 {
		p.first, p.hashes = ts, [2]uint64{d.hashA, d.hashB}
	}
	p.count++
	p.first, p.last = min(p.first, ts), max(p.last, ts)
	p.varies = p.varies || p.hashes != [2]uint64{d.hashA, d.hashB}
	p.a.add(d.hashA)
	p.b.add(d.hashB)
	if len(p.examples) < c.MaxExamples {
		p.examples = append(p.examples, Example{
			ID: strings.Clone(o.entry.id), Target: o.entry.target, TimeNs: ts,
			Original: text(d.a), Candidate: text(d.b),
		})
	}
}

func text(b []byte) *string {
	if b == nil {
		return nil
	}
	s := strings.ToValidUTF8(string(b), "\uFFFD")
	return &s
}

func (e *endpoint) place(c *Config, name []byte) *place {
	p := e.places[string(name)]
	if p == nil && (len(e.rows) >= c.MaxPlaces || e.books.places >= maxAllPlaces) {
		name = []byte(other)
		p = e.places[other]
	}
	if p == nil {
		s := strings.ToValidUTF8(string(name), "\uFFFD")
		p = &place{name: s, index: uint16(len(e.rows))}
		e.places[string(name)] = p
		e.rows = append(e.rows, p)
		e.books.places++
	}
	return p
}

// isReal reports whether at least one of a set of places is more than noise.
func (e *endpoint) isReal(set string) bool {
	for ; len(set) > 0; set = set[2:] {
		index := uint16(set[0]) | uint16(set[1])<<8
		if e.verdict(e.rows[index]) != Noise {
			return true
		}
	}
	return false
}

// minNoise is how often a place must have differed to be called noise by its
// values alone.
const minNoise = 5

// verdict says what to make of a place.
func (e *endpoint) verdict(p *place) Verdict {
	switch {
	case p.counts.isNoise(e.seconds):
		return Noise
	case e.seconds == 0 && p.count >= minNoise && p.count == e.compared && !p.a.repeats && !p.b.repeats:
		return ProbablyNoise
	}
	return Different
}

// different counts the exchanges in which more than noise differed.
func (e *endpoint) different() uint64 {
	n := e.beyond
	for set, count := range e.sets {
		if e.isReal(set) {
			n += *count
		}
	}
	return n
}
