package insight

import "time"

// Query selects what a View shows. The zero value is everything.
type Query struct {
	FromNs, ToNs int64 // Unix nanoseconds; 0: the beginning, now
	// Each that is not empty must be equal; Client is an address without port.
	Service, Method, Path, Client string
	// Search leaves rows out of the lists that do not have it in one of their names,
	// in any case. Total and the distributions do not depend on it.
	Search string
	Rows   int // of each list at most; 0: 50
	Points int // of each series about; 0: 60
}

// View is who used how much in a time. Bytes are wire bytes.
type View struct {
	FromNs, ToNs int64 `json:"-"`
	// From, To: the time that is covered, in whole steps of what was kept.
	From      time.Time `json:"from"`
	To        time.Time `json:"to"`
	StepNs    int64     `json:"step_ns"` // between points of series
	Total     Row       `json:"total"`
	Services  []Row     `json:"services"`  // by bytes, the most first, as all lists
	Endpoints []Row     `json:"endpoints"` // service, method and path
	Clients   []Row     `json:"clients"`   // addresses
	Networks  []Row     `json:"networks"`  // /24 and /64
	Pairs     []Row     `json:"pairs"`     // client address and service
	Statuses  []Row     `json:"statuses"`
	// More is how many rows each list has beyond what it shows, by its JSON name.
	More map[string]int `json:"more"`
	// Sizes (of responses' bodies, bytes) and Durations (nanoseconds) are of whole
	// minutes, of tens of minutes where From is long ago, then of hours. They are not
	// kept by client.
	Sizes     []Bin `json:"sizes"`
	Durations []Bin `json:"durations"`
	// Unseen is the share of the exchanges of this time, whatever is selected, that
	// nobody looked at one by one, 0 to 1. Without a selection they are in the total.
	Unseen float64 `json:"unseen,omitempty"`
	// Unsampled is the share of new connections, 0 to 1, that a live capture looks into
	// nothing of at present: they are in nothing here.
	Unsampled float64 `json:"unsampled,omitempty"`
	// Notes say, in sentences, what of this is not exact and why.
	Notes []string `json:"notes,omitempty"`
}

// Row is a line of a list. Which names are set depends on the list.
type Row struct {
	Service string `json:"service,omitempty"`
	Method  string `json:"method,omitempty"`
	Path    string `json:"path,omitempty"`
	Client  string `json:"client,omitempty"` // address or network
	Status  int    `json:"status,omitempty"`

	Requests      uint64 `json:"requests"`
	Errors        uint64 `json:"errors"` // see Observation.Failed
	RequestBytes  uint64 `json:"request_bytes"`
	ResponseBytes uint64 `json:"response_bytes"`
	Connections   uint64 `json:"connections"`   // that began with an exchange of this row
	Retransmitted uint64 `json:"retransmitted"` // payload bytes sent again; of services and the total, without filters
	// Partial says that the row was not kept by name all the time: it had more than
	// this, which is in (rest).
	Partial     bool    `json:"partial,omitempty"`
	Share       float64 `json:"share"`        // of the bytes of the View's time, 0 to 1
	RequestRate float64 `json:"request_rate"` // a second
	ByteRate    float64 `json:"byte_rate"`    // a second, both directions
	// Of the responses' bodies in bytes, and of the durations in nanoseconds; not kept
	// by client and by status, where they are 0.
	SizeP50     int64 `json:"size_p50"`
	SizeP99     int64 `json:"size_p99"`
	DurationP50 int64 `json:"duration_p50"`
	DurationP99 int64 `json:"duration_p99"`
	// Series are the bytes and the requests of each step.
	Bytes   []float64 `json:"bytes,omitempty"`
	Counts  []float64 `json:"counts,omitempty"`
	FirstNs int64     `json:"first_ns"`
	LastNs  int64     `json:"last_ns"`
}

// Bin is a bar of a histogram: values from Low, below High.
type Bin struct {
	Low   int64  `json:"low"`
	High  int64  `json:"high"`
	Count uint64 `json:"count"`
}

// Exchange is one exchange in a list.
type Exchange struct {
	Seq           uint64    `json:"seq"` // grows by one with each exchange of the run
	Time          time.Time `json:"time"`
	Conn          uint64    `json:"conn"`
	Protocol      string    `json:"protocol"`
	Client        string    `json:"client"` // address and port
	Server        string    `json:"server"`
	Service       string    `json:"service"`
	Method        string    `json:"method"`
	Path          string    `json:"path"`
	Target        string    `json:"target"`
	Status        int       `json:"status"`
	Code          *int      `json:"code,omitempty"`
	RequestBytes  int64     `json:"request_bytes"`
	ResponseBytes int64     `json:"response_bytes"`
	DurationNs    int64     `json:"duration_ns"` // -1: unknown
	Complete      bool      `json:"complete"`
}

// Kind names what a Finding is about. The set is fixed.
type Kind string

// Severity orders findings that save nothing to measure.
type Severity string

// The severities.
const (
	Info     Severity = "info"
	Warning  Severity = "warning"
	Critical Severity = "critical"
)

// Finding is a waste of bandwidth, or what hurts: what, since when, and what to do.
type Finding struct {
	ID       string   `json:"id"` // stable: the kind and what it is about
	Kind     Kind     `json:"kind"`
	Severity Severity `json:"severity"`
	Title    string   `json:"title"` // a sentence that names endpoint, clients and cause, with figures
	Service  string   `json:"service,omitempty"`
	Method   string   `json:"method,omitempty"`
	Path     string   `json:"path,omitempty"`
	Clients  []string `json:"clients,omitempty"`
	// Evidence are figures, in the order to show them.
	Evidence []Evidence `json:"evidence"`
	Examples []Exchange `json:"examples"` // at most 3
	Remedy   string     `json:"remedy"`   // sentences: what to change, and how
	Saves    int64      `json:"saves"`    // wire bytes of the time between First and Last; 0: not measured
	Share    float64    `json:"share"`    // Saves of all bytes of the run, 0 to 1
	First    time.Time  `json:"first"`
	Last     time.Time  `json:"last"`
}

// Evidence is a figure with its name, both ready to show.
type Evidence struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Event is a departure from what was forecast.
type Event struct {
	Time    time.Time `json:"time"`
	End     time.Time `json:"end,omitzero"` // zero while it goes on
	Service string    `json:"service"`
	Method  string    `json:"method"`
	Path    string    `json:"path"`
	Measure string    `json:"measure"` // "requests", "bytes", "size", "duration", "errors"
	Value   float64   `json:"value"`
	Low     float64   `json:"low"` // the band that was expected
	High    float64   `json:"high"`
	Reason  string    `json:"reason"` // a sentence
}

// Source is what shows ask: the running agent's own, one read from files, or another
// agent's through its JSON API. Its methods may be called from any goroutine.
type Source interface {
	View(q Query) (View, error)
	// Findings are by what they save, the most first.
	Findings() ([]Finding, error)
	// Events are by time, the latest first.
	Events() ([]Event, error)
	// Exchanges are the latest that q selects, those after seq only, the latest first;
	// at most q.Rows.
	Exchanges(q Query, after uint64) ([]Exchange, error)
}
