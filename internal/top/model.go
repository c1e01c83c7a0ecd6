package top

import (
	"slices"
	"strings"
	"time"

	"gortap/internal/insight"
	"gortap/internal/wording"
)

// list is one of the lists that can be shown.
type list int

// The lists, in the order of their tabs.
const (
	services list = iota
	endpoints
	clients
	networks
	pairs
	statuses
	exchanges
	findings
	events
	numLists
)

func (l list) String() string {
	return [numLists]string{"services", "endpoints", "clients", "networks", "pairs", "statuses", "exchanges", "findings", "events"}[l]
}

// perRow says that the list is of a View.
func (l list) perRow() bool { return l < exchanges }

// Each list has at most so many rows; series so many points.
const (
	maxRows = 200
	points  = 40
)

// windows are the times that figures can be of; 0 is all.
func windows() []time.Duration {
	return []time.Duration{time.Minute, 5 * time.Minute, 15 * time.Minute, time.Hour, 6 * time.Hour, 0}
}

// frame is a step of the way down: a list, and what it is narrowed to.
type frame struct {
	list  list
	query insight.Query // names only
	crumb string        // how one came here from the frame before
	// row is the selected one, at the position cursor at the last look. Empty: the
	// first, whichever that is.
	row    string
	cursor int
	offset int
	sort   int  // column; -1: the list's own
	upward bool // the least first
}

// page is text that lies over the lists.
type page struct {
	title  string
	lines  []pageLine
	offset int
	open   func() // what enter does; nil: nothing
}

type pageLine struct {
	text  string
	style role
}

// model is everything that decides what is on the screen. One goroutine uses it.
type model struct {
	o      Options
	stack  []frame
	window int // of windows
	serial uint64

	got    answer // the latest for the serial that is shown
	known  bool   // there is one
	stale  bool   // it is time to ask again
	failed error
	lastNs int64 // the source's clock

	paused   bool
	pausedNs int64
	filter   string
	editing  bool
	before   string // the filter when editing began
	page     *page
	quit     bool
	over     bool // Ended

	width, height int
	table         table // what was drawn, for keys and the mouse
}

func newModel(o Options) *model {
	m := &model{o: o, stack: []frame{{list: endpoints, sort: -1}}, stale: true, window: len(windows()) - 1}
	if o.Live {
		m.window = 0
	}
	return m
}

func (m *model) top() *frame { return &m.stack[len(m.stack)-1] }

// changed makes the model ask at once, for the question is another one.
func (m *model) changed() {
	m.serial++
	m.stale = true
}

// question returns what to ask, where it is time to.
func (m *model) question() (question, bool) {
	if !m.stale {
		return question{}, false
	}
	m.stale = false
	f := m.top()
	q := f.query
	q.Search, q.Rows, q.Points = m.filter, maxRows, points
	nowNs := m.lastNs
	if m.paused {
		nowNs, q.ToNs = m.pausedNs, m.pausedNs
	}
	if w := windows()[m.window]; w > 0 && nowNs > 0 {
		q.FromNs = nowNs - int64(w)
	}
	return question{m.serial, f.list, q}, true
}

// take keeps an answer, unless the question has changed since.
func (m *model) take(got answer) {
	m.failed = got.err
	if got.err != nil {
		return
	}
	first := m.lastNs == 0
	if !m.paused {
		m.lastNs = max(m.lastNs, got.view.ToNs)
	}
	if got.serial != m.serial {
		return
	}
	m.got, m.known = got, true
	if first && windows()[m.window] > 0 {
		m.stale = true // now that the clock is known
	}
}

// tick is called every Refresh.
func (m *model) tick() {
	reading := m.o.Progress != nil && !m.over
	if !m.paused && (m.o.Live && !m.over || reading || m.failed != nil) {
		m.stale = true
	}
}

func (m *model) ended() {
	m.over = true
	m.o.Ended = nil // once
	if !m.paused {
		m.stale = true
	}
}

func (m *model) pause() {
	m.paused = !m.paused
	m.pausedNs = m.lastNs
	if !m.paused {
		m.changed()
	}
}

// push goes one step down.
func (m *model) push(l list, narrow func(*insight.Query), crumb string) {
	q := m.top().query
	narrow(&q)
	m.stack = append(m.stack, frame{list: l, query: q, crumb: crumb, sort: -1})
	m.known, m.page = false, nil
	m.setFilter("")
	m.changed()
}

// back goes one step up, or closes what is open.
func (m *model) back() {
	switch {
	case m.page != nil:
		m.page = nil
	case m.filter != "":
		m.setFilter("")
	case len(m.stack) > 1:
		m.stack = m.stack[:len(m.stack)-1]
		m.known = false
		m.changed()
	}
}

func (m *model) setFilter(s string) {
	if m.filter != s {
		m.filter = s
		m.changed()
	}
}

// show replaces the list, with the same narrowing.
func (m *model) show(l list) {
	f := m.top()
	m.page = nil
	if f.list == l {
		return
	}
	*f = frame{list: l, query: f.query, crumb: f.crumb, sort: -1}
	m.known = false
	m.changed()
}

// narrowed describes what the list is narrowed to, from the first step on.
func (m *model) narrowed() string {
	var parts []string
	for _, f := range m.stack {
		if f.crumb != "" {
			parts = append(parts, f.crumb)
		}
	}
	return strings.Join(parts, " > ")
}

// move puts the cursor elsewhere. The row there stays selected wherever it goes.
func (m *model) move(by int) {
	if m.page != nil {
		m.page.offset = max(m.page.offset+by, 0)
		return
	}
	f := m.top()
	f.cursor = min(max(f.cursor+by, 0), max(len(m.table.rows)-1, 0))
	f.row = ""
	if f.cursor > 0 && f.cursor < len(m.table.rows) {
		f.row = m.table.rows[f.cursor].key
	}
}

// place finds the selected row again after the rows have changed.
func (m *model) place(rows []row, visible int) {
	f := m.top()
	if f.row != "" {
		if at := slices.IndexFunc(rows, func(r row) bool { return r.key == f.row }); at >= 0 {
			f.cursor = at
		}
	}
	f.cursor = min(max(f.cursor, 0), max(len(rows)-1, 0))
	f.offset = min(f.offset, f.cursor)
	f.offset = max(f.offset, f.cursor-visible+1, 0)
	f.offset = min(f.offset, max(len(rows)-visible, 0))
}

// sortBy chooses a column, or the other order of it.
func (m *model) sortBy(col int) {
	f := m.top()
	if f.sort == col || f.sort < 0 && m.table.sorted == col {
		f.upward = !f.upward
	} else {
		f.upward = len(m.table.cols) > col && col >= 0 && m.table.cols[col].upward
	}
	f.sort = col
}

// sortNext goes to the next column that is shown.
func (m *model) sortNext(by int) {
	if n := len(m.table.cols); n > 0 && m.page == nil {
		col := (m.table.sorted + by + n) % n
		f := m.top()
		f.sort, f.upward = col, m.table.cols[col].upward
	}
}

// windowText says what time the figures are of.
func (m *model) windowText() string {
	if w := windows()[m.window]; w > 0 {
		return "last " + wording.Span(w)
	}
	return "all"
}
