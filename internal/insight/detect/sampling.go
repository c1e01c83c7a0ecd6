package detect

// schedule says when a sample is looked at: at the first, and each time that there are
// twice as many answers; so an endpoint costs little however many it has.
type schedule struct{ n, next int64 }

// due counts an answer and says whether its sample is due. An answer without one leaves
// it due.
func (s *schedule) due(hasSample bool) bool {
	s.n++
	if !hasSample || s.n < s.next {
		return false
	}
	s.next = 2 * s.n
	return true
}

// purse bounds the looks within a second of the traffic's time, over all endpoints.
type purse struct {
	second int64
	left   int
}

const looksPerSecond = 20

func (p *purse) take(nowNs int64) bool {
	if second := nowNs / secondNs; second != p.second {
		p.second, p.left = second, looksPerSecond
	}
	p.left--
	return p.left >= 0
}
