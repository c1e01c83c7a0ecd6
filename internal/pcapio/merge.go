package pcapio

import (
	"cmp"
	"container/heap"
	"errors"
	"fmt"
	"io"
	"slices"
)

// merge gives the records of several sources by time. Within a file, it keeps
// the file's order.
type merge struct {
	open    sourceHeap // each with a record
	later   []*source  // by first time
	maxOpen int
	damages []error
}

func newMerge(sources []*source, maxOpen int) *merge {
	m := &merge{later: slices.Clone(sources), maxOpen: maxOpen}
	slices.SortStableFunc(m.later, func(a, b *source) int { return cmp.Compare(a.firstNs, b.firstNs) })
	return m
}

// first returns the source of the next record, or nil at the end. It fails
// only where the merge cannot go on; damage is kept in damages.
func (m *merge) first() (*source, error) {
	for len(m.later) > 0 && (len(m.open) == 0 || m.later[0].firstNs <= m.open[0].rec.TsNs) {
		s := m.later[0]
		m.later = m.later[1:]
		if len(m.open) >= m.maxOpen {
			s.close()
			return nil, fmt.Errorf("merge %s with %d others: %w", s.path, len(m.open), ErrTooManyOpen)
		}
		if err := s.open(); err != nil {
			if err := m.end(s, err); err != nil {
				return nil, err
			}
			continue
		}
		heap.Push(&m.open, s)
	}
	if len(m.open) == 0 {
		return nil, nil
	}
	return m.open[0], nil
}

// advance passes the record of the source that first returned.
func (m *merge) advance() error {
	s := m.open[0]
	if err := s.advance(); err != nil {
		heap.Pop(&m.open)
		return m.end(s, err)
	}
	if len(m.open) > 1 {
		heap.Fix(&m.open, 0)
	}
	return nil
}

// end closes a source. Damage to one file does not end the others.
func (m *merge) end(s *source, err error) error {
	s.close()
	var d *DamageError
	switch {
	case errors.As(err, &d):
		m.damages = append(m.damages, err)
		return nil
	case errors.Is(err, io.EOF):
		return nil
	}
	return err
}

// sourceHeap orders sources by the time of their next record.
type sourceHeap []*source

func (h sourceHeap) Len() int { return len(h) }
func (h sourceHeap) Less(i, j int) bool {
	a, b := h[i], h[j]
	return a.rec.TsNs < b.rec.TsNs || (a.rec.TsNs == b.rec.TsNs && a.index < b.index)
}
func (h sourceHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }

// Push and Pop are for container/heap.
func (h *sourceHeap) Push(x any) { *h = append(*h, x.(*source)) }

// Pop removes the last element.
func (h *sourceHeap) Pop() any {
	s := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return s
}
