package top

import (
	"strings"

	"gortap/internal/insight"
	"gortap/internal/wording"
)

// drawPage draws the text that lies over the lists.
func (m *model) drawPage(c canvas) {
	p := m.page
	c.PutStrStyled(0, headLine, strings.Repeat(" ", m.width), m.style(head))
	m.put(c, 1, headLine, wording.Shorten(p.title, m.width-2), head)
	var lines []pageLine
	for _, l := range p.lines {
		indent := l.text[:len(l.text)-len(strings.TrimLeft(l.text, " "))]
		wrapped := wording.Wrap(l.text, m.width-2-len(indent))
		if len(wrapped) == 0 {
			wrapped = []string{""}
		}
		for _, text := range wrapped {
			lines = append(lines, pageLine{indent + text, l.style})
		}
	}
	p.offset = min(p.offset, max(len(lines)-m.visible(), 0))
	for y, l := range lines[p.offset:min(p.offset+m.visible(), len(lines))] {
		m.put(c, 1, firstLine+y, l.text, l.style)
	}
}

func (m *model) showFinding(f *insight.Finding) {
	p := &page{title: "finding"}
	add := func(style role, text string) { p.lines = append(p.lines, pageLine{wording.Printable(text), style}) }
	add(severityRole(f.Severity), f.Title)
	add(normal, "")
	add(strong, "What to do: "+f.Remedy)
	add(normal, "")
	if f.Saves > 0 {
		add(normal, "Would save "+wording.Bytes(float64(f.Saves))+", "+wording.Percent(f.Share)+" of all bytes.")
	}
	const form = "2006-01-02 15:04:05"
	if !f.First.IsZero() {
		add(normal, "Seen from "+f.First.UTC().Format(form)+" to "+f.Last.UTC().Format(form)+" UTC.")
	}
	if len(f.Clients) > 0 {
		add(normal, "Clients: "+wording.List(f.Clients, 10)+".")
	}
	for _, e := range f.Evidence {
		add(normal, "  "+e.Name+": "+e.Value)
	}
	if len(f.Examples) > 0 {
		add(normal, "")
		add(strong, "For example")
	}
	for i := range f.Examples {
		x := &f.Examples[i]
		add(normal, "  "+x.Time.UTC().Format("15:04:05.000")+" "+x.Client+" "+x.Method+" "+x.Target+": "+
			statusText(x.Status)+", "+wording.Bytes(float64(x.ResponseBytes))+", "+wording.Latency(float64(x.DurationNs)))
	}
	if f.Path != "" || f.Service != "" {
		r := insight.Row{Service: f.Service, Method: f.Method, Path: f.Path}
		p.open = func() {
			if r.Path == "" {
				openService(&r)(m)
				return
			}
			openEndpoint(&r)(m)
		}
	}
	m.page = p
}

func severityRole(s insight.Severity) role {
	switch s {
	case insight.Critical:
		return alarmed
	case insight.Warning:
		return warned
	}
	return normal
}

func (m *model) showExchange(x *insight.Exchange) {
	p := &page{title: "exchange"}
	add := func(name, value string) {
		p.lines = append(p.lines, pageLine{name + strings.Repeat(" ", 12-len(name)), faint}, pageLine{"    " + wording.Printable(value), normal})
	}
	add("request", x.Method+" "+x.Target)
	add("endpoint", x.Method+" "+x.Path+" of "+x.Service)
	add("time", x.Time.UTC().Format("2006-01-02 15:04:05.000000")+" UTC, took "+wording.Latency(float64(x.DurationNs)))
	add("client", x.Client)
	add("server", x.Server+", "+x.Protocol)
	status := statusText(x.Status)
	if !x.Complete {
		status += ", incomplete"
	}
	add("status", status)
	add("bytes", wording.Bytes(float64(x.RequestBytes))+" sent, "+wording.Bytes(float64(x.ResponseBytes))+" received")
	m.page = p
}

func (m *model) help() {
	p := &page{title: "help"}
	line := func(keys, what string) {
		p.lines = append(p.lines, pageLine{"  " + keys + strings.Repeat("\u00a0", max(16-len([]rune(keys)), 1)) + what, normal})
	}
	title := func(s string) { p.lines = append(p.lines, pageLine{"", normal}, pageLine{s, strong}) }
	p.lines = append(p.lines, pageLine{"Who uses the bandwidth. Bytes are those of HTTP messages on the wire.", normal})
	title("Move")
	line("↑ ↓ j k", "a line; PgUp, PgDn, Home, End")
	line("enter", "open: service, endpoint, client, exchanges")
	line("backspace, esc", "back, or drop the filter")
	line("tab, 1 to 9", "another list of the same; f findings, e events, x exchanges")
	title("Choose")
	line("/", "filter by a part of a name")
	line("← → < >", "sort by another column; r the other way round")
	line("w W", "figures of a longer or shorter time")
	line("space", "pause, and go on")
	line("mouse", "click a row, a head, a list; the wheel")
	title("Leave")
	line("q, ctrl-c, F10", "quit; ctrl-z suspends, ctrl-l draws again")
	title("Columns")
	line("over time", "bytes of each step of the time shown")
	line("share", "of all bytes; half and more is red")
	line("errors", "status 400 and above, or no whole response")
	line("size, time", "of responses' bodies, and from first to last byte; median and p99")
	m.page = p
}
