package plot

import (
	"cmp"
	"html/template"
	"slices"
)

// Tile is a rectangle of a treemap, as large as its value. Tiles of the same group
// lie together.
type Tile struct {
	Group, Name string
	Value       float64
	Note        string // second line, such as the value
	Text        string // for who points at it
	Class       int
}

type treemapData struct {
	Description   string
	Width, Height int
	Groups        []placedTile
	Tiles         []placedTile
}

type placedTile struct {
	X, Y, Width, Height float64
	Class               int
	Name, Note, Text    string
	NameX, NameY, NoteY float64
}

type rect struct{ x, y, w, h float64 }

// The room of a letter, about; and of the head of a group.
const (
	tileLetter = 7.3
	tileLine   = 15
	groupHead  = 20
	tileGap    = 2
)

// DrawTreemap returns the chart. Values that are not above 0 are left out.
func (p *Plotter) DrawTreemap(description string, tiles []Tile) (template.HTML, error) {
	d := treemapData{Description: description, Width: wideWidth, Height: wideHeight + 60}
	names, groups := []string{}, map[string][]Tile{}
	sums := map[string]float64{}
	for _, t := range tiles {
		if !(t.Value > 0) {
			continue
		}
		if _, ok := groups[t.Group]; !ok {
			names = append(names, t.Group)
		}
		groups[t.Group] = append(groups[t.Group], t)
		sums[t.Group] += t.Value
	}
	slices.SortStableFunc(names, func(a, b string) int { return cmp.Compare(sums[b], sums[a]) })
	values := make([]float64, len(names))
	for i, n := range names {
		values[i] = sums[n]
	}
	for i, r := range squarify(values, rect{0, 0, wideWidth, float64(d.Height)}) {
		inner := r
		if len(names) > 1 {
			g := place(r)
			g.Text = names[i]
			if r.h > groupHead+tileLine && r.w > 40 {
				g.Name, g.NameX, g.NameY = fit(names[i], r.w-12), round(r.x+6), round(r.y+14.5)
				inner = rect{r.x + 3, r.y + groupHead, r.w - 6, r.h - groupHead - 3}
			} else {
				inner = rect{r.x + 1, r.y + 1, max(r.w-2, 0), max(r.h-2, 0)}
			}
			d.Groups = append(d.Groups, g)
		}
		d.Tiles = append(d.Tiles, layTiles(groups[names[i]], inner)...)
	}
	return p.draw("treemap.svg", d)
}

func layTiles(tiles []Tile, within rect) []placedTile {
	slices.SortStableFunc(tiles, func(a, b Tile) int { return cmp.Compare(b.Value, a.Value) })
	values := make([]float64, len(tiles))
	for i, t := range tiles {
		values[i] = t.Value
	}
	var placed []placedTile
	for i, r := range squarify(values, within) {
		t := place(rect{r.x + tileGap/2, r.y + tileGap/2, max(r.w-tileGap, 0.5), max(r.h-tileGap, 0.5)})
		t.Class, t.Text = class(tiles[i].Class), tiles[i].Text
		if r.w > 44 && r.h > tileLine+6 {
			t.Name, t.NameX, t.NameY = fit(tiles[i].Name, r.w-14), round(r.x+7), round(r.y+17)
			if r.h > 2*tileLine+8 {
				t.Note, t.NoteY = fit(tiles[i].Note, r.w-14), round(r.y+17+tileLine)
			}
		}
		placed = append(placed, t)
	}
	return placed
}

func place(r rect) placedTile {
	return placedTile{X: round(r.x), Y: round(r.y), Width: round(r.w), Height: round(r.h)}
}

func fit(s string, room float64) string { return shorten(s, max(int(room/tileLetter), 1)) }

// squarify divides an area among values, the largest first, in rows along the shorter
// side that keep the rectangles as square as they can be (Bruls, Huizing, van Wijk).
func squarify(values []float64, area rect) []rect {
	total := 0.0
	for _, v := range values {
		total += v
	}
	out := make([]rect, 0, len(values))
	if total <= 0 {
		return out
	}
	scale := area.w * area.h / total
	for len(values) > 0 {
		side := min(area.w, area.h)
		n, sum := 1, values[0]*scale
		for n < len(values) {
			next := sum + values[n]*scale
			if worst(values[0]*scale, values[n]*scale, next, side) > worst(values[0]*scale, values[n-1]*scale, sum, side) {
				break
			}
			n, sum = n+1, next
		}
		thick := sum / max(side, 1e-9)
		at := 0.0
		for _, v := range values[:n] {
			length := v * scale / max(thick, 1e-9)
			if area.w >= area.h {
				out = append(out, rect{area.x, area.y + at, thick, length})
			} else {
				out = append(out, rect{area.x + at, area.y, length, thick})
			}
			at += length
		}
		if area.w >= area.h {
			area.x, area.w = area.x+thick, max(area.w-thick, 0)
		} else {
			area.y, area.h = area.y+thick, max(area.h-thick, 0)
		}
		values = values[n:]
	}
	return out
}

// worst is the least square aspect ratio of a row with these extremes and this sum.
func worst(largest, least, sum, side float64) float64 {
	return max(side*side*largest/(sum*sum), sum*sum/(side*side*max(least, 1e-12)))
}
