package compare

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Schema names the form of a Result in JSON. Fields may be added to it; one that
// changes its meaning changes the name.
const Schema = "gortap-comparison/1"

// Verdict says what to make of something that was compared.
type Verdict string

// The verdicts of differences, and of latencies.
const (
	Different     Verdict = "different"
	Noise         Verdict = "noise"          // the old version differs from itself there too
	ProbablyNoise Verdict = "probably-noise" // there is no baseline to tell, but the values never repeat; it counts

	Same     Verdict = "same"
	Slower   Verdict = "slower"
	Faster   Verdict = "faster"
	TooFew   Verdict = "too-few"  // samples to decide on
	Unjudged Verdict = "unjudged" // as configured
)

// Result is what a comparison found. Times are seconds.
type Result struct {
	Schema    string    `json:"schema"`
	Time      time.Time `json:"time"` // when the result was made
	Original  string    `json:"original"`
	Candidate string    `json:"candidate"`
	Baseline  string    `json:"baseline,omitempty"`
	// From and To are the times of the first and the last request.
	From time.Time `json:"from"`
	To   time.Time `json:"to"`

	Compared  uint64  `json:"compared"`  // exchanges
	Different uint64  `json:"different"` // of them, in more than noise
	Share     float64 `json:"share"`     // Different / Compared
	// WithNoise is how many of Compared had a second response of the old
	// version, ByBaseline how many had that of a baseline for an original.
	WithNoise  uint64 `json:"with_noise"`
	ByBaseline uint64 `json:"by_baseline"`
	// BodiesCut is how many had a body that was compared up to the limit only.
	BodiesCut uint64            `json:"bodies_cut"`
	Unpaired  map[string]uint64 `json:"unpaired"` // by reason; all reasons are there

	Threshold float64  `json:"threshold"`
	Exceeded  bool     `json:"exceeds"`
	Reasons   []string `json:"reasons"` // why it exceeds, as text

	Findings  []Finding  `json:"findings"`  // what matters most comes first
	Endpoints []Endpoint `json:"endpoints"` // by name
	Latency   *Latency   `json:"latency"`   // of all endpoints; null where none is known
}

// Finding is a place where responses of an endpoint differ, or their latencies.
type Finding struct {
	Endpoint string `json:"endpoint"`
	// Kind is "status", "header", "json", "body", "trailer", "grpc-status",
	// "grpc", "no response:", "latency" or "(other)".
	Kind    string  `json:"kind"`
	Place   string  `json:"place"` // like "header x-version", "json $.price", "status 200 -> 500"
	Verdict Verdict `json:"verdict"`
	Count   uint64  `json:"count"` // of exchanges
	Share   float64 `json:"share"` // of the endpoint's
	// NoiseCount is in how many exchanges the old version differed from itself.
	NoiseCount uint64    `json:"noise_count"`
	Uniform    bool      `json:"uniform"` // it is the same two values each time
	First      time.Time `json:"first"`
	Last       time.Time `json:"last"`
	Examples   []Example `json:"examples"`
	Shifts     []Shift   `json:"shifts,omitempty"` // of a latency
}

// Example is an exchange in which a place differs. Values are cut, and redacted;
// null is for a value that is not there.
type Example struct {
	ID        string  `json:"id"`
	Target    string  `json:"target"` // without the query
	TimeNs    int64   `json:"time_ns"`
	Original  *string `json:"original"`
	Candidate *string `json:"candidate"`
}

// Endpoint is a method and the template of a path.
type Endpoint struct {
	Name      string   `json:"name"`
	Compared  uint64   `json:"compared"`
	Different uint64   `json:"different"`
	WithNoise uint64   `json:"with_noise"`
	Latency   *Latency `json:"latency"`
}

// Latency compares two distributions.
type Latency struct {
	Verdict   Verdict  `json:"verdict"`
	Reference string   `json:"reference"` // what the candidate is held against: "original" or "baseline"
	Shifts    []Shift  `json:"shifts,omitempty"`
	Original  *Summary `json:"original"`
	Candidate *Summary `json:"candidate"`
	Baseline  *Summary `json:"baseline,omitempty"`
}

// Shift is a quantile that moved.
type Shift struct {
	Quantile  float64 `json:"quantile"`
	Reference float64 `json:"reference"`
	Candidate float64 `json:"candidate"`
}

// Summary describes a distribution.
type Summary struct {
	Count     int64      `json:"count"`
	Min       float64    `json:"min"`
	Mean      float64    `json:"mean"`
	Max       float64    `json:"max"`
	Quantiles []Quantile `json:"quantiles"` // 0.5, 0.9, 0.99, 0.999
	Curve     []Quantile `json:"curve"`     // the whole of it, closer toward the tail
}

// Quantile is the latency that a share Q stays below.
type Quantile struct {
	Q     float64 `json:"q"`
	Value float64 `json:"value"`
}

