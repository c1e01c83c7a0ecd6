package top

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/gdamore/tcell/v3"

	"gortap/internal/wording"
)

// canvas is what is drawn on: a tcell.Screen.
type canvas interface {
	Size() (width, height int)
	Fill(rune, tcell.Style)
	PutStrStyled(x, y int, s string, style tcell.Style)
	ShowCursor(x, y int)
}

// The lines of the screen. Below them are the rows, and the keys in the last one.
const (
	titleLine = iota
	totalLine
	tabLine
	crumbLine
	headLine
	firstLine
)

const (
	leastWidth, leastHeight = 30, 8
	leastName               = 24 // of the column that takes what the others leave; a third of a wide screen
	mostSpark               = 40
)

// role is what a text is for; style.go says how that looks.
type role int

const (
	normal role = iota
	faint
	strong
	warned
	alarmed
	drawn // charts
	title
	head
	headSorted
	selected
	tab
	tabShown
	keyName
)

// draw draws everything.
func (m *model) draw(c canvas) {
	m.width, m.height = c.Size()
	c.Fill(' ', m.style(normal))
	c.ShowCursor(-1, -1)
	if m.width < leastWidth || m.height < leastHeight {
		c.PutStrStyled(0, 0, wording.Shorten("the window is too small", m.width), m.style(strong))
		return
	}
	m.drawTitle(c)
	m.drawTotal(c)
	m.drawTabs(c)
	m.drawCrumb(c)
	if m.page != nil {
		m.drawPage(c)
	} else {
		m.drawTable(c)
	}
	m.drawKeys(c)
}

// visible is how many rows have room.
func (m *model) visible() int { return max(m.height-firstLine-1, 1) }

func (m *model) put(c canvas, x, y int, s string, r role) int {
	s = cut(s, m.width-x)
	c.PutStrStyled(x, y, s, m.style(r))
	return x + utf8.RuneCountInString(s)
}

func (m *model) drawTitle(c canvas) {
	right := m.windowText()
	if m.lastNs > 0 {
		right += "  " + time.Unix(0, m.lastNs).UTC().Format("15:04:05") + " UTC"
	}
	if m.o.Progress != nil && !m.over {
		if read, total := m.o.Progress(); total > 0 {
			right = fmt.Sprintf("reading %d %%  ", min(100*read/total, 100)) + right
		}
	}
	if m.paused {
		right = "PAUSED  " + right
	}
	c.PutStrStyled(0, titleLine, strings.Repeat(" ", m.width), m.style(title))
	room := m.width - utf8.RuneCountInString(right) - 3
	m.put(c, 1, titleLine, wording.Shorten("gortap  "+wording.Printable(m.o.Title), room), title)
	m.put(c, max(m.width-utf8.RuneCountInString(right)-1, 0), titleLine, right, title)
}

func (m *model) drawTotal(c canvas) {
	if m.failed != nil {
		m.put(c, 1, totalLine, wording.Printable(m.failed.Error()), alarmed)
		return
	}
	if !m.known {
		m.put(c, 1, totalLine, "asking ...", faint)
		return
	}
	t := &m.got.view.Total
	x := 1
	part := func(value, what string, r role) {
		x = m.put(c, x, totalLine, value, r)
		x = m.put(c, x, totalLine, what+"   ", faint)
	}
	part(wording.Rate(t.ByteRate), "", strong)
	part(wording.PerSecond(t.RequestRate), " req/s", strong)
	failed := strong
	share := 0.0
	if t.Requests > 0 {
		share = float64(t.Errors) / float64(t.Requests)
	}
	if share >= 0.05 {
		failed = alarmed
	}
	part(wording.Percent(share), " errors", failed)
	if m.width >= 60 {
		part(wording.Bytes(float64(t.RequestBytes+t.ResponseBytes)), " in all", strong)
	}
	if share := m.got.view.Unsampled; share > 0 {
		part(wording.Percent(share), " of connections not in it", alarmed)
	}
	if unseen := m.got.view.Unseen; unseen > 0 {
		part(wording.Percent(unseen), " not looked at", alarmed)
	}
	if room := m.width - x - 1; room >= 8 {
		m.put(c, x, totalLine, wording.Spark(t.Bytes, min(room, mostSpark)), drawn)
	}
}

// tabAt is where the tab of a list lies: its columns.
func tabAt(l list) (from, to int) {
	from = 1
	for i := range l {
		from += len(i.String()) + 2
	}
	return from, from + len(l.String())
}

func (m *model) drawTabs(c canvas) {
	for l := range numLists {
		r := tab
		if l == m.top().list {
			r = tabShown
		}
		from, to := tabAt(l)
		if to > m.width {
			return
		}
		m.put(c, from, tabLine, l.String(), r)
	}
}

func (m *model) drawCrumb(c canvas) {
	x := 1
	if n := m.narrowed(); n != "" {
		x = m.put(c, x, crumbLine, wording.Shorten(n, m.width-2), strong) + 3
	} else if n := len(m.got.findings); n > 0 && m.top().list != findings {
		x = m.put(c, x, crumbLine, wording.Plural(n, "finding", "findings")+": press f", warned) + 3
	}
	if m.editing || m.filter != "" {
		x = m.put(c, x, crumbLine, "filter: ", faint)
		x = m.put(c, x, crumbLine, wording.Printable(m.filter), strong)
		if m.editing {
			c.ShowCursor(min(x, m.width-1), crumbLine)
		}
	}
}

