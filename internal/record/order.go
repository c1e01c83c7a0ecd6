package record

import "time"

// slack is how much later than its time a message may begin for the recorder: a
// head that comes in pieces begins with the last of them. patience is how long
// records wait for a message that goes on. Both are of the capture's time.
const (
	slack    = int64(time.Second)
	patience = int64(10 * time.Second)
)

// held are records that wait to be handed over: a heap by key, and by arrival
// where keys are equal.
type held struct {
	items []item
	n     uint64 // pushed so far
	bytes int
}

type item struct {
	key int64
	n   uint64
	rec *Record
}

func (h *held) less(i, j int) bool {
	a, b := &h.items[i], &h.items[j]
	return a.key < b.key || a.key == b.key && a.n < b.n
}

func (h *held) push(key int64, r *Record) {
	h.items = append(h.items, item{key, h.n, r})
	h.n++
	h.bytes += cap(r.Data) + overhead
	for i := len(h.items) - 1; i > 0; {
		up := (i - 1) / 2
		if !h.less(i, up) {
			break
		}
		h.items[i], h.items[up] = h.items[up], h.items[i]
		i = up
	}
}

// ready reports whether the first record is to leave: it is not after before, or
// more bytes wait than window.
func (h *held) ready(before int64, window int) bool {
	return len(h.items) > 0 && (h.items[0].key <= before || h.bytes > window)
}

func (h *held) pop() *Record {
	first := h.items[0].rec
	last := len(h.items) - 1
	h.items[0] = h.items[last]
	h.items[last] = item{}
	h.items = h.items[:last]
	h.bytes -= cap(first.Data) + overhead
	for i := 0; ; {
		down := 2*i + 1
		if down >= last {
			return first
		}
		if down+1 < last && h.less(down+1, down) {
			down++
		}
		if !h.less(down, i) {
			return first
		}
		h.items[i], h.items[down] = h.items[down], h.items[i]
		i = down
	}
}

// going are the messages that are not over, in the order in which they began.
type going struct{ list message }

func (g *going) init() { g.list.prev, g.list.next = &g.list, &g.list }

func (g *going) add(m *message) {
	m.prev, m.next = g.list.prev, &g.list
	m.prev.next, g.list.prev = m, m
}

func (g *going) remove(m *message) {
	m.prev.next, m.next.prev = m.next, m.prev
	m.prev, m.next = nil, nil
}

// horizon returns the time up to which, most likely, nothing more begins.
func (g *going) horizon(nowNs int64) int64 {
	at := nowNs - slack
	if first := g.list.next; first != &g.list {
		at = min(at, first.firstNs)
	}
	return max(at, nowNs-patience)
}
