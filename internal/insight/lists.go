package insight

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"
)

// groups are the rows of a list, by what tells them apart.
type groups[K comparable] struct {
	*span
	by map[K]*group
}

func newGroups[K comparable](s *span) groups[K] { return groups[K]{s, map[K]*group{}} }

func (g groups[K]) add(key K, name func() Row, of *series) *group {
	sum := g.sum(of)
	if sum == (sums{}) {
		return &group{} // nothing in this time
	}
	row := g.by[key]
	if row == nil {
		row = &group{Row: name()}
		g.by[key] = row
	}
	row.sums.addSums(&sum)
	row.of = append(row.of, of)
	return row
}

func (g groups[K]) all() []*group {
	out := make([]*group, 0, len(g.by))
	for _, row := range g.by {
		out = append(out, row)
	}
	return out
}

func (s *span) byEndpoint() bool { return s.q.Method != "" || s.q.Path != "" }

func (s *span) wants(e *endpoint) bool {
	return (s.q.Service == "" || s.q.Service == e.service) && (s.q.Method == "" || s.q.Method == e.method) && (s.q.Path == "" || s.q.Path == e.path)
}

// rows calls f for each row of an endpoint that is selected, by client where one is
// asked for.
func (s *span) rows(f func(*row)) {
	if s.q.Client != "" {
		s.combinations(f)
		return
	}
	for _, e := range s.Book.endpoints {
		if s.wants(e) {
			for _, r := range e.statuses {
				f(r)
			}
		}
	}
}

// combinations calls f for each row of a client at an endpoint that is selected.
func (s *span) combinations(f func(*row)) {
	for _, r := range s.combos {
		if s.wants(r.endpoint) && (s.q.Client == "" || r.client.addr == s.client) {
			f(r)
		}
	}
}

// serviceRows calls f for each row of a service that is selected.
func (s *span) serviceRows(f func(*service, *row)) {
	for _, svc := range s.Book.services {
		if s.q.Service == "" || s.q.Service == svc.name {
			for _, r := range svc.statuses {
				f(svc, r)
			}
		}
	}
}

// selected is everything that the query selects.
func (s *span) selected(whole sums) *group {
	g := &group{}
	add := func(of *series) {
		sum := s.sum(of)
		g.sums.addSums(&sum)
		g.of = append(g.of, of)
	}
	switch {
	case s.q.Client != "" && s.q.Service == "" && !s.byEndpoint():
		if c := s.Book.clients[s.client]; c != nil {
			add(&c.series)
		}
	case s.q.Client != "" || s.byEndpoint():
		s.rows(func(r *row) { add(&r.series) })
	case s.q.Service != "":
		s.serviceRows(func(_ *service, r *row) { add(&r.series) })
	default:
		g.sums, g.of = whole, []*series{&s.total}
	}
	if s.q.Client == "" {
		g.spreads = s.selectedSpreads()
	}
	return g
}

func (s *span) selectedSpreads() (all []*distributions) {
	if s.q.Service == "" && !s.byEndpoint() {
		return []*distributions{&s.Book.spread}
	}
	for _, e := range s.Book.endpoints {
		if s.wants(e) {
			all = append(all, &e.spread)
		}
	}
	return all
}

func (s *span) services() []*group {
	g := newGroups[string](s)
	if s.q.Client != "" || s.byEndpoint() {
		s.rows(func(r *row) {
			g.add(r.endpoint.service, func() Row { return Row{Service: r.endpoint.service} }, &r.series)
		})
	} else {
		s.serviceRows(func(svc *service, r *row) { g.add(svc.name, func() Row { return Row{Service: svc.name} }, &r.series) })
	}
	if s.q.Client == "" {
		for _, e := range s.Book.endpoints {
			if row := g.by[e.service]; row != nil && s.wants(e) {
				row.spreads = append(row.spreads, &e.spread)
			}
		}
	}
	return g.all()
}

func (s *span) endpoints() []*group {
	g := newGroups[*endpoint](s)
	s.rows(func(r *row) {
		e := r.endpoint
		row := g.add(e, func() Row { return Row{Service: e.service, Method: e.method, Path: e.path} }, &r.series)
		if s.q.Client == "" && row.spreads == nil {
			row.spreads = []*distributions{&e.spread}
		}
	})
	return g.all()
}