// placed is where a column lies; its width is 0 where it has no room.
type placed struct{ x, width int }

// places lays the columns out. The least important go where there is no room.
func (m *model) places(cols []column) []placed {
	shown := make([]bool, len(cols))
	for i := range shown {
		shown[i] = true
	}
	room := func() int {
		n := m.width - 1
		for i, c := range cols {
			if shown[i] {
				n -= c.width + 1
			}
		}
		return n
	}
	for room() < max(leastName, m.width/3) {
		least := -1
		for i, c := range cols {
			if shown[i] && c.width > 0 && (least < 0 || c.keep < cols[least].keep) {
				least = i
			}
		}
		if least < 0 {
			break
		}
		shown[least] = false
	}
	rest := room()
	// Names need only so much; charts like what is left.
	grow := 0
	if at := slices.IndexFunc(cols, func(c column) bool { return c.spark }); at >= 0 && shown[at] {
		grow = min(max((rest-48)/2, 0), mostSpark-cols[at].width)
	}
	out := make([]placed, len(cols))
	x := 1
	for i, c := range cols {
		if !shown[i] {
			continue
		}
		width := c.width
		switch {
		case width == 0:
			width = max(rest-grow, 1)
		case c.spark:
			width += grow
		}
		out[i] = placed{x, width}
		x += width + 1
	}
	return out
}

func (m *model) drawTable(c canvas) {
	m.table = m.tableOf()
	if !m.known {
		m.table.rows, m.table.more = nil, 0 // those are of another list
	}
	t := &m.table
	m.place(t.rows, m.visible())
	f := m.top()
	places := m.places(t.cols)
	c.PutStrStyled(0, headLine, strings.Repeat(" ", m.width), m.style(head))
	for i, col := range t.cols {
		if places[i].width > 0 {
			r, text := head, col.head
			if i == t.sorted {
				r, text = headSorted, m.arrow(i)+text
			}
			m.put(c, places[i].x, headLine, align(text, places[i].width, col.left), r)
		}
	}
	for line := range m.visible() {
		at := f.offset + line
		if at >= len(t.rows) {
			if line == 0 && m.known {
				m.put(c, 1, firstLine, m.nothing(), faint)
			}
			break
		}
		m.drawRow(c, firstLine+line, &t.rows[at], places, at == f.cursor)
	}
}

func (m *model) arrow(col int) string {
	upward := m.table.cols[col].upward
	if m.top().sort >= 0 {
		upward = m.top().upward
	}
	if upward {
		return "▲"
	}
	return "▼"
}

func (m *model) nothing() string {
	switch {
	case m.filter != "":
		return "nothing matches the filter"
	case m.top().list == findings:
		return "no waste was found so far"
	case m.top().list == events:
		return "nothing left the band that its past had let expect"
	}
	return "no exchange yet"
}

func (m *model) drawRow(c canvas, y int, r *row, places []placed, isSelected bool) {
	if isSelected {
		c.PutStrStyled(0, y, strings.Repeat(" ", m.width), m.style(selected))
	}
	for i, p := range places {
		if p.width == 0 {
			continue
		}
		cell := &r.cells[i]
		text := cell.text
		if cell.series != nil {
			text = wording.Spark(cell.series, p.width)
		}
		style := cell.role
		if isSelected {
			style = selected
		}
		m.put(c, p.x, y, align(text, p.width, m.table.cols[i].left), style)
	}
}

// align cuts a text to a width, and fills it.
func align(s string, width int, left bool) string {
	s = wording.Shorten(s, width)
	fill := strings.Repeat(" ", max(width-utf8.RuneCountInString(s), 0))
	if left {
		return s + fill
	}
	return fill + s
}

func cut(s string, width int) string {
	if r := []rune(s); len(r) > max(width, 0) {
		return string(r[:max(width, 0)])
	}
	return s
}

// drawKeys shows what can be done, as much as has room.
func (m *model) drawKeys(c canvas) {
	keys := [][2]string{{"?", "help"}, {"q", "quit"}, {"enter", "open"}, {"bksp", "back"}, {"/", "filter"}, {"space", "pause"}, {"←→", "sort"}, {"r", "reverse"}, {"f", "findings"}, {"w", "time"}, {"tab", "lists"}}
	switch {
	case m.editing:
		keys = [][2]string{{"enter", "keep"}, {"esc", "undo"}, {"ctrl-u", "clear"}}
	case m.page != nil:
		keys = [][2]string{{"bksp", "back"}, {"↑↓", "scroll"}, {"q", "close"}}
		if m.page.open != nil {
			keys = append(keys, [2]string{"enter", "its exchanges"})
		}
	}
	x, y := 1, m.height-1
	for _, k := range keys {
		if x+utf8.RuneCountInString(k[0])+len(k[1])+1 > m.width {
			break
		}
		x = m.put(c, x, y, k[0], keyName)
		x = m.put(c, x, y, " "+k[1]+"  ", normal)
	}
	if n := m.table.more; n > 0 && m.page == nil && m.top().list.perRow() {
		text := fmt.Sprintf("and %d more", n)
		if x+len(text) < m.width {
			m.put(c, m.width-len(text)-1, y, text, faint)
		}
	}
}
