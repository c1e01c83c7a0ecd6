package report

import (
	"fmt"
	"html/template"
	"time"

	"gortap/internal/insight"
	"gortap/internal/plot"
	"gortap/internal/wording"
)

// The charts name so many; what is beyond is drawn as one grey remainder.
const (
	coloured    = 6
	chartTiles  = 60
	chartBars   = 10
	maxMoments  = 9
	restOfBytes = "everything else"
)

// colour is an endpoint's, the same in every chart of the page.
func colour(rank int) int {
	if rank < coloured {
		return rank + 1
	}
	return plot.Other
}

func fullName(e *insight.Row) string { return endpointName(e) + " of " + wording.Printable(e.Service) }

// overTime stacks the bytes of the largest endpoints, the largest at the bottom.
func (r *Report) overTime(p *plot.Plotter) (template.HTML, error) {
	v := &r.View
	if len(v.Total.Bytes) < 2 || v.StepNs <= 0 {
		return "", nil
	}
	seconds := float64(v.StepNs) / 1e9
	rest := make([]float64, len(v.Total.Bytes))
	for i, b := range v.Total.Bytes {
		rest[i] = b / seconds
	}
	s := plot.Stack{From: v.From.UTC(), Step: time.Duration(v.StepNs), Label: wording.Rate}
	for i := range v.Endpoints[:min(coloured, len(v.Endpoints))] {
		l := plot.Layer{Name: fullName(&v.Endpoints[i]), Class: colour(i), Values: make([]float64, len(rest))}
		for n, b := range v.Endpoints[i].Bytes[:min(len(rest), len(v.Endpoints[i].Bytes))] {
			l.Values[n] = b / seconds
			rest[n] = max(rest[n]-l.Values[n], 0)
		}
		s.Layers = append(s.Layers, l)
	}
	if len(v.Endpoints) > coloured || v.More["endpoints"] > 0 {
		s.Layers = append(s.Layers, plot.Layer{Name: restOfBytes, Class: plot.Other, Values: rest})
	}
	for i := range r.Findings {
		// One that was there from the start marks no moment.
		if f := &r.Findings[i]; i < maxMoments && f.First.After(v.From.Add(time.Duration(v.StepNs))) && f.First.Before(v.To) {
			s.Moments = append(s.Moments, plot.Moment{At: f.First.UTC(), Label: fmt.Sprint(i + 1), Text: sentence(f.Title)})
		}
	}
	s.Description = fmt.Sprintf("Bytes a second over time, stacked by endpoint, from %s. %s", r.Period(), r.peak(seconds))
	return p.DrawStack(&s)
}

// peak says when most bytes went, for who cannot see the chart.
func (r *Report) peak(seconds float64) string {
	at := 0
	for i, b := range r.View.Total.Bytes {
		if b > r.View.Total.Bytes[at] {
			at = i
		}
	}
	t := r.View.From.Add(time.Duration(at) * time.Duration(r.View.StepNs)).UTC()
	return fmt.Sprintf("The most, %s, at %s.", wording.Rate(r.View.Total.Bytes[at]/seconds), t.Format("15:04:05"))
}

func (r *Report) treemap(p *plot.Plotter) (template.HTML, error) {
	v := &r.View
	var tiles []plot.Tile
	shown := 0.0
	for i := range v.Endpoints[:min(chartTiles, len(v.Endpoints))] {
		e := &v.Endpoints[i]
		note := wording.Bytes(bytesOf(e)) + ", " + wording.Percent(e.Share)
		shown += bytesOf(e)
		tiles = append(tiles, plot.Tile{Group: wording.Printable(e.Service), Name: endpointName(e), Value: bytesOf(e), Note: note, Class: colour(i), Text: fullName(e) + "\n" + note})
	}
	all := bytesOf(&v.Total)
	if rest := all - shown; rest > 0.002*all {
		note := wording.Bytes(rest) + ", " + wording.Percent(rest/all)
		tiles = append(tiles, plot.Tile{Group: restOfBytes, Name: restOfBytes, Value: rest, Note: note, Text: restOfBytes + "\n" + note})
	}
	if len(tiles) == 0 || all == 0 {
		return "", nil
	}
	return p.DrawTreemap(fmt.Sprintf("Bytes by service and endpoint, as areas: %s in all", wording.Bytes(all)), tiles)
}

// bars draws the rows with the most bytes of a list.
func bars(p *plot.Plotter, description string, rows []insight.Row, name func(*insight.Row) string) (template.HTML, error) {
	var out []plot.Bar
	for i := range rows[:min(chartBars, len(rows))] {
		e := &rows[i]
		out = append(out, plot.Bar{Label: name(e), Share: e.Share, Value: wording.Bytes(bytesOf(e)) + "  " + wording.Percent(e.Share), Class: 1})
	}
	if len(out) == 0 {
		return "", nil
	}
	return p.DrawBars(description, out)
}

func histogram(p *plot.Plotter, description string, bins []insight.Bin, class int, label func(float64) string, marks []plot.Tick) (template.HTML, error) {
	if len(bins) == 0 {
		return "", nil
	}
	h := plot.Histogram{Description: description, Class: class, Label: label, Count: wording.Count, Marks: marks}
	for _, b := range bins {
		h.Columns = append(h.Columns, plot.Column{Low: float64(b.Low), High: float64(b.High), Count: float64(b.Count),
			Text: fmt.Sprintf("%s to %s: %s", label(float64(b.Low)), label(float64(b.High)), wording.Grouped(b.Count))})
	}
	return p.DrawHistogram(&h)
}
