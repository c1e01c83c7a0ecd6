package top

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/gdamore/tcell/v3"

	"gortap/internal/insight"
	"gortap/internal/testutil/incident"
)

// paper is a canvas of text.
type paper struct {
	width, height int
	cells         [][]rune
	styles        [][]tcell.Style
	cursor        bool
}

func (p *paper) Size() (int, int) { return p.width, p.height }

func (p *paper) Fill(r rune, s tcell.Style) {
	p.cells, p.styles = make([][]rune, p.height), make([][]tcell.Style, p.height)
	for y := range p.cells {
		p.cells[y] = []rune(strings.Repeat(string(r), p.width))
		p.styles[y] = make([]tcell.Style, p.width)
	}
}

func (p *paper) PutStrStyled(x, y int, s string, style tcell.Style) {
	for _, r := range s {
		if x < 0 || y < 0 || x >= p.width || y >= p.height {
			panic(fmt.Sprintf("drawn at %d,%d of %dx%d: %q", x, y, p.width, p.height, s))
		}
		p.cells[y][x], p.styles[y][x] = r, style
		x++
	}
}

func (p *paper) ShowCursor(x, _ int) { p.cursor = x >= 0 }

func (p *paper) text() string {
	var b strings.Builder
	for _, line := range p.cells {
		b.WriteString(strings.TrimRight(string(line), " ") + "\n")
	}
	return b.String()
}

func (p *paper) line(y int) string { return strings.TrimRight(string(p.cells[y]), " ") }

// rig is a model whose questions are answered at once.
type rig struct {
	*testing.T
	*paper
	m *model
	a asker
}

func newRig(t *testing.T, src insight.Source, live bool, width, height int) *rig {
	r := &rig{t, &paper{width: width, height: height}, newModel(Options{Source: src, Title: "incident.pcapng", Live: live}), asker{source: src}}
	r.look()
	return r
}

// look draws what there is when all questions are answered.
func (r *rig) look() string {
	r.Helper()
	for q, wanted := r.m.question(); wanted; q, wanted = r.m.question() {
		r.m.take(r.a.answer(q))
	}
	r.m.draw(r.paper)
	return r.text()
}

// press takes keys: letters, and names in angle brackets.
func (r *rig) press(keys ...string) string {
	r.Helper()
	named := map[string]tcell.Key{
		"<enter>": tcell.KeyEnter, "<back>": tcell.KeyBackspace, "<esc>": tcell.KeyEscape, "<up>": tcell.KeyUp, "<down>": tcell.KeyDown,
		"<left>": tcell.KeyLeft, "<right>": tcell.KeyRight, "<home>": tcell.KeyHome, "<end>": tcell.KeyEnd, "<pgdn>": tcell.KeyPgDn, "<pgup>": tcell.KeyPgUp,
		"<tab>": tcell.KeyTab, "<f1>": tcell.KeyF1, "<ctrl-c>": tcell.KeyCtrlC, "<ctrl-u>": tcell.KeyCtrlU,
	}
	for _, k := range keys {
		if key, ok := named[k]; ok {
			r.m.key(tcell.NewEventKey(key, "", 0))
			r.look()
			continue
		}
		for _, c := range k {
			r.m.key(tcell.NewEventKey(tcell.KeyRune, string(c), 0))
			r.look()
		}
	}
	return r.text()
}

func (r *rig) wants(texts ...string) {
	r.Helper()
	s := r.text()
	for _, want := range texts {
		if !strings.Contains(s, want) {
			r.Errorf("no %q on\n%s", want, s)
		}
	}
}

func (r *rig) lacks(texts ...string) {
	r.Helper()
	s := r.text()
	for _, want := range texts {
		if strings.Contains(s, want) {
			r.Errorf("%q on\n%s", want, s)
		}
	}
}

