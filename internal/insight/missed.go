package insight

import (
	"fmt"

	"gortap/internal/wording"
)

// Missed are exchanges that were not looked at one by one, as they would have been
// counted.
type Missed struct {
	EndNs                         int64 // when the last of them ended
	Requests, Errors, Connections uint32
	RequestBytes, ResponseBytes   uint64
}

// Add counts one. Of o it needs the end, the bytes on the wire, and what became of it.
func (m *Missed) Add(o *Observation) {
	c := cellOf(o)
	m.EndNs = max(m.EndNs, o.EndNs)
	m.RequestBytes += c.requestBytes
	m.ResponseBytes += c.responseBytes
	m.Requests += c.requests
	m.Errors += c.errors
	m.Connections += c.connections
}

// Missed counts them in the total, in the step of EndNs. They have no names: in lists
// they are in the (rest).
func (b *Book) Missed(m *Missed) {
	c := cell{
		requestBytes: m.RequestBytes, responseBytes: m.ResponseBytes,
		requests: m.Requests, errors: m.Errors, connections: m.Connections,
	}
	endNs := m.EndNs
	if b.startNs == 0 {
		b.startNs = endNs
	}
	if endNs > b.nowNs {
		b.nowNs = endNs
		b.line.advance(endNs)
	} else if endNs/b.line.everyNs[numTiers-1] < b.line.oldest(numTiers-1) {
		endNs = b.nowNs
	}
	now := b.line.step(endNs)
	b.total.add(b.line, now, &c)
	b.missed.add(b.line, now, &c)
}

// noteMissed says how much of a View's time was looked at.
func (s *span) noteMissed(v *View) {
	missed, all := s.sum(&s.Book.missed), s.sum(&s.total)
	if missed.requests == 0 || all.requests == 0 {
		return
	}
	v.Unseen = float64(missed.requests) / float64(all.requests)
	of := "they are in the total, and (rest) in lists"
	if *s.q != (Query{FromNs: s.q.FromNs, ToNs: s.q.ToNs, Search: s.q.Search, Rows: s.q.Rows, Points: s.q.Points}) {
		of = "what this selection had of them is not in it"
	}
	v.Notes = append(v.Notes, fmt.Sprintf("Insight looked at %s of the exchanges of this time. Of the other %s it has no names: %s (--insight-rate; gor_insight_missing_total says why).",
		wording.Percent(1-v.Unseen), wording.Grouped(missed.requests), of))
}
