package plot

import (
	"fmt"
	"html/template"
	"math"
	"strconv"
	"strings"
	"time"
)

// The size of a wide chart, which takes the page's whole width.
const (
	wideWidth  = 1040
	wideHeight = 300
	wideLeft   = 72
	wideRight  = 24
	wideTop    = 22
	wideBottom = 28
)

// Other is the class of what no series stands for by itself.
const Other = 0

// Layer is a series of a Stack: a value for each of its steps.
type Layer struct {
	Name   string
	Class  int // 1 to 6: the colour; Other is grey
	Values []float64
}

// Moment is a time that is marked in a Stack with a short label.
type Moment struct {
	At    time.Time
	Label string
	Text  string // for who points at it
}

// Stack is a chart of values over time, one layer upon the other, each step as wide
// as it lasted.
type Stack struct {
	Description string
	From        time.Time
	Step        time.Duration
	Layers      []Layer // the first one lies at the bottom
	Label       func(v float64) string
	Moments     []Moment
}

type stackData struct {
	Description                       string
	Width, Height                     int
	Left, Right, Top, Bottom, TickTop float64
	LabelX, TickLabelsLeft            float64
	TickX, TickY                      []placedTick
	Layers                            []placedSeries
	Moments                           []placedMoment
	Columns                           []placedColumn
}

type placedMoment struct {
	X           float64
	Label, Text string
}

type placedColumn struct {
	X, Width float64
	Text     string
}

// DrawStack returns the chart.
func (p *Plotter) DrawStack(s *Stack) (template.HTML, error) {
	steps := 0
	for _, l := range s.Layers {
		steps = max(steps, len(l.Values))
	}
	sums, most := make([]float64, steps), 0.0
	for _, l := range s.Layers {
		for i, v := range l.Values {
			sums[i] += max(v, 0)
			most = max(most, sums[i])
		}
	}
	axis := Scale(0, most, s.Label)
	to := s.From.Add(time.Duration(steps) * s.Step)
	const span = wideWidth - wideLeft - wideRight
	y := func(v float64) float64 {
		return round(wideHeight - wideBottom - (wideHeight-wideTop-wideBottom)*axis.place(v))
	}
	x := func(i int) float64 { return round(wideLeft + span*float64(i)/float64(max(steps, 1))) }
	at := func(t time.Time) float64 {
		return round(wideLeft + span*min(max(float64(t.Sub(s.From))/max(float64(to.Sub(s.From)), 1), 0), 1))
	}
	d := stackData{Description: s.Description, Width: wideWidth, Height: wideHeight, Left: wideLeft, Right: wideWidth - wideRight,
		Top: wideTop, Bottom: wideHeight - wideBottom, TickTop: wideTop - 6, LabelX: wideHeight - 8, TickLabelsLeft: wideLeft - 8}
	for _, t := range axis.Ticks {
		d.TickY = append(d.TickY, placedTick{y(t.At), t.Label})
	}
	for _, t := range TimeTicks(s.From, to, 9) {
		d.TickX = append(d.TickX, placedTick{at(t.Time), t.Label})
	}
	below := make([]float64, steps)
	for _, l := range s.Layers {
		d.Layers = append(d.Layers, placedSeries{Number: class(l.Class), Path: area(l.Values, below, x, y)})
	}
	for _, m := range s.Moments {
		d.Moments = append(d.Moments, placedMoment{at(m.At), m.Label, m.Text})
	}
	for i := range steps {
		d.Columns = append(d.Columns, placedColumn{x(i), round(x(i+1) - x(i)), s.columnText(i, sums[i])})
	}
	return p.draw("stack.svg", d)
}

// area is the outline of a layer upon what is below, which it raises: there along the
// top, back along the bottom.
func area(values, below []float64, x func(int) float64, y func(float64) float64) string {
	var path strings.Builder
	back := make([]string, len(below))
	for i := range below {
		v := 0.0
		if i < len(values) {
			v = max(values[i], 0)
		}
		low, high := y(below[i]), y(below[i]+v)
		below[i] += v
		if i == 0 {
			fmt.Fprintf(&path, "M%s %s", number(x(0)), number(high))
		} else {
			fmt.Fprintf(&path, "V%s", number(high))
		}
		fmt.Fprintf(&path, "H%s", number(x(i+1)))
		back[len(back)-1-i] = "V" + number(low) + "H" + number(x(i))
	}
	return path.String() + strings.Join(back, "") + "Z"
}

func number(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }

func class(c int) int {
	if c < 1 || c > 6 {
		return Other
	}
	return c
}

// columnText tells who points at a step what is in it, the uppermost layer first.
func (s *Stack) columnText(i int, sum float64) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s", s.From.Add(time.Duration(i)*s.Step).Format("2006-01-02 15:04:05"), s.Label(sum))
	for n := len(s.Layers) - 1; n >= 0; n-- {
		if l := s.Layers[n]; i < len(l.Values) && l.Values[i] > 0 {
			fmt.Fprintf(&b, "\n%s  %s", s.Label(l.Values[i]), l.Name)
		}
	}
	return b.String()
}

// TimeTick is a round time with its label.
type TimeTick struct {
	Time  time.Time
	Label string
}

// TimeTicks returns at most about n round times between two, in the zone of the first.
func TimeTicks(from, to time.Time, n int) []TimeTick {
	if !to.After(from) || n < 1 {
		return nil
	}
	span := to.Sub(from)
	step := tickStep(span / time.Duration(n))
	form := "15:04"
	switch {
	case step >= 24*time.Hour:
		form = "2 Jan"
	case span > 24*time.Hour:
		form = "2 Jan 15:04"
	case step < time.Second:
		form = "15:04:05.000"
	case step < time.Minute:
		form = "15:04:05"
	}
	var ticks []TimeTick
	// By the clock on the wall: midnight of a zone is no multiple of anything.
	_, offset := from.Zone()
	shift := time.Duration(offset) * time.Second
	for t := from.Add(shift).Truncate(step).Add(-shift); !t.After(to); t = t.Add(step) {
		if !t.Before(from) {
			ticks = append(ticks, TimeTick{t, t.Format(form)})
		}
	}
	return ticks
}

// tickStep is the least round time that is not below d.
func tickStep(d time.Duration) time.Duration {
	if d < 200*time.Millisecond {
		return time.Duration(max(roundStep(float64(d)), float64(time.Millisecond)))
	}
	for _, s := range []time.Duration{
		time.Second, 2 * time.Second, 5 * time.Second, 10 * time.Second, 15 * time.Second, 30 * time.Second,
		time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 15 * time.Minute, 30 * time.Minute,
		time.Hour, 2 * time.Hour, 3 * time.Hour, 6 * time.Hour, 12 * time.Hour, 24 * time.Hour,
	} {
		if d <= s {
			return s
		}
	}
	days := math.Ceil(d.Hours() / 24)
	return time.Duration(roundStep(days)) * 24 * time.Hour
}