func TestTheWayDownAndUp(t *testing.T) {
	r := newRig(t, incident.New(), false, 120, 30)
	r.press("1")
	r.wants("shop", "catalog.internal", "auth.internal", "3 findings: press f")
	r.press("<enter>")
	r.wants("GET /api/v1/export", "POST /api/v1/orders")
	r.lacks("/v2/products")
	r.press("<enter>")
	if got := r.line(crumbLine); !strings.Contains(got, "shop > GET /api/v1/export") {
		t.Errorf("crumbs %q", got)
	}
	r.wants("198.51.100.11", "198.51.100.12", "198.51.100.13")
	r.lacks("203.0.113.")
	r.press("<enter>")
	r.wants("GET /api/v1/export?page=", "198.51.100.1")
	r.press("<enter>")
	r.wants("192.0.2.10:8080, http/1.1")
	r.press("<back>", "<back>", "<back>", "<back>")
	r.wants("auth.internal")
	if r.line(crumbLine) != " 3 findings: press f" {
		t.Errorf("crumbs %q", r.line(crumbLine))
	}
	r.press("<back>") // there is no further up
	r.wants("auth.internal")
}

func TestClientsLeadToTheirEndpointsAndExchanges(t *testing.T) {
	r := newRig(t, incident.New(), false, 120, 30)
	r.press("3")
	r.wants("198.51.100.13", "10.0.3.7", "203.0.113.")
	r.press("/10.0.3.7", "<enter>", "<enter>")
	r.wants("/v2/products", "/token")
	r.lacks("/api/v1/export")
	r.press("<enter>")
	r.wants("/v2/products?page=")
	r.lacks("/token")
}

func TestEachColumnSortsBothWays(t *testing.T) {
	r := newRig(t, incident.New(), false, 200, 30)
	first := func() string { return strings.Fields(r.line(firstLine))[1] }
	if first() != "/api/v1/export" {
		t.Errorf("by bytes the first is %s", first())
	}
	seen := map[string]bool{}
	for range len(r.m.table.cols) {
		r.press("<right>")
		col := r.m.table.cols[r.m.table.sorted].head
		seen[col] = true
		down := first()
		r.press("r")
		if up := first(); up == down {
			t.Errorf("by %s the first is %s both ways", col, down)
		}
		r.press("r")
	}
	if len(seen) != 13 {
		t.Errorf("sorted by %v", seen)
	}
	r.press("r")
	r.wants("▲")
}

func TestFilterNarrowsAndEscapeUndoesIt(t *testing.T) {
	r := newRig(t, incident.New(), false, 100, 24)
	r.press("/ORDERS")
	if !r.cursor {
		t.Error("no cursor in the filter")
	}
	r.wants("/api/v1/orders", "filter: ORDERS")
	r.lacks("/assets/")
	r.press("<esc>")
	r.wants("/assets/")
	r.press("/q", "<enter>") // q is a letter while one types
	r.wants("filter: q")
	r.press("<back>")
	r.lacks("filter:")
	r.press("/zzz")
	r.wants("nothing matches the filter")
	r.press("<ctrl-u>", "<back>") // empty: leaves
	if r.m.editing || r.m.quit {
		t.Error("still in the filter")
	}
}

func TestTheSelectedRowStaysSelectedWhereverItGoes(t *testing.T) {
	src := incident.New()
	r := newRig(t, src, false, 120, 24)
	r.press("<down>", "<down>")
	row := func() string { return r.m.table.rows[r.m.top().cursor].cells[0].text }
	chosen := row()
	for range 5 {
		src.Add(insight.Exchange{Time: incident.Begin, Client: "192.0.2.9:1", Server: "192.0.2.10:80", Service: "new", Method: "GET", Path: "/huge", ResponseBytes: 9e9})
	}
	r.m.changed()
	r.look()
	if row() != chosen {
		t.Errorf("%q is selected, %q was", row(), chosen)
	}
	r.press("<home>")
	if !strings.Contains(row(), "/huge") {
		t.Errorf("the first is %q", row())
	}
}

func TestFindingsHaveTheirRemedyAndLeadToTheExchanges(t *testing.T) {
	r := newRig(t, incident.New(), false, 160, 30)
	r.press("f")
	r.wants("1.12 GB", "84 %", "3 clients", "is sent without compression")
	r.press("<enter>")
	r.wants("What to do: Make the endpoint honour page", "answers that are equal: 934 of 941", "Clients: 198.51.100.11, 198.51.100.12 and 198.51.100.13")
	r.press("<enter>")
	r.wants("GET /api/v1/export of shop", "198.51.100.12")
	r.press("e")
	r.wants("4.20 MB/s where 0.60 MB/s at most were expected")
}

