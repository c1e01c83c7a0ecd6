package httpout

// runMultiplexed plays the records of an HTTP/2 connection.
func (s *session) runMultiplexed() {
	for {
		q, ok := s.await()
		if !ok {
			return
		}
		s.o.drop(q.r, unsupported)
	}
}
