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

// series are sums over time. Those of the step that goes on wait in current.
type series struct {
	current         cell
	at              int64 // the step of the finest tier that current is of
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

// add counts what happened at a time, in the finest step number.
func (s *series) add(t *timeline, step int64, c *cell) {
	if step != s.at {
		if step < s.at { // an exchange that ended before others that were told of
			s.put(t, step, c)
			return
		}
		s.flush(t)
		s.at = step
	}
	s.current.add(c)
}

// flush brings current into the tiers.
func (s *series) flush(t *timeline) {
	if s.current != (cell{}) {
		s.put(t, s.at, &s.current)
		s.current = cell{}
	}
}

func (s *series) put(t *timeline, step int64, c *cell) {
	if s.starved {
		return
	}
	for tier := range t.everyNs {
		n := step * t.everyNs[0] / t.everyNs[tier]
		if n < t.oldest(tier) {
			continue
		}
		into := s.slot(t, tier, n)
		if into == nil {
			s.starved, s.current = true, cell{}
			s.release(t, true)
			return
		}
		into.add(c)
	}
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

// each calls f for each step of [from, to) in which something may have happened.
func (s *series) each(t *timeline, tier int, from, to int64, f func(step int64, c *cell)) {
	if s.chunks[tier] == nil {
		return
	}
	for number := from / chunkCells; number*chunkCells < to; number++ {
		ch := s.chunks[tier][number%t.slots[tier]]
		if ch == nil || ch.number != number {
			continue
		}
		first := number * chunkCells
		for step := max(from, first); step < min(to, first+chunkCells); step++ {
			f(step, &ch.cells[step-first])
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
	return left || s.current != (cell{})
}
