package compare

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode"
)

// maxLines is how many findings of a kind the text shows.
const maxLines = 20

// WriteJSON writes the result as one indented object. The fields are those of
// Result; their order and names are stable.
func (r *Result) WriteJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	if err := e.Encode(r); err != nil {
		return fmt.Errorf("write comparison: %w", err)
	}
	return nil
}

// WriteText writes the result for people: what matters most comes first. colour
// is for terminals.
func (r *Result) WriteText(w io.Writer, colour bool) error {
	t := &textWriter{w: bufio.NewWriter(w), colour: colour}
	t.head(r)
	t.section(r, "Different", red, Different)
	t.section(r, "Slower", red, Slower)
	t.section(r, "Faster", green, Faster)
	t.section(r, "Probably noise (values that never repeat; counted unless ignored)", yellow, ProbablyNoise)
	t.section(r, "Noise (the baseline differs there too; not counted)", dim, Noise)
	t.latencies(r)
	if err := t.w.Flush(); err != nil {
		return fmt.Errorf("write comparison: %w", err)
	}
	return nil
}

type textWriter struct {
	w      *bufio.Writer
	colour bool
}

// The colours that are used, as SGR parameters.
const (
	bold   = "1"
	dim    = "2"
	red    = "31"
	green  = "32"
	yellow = "33"
)

func (t *textWriter) paint(sgr, s string) string {
	if !t.colour {
		return s
	}
	return "\x1b[" + sgr + "m" + s + "\x1b[0m"
}

func (t *textWriter) line(format string, args ...any) { fmt.Fprintf(t.w, format+"\n", args...) }

func (t *textWriter) head(r *Result) {
	against := printable(r.Original)
	if r.Baseline != "" {
		against += ", noise learned from " + printable(r.Baseline)
	}
	t.line("%s %s against %s", t.paint(bold, "Comparison:"), printable(r.Candidate), against)
	verdict := t.paint(green, "within the threshold of "+percent(r.Threshold))
	if r.Exceeded {
		verdict = t.paint(red, "EXCEEDS the threshold: "+strings.Join(r.Reasons, "; "))
	}
	t.line("  %d exchanges compared, %d differ (%s): %s", r.Compared, r.Different, percent(r.Share), verdict)
	if s := r.unpairedText(); s != "" {
		t.line("  not compared: %s", s)
	}
	if r.BodiesCut > 0 {
		t.line("  %d with a body that was compared in part (raise the limit of bodies to compare all)", r.BodiesCut)
	}
}

// unpairedText tells the reasons that occurred, in a fixed order.
func (r *Result) unpairedText() string {
	var parts []string
	for _, why := range reasonNames {
		if n := r.Unpaired[why]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, why))
		}
	}
	return strings.Join(parts, ", ")
}

func (t *textWriter) section(r *Result, title, sgr string, v Verdict) {
	shown, left := 0, 0
	for i := range r.Findings {
		f := &r.Findings[i]
		if f.Verdict != v {
			continue
		}
		if shown == maxLines {
			left++
			continue
		}
		if shown == 0 {
			t.line("\n%s", t.paint(sgr, title))
		}
		shown++
		t.line("  %7s %8d  %s  %s", percent(f.Share), f.Count, printable(f.Endpoint), t.paint(bold, printable(f.Title())))
		if d := f.Detail(); d != "" {
			t.line("  %7s %8s  %s", "", "", t.paint(dim, d))
		}
	}
	if left > 0 {
		t.line("  and %d more (all of them are in the report)", left)
	}
}

func (t *textWriter) latencies(r *Result) {
	l := r.Latency
	if l == nil {
		return
	}
	t.line("\n%s  all endpoints, %d exchanges", t.paint(bold, "Latency"), l.Candidate.Count)
	for _, row := range []struct {
		name string
		s    *Summary
	}{{"original", l.Original}, {"candidate", l.Candidate}, {"baseline", l.Baseline}} {
		if row.s == nil {
			continue
		}
		fmt.Fprintf(t.w, "  %-10s", row.name)
		for _, q := range row.s.Quantiles {
			fmt.Fprintf(t.w, "  %s %-8s", percentile(q.Q), duration(q.Value))
		}
		fmt.Fprintf(t.w, "  max %s\n", duration(row.s.Max))
	}
}

// Title names the place of a finding, with its two values where they are the same
// each time.
func (f *Finding) Title() string {
	if len(f.Shifts) > 0 {
		var parts []string
		for _, s := range f.Shifts {
			parts = append(parts, fmt.Sprintf("%s %s -> %s (%s)", percentile(s.Quantile), duration(s.Reference), duration(s.Candidate), change(s.Reference, s.Candidate)))
		}
		return "latency " + strings.Join(parts, ", ")
	}
	if !f.Uniform || len(f.Examples) == 0 || f.Kind == "status" || f.Kind == "grpc-status" || f.Kind == "no response" || f.Kind == other {
		return f.Place
	}
	return f.Place + ": " + valueText(f.Examples[0].Original) + " -> " + valueText(f.Examples[0].Candidate)
}

// Detail tells what is worth knowing beside the title: an example where the
// values vary, and how to leave the place out.
func (f *Finding) Detail() string {
	var parts []string
	if f.Verdict == Noise {
		return fmt.Sprintf("the baseline differed in %d", f.NoiseCount)
	}
	if !f.Uniform && len(f.Examples) > 0 {
		x := f.Examples[0]
		parts = append(parts, "for example "+valueText(x.Original)+" -> "+valueText(x.Candidate))
	}
	if f.NoiseCount > 0 {
		parts = append(parts, fmt.Sprintf("more often than the baseline, which differed in %d", f.NoiseCount))
	}
	if hint := f.Hint(); f.Verdict == ProbablyNoise && hint != "" {
		parts = append(parts, hint)
	}
	return strings.Join(parts, "; ")
}

// Hint is the flag that leaves the place out, or nothing where there is none.
func (f *Finding) Hint() string {
	_, name, _ := strings.Cut(f.Place, " ")
	switch f.Kind {
	case "header":
		return "--compare-ignore-header " + shellQuote(name)
	case "json":
		name, _ = strings.CutSuffix(name, " (length)")
		return "--compare-ignore-json " + shellQuote(name)
	}
	return ""
}

func shellQuote(s string) string {
	plain := true
	for _, c := range s {
		plain = plain && (unicode.IsLetter(c) || unicode.IsDigit(c) || c == '-' || c == '_' || c == '.')
	}
	if plain {
		return s
	}
	return "'" + strings.ReplaceAll(printable(s), "'", `'\''`) + "'"
}

// valueText writes a value as it can be shown anywhere.
func valueText(s *string) string {
	if s == nil {
		return "(absent)"
	}
	if *s == "" {
		return "(empty)"
	}
	return printable(*s)
}

// printable escapes what would not show, or would do something to a terminal.
func printable(s string) string {
	for _, c := range s {
		if !unicode.IsPrint(c) {
			quoted := strconv.QuoteToGraphic(s)
			return strings.ReplaceAll(quoted[1:len(quoted)-1], `\"`, `"`)
		}
	}
	return s
}
