// Package plot draws small charts as inline SVG, for reports that are one HTML
// file: no script, no font, no image from elsewhere. Colours come from CSS, which
// follows the reader's light or dark scheme.
//
// Put the sheet of CSS once into the page, and each chart where it belongs. One
// caveat: a chart is an image to a screen reader, which is told its description;
// the numbers should stand beside it as a table.
package plot

import (
	"embed"
	"fmt"
	"html/template"
	"math"
	"strconv"
	"strings"
)

//go:embed plot.css *.svg
var files embed.FS

// The size of a chart in its own units, which are pixels at 340 pixels of width.
// A chart scales with the page; it is meant for 280 to 480 pixels.
const (
	width  = 340
	height = 220
	left   = 54
	right  = 18
	top    = 12
	bottom = 34
)

// Plotter draws charts. It may be used from any goroutine.
type Plotter struct {
	templates *template.Template
	css       template.CSS
}

// New reads the templates that the program was built with.
func New() (*Plotter, error) {
	t, err := template.ParseFS(files, "*.svg")
	if err != nil {
		return nil, fmt.Errorf("read chart templates: %w", err)
	}
	css, err := files.ReadFile("plot.css")
	if err != nil {
		return nil, fmt.Errorf("read chart styles: %w", err)
	}
	return &Plotter{templates: t, css: template.CSS(css)}, nil
}

// CSS returns the styles of all charts. The page may set the colours --plot-1 to
// --plot-4, --plot-grid and --plot-text.
func (p *Plotter) CSS() template.CSS { return p.css }

func (p *Plotter) draw(name string, data any) (template.HTML, error) {
	var b strings.Builder
	if err := p.templates.ExecuteTemplate(&b, name, data); err != nil {
		return "", fmt.Errorf("draw chart: %w", err)
	}
	return template.HTML(b.String()), nil
}

// Point is a value of a series.
type Point struct{ X, Y float64 }

// Mark is a point that is made visible, with a text for who points at it.
type Mark struct {
	Point
	Text string
}

// Series is a line. Its position in Line.Series picks its colour and its dashes.
type Series struct {
	Name   string
	Points []Point
	Marks  []Mark
}

// Tick is a place on an axis with a label.
type Tick struct {
	At    float64
	Label string
}

// Axis is a scale from Min to Max.
type Axis struct {
	Min, Max float64
	Log      bool // values above 0 only
	Ticks    []Tick
}

// place returns where a value lies on the axis, 0 to 1.
func (a *Axis) place(v float64) float64 {
	low, high := a.Min, a.Max
	if a.Log {
		low, high, v = math.Log(low), math.Log(high), math.Log(v)
	}
	if !(high > low) {
		return 0.5
	}
	return min(max((v-low)/(high-low), 0), 1)
}

// Line is a chart of one or more lines over the same axes.
type Line struct {
	Description string // what a screen reader says
	X, Y        Axis
	Series      []Series
}

type lineData struct {
	Description                    string
	Width, Height                  int
	Left, Right, Top, Bottom       float64
	TickX, TickY                   []placedTick
	Series                         []placedSeries
	LabelX, LabelY, TickLabelsLeft float64
}

type placedTick struct {
	At    float64
	Label string
}

type placedSeries struct {
	Number int
	Path   string
	Marks  []placedMark
}

type placedMark struct {
	X, Y float64
	Text string
}

// Draw returns the chart.
func (p *Plotter) Draw(l *Line) (template.HTML, error) {
	d := lineData{Description: l.Description, Width: width, Height: height, Left: left, Right: width - right, Top: top,
		Bottom: height - bottom, LabelX: height - bottom + 18, TickLabelsLeft: left - 8}
	x := func(v float64) float64 { return round(left + (width-left-right)*l.X.place(v)) }
	y := func(v float64) float64 { return round(height - bottom - (height-top-bottom)*l.Y.place(v)) }
	for _, t := range l.X.Ticks {
		d.TickX = append(d.TickX, placedTick{x(t.At), t.Label})
	}
	for _, t := range l.Y.Ticks {
		d.TickY = append(d.TickY, placedTick{y(t.At), t.Label})
	}
	for i, s := range l.Series {
		placed := placedSeries{Number: i%4 + 1}
		var path strings.Builder
		for n, point := range s.Points {
			op := byte('L')
			if n == 0 {
				op = 'M'
			}
			path.WriteByte(op)
			path.WriteString(strconv.FormatFloat(x(point.X), 'f', -1, 64) + " " + strconv.FormatFloat(y(point.Y), 'f', -1, 64))
		}
		placed.Path = path.String()
		for _, m := range s.Marks {
			placed.Marks = append(placed.Marks, placedMark{x(m.X), y(m.Y), m.Text})
		}
		d.Series = append(d.Series, placed)
	}
	return p.draw("line.svg", d)
}

func round(v float64) float64 { return math.Round(10*v) / 10 }

// Bar is a labelled share of a whole.
type Bar struct {
	Label string
	Share float64 // 0 to 1: the length
	Value string  // what stands at the end
	Class int     // 1 to 4: the colour
}

// maxLabel is how many characters stand over a bar beside its value.
const maxLabel = 34

type barsData struct {
	Description   string
	Width, Height int
	Rows          []placedBar
}

type placedBar struct {
	Bar
	Text, Top, Length float64
	Short             string
}

// DrawBars returns a chart of horizontal bars, one below the other.
func (p *Plotter) DrawBars(description string, bars []Bar) (template.HTML, error) {
	const row = 34
	d := barsData{Description: description, Width: width, Height: row*len(bars) + 4}
	for i, b := range bars {
		if b.Class < 1 || b.Class > 4 {
			b.Class = 1
		}
		if !(b.Share > 0) {
			b.Share = 0
		}
		d.Rows = append(d.Rows, placedBar{b, float64(row*i + 14), float64(row*i + 20), round(width * min(b.Share, 1)), shorten(b.Label, maxLabel)})
	}
	return p.draw("bars.svg", d)
}

// shorten cuts the middle out of a text, for both ends tell more.
func shorten(s string, n int) string {
	r := []rune(s)
	if len(r) <= n {
		return s
	}
	return string(r[:n/2]) + "…" + string(r[len(r)-(n-n/2-1):])
}
