package reassembly

import "gortap/internal/flow"

// lingering remembers connections that ended, so that their late segments do
// not look like new ones. It forgets them in the order they came, by age or
// when there are too many.
type lingering struct {
	past  map[flow.Key]past
	queue []passing // oldest first, from first on; forgotten ones may still be in it
	first int
	limit int
}

func newLingering(limit int) lingering {
	return lingering{past: make(map[flow.Key]past), limit: limit}
}

// past is what is left of a connection: enough to tell a belated segment from
// the first of another.
type past struct {
	origins  [2]origin
	next     [2]uint32 // sequence number behind the last byte
	reset    [2]bool   // closed by that side's RST
	closedNs int64
}

// begins reports whether s belongs to another connection: a SYN that is not
// the one known, or new bytes from a side that had sent a RST. Then it was not
// that side that sent it, and the connection goes on.
func (p *past) begins(s *flow.Segment, reach int64) bool {
	if s.Flags.Has(flow.SYN) {
		return !p.origins[s.Dir].matches(s.Seq+1, reach)
	}
	return p.reset[s.Dir] && s.Len > 0 && int64(s.Seq-p.next[s.Dir]) <= reach
}

type passing struct {
	key      flow.Key
	closedNs int64
}

// origin says where a direction's bytes begin.
type origin struct {
	seq   uint32 // of the first byte
	known bool
	exact bool // told by a SYN; otherwise the first byte seen, and there may be earlier ones
}

// matches reports whether a SYN whose first byte has the number seq is that of
// this direction; reach bounds how far before its first byte seen it may begin.
func (o origin) matches(seq uint32, reach int64) bool {
	if o.exact {
		return seq == o.seq
	}
	return o.known && int64(o.seq-seq) <= reach
}

func (l *lingering) add(key flow.Key, p past) {
	for len(l.queue)-l.first >= l.limit {
		l.pop()
	}
	if len(l.queue) == cap(l.queue) && l.first > len(l.queue)/2 {
		l.queue = l.queue[:copy(l.queue, l.queue[l.first:])]
		l.first = 0
	}
	l.queue = append(l.queue, passing{key, p.closedNs})
	l.past[key] = p
}

func (l *lingering) forget(key flow.Key) { delete(l.past, key) }

// expire forgets what ended at or before ns.
func (l *lingering) expire(ns int64) {
	for l.first < len(l.queue) && l.queue[l.first].closedNs <= ns {
		l.pop()
	}
}

func (l *lingering) pop() {
	oldest := l.queue[l.first]
	l.first++
	// The key may have been forgotten, and may have ended again since.
	if p, ok := l.past[oldest.key]; ok && p.closedNs == oldest.closedNs {
		delete(l.past, oldest.key)
	}
}
