package compare

import (
	"cmp"
	"fmt"
	"html/template"
	"math"
	"slices"

	"gortap/internal/plot"
)

// latencies adds a chart and a table for each endpoint: those that changed first,
// then those with the most exchanges.
func (v *report) latencies(p *plot.Plotter) error {
	rows := slices.Clone(v.Endpoints)
	slices.SortStableFunc(rows, func(a, b Endpoint) int {
		return cmp.Or(cmp.Compare(b.moved(), a.moved()), cmp.Compare(b.Compared, a.Compared))
	})
	if len(rows) > 1 {
		rows = append([]Endpoint{{Name: "All endpoints", Latency: v.Latency}}, rows...)
	}
	for i := range rows {
		l := rows[i].Latency
		if l == nil {
			continue
		}
		out := v.latency(printable(rows[i].Name), l)
		if len(v.Latencies) == maxReportCharts {
			v.More = append(v.More, out)
			continue
		}
		var err error
		if out.Chart, err = v.chart(p, out.Name, l); err != nil {
			return err
		}
		v.Latencies = append(v.Latencies, out)
	}
	return nil
}

// moved is by how much the latency changed for worse or better, as a factor; 0
// where it did not.
func (e *Endpoint) moved() (most float64) {
	if e.Latency == nil {
		return 0
	}
	for _, s := range e.Latency.Shifts {
		most = max(most, math.Abs(math.Log(s.Candidate/s.Reference)))
	}
	return most
}

type latencySide struct {
	name    string
	series  int
	summary *Summary
}

func (v *report) sides(l *Latency) (out []latencySide) {
	for _, s := range []latencySide{{"original", 1, l.Original}, {"candidate", 2, l.Candidate}, {"baseline", 3, l.Baseline}} {
		if s.summary != nil {
			out = append(out, s)
		}
	}
	return out
}

func (v *report) latency(name string, l *Latency) reportLatency {
	out := reportLatency{Name: name, Verdict: string(l.Verdict), Count: grouped(uint64(l.Candidate.Count))}
	switch l.Verdict {
	case Slower:
		out.Class = "bad"
	case Faster, Same:
		out.Class = "good"
	default:
		out.Class = "calm"
	}
	if l.Verdict == TooFew {
		out.Verdict = "too few to judge"
	}
	for _, q := range quantiles() {
		out.Columns = append(out.Columns, percentile(q))
	}
	for _, s := range v.sides(l) {
		row := reportRow{Name: s.name, Series: s.series}
		for _, q := range s.summary.Quantiles {
			row.Values = append(row.Values, duration(q.Value))
		}
		out.Rows = append(out.Rows, row)
	}
	return out
}

// chart draws the latency by percentile, each nine in the same room.
func (v *report) chart(p *plot.Plotter, name string, l *Latency) (template.HTML, error) {
	low, high, tail := math.Inf(1), 0.0, 1.0
	line := &plot.Line{}
	for _, s := range v.sides(l) {
		var series plot.Series
		for _, q := range s.summary.Curve {
			x := plot.Tail(q.Q)
			low, high, tail = min(low, q.Value), max(high, q.Value), max(tail, x)
			series.Points = append(series.Points, plot.Point{X: x, Y: q.Value})
		}
		for _, q := range s.summary.Quantiles {
			if x := plot.Tail(q.Q); x <= tail {
				series.Marks = append(series.Marks, plot.Mark{Point: plot.Point{X: x, Y: q.Value},
					Text: s.name + " " + percentile(q.Q) + ": " + duration(q.Value)})
			}
		}
		line.Series = append(line.Series, series)
	}
	line.Y = plot.Scale(low, high, axisDuration)
	line.X = plot.Axis{Max: tail}
	for _, q := range []float64{0, 0.5, 0.9, 0.99, 0.999, 0.9999} {
		crowded := q == 0 && tail > 2.5 // the labels of p0 and p50 would touch
		if x := plot.Tail(q); x <= tail+0.001 && !crowded {
			line.X.Ticks = append(line.X.Ticks, plot.Tick{At: x, Label: percentile(q)})
		}
	}
	line.Description = fmt.Sprintf("Latency of %s by percentile. The table beside has the numbers.", name)
	return p.Draw(line)
}

// axisDuration writes a round number of seconds shortly.
func axisDuration(s float64) string {
	switch {
	case s == 0:
		return "0"
	case s < 0.9995e-3:
		return fmt.Sprintf("%.4g us", s*1e6)
	case s < 0.9995:
		return fmt.Sprintf("%.4g ms", s*1e3)
	}
	return fmt.Sprintf("%.4g s", s)
}
