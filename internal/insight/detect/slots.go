package detect

// slots is a detector's state of each endpoint, made when it is first needed.
type slots[T any] struct{ of []*T }

// at returns the state of an endpoint, a zero one where there was none.
func (s *slots[T]) at(slot int) *T {
	for slot >= len(s.of) {
		s.of = append(s.of, nil)
	}
	if s.of[slot] == nil {
		s.of[slot] = new(T)
	}
	return s.of[slot]
}

// peek returns the state of an endpoint, nil where there is none.
func (s *slots[T]) peek(slot int) *T {
	if slot >= len(s.of) {
		return nil
	}
	return s.of[slot]
}

func (s *slots[T]) forget(slot int) {
	if slot < len(s.of) {
		s.of[slot] = nil
	}
}

func (s *slots[T]) reset() { clear(s.of) }
