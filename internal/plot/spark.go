package plot

import (
	"html/template"
	"strings"
)

const (
	sparkWidth  = 96
	sparkHeight = 22
)

type sparkData struct {
	Description   string
	Width, Height int
	Class         int
	Path          string
}

// DrawSpark returns a chart of the size of a word: how values went, without axes.
func (p *Plotter) DrawSpark(description string, values []float64, colour int) (template.HTML, error) {
	most := 0.0
	for _, v := range values {
		most = max(most, v)
	}
	var path strings.Builder
	path.WriteString("M0 " + number(sparkHeight))
	for i, v := range values {
		tall := 0.0
		if most > 0 {
			tall = max(v, 0) / most * (sparkHeight - 1)
		}
		path.WriteString("V" + number(round(sparkHeight-tall)) + "H" + number(round(sparkWidth*float64(i+1)/float64(len(values)))))
	}
	path.WriteString("V" + number(sparkHeight) + "Z")
	return p.draw("spark.svg", sparkData{description, sparkWidth, sparkHeight, class(colour), path.String()})
}
