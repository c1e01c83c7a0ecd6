package report

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"slices"
	"strings"

	"gortap/internal/insight"
	"gortap/internal/plot"
	"gortap/internal/wording"
)

//go:embed report.html
var page string

// The page shows so many rows; the rest of a list folds out, up to all that there are.
const pageRows = 15

// view is what the template is filled with. The template escapes texts; what does not
// print is escaped here.
type view struct {
	*Report
	CSS                            template.CSS
	Title, Subtitle, Class         string
	Period                         string
	Cards                          []card
	OverTime, Treemap              template.HTML
	Legend                         []legend
	Clients, Pairs, Sizes, Latency template.HTML
	Found                          []finding
	Happened                       []string
	Tables                         []table
	Warned                         bool // about the data
}

type card struct{ Label, Value, Note, Class string }

type legend struct {
	Name, Share string
	Class       int
}

type finding struct {
	Number                    int
	Class, Title, When, Saves string
	Width                     string // of the bar: per cent of all bytes
	Where                     string
	Clients                   string
	Evidence                  []insight.Evidence
	Examples                  []example
	Remedy                    string
}

type example struct{ Time, Client, Request, Status, Bytes, Duration string }

type table struct {
	Title, What, Key string
	Spread           bool // sizes and durations are known
	Rows, Rest       []tableRow
	More             int
}

type tableRow struct {
	Name, Under string
	Class       int // of the endpoint in the charts; -1: none
	Width       string
	Share       string
	Bytes       string
	Requests    string
	Errors      string
	Bad         bool
	Quantiles   bool
	SizeP50     string
	SizeP99     string
	TimeP50     string
	TimeP99     string
	Spark       template.HTML
}

// WriteHTML writes the report as a page that needs no other file.
func (r *Report) WriteHTML(w io.Writer) error {
	p, err := plot.New()
	if err != nil {
		return err
	}
	t, err := template.New("report").Parse(page)
	if err != nil {
		return fmt.Errorf("read report template: %w", err)
	}
	v := &view{Report: r, CSS: p.CSS(), Period: r.Period(), Cards: r.cards()}
	v.Title, v.Subtitle, v.Class = r.verdict()
	v.Title, v.Subtitle = unbroken(v.Title), unbroken(v.Subtitle)
	for i := range v.Cards {
		v.Cards[i].Note = unbroken(v.Cards[i].Note)
	}
	for i := range r.Findings {
		v.Found = append(v.Found, r.finding(i))
	}
	for i := range r.Events {
		v.Happened = append(v.Happened, eventText(&r.Events[i], r))
	}
	for _, q := range r.Quality {
		v.Warned = v.Warned || q.Level == LevelWarning
	}
	if err := v.charts(p); err != nil {
		return err
	}
	if err := v.tables(p); err != nil {
		return err
	}
	if err := t.Execute(w, v); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	return nil
}

// unbroken keeps a per cent sign beside its number.
func unbroken(s string) string { return strings.ReplaceAll(s, " %", "\u00a0%") }

func (r *Report) verdict() (title, sub, class string) {
	switch n := len(r.Findings); {
	case r.View.Total.Requests == 0:
		return "No HTTP exchange was seen", "See below for what the capture held.", "calm"
	case n == 0:
		return "No waste was found", r.Headline()[len("No waste was found."):], "good"
	default:
		class = "calm"
		for i := range r.Findings {
			switch r.Findings[i].Severity {
			case insight.Critical:
				class = "bad"
			case insight.Warning:
				if class == "calm" {
					class = "warn"
				}
			}
		}
		return r.Headline(), sentence(r.Findings[0].Remedy), class
	}
}

func (r *Report) cards() []card {
	t := &r.View.Total
	if t.Requests == 0 {
		return nil
	}
	errors := card{"Failed", wording.Percent(float64(t.Errors) / float64(t.Requests)), wording.Grouped(t.Errors) + " requests", ""}
	if t.Errors*100 >= t.Requests {
		errors.Class = "bad"
	}
	clients := len(r.View.Clients) + r.View.More["clients"]
	var saved int64
	for i := range r.Findings {
		saved = max(saved, r.Findings[i].Saves)
	}
	cards := []card{
		{"Bytes", wording.Bytes(bytesOf(t)), wording.Rate(t.ByteRate) + " on average", ""},
		{"Requests", wording.Count(float64(t.Requests)), wording.PerSecond(t.RequestRate) + "/s, " + wording.Count(float64(t.Connections)) + " connections", ""},
		{"Clients", wording.Count(float64(clients)), r.largestClient(), ""},
		{"Slowest 1 %", wording.Latency(float64(t.DurationP99)), wording.Latency(float64(t.DurationP50)) + " median", ""},
		errors,
	}
	if saved > 0 && bytesOf(t) > 0 {
		cards = append(cards, card{"Could be saved", wording.Bytes(float64(saved)), wording.Percent(float64(saved)/bytesOf(t)) + " of all, by the first finding", "good"})
	}
	return cards
}

func (r *Report) largestClient() string {
	if len(r.View.Clients) == 0 {
		return ""
	}
	return "the largest has " + wording.Percent(r.View.Clients[0].Share)
}