// result makes the report of what is in the books.
func (b *books) result(unpaired [numReasons]uint64, now time.Time) *Result {
	b.mu.Lock()
	defer b.mu.Unlock()
	c := b.config
	r := &Result{Schema: Schema, Time: now, Original: c.Original, Candidate: c.Candidate, Threshold: c.Threshold,
		From: timeOf(b.first), To: timeOf(b.last), BodiesCut: b.cut, ByBaseline: b.byBaseline,
		Unpaired: map[string]uint64{}, Findings: []Finding{}, Endpoints: []Endpoint{}, Latency: b.all.result(&c.Latency)}
	if c.Baselines > 0 {
		r.Baseline = c.Baseline
	}
	unpaired[incomplete] += b.unread
	for why, n := range unpaired {
		r.Unpaired[reasonNames[why]] = n
	}
	for _, e := range b.rows {
		row := Endpoint{e.name, e.compared, e.different(), e.seconds, e.latencies.result(&c.Latency)}
		r.Endpoints = append(r.Endpoints, row)
		r.Compared += row.Compared
		r.Different += row.Different
		r.WithNoise += row.WithNoise
		r.Findings = append(r.Findings, e.findings()...)
		r.Findings = append(r.Findings, latencyFinding(row.Name, row.Compared, row.Latency)...)
	}
	r.overall()
	if r.Compared > 0 {
		r.Share = float64(r.Different) / float64(r.Compared)
	}
	r.rank()
	r.Exceeded, r.Reasons = r.exceeds(c.Threshold)
	return r
}

func timeOf(ns int64) time.Time { return time.Unix(0, ns).UTC() }

func (e *endpoint) findings() (out []Finding) {
	for _, p := range e.rows {
		if p.count == 0 {
			continue // only the old version differed
		}
		kind, _, _ := strings.Cut(p.name, " ")
		if strings.HasPrefix(p.name, "no response") {
			kind = "no response"
		}
		out = append(out, Finding{
			Endpoint: e.name, Kind: kind, Place: p.name, Verdict: e.verdict(p), Count: p.count,
			Share: float64(p.count) / float64(e.compared), NoiseCount: p.counts.noise + p.counts.both,
			Uniform: !p.varies, First: timeOf(p.first), Last: timeOf(p.last), Examples: slices.Clone(p.examples),
		})
	}
	return out
}

func latencyFinding(name string, compared uint64, l *Latency) []Finding {
	if l == nil || len(l.Shifts) == 0 {
		return nil
	}
	return []Finding{{
		Endpoint: name, Kind: "latency", Place: "latency", Verdict: l.Verdict, Count: uint64(l.Candidate.Count),
		Share: float64(l.Candidate.Count) / float64(compared), Examples: []Example{}, Shifts: l.Shifts,
	}}
}

// overall adds the latency of all endpoints together as a finding, where no
// endpoint alone had enough samples to show it.
func (r *Result) overall() {
	for i := range r.Endpoints {
		if l := r.Endpoints[i].Latency; l != nil && len(l.Shifts) > 0 {
			return
		}
	}
	r.Findings = append(r.Findings, latencyFinding(allEndpoints, r.Compared, r.Latency)...)
}

const allEndpoints = "(all endpoints)"

// rank sorts: differences before noise, worse kinds before others, frequent ones
// before rare ones.
func (r *Result) rank() {
	slices.SortFunc(r.Findings, func(a, b Finding) int {
		return cmp.Or(
			cmp.Compare(a.weight(), b.weight()),
			cmp.Compare(b.Count, a.Count),
			cmp.Compare(a.Endpoint, b.Endpoint),
			cmp.Compare(a.Place, b.Place),
		)
	})
	slices.SortFunc(r.Endpoints, func(a, b Endpoint) int { return cmp.Compare(a.Name, b.Name) })
}

func (f *Finding) weight() int {
	switch {
	case f.Verdict == Noise:
		return 5
	case f.Verdict == ProbablyNoise, f.Verdict == Faster:
		return 4
	case f.Kind == "no response", f.Kind == "status", f.Kind == "grpc-status":
		return 1
	}
	return 2
}

// Exceeds tells whether more differs than a share of threshold allows
// for, and why: exchanges that differ, or have no replayed response, or a latency
// that is worse. A comparison of nothing exceeds too, for it shows nothing.
func (r *Result) Exceeds(threshold float64) bool {
	exceeded, _ := r.exceeds(threshold)
	return exceeded
}

func (r *Result) exceeds(threshold float64) (bool, []string) {
	why := []string{}
	if r.Compared == 0 {
		why = append(why, "nothing was compared")
	}
	if r.Share > threshold {
		why = append(why, fmt.Sprintf("%s of the exchanges differ, %s may", percent(r.Share), percent(threshold)))
	}
	missing := r.Unpaired[reasonNames[noReplay]]
	if share := float64(missing) / float64(max(r.Compared+missing, 1)); share > threshold {
		why = append(why, fmt.Sprintf("%s of the requests have no replayed response, %s may", percent(share), percent(threshold)))
	}
	slower := 0
	for i := range r.Findings {
		if r.Findings[i].Verdict == Slower {
			slower++
		}
	}
	if slower > 0 {
		why = append(why, fmt.Sprintf("%s slower", plural(slower, "endpoint is", "endpoints are")))
	}
	return len(why) > 0, why
}
