package incident

import (
	"cmp"
	"math"
	"net/netip"
	"slices"
	"time"

	"gortap/internal/insight"
)

// View implements insight.Source.
func (s *Source) View(q insight.Query) (insight.View, error) {
	if s.Err != nil {
		return insight.View{}, s.Err
	}
	xs := s.selected(q)
	v := insight.View{From: Begin, To: Begin.Add(length)}
	if q.FromNs > 0 {
		v.From = time.Unix(0, q.FromNs).UTC()
	}
	if q.ToNs > 0 {
		v.To = time.Unix(0, q.ToNs).UTC()
	}
	points := cmp.Or(q.Points, 60)
	v.FromNs, v.ToNs = v.From.UnixNano(), v.To.UnixNano()
	v.StepNs = (v.ToNs - v.FromNs) / int64(points)
	g := grouping{view: &v, points: points, rows: rows(q)}
	v.Total = insight.Row{}
	if total := g.by(xs, func(insight.Exchange) insight.Row { return insight.Row{} }, ""); len(total) == 1 {
		v.Total = total[0]
	}
	g.total = float64(v.Total.RequestBytes + v.Total.ResponseBytes)
	v.More = map[string]int{}
	v.Services = g.by(xs, func(x insight.Exchange) insight.Row { return insight.Row{Service: x.Service} }, "services")
	v.Endpoints = g.by(xs, func(x insight.Exchange) insight.Row {
		return insight.Row{Service: x.Service, Method: x.Method, Path: x.Path}
	}, "endpoints")
	v.Clients = g.by(xs, func(x insight.Exchange) insight.Row { return insight.Row{Client: address(x.Client)} }, "clients")
	v.Networks = g.by(xs, func(x insight.Exchange) insight.Row {
		p, _ := netip.MustParseAddrPort(x.Client).Addr().Prefix(24)
		return insight.Row{Client: p.String()}
	}, "networks")
	v.Pairs = g.by(xs, func(x insight.Exchange) insight.Row {
		return insight.Row{Client: address(x.Client), Service: x.Service}
	}, "pairs")
	v.Statuses = g.by(xs, func(x insight.Exchange) insight.Row { return insight.Row{Status: x.Status} }, "statuses")
	v.Sizes = bins(xs, func(x insight.Exchange) int64 { return x.ResponseBytes - 210 })
	v.Durations = bins(xs, func(x insight.Exchange) int64 { return x.DurationNs })
	return v, nil
}

type grouping struct {
	view         *insight.View
	points, rows int
	total        float64
}

type names struct {
	service, method, path, client string
	status                        int
}

func (g *grouping) by(xs []insight.Exchange, name func(insight.Exchange) insight.Row, list string) []insight.Row {
	groups := map[names][]insight.Exchange{}
	for _, x := range xs {
		r := name(x)
		k := names{r.Service, r.Method, r.Path, r.Client, r.Status}
		groups[k] = append(groups[k], x)
	}
	var out []insight.Row
	for _, members := range groups {
		out = append(out, g.row(name(members[0]), members))
	}
	slices.SortFunc(out, func(a, b insight.Row) int {
		return cmp.Or(cmp.Compare(b.RequestBytes+b.ResponseBytes, a.RequestBytes+a.ResponseBytes), cmp.Compare(a.FirstNs, b.FirstNs))
	})
	if more := len(out) - g.rows; more > 0 {
		g.view.More[list] = more
		out = out[:g.rows]
	}
	return out
}

func (g *grouping) row(r insight.Row, xs []insight.Exchange) insight.Row {
	conns := map[uint64]bool{}
	var sizes, durations []int64
	r.Bytes, r.Counts = make([]float64, g.points), make([]float64, g.points)
	for _, x := range xs {
		r.Requests++
		if x.Status >= 400 {
			r.Errors++
		}
		r.RequestBytes += uint64(x.RequestBytes)
		r.ResponseBytes += uint64(x.ResponseBytes)
		conns[x.Conn] = true
		sizes, durations = append(sizes, x.ResponseBytes-210), append(durations, x.DurationNs)
		at := min(max(int((x.Time.UnixNano()-g.view.FromNs)/max(g.view.StepNs, 1)), 0), g.points-1)
		r.Bytes[at] += float64(x.RequestBytes + x.ResponseBytes)
		r.Counts[at]++
		r.LastNs = x.Time.UnixNano()
	}
	r.FirstNs = xs[0].Time.UnixNano()
	r.Connections = uint64(len(conns))
	bytes := float64(r.RequestBytes + r.ResponseBytes)
	seconds := float64(g.view.ToNs-g.view.FromNs) / 1e9
	r.ByteRate, r.RequestRate = bytes/seconds, float64(r.Requests)/seconds
	r.Share = bytes / cmp.Or(g.total, bytes)
	slices.Sort(sizes)
	slices.Sort(durations)
	r.SizeP50, r.SizeP99 = sizes[len(sizes)/2], sizes[len(sizes)*99/100]
	r.DurationP50, r.DurationP99 = durations[len(durations)/2], durations[len(durations)*99/100]
	return r
}

// bins has two bars for each doubling.
func bins(xs []insight.Exchange, value func(insight.Exchange) int64) []insight.Bin {
	counts := map[int]uint64{}
	low, high := math.MaxInt, 0
	for _, x := range xs {
		i := int(2 * math.Log2(float64(max(value(x), 1))))
		counts[i]++
		low, high = min(low, i), max(high, i)
	}
	var out []insight.Bin
	for i := low; i <= high; i++ {
		out = append(out, insight.Bin{Low: int64(math.Exp2(float64(i) / 2)), High: int64(math.Exp2(float64(i+1) / 2)), Count: counts[i]})
	}
	return out
}
