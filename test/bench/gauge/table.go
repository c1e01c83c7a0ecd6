package gauge

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// Table is figures for people. Columns are set apart by |.
type Table struct {
	Title string
	Head  string
	Rows  []string
}

// Add adds a row; its columns are set apart by | as well.
func (t *Table) Add(format string, args ...any) {
	t.Rows = append(t.Rows, fmt.Sprintf(format, args...))
}

// Write writes the table aligned, or as Markdown. Without rows it is nothing.
func (t *Table) Write(w io.Writer, markdown bool) error {
	if len(t.Rows) == 0 {
		return nil
	}
	if markdown {
		_, err := io.WriteString(w, t.markdown())
		return err
	}
	fmt.Fprintf(w, "\n%s\n", t.Title)
	out := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	for _, row := range append([]string{t.Head}, t.Rows...) {
		fmt.Fprintln(out, strings.ReplaceAll(row, "|", "\t")+"\t")
	}
	return out.Flush()
}

func (t *Table) markdown() string {
	var b strings.Builder
	line := func(row string) { b.WriteString("| " + strings.ReplaceAll(row, "|", " | ") + " |\n") }
	fmt.Fprintf(&b, "\n%s:\n\n", t.Title)
	line(t.Head)
	b.WriteString(strings.Repeat("|---", strings.Count(t.Head, "|")+1) + "|\n")
	for _, row := range t.Rows {
		line(row)
	}
	return b.String()
}
