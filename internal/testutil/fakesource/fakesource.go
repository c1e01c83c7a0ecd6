// Package fakesource is an insight.Source with the traffic of a made-up shop, for tests
// of what shows it. All of it follows from the clock: the same times give the same
// answers, rows add up to their totals, and time that goes on brings more.
package fakesource

import (
	"fmt"
	"hash/fnv"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"gortap/internal/insight"
)

// Options say how much traffic there is.
type Options struct {
	Start     time.Time        // of the traffic
	Now       func() time.Time // nil: time.Now
	Endpoints int              // 0: 24
	Clients   int              // 0: 12
	Healthy   bool             // no findings and events
	// Paths and Targets are added to the endpoints, as attackers would choose them.
	Extra []string
}

// Source is the fake. Its methods may be called from any goroutine.
type Source struct {
	o         Options
	endpoints []endpoint
	clients   []string

	mu  sync.Mutex
	err error
}

var _ insight.Source = (*Source)(nil)

type endpoint struct {
	service, method, path string
	rate                  float64 // requests a second in the mean
	size                  float64 // bytes of a response
	duration              time.Duration
	errors                float64 // share
	surge                 bool    // ten times as much in every fourth minute
}

// New makes a source.
func New(o Options) *Source {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Endpoints == 0 {
		o.Endpoints = 24
	}
	if o.Clients == 0 {
		o.Clients = 12
	}
	s := &Source{o: o}
	known := []endpoint{
		{"shop.example", "GET", "/api/export", 4, 410_000, 180 * time.Millisecond, 0.004, true},
		{"shop.example", "GET", "/api/products", 22, 18_400, 12 * time.Millisecond, 0.001, false},
		{"shop.example", "GET", "/assets/app.js", 9, 184_000, 2 * time.Millisecond, 0, false},
		{"images.example", "GET", "/thumb/{id}", 31, 21_000, 4 * time.Millisecond, 0.002, false},
		{"api.example", "POST", "/orders.Orders/Place", 6, 900, 31 * time.Millisecond, 0.012, false},
		{"api.example", "GET", "/users/{id}/orders", 14, 6_200, 24 * time.Millisecond, 0.003, false},
		{"auth.example", "POST", "/token", 5, 640, 55 * time.Millisecond, 0.09, false},
		{"10.1.4.7:9000", "PUT", "/backups/{id}", 0.2, 1_200, 900 * time.Millisecond, 0, false},
	}
	methods := []string{"GET", "GET", "GET", "POST", "PUT", "DELETE"}
	nouns := []string{"carts", "prices", "reviews", "stock", "search", "coupons", "invoices", "sessions"}
	for i := range o.Endpoints {
		if i < len(known) {
			s.endpoints = append(s.endpoints, known[i])
			continue
		}
		s.endpoints = append(s.endpoints, endpoint{
			service: []string{"shop.example", "api.example", "images.example"}[i%3], method: methods[i%len(methods)],
			path: fmt.Sprintf("/v%d/%s/{id}/part-%d", 1+i%2, nouns[i%len(nouns)], i),
			rate: 30 / float64(i), size: 300 + float64(i*977%9000), duration: time.Duration(1+i%40) * time.Millisecond,
		})
	}
	for _, path := range o.Extra {
		s.endpoints = append(s.endpoints, endpoint{"shop.example", "GET", path, 2, 5000, time.Millisecond, 0, false})
	}
	for i := range o.Clients {
		if i%5 == 4 {
			s.clients = append(s.clients, fmt.Sprintf("2001:db8::%x", 0x100+i))
			continue
		}
		s.clients = append(s.clients, fmt.Sprintf("192.0.2.%d", 10+i))
	}
	return s
}

// Fail makes all methods return err, until it is nil.
func (s *Source) Fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
}

func (s *Source) failure() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// level is how busy an endpoint is at a time, 1 in the mean of a quiet day.
func (e *endpoint) level(t time.Time) float64 {
	sec := float64(t.UnixMilli()) / 1000
	x := 1 + 0.25*math.Sin(sec/37+float64(len(e.path))) + 0.1*math.Sin(sec/5+e.size)
	if e.surge && t.Minute()%4 == 3 {
		x *= 10
	}
	return x
}

// share is how much of an endpoint's traffic a client makes.
func (s *Source) share(e *endpoint, client int) float64 {
	total := 0.0
	for i := range s.clients {
		total += weight(e, i)
	}
	return weight(e, client) / total
}