func (r *Report) finding(i int) finding {
	f := &r.Findings[i]
	out := finding{Number: i + 1, Class: "calm", Title: sentence(f.Title), When: when(f, r.View.To), Saves: saves(f),
		Remedy: sentence(f.Remedy), Clients: wording.Printable(wording.List(f.Clients, 8)), Width: percentWidth(f.Share)}
	switch f.Severity {
	case insight.Critical:
		out.Class = "bad"
	case insight.Warning:
		out.Class = "warn"
	}
	if f.Path != "" {
		out.Where = endpointName(&insight.Row{Method: f.Method, Path: f.Path})
	}
	if f.Service != "" {
		if out.Where != "" {
			out.Where += " of "
		}
		out.Where += wording.Printable(f.Service)
	}
	for _, e := range f.Evidence {
		out.Evidence = append(out.Evidence, insight.Evidence{Name: wording.Printable(e.Name), Value: wording.Printable(e.Value)})
	}
	for _, x := range f.Examples {
		out.Examples = append(out.Examples, example{x.Time.UTC().Format("15:04:05.000"), wording.Printable(x.Client),
			wording.Printable(x.Method + " " + x.Target), statusName(x.Status), wording.Bytes(float64(x.ResponseBytes)), wording.Latency(float64(x.DurationNs))})
	}
	return out
}

func percentWidth(share float64) string { return fmt.Sprintf("%.1f", 100*min(max(share, 0), 1)) }

func (v *view) charts(p *plot.Plotter) error {
	var err error
	if v.OverTime, err = v.overTime(p); err != nil {
		return err
	}
	endpoints := v.View.Endpoints
	for i := range endpoints[:min(coloured, len(endpoints))] {
		v.Legend = append(v.Legend, legend{fullName(&endpoints[i]), wording.Percent(endpoints[i].Share), colour(i)})
	}
	if len(endpoints) > coloured {
		v.Legend = append(v.Legend, legend{restOfBytes, "", plot.Other})
	}
	if v.Treemap, err = v.treemap(p); err != nil {
		return err
	}
	if v.Clients, err = bars(p, "Bytes by client, the largest first", v.View.Clients, func(e *insight.Row) string { return wording.Printable(e.Client) }); err != nil {
		return err
	}
	if v.Pairs, err = bars(p, "Bytes by client and service, the largest first", v.View.Pairs, func(e *insight.Row) string {
		return wording.Printable(e.Client) + " → " + wording.Printable(e.Service)
	}); err != nil {
		return err
	}
	t := &v.View.Total
	if v.Sizes, err = histogram(p, fmt.Sprintf("How many responses have which size. Median %s, 99th percentile %s", wording.Bytes(float64(t.SizeP50)), wording.Bytes(float64(t.SizeP99))),
		v.View.Sizes, 1, wording.Bytes, []plot.Tick{{At: float64(t.SizeP50), Label: "p50"}, {At: float64(t.SizeP99), Label: "p99"}}); err != nil {
		return err
	}
	v.Latency, err = histogram(p, fmt.Sprintf("How many exchanges took how long. Median %s, 99th percentile %s", wording.Latency(float64(t.DurationP50)), wording.Latency(float64(t.DurationP99))),
		v.View.Durations, 3, wording.Latency, []plot.Tick{{At: float64(t.DurationP50), Label: "p50"}, {At: float64(t.DurationP99), Label: "p99"}})
	return err
}

func (v *view) tables(p *plot.Plotter) error {
	for _, l := range v.lists() {
		if len(l.rows) == 0 || l.key == "networks" && len(l.rows) == len(v.View.Clients) {
			continue
		}
		t := table{Title: l.title, What: l.what, Key: l.key, More: v.View.More[l.key], Spread: slices.ContainsFunc(l.rows, hasSpread)}
		for i := range l.rows {
			row, err := tableRowOf(p, &l, i)
			row.Quantiles = t.Spread
			if err != nil {
				return err
			}
			if i < pageRows {
				t.Rows = append(t.Rows, row)
			} else {
				t.Rest = append(t.Rest, row)
			}
		}
		v.Tables = append(v.Tables, t)
	}
	return nil
}

func tableRowOf(p *plot.Plotter, l *list, i int) (tableRow, error) {
	e := &l.rows[i]
	row := tableRow{Name: l.fullName(e), Class: -1, Share: wording.Percent(e.Share), Width: percentWidth(e.Share), Bytes: wording.Bytes(bytesOf(e)),
		Requests: wording.Count(float64(e.Requests)), Errors: wording.Count(float64(e.Errors)), Bad: e.Errors*100 >= e.Requests && e.Errors > 0,
		SizeP50: spread(e, e.SizeP50, wording.Bytes), SizeP99: spread(e, e.SizeP99, wording.Bytes),
		TimeP50: spread(e, e.DurationP50, wording.Latency), TimeP99: spread(e, e.DurationP99, wording.Latency)}
	colours := plot.Other
	if l.key == "endpoints" {
		row.Name, row.Under, row.Class, colours = endpointName(e), wording.Printable(e.Service), colour(i), colour(i)
	}
	var err error
	if i < pageRows && len(e.Bytes) > 1 {
		row.Spark, err = p.DrawSpark("Bytes over time of "+row.Name, e.Bytes, colours)
	}
	return row, err
}
