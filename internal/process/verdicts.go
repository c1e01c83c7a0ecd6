package process

import (
	"hash/maphash"

	"gortap/internal/record"
)

const (
	// maxVerdicts is how many of the latest requests are known by their ID.
	maxVerdicts = 1 << 16
	// maxHeld and maxHeldBytes bound the responses that wait for their request.
	maxHeld      = 1024
	maxHeldBytes = 16 << 20
)

// verdicts remembers which requests went on, so that what belongs to one shares
// its fate. A response may come first: it is held until its request does.
type verdicts struct {
	seed  maphash.Seed
	of    map[uint64]bool // by hash: an ID itself would keep its buffer alive
	ring  []uint64
	next  int
	held  []*record.Record
	bytes int
}

func newVerdicts() *verdicts {
	return &verdicts{seed: maphash.MakeSeed(), of: make(map[uint64]bool)}
}

// request is the key of what belongs to a request, stream of what follows one that
// upgrades its connection: that has an ID of its own.
func (v *verdicts) request(id string) uint64  { return maphash.String(v.seed, id) }
func (v *verdicts) stream(conn uint64) uint64 { return maphash.Comparable(v.seed, conn) }

// judge stores what became of a request.
func (v *verdicts) judge(h uint64, passed bool) {
	if _, known := v.of[h]; !known {
		if len(v.ring) < maxVerdicts {
			v.ring = append(v.ring, h)
		} else {
			delete(v.of, v.ring[v.next])
			v.ring[v.next] = h
			v.next = (v.next + 1) % maxVerdicts
		}
	}
	v.of[h] = passed
}

func (v *verdicts) verdict(h uint64) (passed, known bool) {
	passed, known = v.of[h]
	return passed, known
}

// hold keeps r until its request comes, and returns the ones that cannot wait any
// longer.
func (v *verdicts) hold(r *record.Record) (evicted []*record.Record) {
	v.held = append(v.held, r)
	v.bytes += len(r.Data)
	n := 0
	for len(v.held)-n > maxHeld || v.bytes > maxHeldBytes {
		v.bytes -= len(v.held[n].Data)
		n++
	}
	if n > 0 {
		evicted = append(evicted, v.held[:n]...)
		v.drop(0, n)
	}
	return evicted
}

// release returns what is held for a request.
func (v *verdicts) release(id string) (released []*record.Record) {
	for i := 0; i < len(v.held); {
		if v.held[i].ID != id {
			i++
			continue
		}
		released = append(released, v.held[i])
		v.bytes -= len(v.held[i].Data)
		v.drop(i, i+1)
	}
	return released
}

func (v *verdicts) drop(from, to int) {
	n := copy(v.held[from:], v.held[to:])
	clear(v.held[from+n:])
	v.held = v.held[:from+n]
}
