package compare

import (
	"hash/maphash"
	"time"

	"gortap/internal/proto"
	"gortap/internal/record"
)

// side says whose a response is.
type side uint8

const (
	original side = iota
	candidate
	baseline
	baseline2
	numSides
)

// reason says why an exchange was not compared. The set is fixed.
type reason uint8

const (
	noOriginal reason = iota // there is no original response, nor one of a baseline
	noReplay                 // the target's response did not come in time
	evicted                  // the limit of memory was reached
	incomplete               // the original response is not whole, or cannot be read
	late                     // a response that came twice, or after its exchange was settled
	numReasons
)

var reasonNames = [numReasons]string{"no-original", "no-replay", "evicted", "incomplete", "late"}

// failure marks the record that stands for a response that did not come.
const failure proto.Protocol = "failed"

const (
	// entrySize is what an exchange takes in memory beside its responses.
	entrySize = 512
	// maxSettled is how many settled exchanges are remembered, to tell a
	// response that comes twice from the first one of an exchange.
	maxSettled = 1 << 16
)

// entry is an exchange whose responses are not compared yet.
type entry struct {
	id       string
	method   []byte
	endpoint string
	target   string
	timeNs   int64
	parts    [numSides]*record.Record
	since    time.Time
	size     int
	ready    bool

	prev, next *entry
}

// isWhole reports whether nothing more is to come.
func (e *entry) isWhole(baselines int) bool {
	return e.parts[original] != nil && e.parts[candidate] != nil &&
		(baselines < 1 || e.parts[baseline] != nil) && (baselines < 2 || e.parts[baseline2] != nil)
}

// missing tells why an exchange cannot be compared; ok where it can.
func (e *entry) missing() (why reason, ok bool) {
	switch {
	case e.parts[candidate] == nil:
		return noReplay, false
	case e.parts[original] == nil && e.parts[baseline] == nil:
		return noOriginal, false
	}
	return 0, true
}

// list is a list of entries, oldest first.
type list struct{ first, last *entry }

func (l *list) push(e *entry) {
	e.prev, e.next = l.last, nil
	if l.last != nil {
		l.last.next = e
	} else {
		l.first = e
	}
	l.last = e
}

func (l *list) cut(e *entry) {
	if e.prev != nil {
		e.prev.next = e.next
	} else {
		l.first = e.next
	}
	if e.next != nil {
		e.next.prev = e.prev
	} else {
		l.last = e.prev
	}
	e.prev, e.next = nil, nil
}

// table holds the exchanges that wait: for responses, or to be compared.
type table struct {
	entries  map[string]*entry
	waiting  list
	queue    list
	bytes    int // what all of them take, and the one that is being compared
	unpaired [numReasons]uint64

	seed maphash.Seed
	past map[uint64]bool // settled exchanges, by a hash of their ID: whether skipped
	ring []uint64        // the same in their order
	next int
}

func (t *table) init(seed maphash.Seed) {
	t.entries, t.past, t.seed = map[string]*entry{}, map[uint64]bool{}, seed
}

func (t *table) find(id string) *entry { return t.entries[id] }

func (t *table) add(id string, now time.Time) *entry {
	e := &entry{id: id, since: now, size: entrySize}
	t.entries[id] = e
	t.bytes += e.size
	t.waiting.push(e)
	return e
}

func (t *table) grow(e *entry, n int) {
	e.size += n
	t.bytes += n
}

func (t *table) setReady(e *entry) {
	t.waiting.cut(e)
	e.ready = true
	t.queue.push(e)
}

// take removes an exchange that is going to be compared; free gives its memory
// back.
func (t *table) take(e *entry) {
	t.queue.cut(e)
	delete(t.entries, e.id)
	t.finish(e.id, false)
}

func (t *table) free(e *entry) { t.bytes -= e.size }

// remove takes an exchange out that is not compared.
func (t *table) remove(e *entry, skipped bool) {
	if e.ready {
		t.queue.cut(e)
	} else {
		t.waiting.cut(e)
	}
	delete(t.entries, e.id)
	t.bytes -= e.size
	t.finish(e.id, skipped)
}

// finish remembers that an exchange is settled, and forgets the oldest one.
func (t *table) finish(id string, skipped bool) {
	h := maphash.String(t.seed, id)
	if _, known := t.past[h]; known {
		return
	}
	if len(t.ring) < maxSettled {
		t.ring = append(t.ring, h)
	} else {
		delete(t.past, t.ring[t.next])
		t.ring[t.next] = h
		t.next = (t.next + 1) % maxSettled
	}
	t.past[h] = skipped
}

func (t *table) settled(id string) (settled, skipped bool) {
	skipped, settled = t.past[maphash.String(t.seed, id)]
	return settled, skipped
}
