package insight

import "unsafe"

// cell is what happened in a step.
type cell struct {
	requestBytes, responseBytes, retransmitted uint64
	requests, errors, connections              uint32
}

func (c *cell) add(o *cell) {
	c.requestBytes += o.requestBytes
	c.responseBytes += o.responseBytes
	c.retransmitted += o.retransmitted
	c.requests += o.requests
	c.errors += o.errors
	c.connections += o.connections
}

// sums is a cell that holds any number of steps.
type sums struct {
	requestBytes, responseBytes, retransmitted uint64
	requests, errors, connections              uint64
}

func (s *sums) add(c *cell) {
	s.requestBytes += c.requestBytes
	s.responseBytes += c.responseBytes
	s.retransmitted += c.retransmitted
	s.requests += uint64(c.requests)
	s.errors += uint64(c.errors)
	s.connections += uint64(c.connections)
}

func (s *sums) addSums(o *sums) {
	s.requestBytes += o.requestBytes
	s.responseBytes += o.responseBytes
	s.retransmitted += o.retransmitted
	s.requests += o.requests
	s.errors += o.errors
	s.connections += o.connections
}

func (s *sums) subtract(o *sums) {
	s.requestBytes -= min(o.requestBytes, s.requestBytes)
	s.responseBytes -= min(o.responseBytes, s.responseBytes)
	s.retransmitted -= min(o.retransmitted, s.retransmitted)
	s.requests -= min(o.requests, s.requests)
	s.errors -= min(o.errors, s.errors)
	s.connections -= min(o.connections, s.connections)
}

func (s *sums) bytes() uint64 { return s.requestBytes + s.responseBytes }

const chunkCells = 30

// chunk is chunkCells steps that follow each other. The first one has the number
// number * chunkCells.
type chunk struct {
	number int64
	cells  [chunkCells]cell
}

const chunkBytes = int(unsafe.Sizeof(chunk{}))

// timeline is the division of time that all series of a Book share, and the memory
// for their chunks.
type timeline struct {
	everyNs [numTiers]int64
	slots   [numTiers]int64
	newest  [numTiers]int64 // number of the newest chunk
	free    []*chunk
	made    int
	limit   int // of chunks
	refused bool
}

func newTimeline(c *Config) *timeline {
	t := &timeline{limit: max(c.MemoryBytes/chunkBytes, 1)}
	for i, s := range c.Steps {
		t.everyNs[i] = int64(s.Every)
		steps := int64((s.For + s.Every - 1) / s.Every)
		t.slots[i] = (steps+chunkCells-1)/chunkCells + 1
	}
	return t
}

// advance makes ns known as a time that was reached.
func (t *timeline) advance(ns int64) {
	for i := range t.newest {
		t.newest[i] = max(t.newest[i], ns/t.everyNs[i]/chunkCells)
	}
}

// step is the one of the first tier that a time is in.
func (t *timeline) step(ns int64) int64 { return ns / t.everyNs[0] }

// oldest is the number of the oldest step of a tier that is still kept.
func (t *timeline) oldest(tier int) int64 { return (t.newest[tier] - t.slots[tier] + 1) * chunkCells }

func (t *timeline) take(must bool) *chunk {
	if n := len(t.free); n > 0 {
		c := t.free[n-1]
		t.free = t.free[:n-1]
		return c
	}
	if t.made >= t.limit && !must {
		t.refused = true
		return nil
	}
	t.made++
	return &chunk{}
}

// series are sums over time. Those of the step that goes on wait in current, so that an
// exchange mostly touches one place in memory; when the step is over they are added to the
// one of the next tier that goes on.
type series struct {
	current         [numTiers]cell
	at              [numTiers]int64 // the step that current is of
	chunks          [numTiers][]*chunk
	firstNs, lastNs int64
	// whole: where there was no room for a chunk, it is taken nevertheless.
	whole bool
	// starved: there was no room for a chunk. It holds nothing then, and is to be
	// dropped.
	starved bool
	// partial: what happened before it was made is not in it.
	partial bool
}