func TestPauseHoldsTheFiguresAndTheirTime(t *testing.T) {
	src := incident.New()
	r := newRig(t, src, true, 100, 24)
	r.press(" ")
	r.wants("PAUSED", "14:10:00 UTC")
	before := r.text()
	r.m.lastNs += int64(time.Hour) // as though time went on
	r.m.tick()
	if r.look(); strings.ReplaceAll(r.text(), "15:10:00", "14:10:00") != before {
		t.Errorf("it went on:\n%s\n%s", before, r.text())
	}
	r.press("<enter>")
	if r.m.got.query.ToNs != incident.Begin.Add(10*time.Minute).UnixNano() || r.m.got.query.FromNs != incident.Begin.Add(9*time.Minute).UnixNano() {
		t.Errorf("asked for %+v", r.m.got.query)
	}
	r.press(" ")
	r.lacks("PAUSED")
}

func TestWindowsOfTime(t *testing.T) {
	r := newRig(t, incident.New(), true, 100, 24)
	r.wants("last 60 s")
	minute := r.m.got.view.Total.Requests
	r.press("w")
	r.wants("last 5 min")
	if r.m.got.view.Total.Requests <= minute {
		t.Error("a longer time has no more requests")
	}
	r.press("WWWW")
	r.wants("last 60 s")
	r.press("wwwwwwww")
	if r.m.got.query.FromNs != 0 {
		t.Error("not all")
	}
}

// memo remembers answers: the incident is slow.
type memo struct {
	insight.Source
	views map[insight.Query]insight.View
	lists map[insight.Query][]insight.Exchange
}

func (m *memo) View(q insight.Query) (v insight.View, err error) {
	v, ok := m.views[q]
	if !ok {
		v, err = m.Source.View(q)
		m.views[q] = v
	}
	return v, err
}

func (m *memo) Exchanges(q insight.Query, after uint64) (xs []insight.Exchange, err error) {
	xs, ok := m.lists[q]
	if !ok {
		xs, err = m.Source.Exchanges(q, after)
		m.lists[q] = xs
	}
	return xs, err
}

// Nothing is drawn beyond the screen (paper panics), and what matters most stays.
func TestEverySizeIsDrawnWithinItsBounds(t *testing.T) {
	src := &memo{incident.New(), map[insight.Query]insight.View{}, map[insight.Query][]insight.Exchange{}}
	for _, size := range [][2]int{{1, 1}, {20, 5}, {30, 8}, {40, 10}, {80, 24}, {132, 43}, {200, 60}, {400, 100}} {
		r := newRig(t, src, false, size[0], size[1])
		for _, keys := range []string{"1", "2", "3", "4", "5", "6", "7", "8", "9", "?", "f", "/abc"} {
			r.press(keys)
			r.press("<end>", "<pgup>", "<down>", "<enter>", "<pgdn>", "<up>")
			if strings.HasPrefix(keys, "/") {
				r.press("<esc>")
			}
			r.m.mouse(tcell.NewEventMouse(size[0]/2, size[1]/2, tcell.Button1, 0))
			r.look()
		}
	}
	r := newRig(t, incident.New(), false, 80, 24)
	r.wants("bytes/s", "req/s", "share", "▼bytes", "over time", "GET /api/v1/export", "? help", "q quit")
	r = newRig(t, incident.New(), false, 200, 24)
	r.wants("size p50", "size p99", "time p50", "time p99", "requests", "errors")
}

// Keys come faster than the screen is drawn, and answers when they please.
func TestAnyKeysAtAnyMoment(t *testing.T) {
	src := &memo{incident.New(), map[insight.Query]insight.View{}, map[insight.Query][]insight.Exchange{}}
	for seed := range uint64(60) {
		random := rand.New(rand.NewPCG(seed, 1))
		r := newRig(t, src, seed%2 == 0, 40+random.IntN(160), 8+random.IntN(40))
		for range 150 {
			switch k := random.IntN(12); k {
			case 0:
				r.look()
			case 1:
				r.m.draw(r.paper) // without an answer
			case 2:
				r.m.mouse(tcell.NewEventMouse(random.IntN(r.width), random.IntN(r.height), tcell.Button1, 0))
			case 3:
				r.m.mouse(tcell.NewEventMouse(1, 1, tcell.WheelDown, 0))
			case 4, 5:
				r.m.key(tcell.NewEventKey([]tcell.Key{tcell.KeyEnter, tcell.KeyBackspace, tcell.KeyEscape, tcell.KeyTab, tcell.KeyBacktab, tcell.KeyHome, tcell.KeyEnd, tcell.KeyPgDn, tcell.KeyPgUp}[random.IntN(9)], "", 0))
			case 6:
				r.m.tick()
			default:
				const letters = "123456789fexjkgGr<>hlwW? /sho"
				r.m.key(tcell.NewEventKey(tcell.KeyRune, string(letters[random.IntN(len(letters))]), 0))
			}
		}
		r.look()
	}
}

