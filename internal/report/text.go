package report

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"gortap/internal/insight"
	"gortap/internal/wording"
)

// TextOptions say how the text is to look.
type TextOptions struct {
	Width  int // columns; 0: 100
	Colour bool
}

// The text shows so much; the page and the JSON have more.
const (
	textFindings = 10
	textRows     = 10
	textEvents   = 10
	defaultWidth = 110
	leastWidth   = 60
	mostWidth    = 120 // longer lines are no easier to read
)

// The colours, as SGR parameters.
const (
	plain  = ""
	bold   = "1"
	dim    = "2"
	red    = "31"
	green  = "32"
	yellow = "33"
	cyan   = "36"
)

type textWriter struct {
	*bufio.Writer
	o TextOptions
	r *Report
}

// WriteText writes the report for people. The findings come first.
func (r *Report) WriteText(w io.Writer, o TextOptions) error {
	if o.Width == 0 {
		o.Width = defaultWidth
	}
	o.Width = min(max(o.Width, leastWidth), mostWidth)
	t := &textWriter{bufio.NewWriter(w), o, r}
	t.findings()
	t.totals()
	t.tables()
	t.spreads()
	t.events()
	t.quality()
	if err := t.Flush(); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	return nil
}

func (t *textWriter) paint(sgr, s string) string {
	if !t.o.Colour || sgr == plain {
		return s
	}
	return "\x1b[" + sgr + "m" + s + "\x1b[0m"
}

func (t *textWriter) line(format string, args ...any) { fmt.Fprintf(t, format+"\n", args...) }

// para writes a paragraph, its first line after lead and the others below it.
func (t *textWriter) para(sgr, lead, text string) {
	indent := utf8.RuneCountInString(lead)
	for i, line := range wording.Wrap(text, t.o.Width-indent) {
		if i > 0 {
			lead = strings.Repeat(" ", indent)
		}
		t.line("%s%s", lead, t.paint(sgr, line))
	}
}

func (t *textWriter) findings() {
	if len(t.r.Findings) == 0 {
		t.para(bold, "", t.r.Headline())
	}
	for i := range t.r.Findings {
		if i == textFindings {
			t.line("%d more findings are in --html and --json.\n", len(t.r.Findings)-i)
			break
		}
		t.finding(i+1, &t.r.Findings[i])
	}
}

func (t *textWriter) finding(n int, f *insight.Finding) {
	lead := fmt.Sprintf("%2d. ", n)
	t.para(severityColour(f.Severity), lead, sentence(f.Title))
	var facts []string
	if s := when(f, t.r.View.To); s != "" {
		facts = append(facts, strings.ToUpper(s[:1])+s[1:]+" UTC")
	}
	if s := saves(f); s != "" {
		facts = append(facts, "would save "+s)
	}
	for _, e := range f.Evidence {
		facts = append(facts, wording.Printable(e.Name)+": "+wording.Printable(e.Value))
	}
	t.para(dim, "    ", strings.Join(facts, "; "))
	if len(f.Clients) > 0 {
		t.para(dim, "    ", "Clients: "+wording.Printable(wording.List(f.Clients, 5)))
	}
	t.para(green, "    -> ", sentence(f.Remedy))
	t.line("")
}

func severityColour(s insight.Severity) string {
	switch s {
	case insight.Critical:
		return bold + ";" + red
	case insight.Warning:
		return bold + ";" + yellow
	}
	return bold
}

func (t *textWriter) totals() {
	v := &t.r.View
	t.line("%s", t.paint(bold, "Total"))
	if t.r.Input != "" {
		t.para(plain, "  ", t.r.Input)
	}
	if v.Total.Requests == 0 {
		return
	}
	t.para(plain, "  ", t.r.Period())
	t.para(plain, "  ", fmt.Sprintf("%s in %s requests: %s up, %s down; %s on average, %s requests/s",
		wording.Bytes(bytesOf(&v.Total)), wording.Grouped(v.Total.Requests), wording.Bytes(float64(v.Total.RequestBytes)),
		wording.Bytes(float64(v.Total.ResponseBytes)), wording.Rate(v.Total.ByteRate), wording.PerSecond(v.Total.RequestRate)))
	t.line("  %s (%s) failed; %s", wording.Plural(int(v.Total.Errors), "request", "requests"),
		wording.Percent(float64(v.Total.Errors)/float64(v.Total.Requests)),
		wording.Plural(int(v.Total.Connections), "connection", "connections"))
	if line := t.spark(v.Total.Bytes); line != "" {
		t.line("  %s  bytes over time", t.paint(cyan, line))
	}
}

// spark draws a series in one line of blocks.
func (t *textWriter) spark(values []float64) string {
	if len(values) < 2 {
		return ""
	}
	return wording.Spark(values, min(len(values), t.o.Width-20))
}

// spreads tells how large and how slow exchanges are.
func (t *textWriter) spreads() {
	total := &t.r.View.Total
	if total.Requests == 0 {
		return
	}
	t.line("\n%s", t.paint(bold, "Sizes and latency"))
	t.line("  responses   %8s median, %8s p99", wording.Bytes(float64(total.SizeP50)), wording.Bytes(float64(total.SizeP99)))
	t.line("  durations   %8s median, %8s p99", wording.Latency(float64(total.DurationP50)), wording.Latency(float64(total.DurationP99)))
}

func (t *textWriter) events() {
	if len(t.r.Events) == 0 {
		return
	}
	t.line("\n%s", t.paint(bold, "Events"))
	for i := range t.r.Events {
		if i == textEvents {
			t.line("  and %d more", len(t.r.Events)-i)
			return
		}
		t.para(plain, "  ", eventText(&t.r.Events[i], t.r))
	}
}

func eventText(e *insight.Event, r *Report) string {
	end := "still going on"
	if !e.End.IsZero() {
		end = "until " + clock(e.End.UTC(), r.View.To)
	}
	name := endpointName(&insight.Row{Method: e.Method, Path: e.Path})
	return fmt.Sprintf("%s (%s) %s of %s, %s: %s", clock(e.Time.UTC(), r.View.To), end, name, wording.Printable(e.Service), wording.Printable(e.Measure), sentence(e.Reason))
}

func (t *textWriter) quality() {
	t.line("\n%s", t.paint(bold, "How far to trust this"))
	for _, q := range t.r.Quality {
		mark, sgr := "-", plain
		switch q.Level {
		case LevelOK:
			mark, sgr = "+", green
		case LevelWarning:
			mark, sgr = "!", red
		}
		t.para(sgr, "  "+mark+" ", q.Text)
	}
}