// add counts what happened in a step of the first tier.
func (s *series) add(t *timeline, step int64, c *cell) { s.addTo(t, 0, step, c) }

func (s *series) addTo(t *timeline, tier int, step int64, c *cell) {
	switch {
	case step == s.at[tier]:
		s.current[tier].add(c)
	case step > s.at[tier]:
		s.flushTier(t, tier)
		s.at[tier], s.current[tier] = step, *c
	default: // an exchange that ended before others that were told of
		s.put(t, tier, step, c)
		s.pass(t, tier, step, c)
	}
}

// pass counts in the next tier what happened in a step.
func (s *series) pass(t *timeline, tier int, step int64, c *cell) {
	if next := tier + 1; next < numTiers {
		s.addTo(t, next, step*t.everyNs[tier]/t.everyNs[next], c)
	}
}

// flush brings current into the chunks.
func (s *series) flush(t *timeline) {
	for tier := range s.current {
		s.flushTier(t, tier)
	}
}

func (s *series) flushTier(t *timeline, tier int) {
	if c := &s.current[tier]; *c != (cell{}) {
		s.put(t, tier, s.at[tier], c)
		s.pass(t, tier, s.at[tier], c)
		*c = cell{}
	}
}

func (s *series) put(t *timeline, tier int, step int64, c *cell) {
	if s.starved || step < t.oldest(tier) {
		return
	}
	into := s.slot(t, tier, step)
	if into == nil {
		s.starved = true
		s.release(t, true)
		return
	}
	into.add(c)
}

func (s *series) slot(t *timeline, tier int, step int64) *cell {
	if s.chunks[tier] == nil {
		s.chunks[tier] = make([]*chunk, t.slots[tier])
	}
	number := step / chunkCells
	at := &s.chunks[tier][number%t.slots[tier]]
	switch {
	case *at == nil:
		if *at = t.take(s.whole); *at == nil {
			return nil
		}
		**at = chunk{number: number}
	case (*at).number != number:
		**at = chunk{number: number}
	}
	return &(*at).cells[step%chunkCells]
}

// part returns the steps of chunk number that are in [from, to), and the first one's
// number; nothing where nothing happened.
func (s *series) part(t *timeline, tier int, number, from, to int64) (cells []cell, first int64) {
	ch := s.chunks[tier][number%t.slots[tier]]
	if ch == nil || ch.number != number {
		return nil, 0
	}
	first = max(from, number*chunkCells)
	return ch.cells[first-number*chunkCells : min(to, (number+1)*chunkCells)-number*chunkCells], first
}

// sum adds the steps [from, to) to out.
func (s *series) sum(t *timeline, tier int, from, to int64, out *sums) {
	if s.chunks[tier] == nil {
		return
	}
	for number := from / chunkCells; number*chunkCells < to; number++ {
		cells, _ := s.part(t, tier, number, from, to)
		for i := range cells {
			out.add(&cells[i])
		}
	}
}

// curve adds the steps [from, to), so many of them a point, to bytes and requests.
func (s *series) curve(t *timeline, tier int, from, to, group int64, sign float64, bytes, requests []float64) {
	if s.chunks[tier] == nil {
		return
	}
	for number := from / chunkCells; number*chunkCells < to; number++ {
		cells, first := s.part(t, tier, number, from, to)
		for i := range cells {
			c, at := &cells[i], (first+int64(i)-from)/group
			bytes[at] += sign * float64(c.requestBytes+c.responseBytes)
			requests[at] += sign * float64(c.requests)
		}
	}
}

// release gives back the chunks that are too old, or all. It reports whether any are
// left.
func (s *series) release(t *timeline, all bool) (left bool) {
	for tier, ring := range s.chunks {
		for i, ch := range ring {
			switch {
			case ch == nil:
			case all || ch.number*chunkCells < t.oldest(tier):
				t.free = append(t.free, ch)
				ring[i] = nil
			default:
				left = true
			}
		}
	}
	return left || s.current != [numTiers]cell{}
}