func TestMouseSelectsSortsAndOpens(t *testing.T) {
	r := newRig(t, incident.New(), false, 120, 24)
	click := func(x, y int) {
		r.m.mouse(tcell.NewEventMouse(x, y, tcell.Button1, 0))
		r.look()
	}
	click(5, firstLine+2)
	if r.m.top().cursor != 2 {
		t.Errorf("cursor %d", r.m.top().cursor)
	}
	from, _ := tabAt(clients)
	click(from, tabLine)
	r.wants("198.51.100.13")
	click(5, firstLine)
	r.wants("GET /api/v1/export")
	click(strings.Index(r.line(headLine), "req/s"), headLine)
	if r.m.table.cols[r.m.table.sorted].head != "req/s" {
		t.Errorf("sorted by %d", r.m.table.sorted)
	}
	r.m.mouse(tcell.NewEventMouse(5, firstLine, tcell.WheelDown, 0))
	click(5, 9999) // beyond the screen
}

func TestErrorsAreShownAndGoAway(t *testing.T) {
	src := incident.New()
	r := newRig(t, src, true, 100, 24)
	src.Err = errors.New("ask http://192.0.2.1: connection refused\x1b[2J")
	r.m.tick()
	r.look()
	r.wants("connection refused", "GET /api/v1/export") // the old figures stay
	src.Err = nil
	r.m.tick()
	r.look()
	r.lacks("connection refused", "\x1b")
}

// hurried is a Source that did not look at all.
type hurried struct{ insight.Source }

func (s hurried) View(q insight.Query) (insight.View, error) {
	v, err := s.Source.View(q)
	v.Unseen, v.Unsampled = 0.69, 0.9
	return v, err
}

func TestWhatWasNotLookedAtIsSaid(t *testing.T) {
	r := newRig(t, incident.New(), true, 120, 30)
	r.lacks("not looked at", "of connections")
	r = newRig(t, hurried{incident.New()}, true, 120, 30)
	r.wants("69 % not looked at", "90 % of connections not in it")
}

func TestHostileNamesAreEscaped(t *testing.T) {
	const hostile = "\x1b[2J\u202e\x00"
	src := incident.New()
	src.Add(insight.Exchange{Time: incident.Begin.Add(time.Minute), Client: "192.0.2.9:1", Server: hostile, Service: hostile, Method: hostile, Path: hostile, Target: hostile, Protocol: hostile, ResponseBytes: 9e10, Complete: true})
	src.Found = []insight.Finding{{ID: hostile, Title: hostile, Service: hostile, Path: hostile, Remedy: hostile, Clients: []string{hostile}, Evidence: []insight.Evidence{{Name: hostile, Value: hostile}}, Examples: []insight.Exchange{{Target: hostile}}}}
	src.Happened = []insight.Event{{Service: hostile, Path: hostile, Reason: hostile, Measure: hostile}}
	r := newRig(t, src, false, 120, 24)
	for _, keys := range []string{"1", "2", "3", "4", "6", "7", "8", "9"} {
		for _, s := range []string{r.press(keys), r.press("<enter>"), r.press("<enter>")} {
			if strings.ContainsAny(s, "\x1b\x00\u202e") {
				t.Fatalf("control characters on\n%q", s)
			}
		}
		r.press("<back>", "<back>", "<back>", "<back>")
	}
}

// What colours tell is told without them.
func TestNoColourUsesAttributesOnly(t *testing.T) {
	plain := newModel(Options{NoColor: true})
	for r := normal; r <= keyName; r++ {
		if s := plain.style(r); s.GetForeground() != tcell.StyleDefault.GetForeground() || s.GetBackground() != tcell.StyleDefault.GetBackground() {
			t.Errorf("role %d has a colour", r)
		}
	}
}
