package top

import (
	"cmp"
	"slices"
	"strconv"
	"time"

	"gortap/internal/insight"
	"gortap/internal/wording"
)

// column is a column of a table.
type column struct {
	head  string
	width int // 0: what the others leave
	// keep is how long it is kept where there is no room: the lowest goes first.
	keep   int
	left   bool // aligned
	upward bool // the least first, at first
	spark  bool
}

// cell is a value with its text.
type cell struct {
	text   string
	value  float64 // to sort by; where all are 0, by the text
	role   role
	series []float64
}

// row is a line of a table.
type row struct {
	key   string // what it is about, the same in each answer
	cells []cell
	open  func(*model) // what enter does; nil: nothing
}

type table struct {
	cols   []column
	rows   []row
	sorted int // by this column
	more   int // rows that are not here
}

// tableOf makes the table of the current list.
func (m *model) tableOf() table {
	var t table
	f := m.top()
	switch f.list {
	case exchanges:
		t = m.exchangeTable()
	case findings:
		t = m.findingTable()
	case events:
		t = m.eventTable()
	default:
		t = m.rowTable()
	}
	upward := f.upward
	if f.sort >= 0 && f.sort < len(t.cols) {
		t.sorted = f.sort
	} else {
		upward = t.cols[t.sorted].upward
	}
	slices.SortStableFunc(t.rows, func(a, b row) int {
		x, y := &a.cells[t.sorted], &b.cells[t.sorted]
		order := cmp.Or(cmp.Compare(x.value, y.value), cmp.Compare(x.text, y.text))
		if !upward {
			order = -order
		}
		return order // equal ones stay as the source has them
	})
	return t
}

const serviceColumn = 1

// The columns of lists of a View.
func rowColumns(name string, live bool) ([]column, int) {
	cols := []column{
		{head: name, left: true, upward: true},
		{head: "service", width: 18, keep: 2, left: true, upward: true},
		{head: "over time", width: 10, keep: 6, left: true, spark: true},
		{head: "bytes/s", width: 9, keep: 10},
		{head: "req/s", width: 6, keep: 9},
		{head: "share", width: 6, keep: 8},
		{head: "bytes", width: 8, keep: 7},
		{head: "requests", width: 8, keep: 3},
		{head: "errors", width: 6, keep: 5},
		{head: "size p50", width: 8, keep: 0},
		{head: "size p99", width: 8, keep: 1},
		{head: "time p50", width: 8, keep: 0},
		{head: "time p99", width: 8, keep: 4},
	}
	if live {
		return cols, 3
	}
	return cols, 6
}

func (m *model) rowTable() table {
	v := &m.got.view
	f := m.top()
	type kind struct {
		head string
		rows []insight.Row
		key  string // in More
		name func(*insight.Row) string
		open func(*insight.Row) func(*model)
	}
	k := map[list]kind{
		services:  {"service", v.Services, "services", func(r *insight.Row) string { return r.Service }, openService},
		endpoints: {"endpoint", v.Endpoints, "endpoints", endpointName, openEndpoint},
		clients:   {"client", v.Clients, "clients", func(r *insight.Row) string { return r.Client }, openClient},
		networks:  {"network", v.Networks, "networks", func(r *insight.Row) string { return r.Client }, nil},
		pairs:     {"client > service", v.Pairs, "pairs", func(r *insight.Row) string { return r.Client + " > " + r.Service }, openPair},
		statuses:  {"status", v.Statuses, "statuses", func(r *insight.Row) string { return statusText(r.Status) }, nil},
	}[f.list]
	var t table
	t.cols, t.sorted = rowColumns(k.head, m.o.Live)
	t.more = v.More[k.key]
	// The service has a column where it is neither the name nor the same for all.
	named := f.list == endpoints && f.query.Service == ""
	if !named {
		t.cols = slices.Delete(t.cols, serviceColumn, serviceColumn+1)
		t.sorted--
	}
	for i := range k.rows {
		r := &k.rows[i]
		out := row{key: k.name(r) + "\x00" + r.Service, cells: rowCells(k.name(r), r)}
		if !named {
			out.cells = slices.Delete(out.cells, serviceColumn, serviceColumn+1)
		}
		if k.open != nil && !isRest(r) {
			out.open = k.open(r)
		}
		t.rows = append(t.rows, out)
	}
	return t
}

