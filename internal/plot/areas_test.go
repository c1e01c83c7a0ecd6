package plot

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func TestStackLaysLayersUponEachOther(t *testing.T) {
	svg, err := newPlotter(t).DrawStack(&Stack{
		Description: hostile, From: noon, Step: time.Second, Label: func(float64) string { return hostile },
		Layers:  []Layer{{hostile, 1, []float64{5, 5}}, {"above", 9, []float64{5}}},
		Moments: []Moment{{noon.Add(time.Second), "1", hostile}},
	})
	if err != nil {
		t.Fatal(err)
	}
	checkXML(t, string(svg))
	// The first step is full with both, the second half full; 10 is the top at 22.
	for _, want := range []string{`a1" d="M72 147H544V147H1016V272H544V272H72Z"`, `a0" d="M72 22H544V147H1016V147H544V147H72Z"`, `x1="544"`} {
		if !strings.Contains(string(svg), want) {
			t.Errorf("no %s in %s", want, svg)
		}
	}
}

func TestChartsOfNothingAreWellFormed(t *testing.T) {
	p := newPlotter(t)
	label := func(float64) string { return "" }
	for _, draw := range []func() (string, error){
		func() (string, error) { s, err := p.DrawStack(&Stack{Label: label}); return string(s), err },
		func() (string, error) {
			s, err := p.DrawHistogram(&Histogram{Label: label, Count: label})
			return string(s), err
		},
		func() (string, error) {
			s, err := p.DrawTreemap("", []Tile{{Value: 0}, {Value: math.NaN()}})
			return string(s), err
		},
		func() (string, error) { s, err := p.DrawSpark("", nil, 0); return string(s), err },
	} {
		svg, err := draw()
		if err != nil {
			t.Fatal(err)
		}
		checkXML(t, svg)
		if strings.Contains(svg, "NaN") || strings.Contains(svg, "Inf") {
			t.Errorf("not a number in %s", svg)
		}
	}
}

func TestTimeTicksAreRoundAndFew(t *testing.T) {
	for _, c := range []struct {
		span time.Duration
		want string
	}{
		{45 * time.Second, "12:00:03 12:00:08 12:00:13"},
		{10 * time.Minute, "12:02 12:04 12:06 12:08 12:10"},
		{2 * time.Hour, "12:30 13:00 13:30 14:00"},
		{50 * time.Hour, "2 Mar 00:00 2 Mar 12:00 3 Mar 00:00 3 Mar 12:00"},
	} {
		ticks := TimeTicks(noon.Add(3*time.Second), noon.Add(3*time.Second+c.span), 5)
		var got []string
		for _, x := range ticks {
			got = append(got, x.Label)
		}
		if len(got) > 7 || len(got) < 3 {
			t.Errorf("%v: %v", c.span, got)
		}
		if c.span >= time.Minute {
			if diff := cmp.Diff(c.want, strings.Join(got, " ")); diff != "" {
				t.Errorf("%v: (-want +got)\n%s", c.span, diff)
			}
		}
	}
	if got := TimeTicks(noon, noon, 5); got != nil {
		t.Errorf("of no time: %v", got)
	}
	if got := TimeTicks(noon, noon.Add(80*time.Millisecond), 5); len(got) < 3 || len(got) > 6 {
		t.Errorf("of 80 ms: %v", got)
	}
}

func TestHistogramShowsTheLeastAndPlacesMarks(t *testing.T) {
	svg, err := newPlotter(t).DrawHistogram(&Histogram{
		Description: "d", Class: 1, Label: func(float64) string { return hostile }, Count: func(float64) string { return "" },
		Columns: []Column{{1, 10, 1e6, hostile}, {10, 100, 1, "one"}}, Marks: []Tick{{10, "p50"}, {1000, "gone"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	checkXML(t, string(svg))
	if !strings.Contains(string(svg), `height="1.5"><title>one`) || !strings.Contains(string(svg), `x="188" y="20" text-anchor="middle">p50`) {
		t.Errorf("%s", svg)
	}
	if strings.Contains(string(svg), "gone") {
		t.Errorf("a mark beyond the columns is shown")
	}
}

// Tiles cover their area, none overlaps another, and each has its share.
func TestSquarifyDividesTheWholeArea(t *testing.T) {
	values := []float64{500, 300, 120, 40, 20, 10, 5, 3, 1, 1}
	area := rect{10, 20, 600, 400}
	rects := squarify(values, area)
	for i, r := range rects {
		if got, want := r.w*r.h, values[i]*600*400/1000; math.Abs(got-want) > 1e-6 {
			t.Errorf("tile %d has %g, want %g", i, got, want)
		}
		if r.x < 10-1e-9 || r.y < 20-1e-9 || r.x+r.w > 610+1e-6 || r.y+r.h > 420+1e-6 {
			t.Errorf("tile %d is outside: %+v", i, r)
		}
		for _, o := range rects[:i] {
			if wide, tall := min(r.x+r.w, o.x+o.w)-max(r.x, o.x), min(r.y+r.h, o.y+o.h)-max(r.y, o.y); wide > 1e-6 && tall > 1e-6 {
				t.Errorf("%+v overlaps %+v", r, o)
			}
		}
	}
}

func TestTreemapKeepsGroupsTogetherAndEscapes(t *testing.T) {
	svg, err := newPlotter(t).DrawTreemap(hostile, []Tile{
		{"shop", hostile, 10, "n", hostile, 1}, {"db", "q", 30, "n", "t", 2}, {"shop", "b", 5, "", "", 0},
	})
	if err != nil {
		t.Fatal(err)
	}
	checkXML(t, string(svg))
	if got := strings.Count(string(svg), `class="group"`); got != 2 {
		t.Errorf("%d groups, want 2", got)
	}
}
