package plot

import (
	"html/template"
	"math"
)

// Column is a bar of a histogram, from Low to High.
type Column struct {
	Low, High float64
	Count     float64
	Text      string // for who points at it
}

// Histogram shows how values are spread. Columns have the same width, whatever they
// span: with bounds that grow by a factor the axis is logarithmic.
type Histogram struct {
	Description string
	Columns     []Column
	Class       int
	Label       func(v float64) string // of the bounds
	Count       func(v float64) string
	// Marks are values with a label, such as quantiles.
	Marks []Tick
}

type histogramData struct {
	Description                                    string
	Width, Height, Class                           int
	Left, Right, Top, Bottom                       float64
	LabelX, TickLabelsLeft, MarkTop, MarkLabelsTop float64
	TickX, TickY, Marks                            []placedTick
	Bars                                           []placedRect
}

type placedRect struct {
	X, Y, Width, Height float64
	Text                string
}

// DrawHistogram returns the chart.
func (p *Plotter) DrawHistogram(h *Histogram) (template.HTML, error) {
	const (
		markTop = 18 // room for the labels of marks
		first   = top + markTop
		span    = float64(width - left - right)
	)
	most := 0.0
	for _, c := range h.Columns {
		most = max(most, c.Count)
	}
	axis := Scale(0, most, h.Count)
	y := func(v float64) float64 { return round(height - bottom - (height-first-bottom)*axis.place(v)) }
	d := histogramData{Description: h.Description, Width: width, Height: height, Class: class(h.Class), Left: left, Right: width - right,
		Top: first, Bottom: height - bottom, LabelX: height - bottom + 18, TickLabelsLeft: left - 8, MarkTop: first - 6, MarkLabelsTop: first - 10}
	for _, t := range axis.Ticks {
		if t.At == math.Trunc(t.At) { // there are no half exchanges
			d.TickY = append(d.TickY, placedTick{y(t.At), t.Label})
		}
	}
	n := len(h.Columns)
	each := span / float64(max(n, 1))
	gap := min(1.5, each/4)
	for i, c := range h.Columns {
		at := left + each*float64(i)
		if c.Count > 0 {
			// What is there is seen, however little it is.
			tall := max(height-bottom-y(c.Count), 1.5)
			d.Bars = append(d.Bars, placedRect{round(at + gap/2), round(height - bottom - tall), round(each - gap), round(tall), c.Text})
		}
	}
	every := max((n+4)/5, 1)
	for i := 0; i <= n && n > 0; i += every {
		v := h.Columns[min(i, n-1)].Low
		if i == n {
			v = h.Columns[n-1].High
		}
		d.TickX = append(d.TickX, placedTick{round(left + each*float64(i)), h.Label(v)})
	}
	for _, m := range h.Marks {
		if at, ok := h.position(m.At); ok {
			d.Marks = append(d.Marks, placedTick{round(left + span*at), m.Label})
		}
	}
	return p.draw("histogram.svg", d)
}

// position is where a value lies among the columns, 0 to 1.
func (h *Histogram) position(v float64) (float64, bool) {
	for i, c := range h.Columns {
		if v >= c.Low && v < c.High {
			within := (v - c.Low) / (c.High - c.Low)
			return (float64(i) + within) / float64(len(h.Columns)), true
		}
	}
	return 0, false
}
