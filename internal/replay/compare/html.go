package compare

import (
	"cmp"
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"slices"
	"strings"

	"gortap/internal/plot"
)

//go:embed report.html
var reportHTML string

// The report shows so much; the JSON has all of it.
const (
	maxReportFindings = 200 // of a section
	maxReportCharts   = 40
	maxReportBars     = 12
)

// report is what the template is filled with. Texts are escaped by the template;
// what does not print is escaped here.
type report struct {
	*Result
	CSS        template.CSS
	Title      string
	Period     string
	Cards      []card
	Bars       template.HTML // by endpoint
	Kinds      template.HTML
	Sections   []reportSection
	Latencies  []reportLatency
	More       []reportLatency // without charts
	Verdict    string
	VerdictSub string
}

type card struct{ Label, Value, Note, Class string }

type reportSection struct {
	Title, Note, Class string
	Open               bool
	Findings           []reportFinding
	Left               int
}

type reportFinding struct {
	*Finding
	Text, Bar, Class string
	Number           string
	Endpoint         string
	Place            string
	Noisy            string
	When             string
	Rows             []reportExample
}

type reportExample struct{ ID, Target, Original, Candidate string }

type reportLatency struct {
	Name, Class, Verdict, Count string
	Chart                       template.HTML
	Columns                     []string
	Rows                        []reportRow
}

type reportRow struct {
	Name   string
	Series int
	Values []string
}

// WriteHTML writes the result as a page that needs no other file.
func (r *Result) WriteHTML(w io.Writer) error {
	p, err := plot.New()
	if err != nil {
		return err
	}
	t, err := template.New("report").Parse(reportHTML)
	if err != nil {
		return fmt.Errorf("read report template: %w", err)
	}
	v := &report{Result: r, CSS: p.CSS(), Title: printable(r.Candidate) + " against " + printable(r.Original), Period: r.period()}
	v.Verdict, v.VerdictSub = r.verdict()
	v.VerdictSub = strings.ReplaceAll(v.VerdictSub, " %", "\u00a0%") // never at the start of a line
	v.Cards = r.cards()
	if v.Bars, err = r.bars(p); err != nil {
		return err
	}
	if v.Kinds, err = r.kinds(p); err != nil {
		return err
	}
	v.sections()
	if err := v.latencies(p); err != nil {
		return err
	}
	if err := t.Execute(w, v); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	return nil
}

func (r *Result) period() string {
	if r.Compared == 0 {
		return ""
	}
	const form = "2 January 2006, 15:04:05"
	if r.From.Equal(r.To) {
		return r.From.Format(form) + " UTC"
	}
	return r.From.Format(form) + " to " + r.To.Format(form) + " UTC"
}

func (r *Result) verdict() (head, sub string) {
	if !r.Exceeded {
		return "Behaves alike", fmt.Sprintf("%s of the exchanges differ; %s may.", percent(r.Share), percent(r.Threshold))
	}
	sub = strings.Join(r.Reasons, "; ")
	return "Differs", strings.ToUpper(sub[:1]) + sub[1:] + "."
}

func (r *Result) cards() []card {
	different, slower, noisy := 0, 0, 0
	for i := range r.Findings {
		switch r.Findings[i].Verdict {
		case Different, ProbablyNoise:
			different++
		case Slower:
			slower++
		case Noise:
			noisy++
		}
	}
	cards := []card{
		{"Exchanges compared", grouped(r.Compared), plural(len(r.Endpoints), "endpoint", "endpoints"), ""},
		{"Exchanges that differ", grouped(r.Different), percent(r.Share), bad(r.Different > 0)},
		{"Kinds of difference", grouped(uint64(different)), "by endpoint and place", bad(different > 0)},
		{"Slower", grouped(uint64(slower)), "of " + plural(len(r.Endpoints), "endpoint", "endpoints"), bad(slower > 0)},
	}
	if r.Baseline != "" {
		cards = append(cards, card{"Noise left out", grouped(uint64(noisy)), grouped(r.WithNoise) + " exchanges to learn from", ""})
	}
	note := r.unpairedText()
	if note == "" {
		note = "every request has its responses"
	}
	var unpaired uint64
	for _, n := range r.Unpaired {
		unpaired += n
	}
	return append(cards, card{"Not compared", grouped(unpaired), note, ""})
}

