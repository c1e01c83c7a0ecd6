package intake

// spans are what parts of a batch stand for: what is shared there is looked up once. Some
// are forgotten where there are many.
type spans[T any] struct {
	of [spanPlaces]struct {
		span  span
		value T
	}
}

const (
	spanBits   = 6
	spanPlaces = 1 << spanBits
)

// get returns what was put for a span, nil where it is not known.
func (s *spans[T]) get(at span) *T {
	if e := &s.of[at.place()]; e.span == at && at.to > 0 {
		return &e.value
	}
	return nil
}

func (s *spans[T]) put(at span, value T) {
	e := &s.of[at.place()]
	e.span, e.value = at, value
}

// forget is for another batch.
func (s *spans[T]) forget() { clear(s.of[:]) }

func (s span) place() uint32 { return s.from * 0x9e3779b1 >> (32 - spanBits) }
