package plot

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"testing"
)

// checkXML fails the test unless s is well-formed, and returns its texts.
func checkXML(t *testing.T, s string) (texts string) {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader(s))
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return texts
		}
		if err != nil {
			t.Fatalf("%v in %s", err, s)
		}
		switch x := token.(type) {
		case xml.CharData:
			texts += string(x)
		case xml.StartElement:
			if x.Name.Local == "script" {
				t.Errorf("a script in %s", s)
			}
		}
	}
}

func newPlotter(t *testing.T) *Plotter {
	t.Helper()
	p, err := New()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

const hostile = `</text><script>alert(1)</script>" onload="x`

func TestLineChartIsWellFormedAndEscaped(t *testing.T) {
	svg, err := newPlotter(t).Draw(&Line{
		Description: hostile,
		X:           Axis{Max: 3, Ticks: []Tick{{1, hostile}}},
		Y:           Scale(0, 4, func(v float64) string { return fmt.Sprint(v) }),
		Series:      []Series{{Points: []Point{{0, 0}, {3, 4}}, Marks: []Mark{{Point{1, 2}, hostile}}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if texts := checkXML(t, string(svg)); strings.Count(texts, hostile) != 2 {
		t.Errorf("texts %q", texts)
	}
	if !strings.Contains(string(svg), `d="M54 186L322 12"`) {
		t.Errorf("no line from corner to corner: %s", svg)
	}
}

func TestBarsAreWellFormedAndWithinTheChart(t *testing.T) {
	svg, err := newPlotter(t).DrawBars("d", []Bar{{hostile, 2, "200 %", 9}, {strings.Repeat("ä", 100), -1, hostile, 2}, {"c", math.NaN(), "", 1}})
	if err != nil {
		t.Fatal(err)
	}
	checkXML(t, string(svg))
	if strings.Contains(string(svg), "NaN") || !strings.Contains(string(svg), `<rect class="bar c1" x="0" y="20" width="340"`) {
		t.Errorf("the first bar is not as long as the chart: %s", svg)
	}
}

func TestScaleHasRoundTicksAroundTheValues(t *testing.T) {
	label := func(v float64) string { return fmt.Sprintf("%.4g", v) }
	for _, c := range []struct {
		low, high float64
		want      string
	}{
		{0, 10, "0 5 10"},
		{1, 9.5, "0 5 10"},
		{8, 9.5, "8 8.5 9 9.5"},
		{0.0021, 0.031, "0 0.01 0.02 0.03 0.04"},
		{0.001, 0.9, "0.001 0.002 0.005 0.01 0.02 0.05 0.1 0.2 0.5"},
		{0.001, 9, "0.001 0.01 0.1 1"},
		{5, 5, "0 2 4 6 8"},
		{0, 0, "0 0.5 1"},
	} {
		a := Scale(c.low, c.high, label)
		var got []string
		for _, tick := range a.Ticks {
			got = append(got, tick.Label)
		}
		if s := strings.Join(got, " "); s != c.want {
			t.Errorf("%g to %g: %s, want %s", c.low, c.high, s, c.want)
		}
		if a.place(c.low) < 0 || a.place(c.high) > 1 {
			t.Errorf("%g to %g: out of the axis", c.low, c.high)
		}
	}
}

func TestTailGivesEachNineTheSameRoom(t *testing.T) {
	for q, want := range map[float64]float64{0: 0, 0.9: 1, 0.99: 2, 0.999: 3, 1: 9} {
		if got := Tail(q); math.Abs(got-want) > 1e-9 {
			t.Errorf("%g: %g, want %g", q, got, want)
		}
	}
}
