package insight

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

// candidates are names that found no room, with what they moved of late.
type candidates[K comparable] struct {
	weights map[K]uint64
	used    bool // there ever was one
}

const maxCandidates = 256

func newCandidates[K comparable]() candidates[K] {
	return candidates[K]{weights: make(map[K]uint64, maxCandidates)}
}

func (c *candidates[K]) add(key K, weight uint64) {
	c.used = true
	if _, known := c.weights[key]; known || len(c.weights) < maxCandidates {
		c.weights[key] += weight
	}
}

// admit makes room for candidates that moved more of late than what is kept did: as
// many as that holds for. Whoever comes next finds the room; a place that stays empty
// is anybody's. It drops those of kept that have to go.
func admit[K comparable, T any](c *candidates[K], kept []T, weight func(T) uint64, drop func(T)) {
	if len(c.weights) == 0 {
		return
	}
	slices.SortFunc(kept, func(a, b T) int { return cmp.Compare(weight(a), weight(b)) })
	best := slices.SortedFunc(maps.Values(c.weights), func(a, b uint64) int { return cmp.Compare(b, a) })
	for i := range min(len(kept), len(best)) {
		if best[i] <= weight(kept[i]) {
			break
		}
		drop(kept[i])
	}
	clear(c.weights)
}

// fadeEvery is how often weights lose an eighth: a name that moved much and moves
// nothing now has half of its weight after five minutes.
const fadeEvery = int64(time.Minute)

// rearrange lets go of what is too old or too small to be kept by name.
func (b *Book) rearrange() {
	clear(b.places)
	b.sameClients.forget()
	b.sameCombos.forget()
	admit(&b.newServices, slices.Collect(maps.Values(b.services)), func(s *service) uint64 { return s.weight }, b.dropService)
	admit(&b.newClients, slices.Collect(maps.Values(b.clients)), func(c *client) uint64 { return c.weight }, b.dropClient)
	admit(&b.newEndpoints, slices.Collect(maps.Values(b.endpoints)), func(e *endpoint) uint64 { return e.weight }, b.dropEndpoint)
	admit(&b.newCombos, slices.Collect(maps.Values(b.combos)), func(r *row) uint64 { return r.weight }, b.dropCombo)
	if b.nowNs-b.fadedNs >= fadeEvery {
		b.fadedNs = b.nowNs
		b.fade()
	}
	if b.line.refused {
		b.line.refused = false
		b.dropStarved()
		b.makeRoom()
	}
}

// dropStarved drops what memory had no room for.
func (b *Book) dropStarved() {
	starved := func(rows []*row) bool {
		return slices.ContainsFunc(rows, func(r *row) bool { return r.starved })
	}
	for _, s := range b.services {
		if starved(s.statuses) {
			b.newServices.used = true
			b.dropService(s)
		}
	}
	for _, e := range b.endpoints {
		if starved(e.statuses) {
			b.newEndpoints.used = true
			b.dropEndpoint(e)
		}
	}
	for _, c := range b.clients {
		if c.starved {
			b.newClients.used = true
			b.dropClient(c)
		}
	}
	for _, r := range b.combos {
		if r.starved {
			b.newCombos.used = true
			b.dropCombo(r)
		}
	}
}

// makeRoom drops the smallest names where memory is used up: combinations of a client
// and an endpoint first, of which most is known without them.
func (b *Book) makeRoom() {
	want := b.line.limit / 16
	combos := slices.SortedFunc(maps.Values(b.combos), func(x, y *row) int { return cmp.Compare(x.weight, y.weight) })
	for _, r := range combos {
		if len(b.line.free) >= want {
			return
		}
		b.dropCombo(r)
		b.newCombos.used = true
	}
	clients := slices.SortedFunc(maps.Values(b.clients), func(x, y *client) int { return cmp.Compare(x.weight, y.weight) })
	for _, c := range clients {
		if len(b.line.free) >= want {
			return
		}
		b.dropClient(c)
		b.newClients.used = true
	}
}

// fade lets weights shrink and drops what has nothing left to show.
func (b *Book) fade() {
	b.total.release(b.line, false)
	b.missed.release(b.line, false)
	for _, s := range b.services {
		s.weight -= s.weight / 8
		if !b.releaseRows(s.statuses) {
			b.dropService(s)
		}
	}
	for _, r := range b.combos {
		r.weight -= r.weight / 8
		if !r.release(b.line, false) {
			b.dropCombo(r)
		}
	}
	for _, e := range b.endpoints {
		e.weight -= e.weight / 8
		if !b.releaseRows(e.statuses) {
			b.dropEndpoint(e)
		}
	}
	for _, c := range b.clients {
		c.weight -= c.weight / 8
		if !c.release(b.line, false) {
			b.dropClient(c)
		}
	}
}

func (b *Book) releaseRows(rows []*row) (left bool) {
	for _, r := range rows {
		if r.release(b.line, false) {
			left = true
		}
	}
	return left
}

func (b *Book) dropService(s *service) {
	for _, r := range s.statuses {
		r.release(b.line, true)
	}
	delete(b.services, s.name)
	for _, e := range b.endpoints {
		if e.service == s.name {
			b.newEndpoints.used = true
			b.dropEndpoint(e)
		}
	}
}

func (b *Book) dropEndpoint(e *endpoint) {
	for _, r := range e.statuses {
		r.release(b.line, true)
	}
	delete(b.endpoints, e.endpointName)
	b.dropCombos(func(r *row) bool { return r.endpoint == e })
}

func (b *Book) dropClient(c *client) {
	c.release(b.line, true)
	delete(b.clients, c.addr)
	b.dropCombos(func(r *row) bool { return r.client == c })
}

func (b *Book) dropCombos(which func(*row) bool) {
	for _, r := range b.combos {
		if which(r) {
			b.newCombos.used = true
			b.dropCombo(r)
		}
	}
}

func (b *Book) dropCombo(r *row) {
	r.release(b.line, true)
	delete(b.combos, r.key)
}
