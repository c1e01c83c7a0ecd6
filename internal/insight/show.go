package insight

import (
	"fmt"
	"net/netip"
	"time"
)

const (
	defaultRows   = 50
	maxRows       = 1000
	defaultPoints = 60
	maxPoints     = 1000
)

// View sums up what q selects. It takes milliseconds.
func (b *Book) View(q Query) View {
	b.flush()
	if b.line.refused {
		b.dropStarved()
	}
	s := b.span(&q)
	v := View{
		FromNs: s.fromNs, ToNs: s.toNs, From: time.Unix(0, s.fromNs).UTC(), To: time.Unix(0, s.toNs).UTC(),
		StepNs: s.group * b.line.everyNs[s.tier], More: map[string]int{},
	}
	whole := s.sum(&b.total)
	s.allBytes = whole.bytes()
	total := s.selected(whole)
	v.Total = s.row(total)
	v.Services = s.list(&v, "services", s.services(), total)
	v.Endpoints = s.list(&v, "endpoints", s.endpoints(), total)
	clients := s.clients()
	networks := s.networks(clients) // before the list of clients is cut
	v.Clients = s.list(&v, "clients", clients, total)
	v.Networks = s.list(&v, "networks", networks, total)
	v.Pairs = s.list(&v, "pairs", s.pairs(), total)
	v.Statuses = s.list(&v, "statuses", s.statuses(), total)
	s.distributions(&v)
	s.notes(&v)
	return v
}

// flush brings what was counted last into the steps.
func (b *Book) flush() {
	b.total.flush(b.line)
	b.missed.flush(b.line)
	for _, s := range b.services {
		for _, r := range s.statuses {
			r.flush(b.line)
		}
	}
	for _, e := range b.endpoints {
		for _, r := range e.statuses {
			r.flush(b.line)
		}
	}
	for _, c := range b.clients {
		c.flush(b.line)
	}
	for _, r := range b.combos {
		r.flush(b.line)
	}
}

// span is a time in steps of one tier, and what is asked of it.
type span struct {
	*Book
	q            *Query
	client       netip.Addr
	tier         int
	from, to     int64 // steps
	fromNs, toNs int64 // what they cover
	group        int64 // steps of a point
	points       int
	seconds      float64 // that rates are of
	allBytes     uint64
}

// span chooses the steps: the finest that go back far enough, but none finer where
// three quarters of the points asked for are left.
func (b *Book) span(q *Query) *span {
	s := &span{Book: b, q: q}
	if q.Client != "" {
		s.client, _ = netip.ParseAddr(q.Client) // what is no address selects nothing
	}
	last := max(b.nowNs, b.startNs)
	from, to := q.FromNs, q.ToNs
	if from <= 0 || from < b.startNs {
		from = b.startNs
	}
	if to <= 0 || to > last {
		to = last + 1
	}
	from = min(from, to-1)
	points := int64(q.Points)
	if points <= 0 {
		points = defaultPoints
	}
	points = min(points, maxPoints)
	for s.tier < numTiers-1 {
		next := b.line.everyNs[s.tier+1]
		if from/b.line.everyNs[s.tier] >= b.line.oldest(s.tier) && (to-from)/next < points*3/4 {
			break
		}
		s.tier++
	}
	every := b.line.everyNs[s.tier]
	s.from, s.to = max(from/every, b.line.oldest(s.tier), 0), (to+every-1)/every
	s.to = max(s.to, s.from+1)
	s.group = max((s.to-s.from+points-1)/points, 1)
	s.points = int((s.to - s.from + s.group - 1) / s.group)
	s.fromNs, s.toNs = s.from*every, s.to*every
	covered := min(s.toNs, last+1) - max(s.fromNs, b.startNs)
	s.seconds = max(float64(covered)/1e9, 1)
	return s
}

// sum adds up what s covers.
func (s *span) sum(of *series) (out sums) {
	of.sum(s.line, s.tier, s.from, s.to, &out)
	return out
}