func bad(is bool) string {
	if is {
		return "bad"
	}
	return "good"
}

// grouped writes a number with spaces between its thousands.
func grouped(n uint64) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "\u202f" + s[i:]
	}
	return s
}

// bars shows the endpoints with the most exchanges that differ.
func (r *Result) bars(p *plot.Plotter) (template.HTML, error) {
	rows := slices.Clone(r.Endpoints)
	slices.SortStableFunc(rows, func(a, b Endpoint) int { return cmp.Compare(b.Different, a.Different) })
	var bars []plot.Bar
	for _, e := range rows {
		if e.Different == 0 || len(bars) == maxReportBars {
			break
		}
		share := float64(e.Different) / float64(e.Compared)
		bars = append(bars, plot.Bar{Label: printable(e.Name), Share: share, Value: percent(share) + " of " + grouped(e.Compared), Class: 2})
	}
	if len(bars) == 0 {
		return "", nil
	}
	return p.DrawBars(fmt.Sprintf("Share of exchanges that differ, of the %s with the most", plural(len(bars), "endpoint", "endpoints")), bars)
}

// kinds shows how many places differ, by kind.
func (r *Result) kinds(p *plot.Plotter) (template.HTML, error) {
	var bars []plot.Bar
	var most float64
	for i := range r.Findings {
		f := &r.Findings[i]
		if f.Verdict == Noise || f.Verdict == Faster {
			continue
		}
		at := slices.IndexFunc(bars, func(b plot.Bar) bool { return b.Label == f.Kind })
		if at < 0 {
			at = len(bars)
			bars = append(bars, plot.Bar{Label: f.Kind, Class: 1})
		}
		bars[at].Share++
		most = max(most, bars[at].Share)
	}
	if len(bars) == 0 {
		return "", nil
	}
	slices.SortStableFunc(bars, func(a, b plot.Bar) int { return cmp.Compare(b.Share, a.Share) })
	for i := range bars {
		bars[i].Value = plural(int(bars[i].Share), "place", "places")
		bars[i].Share /= most
	}
	return p.DrawBars("How many places differ, by kind", bars)
}

func (v *report) sections() {
	for _, s := range []struct {
		title, note, class string
		verdicts           []Verdict
		open               bool
	}{
		{"Differences", "What the candidate answers otherwise, the worst and most frequent first.", "bad", []Verdict{Different, Slower}, true},
		{"Faster", "Latencies that became better.", "good", []Verdict{Faster}, true},
		{"Probably noise", "The values never repeat, as those of clocks and ids. They count unless they are ignored; a baseline target would tell.", "warn", []Verdict{ProbablyNoise}, true},
		{"Noise", "The old version differs from itself in these places as often as the candidate does. They do not count.", "calm", []Verdict{Noise}, false},
	} {
		section := reportSection{Title: s.title, Note: s.note, Class: s.class, Open: s.open}
		for i := range v.Findings {
			f := &v.Findings[i]
			if !slices.Contains(s.verdicts, f.Verdict) {
				continue
			}
			if len(section.Findings) == maxReportFindings {
				section.Left++
				continue
			}
			section.Findings = append(section.Findings, reportFindingOf(f, s.class))
		}
		if len(section.Findings) > 0 {
			v.Sections = append(v.Sections, section)
		}
	}
}

func reportFindingOf(f *Finding, class string) reportFinding {
	out := reportFinding{Finding: f, Class: class, Bar: fmt.Sprintf("%.1f", 100*f.Share), Text: percent(f.Share),
		Endpoint: printable(f.Endpoint), Place: strings.ReplaceAll(printable(f.Title()), " -> ", " → "), Number: grouped(f.Count)}
	if f.NoiseCount > 0 {
		out.Noisy = grouped(f.NoiseCount)
	}
	if f.Kind != "latency" {
		out.When = f.First.Format("2006-01-02 15:04:05.000") + " to " + f.Last.Format("2006-01-02 15:04:05.000") + " UTC"
	}
	for _, x := range f.Examples {
		out.Rows = append(out.Rows, reportExample{printable(x.ID), printable(x.Target), valueText(x.Original), valueText(x.Candidate)})
	}
	return out
}