func rowCells(name string, r *insight.Row) []cell {
	bytes := float64(r.RequestBytes + r.ResponseBytes)
	failed := cell{text: "", value: 0}
	if r.Errors > 0 && r.Requests > 0 {
		share := float64(r.Errors) / float64(r.Requests)
		failed = cell{text: wording.Percent(share), value: share, role: warned}
		if share >= 0.05 {
			failed.role = alarmed
		}
	}
	// Sizes and times are not kept for every list; 0 means that.
	spread := func(v int64, write func(float64) string) cell {
		if r.SizeP99 == 0 && r.DurationP99 == 0 {
			return cell{text: "-", role: faint}
		}
		return cell{text: write(float64(v)), value: float64(v)}
	}
	most := 0.0
	for _, b := range r.Bytes {
		most = max(most, b)
	}
	return []cell{
		{text: wording.Printable(name)},
		{text: wording.Printable(r.Service), role: faint},
		{series: r.Bytes, value: most, role: drawn},
		{text: wording.Rate(r.ByteRate), value: r.ByteRate},
		{text: wording.PerSecond(r.RequestRate), value: r.RequestRate},
		{text: wording.Percent(r.Share), value: r.Share, role: shareRole(r.Share)},
		{text: wording.Bytes(bytes), value: bytes},
		{text: wording.Count(float64(r.Requests)), value: float64(r.Requests)},
		failed,
		spread(r.SizeP50, wording.Bytes), spread(r.SizeP99, wording.Bytes),
		spread(r.DurationP50, wording.Latency), spread(r.DurationP99, wording.Latency),
	}
}

func shareRole(share float64) role {
	switch {
	case share >= 0.5:
		return alarmed
	case share >= 0.2:
		return warned
	}
	return normal
}

func (m *model) exchangeTable() table {
	t := table{cols: []column{
		{head: "time", width: 12, keep: 8, left: true},
		{head: "client", width: 21, keep: 5, left: true, upward: true},
		{head: "request", left: true, upward: true},
		{head: "status", width: 6, keep: 9},
		{head: "sent", width: 8, keep: 3},
		{head: "received", width: 8, keep: 7},
		{head: "took", width: 7, keep: 6},
	}}
	for i := range m.got.exchanges {
		x := m.got.exchanges[i]
		status := cell{text: statusText(x.Status), value: float64(x.Status)}
		if x.Status >= 500 {
			status.role = alarmed
		} else if x.Status >= 400 || !x.Complete {
			status.role = warned
		}
		t.rows = append(t.rows, row{key: strconv.FormatUint(x.Seq, 10), open: func(m *model) { m.showExchange(&x) }, cells: []cell{
			{text: x.Time.UTC().Format("15:04:05.000"), value: float64(x.Time.UnixNano())},
			{text: wording.Printable(x.Client)},
			{text: wording.Printable(x.Method + " " + x.Target + "  " + x.Service)},
			status,
			{text: wording.Bytes(float64(x.RequestBytes)), value: float64(x.RequestBytes)},
			{text: wording.Bytes(float64(x.ResponseBytes)), value: float64(x.ResponseBytes)},
			{text: wording.Latency(float64(x.DurationNs)), value: float64(x.DurationNs)},
		}})
	}
	return t
}

func (m *model) findingTable() table {
	t := table{cols: []column{
		{head: "saves", width: 9, keep: 9},
		{head: "share", width: 6, keep: 8},
		{head: "since", width: 8, keep: 5, left: true},
		{head: "finding", left: true, upward: true},
	}}
	for i := range m.got.findings {
		f := m.got.findings[i]
		if !m.matches(f.Title) {
			continue
		}
		saves, share := cell{text: "-", role: faint}, cell{role: faint}
		if f.Saves > 0 {
			saves = cell{text: wording.Bytes(float64(f.Saves)), value: float64(f.Saves)}
			share = cell{text: wording.Percent(f.Share), value: f.Share}
		}
		t.rows = append(t.rows, row{key: f.ID, open: func(m *model) { m.showFinding(&f) }, cells: []cell{
			saves, share,
			{text: f.First.UTC().Format(time.TimeOnly), value: float64(f.First.UnixNano())},
			{text: wording.Printable(f.Title), role: severityRole(f.Severity)},
		}})
	}
	return t
}

func (m *model) eventTable() table {
	t := table{cols: []column{
		{head: "time", width: 8, keep: 9, left: true},
		{head: "until", width: 8, keep: 5, left: true},
		{head: "measure", width: 9, keep: 6, left: true, upward: true},
		{head: "event", left: true, upward: true},
	}}
	for i := range m.got.events {
		e := m.got.events[i]
		text := e.Method + " " + e.Path + " of " + e.Service + ": " + e.Reason
		if !m.matches(text) {
			continue
		}
		until := cell{text: "goes on", role: warned}
		if !e.End.IsZero() {
			until = cell{text: e.End.UTC().Format(time.TimeOnly), value: float64(e.End.UnixNano())}
		}
		r := insight.Row{Service: e.Service, Method: e.Method, Path: e.Path}
		t.rows = append(t.rows, row{key: strconv.FormatInt(e.Time.UnixNano(), 10) + text, open: openEndpoint(&r), cells: []cell{
			{text: e.Time.UTC().Format(time.TimeOnly), value: float64(e.Time.UnixNano())}, until,
			{text: wording.Printable(e.Measure)}, {text: wording.Printable(text)},
		}})
	}
	return t
}

func statusText(status int) string {
	if status <= 0 {
		return "-"
	}
	return strconv.Itoa(status)
}

func endpointName(r *insight.Row) string {
	if r.Method == "" {
		return r.Path
	}
	return r.Method + " " + r.Path
}
