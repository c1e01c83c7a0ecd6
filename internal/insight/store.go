package insight

import "sync"

// Detector looks for waste in exchanges. One goroutine at a time uses it.
type Detector interface {
	Observe(o *Observation)
	// Resent tells of payload bytes that a service's connections sent again, since
	// it was told of them last. It comes about once a second.
	Resent(service string, bytes uint64)
	// Missed tells of exchanges that it is not told of one by one.
	Missed(m *Missed)
	Tick(nowNs int64)
	Findings() []Finding
	Events() []Event
}

// Store is a Book and what looks for findings, behind one lock: the Source of a run.
// Any goroutine may use it.
type Store struct {
	mu       sync.Mutex
	book     *Book
	detector Detector // nil: none
}

var _ Source = (*Store)(nil)

// NewStore makes a Store; d may be nil.
func NewStore(b *Book, d Detector) *Store { return &Store{book: b, detector: d} }

// Batch calls f with what takes observations, under the lock, and sets the clock to
// nowNs after it, where that is not 0.
func (s *Store) Batch(nowNs int64, f func(observe func(*Observation))) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f(s.observe)
	if nowNs != 0 {
		s.book.Tick(nowNs)
		if s.detector != nil {
			s.detector.Tick(nowNs)
		}
	}
}

// Resent counts bytes that a service's connections sent again. It is for within Batch.
func (s *Store) Resent(service string, bytes uint64) {
	s.book.Resent(service, bytes)
	if s.detector != nil {
		s.detector.Resent(service, bytes)
	}
}

// Missed counts exchanges that nobody looked at. It is for within Batch.
func (s *Store) Missed(m *Missed) {
	if *m == (Missed{}) {
		return
	}
	s.book.Missed(m)
	if s.detector != nil {
		s.detector.Missed(m)
	}
}

func (s *Store) observe(o *Observation) {
	s.book.Observe(o)
	if s.detector != nil {
		s.detector.Observe(o)
	}
}

// View implements Source.
func (s *Store) View(q Query) (View, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.book.View(q), nil
}

// Findings implements Source.
func (s *Store) Findings() ([]Finding, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.detector == nil {
		return []Finding{}, nil
	}
	return s.detector.Findings(), nil
}

// Events implements Source.
func (s *Store) Events() ([]Event, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.detector == nil {
		return []Event{}, nil
	}
	return s.detector.Events(), nil
}

// Exchanges implements Source.
func (s *Store) Exchanges(q Query, after uint64) ([]Exchange, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.book.Exchanges(q, after), nil
}

// Stats says how full the Book is.
func (s *Store) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.book.Stats()
}