// curve fills the series of a row.
func (s *span) curve(r *Row, of []*series, sign float64) {
	if r.Bytes == nil {
		r.Bytes, r.Counts = make([]float64, s.points), make([]float64, s.points)
	}
	for _, one := range of {
		one.curve(s.line, s.tier, s.from, s.to, s.group, sign, r.Bytes, r.Counts)
	}
}

// group is what makes a row.
type group struct {
	Row
	sums    sums
	of      []*series
	without []*series        // of a rest: what has rows of its own
	spreads []*distributions // nil: not kept
}

// row writes a group out, but for its curve.
func (s *span) row(g *group) Row {
	r := g.Row
	r.Requests, r.Errors, r.Connections = g.sums.requests, g.sums.errors, g.sums.connections
	r.RequestBytes, r.ResponseBytes, r.Retransmitted = g.sums.requestBytes, g.sums.responseBytes, g.sums.retransmitted
	if s.allBytes > 0 {
		r.Share = float64(g.sums.bytes()) / float64(s.allBytes)
	}
	r.RequestRate, r.ByteRate = float64(r.Requests)/s.seconds, float64(g.sums.bytes())/s.seconds
	if len(g.spreads) > 0 {
		sp := s.spreadOf(g.spreads)
		r.SizeP50, r.SizeP99 = sp.size(0.5), sp.size(0.99)
		r.DurationP50, r.DurationP99 = sp.duration(0.5), sp.duration(0.99)
	}
	for _, one := range g.of {
		if one.firstNs != 0 && (r.FirstNs == 0 || one.firstNs < r.FirstNs) {
			r.FirstNs = one.firstNs
		}
		r.LastNs = max(r.LastNs, one.lastNs)
		r.Partial = r.Partial || one.partial
	}
	s.curve(&r, g.of, 1)
	s.curve(&r, g.without, -1)
	return r
}

func (s *span) spreadOf(all []*distributions) *spread {
	var sum spread
	for _, ds := range all {
		ds.sum(&sum, s.fromNs, s.toNs, s.nowNs)
	}
	return &sum
}

// distributions fills in those of everything that is selected.
func (s *span) distributions(v *View) {
	v.Sizes, v.Durations = []Bin{}, []Bin{}
	if s.q.Client != "" {
		return
	}
	sum := s.spreadOf(s.selectedSpreads())
	v.Sizes = bins(sum.sizes[:], minSizeExp, maxSizeExp, sum.sizeRange)
	v.Durations = bins(sum.durations[:], minDurationExp, maxDurationExp, sum.time)
}

func (s *span) notes(v *View) {
	s.noteMissed(v)
	if s.late > 0 {
		v.Notes = append(v.Notes, fmt.Sprintf("%d exchanges ended longer ago than anything is kept; they count when they were seen.", s.late))
	}
	if s.q.Client != "" {
		v.Notes = append(v.Notes, "Sizes and durations are not kept by client.")
	}
	if s.q.FromNs > 0 && s.q.FromNs < s.fromNs && s.fromNs > s.startNs {
		v.Notes = append(v.Notes, fmt.Sprintf("Nothing is kept from before %s.", v.From.Format(time.RFC3339)))
	}
	if v.Total.Partial || s.unknown() {
		v.Notes = append(v.Notes, "There are more names than are kept: this selection may have had more than is shown.")
	}
}

// unknown says that the query selects something of which not all is kept by name.
func (s *span) unknown() bool {
	switch {
	case s.q.Client != "" && (s.q.Service != "" || s.byEndpoint()):
		return s.newCombos.used
	case s.q.Client != "":
		return s.newClients.used && s.Book.clients[s.client] == nil
	case s.byEndpoint():
		return s.newEndpoints.used
	case s.q.Service != "":
		return s.newServices.used && s.Book.services[s.q.Service] == nil
	}
	return false
}
