package top

import (
	"strings"
	"unicode/utf8"

	"github.com/gdamore/tcell/v3"

	"gortap/internal/insight"
	"gortap/internal/wording"
)

const wheel = 3 // lines that a click of the wheel moves

// key does what a key means.
func (m *model) key(ev *tcell.EventKey) {
	if m.editing {
		m.edit(ev)
		return
	}
	switch ev.Key() {
	case tcell.KeyCtrlC:
		m.quit = true
	case tcell.KeyUp, tcell.KeyCtrlP:
		m.move(-1)
	case tcell.KeyDown, tcell.KeyCtrlN:
		m.move(1)
	case tcell.KeyPgUp, tcell.KeyCtrlB:
		m.move(-m.visible())
	case tcell.KeyPgDn, tcell.KeyCtrlF:
		m.move(m.visible())
	case tcell.KeyHome:
		m.move(-1 << 30)
	case tcell.KeyEnd:
		m.move(1 << 30)
	case tcell.KeyLeft:
		m.sortNext(-1)
	case tcell.KeyRight:
		m.sortNext(1)
	case tcell.KeyEnter:
		m.enter()
	case tcell.KeyBackspace, tcell.KeyEscape:
		m.back()
	case tcell.KeyTab:
		m.show((m.top().list + 1) % numLists)
	case tcell.KeyBacktab:
		m.show((m.top().list + numLists - 1) % numLists)
	case tcell.KeyF1:
		m.help()
	case tcell.KeyF10:
		m.quit = true
	case tcell.KeyRune:
		m.letter(ev.Str())
	}
}

func (m *model) letter(s string) {
	switch s {
	case "q":
		if m.page != nil {
			m.page = nil
			return
		}
		m.quit = true
	case "j":
		m.move(1)
	case "k":
		m.move(-1)
	case "g":
		m.move(-1 << 30)
	case "G":
		m.move(1 << 30)
	case "/":
		m.page = nil
		m.editing, m.before = true, m.filter
	case " ":
		m.pause()
	case "r":
		m.sortBy(m.table.sorted)
	case "<", "h":
		m.sortNext(-1)
	case ">", "l":
		m.sortNext(1)
	case "w", "+":
		m.widen(1)
	case "W", "-":
		m.widen(-1)
	case "f":
		m.show(findings)
	case "e":
		m.show(events)
	case "x":
		m.show(exchanges)
	case "?":
		m.help()
	case "1", "2", "3", "4", "5", "6", "7", "8", "9":
		m.show(list(s[0] - '1'))
	}
}

func (m *model) widen(by int) {
	if w := m.window + by; w >= 0 && w < len(windows()) {
		m.window = w
		m.changed()
	}
}

// edit is a key while the filter is typed.
func (m *model) edit(ev *tcell.EventKey) {
	switch ev.Key() {
	case tcell.KeyEnter:
		m.editing = false
	case tcell.KeyEscape, tcell.KeyCtrlC:
		m.editing = false
		m.setFilter(m.before)
	case tcell.KeyBackspace:
		if m.filter == "" {
			m.editing = false
		}
		_, n := utf8.DecodeLastRuneInString(m.filter)
		m.setFilter(m.filter[:len(m.filter)-n])
	case tcell.KeyCtrlU:
		m.setFilter("")
	case tcell.KeyRune:
		m.setFilter(m.filter + ev.Str())
	}
	f := m.top()
	f.cursor, f.row = 0, ""
}

// matches says whether the filter lets a text pass, where the source does not know.
func (m *model) matches(text string) bool {
	return strings.Contains(strings.ToLower(text), strings.ToLower(m.filter))
}

func (m *model) mouse(ev *tcell.EventMouse) {
	x, y := ev.Position()
	switch ev.Buttons() {
	case tcell.WheelUp:
		m.move(-wheel)
	case tcell.WheelDown:
		m.move(wheel)
	case tcell.Button1:
		if m.page == nil {
			m.click(x, y)
		}
	}
}

func (m *model) click(x, y int) {
	switch {
	case y == tabLine:
		for l := range numLists {
			if from, to := tabAt(l); x >= from && x < to {
				m.show(l)
			}
		}
	case y == headLine:
		for i, place := range m.places(m.table.cols) {
			if place.width > 0 && x >= place.x && x < place.x+place.width {
				m.sortBy(i)
			}
		}
	case y >= firstLine && y < firstLine+m.visible():
		f := m.top()
		at := f.offset + y - firstLine
		if at >= len(m.table.rows) {
			return
		}
		if at == f.cursor { // the second click
			m.enter()
			return
		}
		m.move(at - f.cursor)
	}
}

// enter opens the selected row.
func (m *model) enter() {
	if m.page != nil {
		if open := m.page.open; open != nil {
			open()
		} else {
			m.page = nil
		}
		return
	}
	if f := m.top(); f.cursor < len(m.table.rows) {
		if open := m.table.rows[f.cursor].open; open != nil {
			open(m)
		}
	}
}

// The way down: service, endpoint, client, exchanges. What is known already is not
// asked again.

func openService(r *insight.Row) func(*model) {
	name := r.Service
	return func(m *model) {
		m.push(endpoints, func(q *insight.Query) { q.Service = name }, wording.Printable(name))
	}
}

func openEndpoint(r *insight.Row) func(*model) {
	e := insight.Row{Service: r.Service, Method: r.Method, Path: r.Path}
	return func(m *model) {
		next := clients
		if m.top().query.Client != "" {
			next = exchanges
		}
		crumb := endpointName(&e)
		if m.top().query.Service == "" {
			crumb += " of " + e.Service
		}
		m.push(next, func(q *insight.Query) { q.Service, q.Method, q.Path = e.Service, e.Method, e.Path }, wording.Printable(crumb))
	}
}

func openClient(r *insight.Row) func(*model) {
	name := r.Client
	return func(m *model) {
		next := endpoints
		if m.top().query.Path != "" {
			next = exchanges
		}
		m.push(next, func(q *insight.Query) { q.Client = name }, wording.Printable(name))
	}
}

func openPair(r *insight.Row) func(*model) {
	client, service := r.Client, r.Service
	return func(m *model) {
		m.push(endpoints, func(q *insight.Query) { q.Client, q.Service = client, service }, wording.Printable(client+" > "+service))
	}
}

// isRest says that a row stands for what has none of its own: there is no way down.
func isRest(r *insight.Row) bool {
	return r.Service == insight.Rest || r.Client == insight.Rest || r.Path == insight.Rest
}