func weight(e *endpoint, client int) float64 {
	if e.surge && client < 3 {
		return 20 // three clients make most of the export
	}
	return 1 / (1 + float64((client*7+len(e.path))%11))
}

// View implements insight.Source.
func (s *Source) View(q insight.Query) (insight.View, error) {
	if err := s.failure(); err != nil {
		return insight.View{}, err
	}
	return s.view(q), nil
}

func (s *Source) selected(q insight.Query, e *endpoint, client string) bool {
	if (q.Service != "" && q.Service != e.service) || (q.Method != "" && q.Method != e.method) ||
		(q.Path != "" && q.Path != e.path) || (q.Client != "" && q.Client != client) {
		return false
	}
	return true
}

func mentions(search string, names ...string) bool {
	return strings.Contains(strings.ToLower(strings.Join(names, "\x00")), strings.ToLower(search))
}

// perSecond is how many exchanges of the whole shop there are in the list.
const perSecond = 8

// Exchanges implements insight.Source.
func (s *Source) Exchanges(q insight.Query, after uint64) ([]insight.Exchange, error) {
	if err := s.failure(); err != nil {
		return nil, err
	}
	rows := q.Rows
	if rows == 0 {
		rows = 50
	}
	var all []insight.Exchange
	last := uint64(max(s.o.Now().Sub(s.o.Start).Seconds()*perSecond, 0))
	for seq := last; seq > after && seq > 0 && len(all) < rows && last-seq < 5000; seq-- {
		x, e := s.exchange(seq)
		host := x.Client[:strings.LastIndex(x.Client, ":")]
		if !s.selected(q, e, strings.Trim(host, "[]")) || !mentions(q.Search, x.Service, x.Method, x.Path, x.Target, x.Client) {
			continue
		}
		if t := x.Time.UnixNano(); t < q.FromNs || (q.ToNs != 0 && t >= q.ToNs) {
			continue
		}
		all = append(all, x)
	}
	return all, nil
}

func hash(n uint64) uint64 {
	h := fnv.New64a()
	fmt.Fprint(h, n)
	return h.Sum64() >> 7
}

func (s *Source) exchange(seq uint64) (insight.Exchange, *endpoint) {
	h := hash(seq)
	e := &s.endpoints[int(h>>16)%min(len(s.endpoints), 9+len(s.o.Extra))]
	if len(s.o.Extra) > 0 && h%5 == 0 {
		e = &s.endpoints[len(s.endpoints)-1]
	}
	client := s.clients[int(h>>8)%len(s.clients)]
	if strings.Contains(client, ":") {
		client = "[" + client + "]"
	}
	x := insight.Exchange{
		Seq: seq, Time: s.o.Start.Add(time.Duration(seq) * time.Second / perSecond).UTC(), Conn: h % 97, Protocol: "http/1.1",
		Client: fmt.Sprintf("%s:%d", client, 32768+h%20000), Server: "10.1.4.7:80", Service: e.service, Method: e.method, Path: e.path,
		Target: strings.ReplaceAll(e.path, "{id}", fmt.Sprint(1000+h%900)), Status: 200,
		RequestBytes: 300 + int64(h%200), ResponseBytes: int64(e.size * (0.5 + float64(h%100)/100)),
		DurationNs: int64(float64(e.duration) * (0.5 + float64(h%150)/100)), Complete: true,
	}
	if e.path == "/api/export" {
		x.Target = "/api/export?page=NaN&limit=100000"
	}
	switch {
	case h%41 == 0:
		x.Complete, x.DurationNs, x.Status = false, -1, 0
	case h%23 == 0:
		x.Status = 404
	case h%37 == 0:
		x.Status = 503
	case strings.Contains(e.path, "Orders/"):
		code := 0
		x.Protocol, x.Code = "grpc", &code
	}
	return x, e
}

func rowKey(parts ...string) string { return strings.Join(parts, "\x00") }

func sortRows(rows []insight.Row) {
	slices.SortFunc(rows, func(a, b insight.Row) int {
		if d := int64(b.RequestBytes+b.ResponseBytes) - int64(a.RequestBytes+a.ResponseBytes); d != 0 {
			return int(d)
		}
		return strings.Compare(rowKey(a.Service, a.Method, a.Path, a.Client), rowKey(b.Service, b.Method, b.Path, b.Client))
	})
}