func (s *span) clients() []*group {
	g := newGroups[*client](s)
	name := func(c *client) func() Row { return func() Row { return Row{Client: addrText(c.addr)} } }
	if s.q.Service != "" || s.byEndpoint() {
		s.combinations(func(r *row) { g.add(r.client, name(r.client), &r.series) })
		return g.all()
	}
	for _, c := range s.Book.clients {
		if s.q.Client == "" || c.addr == s.client {
			g.add(c, name(c), &c.series)
		}
	}
	return g.all()
}

// addrText is empty for those whose address is not known (.gor files).
func addrText(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}

// networks puts clients together.
func (s *span) networks(clients []*group) []*group {
	by := map[string]*group{}
	for _, c := range clients {
		name := networkOf(c.Client)
		g := by[name]
		if g == nil {
			g = &group{Row: Row{Client: name}}
			by[name] = g
		}
		g.sums.addSums(&c.sums)
		g.of = append(g.of, c.of...)
	}
	out := make([]*group, 0, len(by))
	for _, g := range by {
		out = append(out, g)
	}
	return out
}

// networkOf returns the /24 or /64 of an address.
func networkOf(text string) string {
	a, err := netip.ParseAddr(text)
	if err != nil {
		return ""
	}
	length := 24
	if a.Is6() {
		length = 64
	}
	p, _ := a.WithZone("").Prefix(length) // the length fits
	return p.String()
}

func (s *span) pairs() []*group {
	type pair struct {
		client  *client
		service string
	}
	g := newGroups[pair](s)
	s.combinations(func(r *row) {
		g.add(pair{r.client, r.endpoint.service}, func() Row { return Row{Client: addrText(r.client.addr), Service: r.endpoint.service} }, &r.series)
	})
	return g.all()
}

func (s *span) statuses() []*group {
	g := newGroups[int](s)
	add := func(r *row) {
		if r.status == resentStatus {
			return
		}
		g.add(r.status, func() Row {
			if r.status == otherStatus {
				return Row{Path: Rest}
			}
			return Row{Status: r.status}
		}, &r.series)
	}
	if s.q.Client != "" || s.byEndpoint() {
		s.rows(add)
	} else {
		s.serviceRows(func(_ *service, r *row) { add(r) })
	}
	return g.all()
}

// list orders groups, adds what they leave of the total, and writes the first out.
func (s *span) list(v *View, name string, all []*group, total *group) []Row {
	if rest := restOf(name, all, total); rest != nil && s.q.Search == "" {
		all = append(all, rest)
	}
	if s.q.Search != "" {
		search := strings.ToLower(s.q.Search)
		all = slices.DeleteFunc(all, func(g *group) bool {
			return !contains(search, g.Service, g.Method, g.Path, g.Client)
		})
	}
	slices.SortFunc(all, func(a, b *group) int {
		return cmp.Or(
			cmp.Compare(b.sums.bytes(), a.sums.bytes()), cmp.Compare(b.sums.requests, a.sums.requests),
			cmp.Compare(a.Service, b.Service), cmp.Compare(a.Path, b.Path), cmp.Compare(a.Method, b.Method),
			cmp.Compare(a.Client, b.Client), cmp.Compare(a.Status, b.Status))
	})
	limit := s.q.Rows
	if limit <= 0 {
		limit = defaultRows
	}
	limit = min(limit, maxRows, len(all))
	if more := len(all) - limit; more > 0 {
		v.More[name] = more
	}
	out := make([]Row, 0, limit)
	for _, g := range all[:limit] {
		out = append(out, s.row(g))
	}
	return out
}

// restOf is what the rows leave of the total; nil where that is nothing.
func restOf(name string, all []*group, total *group) *group {
	rest := &group{sums: total.sums, of: total.of}
	if name != "services" {
		rest.sums.retransmitted = 0
	}
	for _, g := range all {
		rest.sums.subtract(&g.sums)
		rest.without = append(rest.without, g.of...)
	}
	if rest.sums == (sums{}) {
		return nil
	}
	switch name {
	case "services":
		rest.Service = Rest
	case "endpoints", "statuses":
		rest.Path = Rest
	default:
		rest.Client = Rest
	}
	return rest
}
