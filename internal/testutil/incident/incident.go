// Package incident is a Source with a made-up incident, for tests of what shows one: an
// export endpoint whose clients page wrongly, among healthy ones. It is exact and slow:
// every answer goes through all exchanges.
package incident

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"gortap/internal/insight"
)

// Begin is when the incident's recording starts; it lasts ten minutes.
var Begin = time.Date(2026, 3, 2, 14, 0, 0, 0, time.UTC)

const length = 10 * time.Minute

// Source holds all exchanges. Its methods may be called from any goroutine.
type Source struct {
	mu        sync.Mutex
	exchanges []insight.Exchange
	// Found and Happened are what Findings and Events return.
	Found    []insight.Finding
	Happened []insight.Event
	// Err, where it is set, is what every method returns.
	Err error
}

var _ insight.Source = (*Source)(nil)

// endpoint is how one is used: the rates are before and after the surge.
type endpoint struct {
	service, method, path string
	rate, surge           float64 // exchanges a second
	size                  float64 // of responses
	ms                    float64
	clients               []string
	errors                float64
}

func endpoints() []endpoint {
	cdn := []string{"198.51.100.11", "198.51.100.12", "198.51.100.13"}
	var users []string
	for i := range 40 {
		users = append(users, fmt.Sprintf("203.0.113.%d", 10+i))
	}
	return []endpoint{
		{"shop", "GET", "/api/v1/export", 0.2, 3, 1.4e6, 310, cdn, 0},
		{"shop", "GET", "/api/v1/items/{id}", 4, 4, 9000, 6, users, 0.01},
		{"shop", "GET", "/assets/{file}", 1, 1, 48000, 2, users, 0},
		{"shop", "POST", "/api/v1/orders", 1, 1, 700, 40, users, 0.06},
		{"catalog.internal", "GET", "/v2/products", 2, 2, 22000, 15, []string{"10.0.3.7"}, 0},
		{"catalog.internal", "GET", "/v2/prices", 1, 1, 4000, 4, []string{"10.0.3.7", "10.0.3.8"}, 0},
		{"auth.internal", "POST", "/token", 0.5, 0.5, 1100, 9, []string{"10.0.3.7", "10.0.3.8"}, 0.02},
	}
}

// New makes the same incident each time.
func New() *Source {
	s := &Source{}
	random := rand.New(rand.NewPCG(7, 11))
	for at := time.Duration(0); at < length; at += time.Second {
		for _, e := range endpoints() {
			rate := e.rate
			if at > 4*time.Minute && at < 9*time.Minute {
				rate = max(e.surge, e.rate)
			}
			for n := rate * (0.8 + 0.4*random.Float64()); n > 0 && random.Float64() < n; n-- {
				s.add(e, Begin.Add(at+time.Duration(random.Int64N(int64(time.Second)))), random)
			}
		}
	}
	slices.SortFunc(s.exchanges, func(a, b insight.Exchange) int { return a.Time.Compare(b.Time) })
	for i := range s.exchanges {
		s.exchanges[i].Seq = uint64(i + 1)
	}
	s.Found, s.Happened = findings(s.exchanges), events()
	return s
}

func (s *Source) add(e endpoint, at time.Time, random *rand.Rand) {
	size := int64(e.size * math.Exp(0.4*random.NormFloat64()))
	x := insight.Exchange{
		Time: at, Conn: uint64(random.Int64N(200)), Protocol: "http/1.1",
		Client: fmt.Sprintf("%s:%d", e.clients[random.IntN(len(e.clients))], 40000+random.IntN(2000)), Server: "192.0.2.10:8080",
		Service: e.service, Method: e.method, Path: e.path, Target: e.path + fmt.Sprintf("?page=%d", random.IntN(40)), Status: 200,
		RequestBytes: 320 + random.Int64N(200), ResponseBytes: size + 210,
		DurationNs: int64(e.ms * 1e6 * math.Exp(0.5*random.NormFloat64())), Complete: true,
	}
	if random.Float64() < e.errors {
		x.Status, x.ResponseBytes = 503, 330
	}
	s.exchanges = append(s.exchanges, x)
}

// Add appends exchanges, as time does.
func (s *Source) Add(xs ...insight.Exchange) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, x := range xs {
		x.Seq = uint64(len(s.exchanges) + 1)
		s.exchanges = append(s.exchanges, x)
	}
}

// Findings implements insight.Source.
func (s *Source) Findings() ([]insight.Finding, error) { return s.Found, s.Err }

// Events implements insight.Source.
func (s *Source) Events() ([]insight.Event, error) { return s.Happened, s.Err }

// Exchanges implements insight.Source.
func (s *Source) Exchanges(q insight.Query, after uint64) ([]insight.Exchange, error) {
	var out []insight.Exchange
	for _, x := range slices.Backward(s.selected(q)) {
		if x.Seq > after && len(out) < rows(q) {
			out = append(out, x)
		}
	}
	return out, s.Err
}

func rows(q insight.Query) int { return cmp.Or(q.Rows, 50) }

func (s *Source) selected(q insight.Query) []insight.Exchange {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []insight.Exchange
	for _, x := range s.exchanges {
		ns := x.Time.UnixNano()
		if q.FromNs > 0 && ns < q.FromNs || q.ToNs > 0 && ns >= q.ToNs ||
			q.Service != "" && q.Service != x.Service || q.Method != "" && q.Method != x.Method || q.Path != "" && q.Path != x.Path ||
			q.Client != "" && q.Client != address(x.Client) {
			continue
		}
		names := strings.ToLower(x.Service + " " + x.Method + " " + x.Path + " " + x.Client)
		if strings.Contains(names, strings.ToLower(q.Search)) {
			out = append(out, x)
		}
	}
	return out
}

func address(client string) string { return netip.MustParseAddrPort(client).Addr().String() }
