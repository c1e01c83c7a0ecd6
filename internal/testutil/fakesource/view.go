package fakesource

import (
	"math"
	"net/netip"
	"slices"
	"time"

	"gortap/internal/insight"
)

// sum is a row that grows.
type sum struct {
	row         insight.Row
	size, delay float64 // times requests
}

// view adds up endpoints and clients step by step.
func (s *Source) view(q insight.Query) insight.View {
	now := s.o.Now()
	from, to := s.o.Start, now
	if q.FromNs > from.UnixNano() {
		from = time.Unix(0, q.FromNs)
	}
	if q.ToNs != 0 && q.ToNs < to.UnixNano() {
		to = time.Unix(0, q.ToNs)
	}
	points, rows := q.Points, q.Rows
	if points == 0 {
		points = 60
	}
	if rows == 0 {
		rows = 50
	}
	step := max(time.Second, (to.Sub(from) / time.Duration(points)).Truncate(time.Second))
	from = from.Truncate(step)
	steps := max(int(to.Sub(from)/step), 1)
	to = from.Add(time.Duration(steps) * step)

	b := &builder{s: s, from: from, to: to, step: step, steps: steps, lists: map[string]map[string]*sum{}}
	for i := range s.endpoints {
		b.levels = b.levels[:0]
		for c, client := range s.clients {
			if e := &s.endpoints[i]; s.selected(q, e, client) {
				b.add(e, c)
			}
		}
	}
	v := insight.View{
		FromNs: from.UnixNano(), ToNs: to.UnixNano(), From: from.UTC(), To: to.UTC(), StepNs: int64(step), More: map[string]int{},
	}
	b.finish(b.list("total", ""))
	v.Total = b.list("total", "").row
	for name, list := range map[string]*[]insight.Row{
		"services": &v.Services, "endpoints": &v.Endpoints, "clients": &v.Clients, "networks": &v.Networks, "pairs": &v.Pairs, "statuses": &v.Statuses,
	} {
		*list = slices.DeleteFunc(b.rows(name, float64(v.Total.RequestBytes+v.Total.ResponseBytes)), func(r insight.Row) bool {
			return !mentions(q.Search, r.Service, r.Method, r.Path, r.Client)
		})
		if n := len(*list); n > rows {
			v.More[name] = n - rows
			*list = (*list)[:rows]
		}
	}
	v.Sizes, v.Durations = bins(64, 20, v.Total.Requests), bins(100_000, 16, v.Total.Requests)
	return v
}

type builder struct {
	s        *Source
	from, to time.Time
	step     time.Duration
	steps    int
	lists    map[string]map[string]*sum
	levels   []float64 // of the endpoint at hand, in requests a step; empty: not known yet
}

// rates are an endpoint's requests in each step.
func (b *builder) rates(e *endpoint) []float64 {
	for i := len(b.levels); i < b.steps; i++ {
		b.levels = append(b.levels, e.rate*e.level(b.from.Add(time.Duration(i)*b.step))*b.step.Seconds())
	}
	return b.levels
}

func (b *builder) list(name, key string) *sum {
	if b.lists[name] == nil {
		b.lists[name] = map[string]*sum{}
	}
	if b.lists[name][key] == nil {
		b.lists[name][key] = &sum{row: insight.Row{
			Bytes: make([]float64, b.steps), Counts: make([]float64, b.steps), FirstNs: b.from.UnixNano(), LastNs: b.to.UnixNano(),
		}}
	}
	return b.lists[name][key]
}

func (b *builder) add(e *endpoint, client int) {
	name := b.s.clients[client]
	share := b.s.share(e, client)
	network := netip.MustParseAddr(name)
	bits := 24
	if network.Is6() {
		bits = 64
	}
	prefix, _ := network.Prefix(bits)
	targets := []struct {
		list, key string
		name      func(r *insight.Row)
		part      float64
	}{
		{"total", "", func(*insight.Row) {}, 1},
		{"services", e.service, func(r *insight.Row) { r.Service = e.service }, 1},
		{"endpoints", rowKey(e.service, e.method, e.path), func(r *insight.Row) { r.Service, r.Method, r.Path = e.service, e.method, e.path }, 1},
		{"clients", name, func(r *insight.Row) { r.Client = name }, 1},
		{"networks", prefix.String(), func(r *insight.Row) { r.Client = prefix.String() }, 1},
		{"pairs", rowKey(name, e.service), func(r *insight.Row) { r.Client, r.Service = name, e.service }, 1},
		{"statuses", "200", func(r *insight.Row) { r.Status = 200 }, 1 - e.errors},
		{"statuses", "503", func(r *insight.Row) { r.Status = 503 }, e.errors},
	}
	for _, t := range targets {
		if t.part == 0 {
			continue
		}
		sum := b.list(t.list, t.key)
		t.name(&sum.row)
		for i, rate := range b.rates(e) {
			n := rate * share * t.part
			sum.row.Counts[i] += n
			sum.row.Bytes[i] += n * (e.size + 400)
			sum.size += n * e.size
			sum.delay += n * float64(e.duration)
		}
		sum.row.SizeP99 = max(sum.row.SizeP99, int64(2*e.size))
		sum.row.DurationP99 = max(sum.row.DurationP99, int64(3*e.duration))
		sum.row.Errors += uint64(math.Round(e.errors * e.rate * b.to.Sub(b.from).Seconds() * share))
	}
}

// finish makes whole figures of what was added up.
func (b *builder) finish(s *sum) {
	requests, bytes := 0.0, 0.0
	for i := range s.row.Bytes {
		s.row.Bytes[i] = math.Round(s.row.Bytes[i])
		s.row.Counts[i] = math.Round(10*s.row.Counts[i]) / 10
		requests += s.row.Counts[i]
		bytes += s.row.Bytes[i]
	}
	seconds := b.to.Sub(b.from).Seconds()
	s.row.Requests = uint64(requests)
	s.row.RequestBytes = min(uint64(bytes), 400*s.row.Requests)
	s.row.ResponseBytes = uint64(bytes) - s.row.RequestBytes
	s.row.Connections = s.row.Requests/20 + 1
	s.row.RequestRate, s.row.ByteRate = requests/seconds, bytes/seconds
	if requests > 0 {
		s.row.SizeP50, s.row.DurationP50 = int64(s.size/requests), int64(s.delay/requests)
	}
}

func (b *builder) rows(name string, total float64) []insight.Row {
	rows := []insight.Row{}
	for _, s := range b.lists[name] {
		b.finish(s)
		if total > 0 {
			s.row.Share = float64(s.row.RequestBytes+s.row.ResponseBytes) / total
		}
		rows = append(rows, s.row)
	}
	sortRows(rows)
	return rows
}

// bins is a bell of counts on a scale of powers of two.
func bins(low int64, n int, total uint64) []insight.Bin {
	var all []insight.Bin
	for i := range n {
		x := (float64(i) - float64(n)/2.5) / (float64(n) / 6)
		all = append(all, insight.Bin{Low: low << i, High: low << (i + 1), Count: uint64(float64(total) * math.Exp(-x*x/2) / 8)})
	}
	return all
}
