package fakesource

import (
	"time"

	"gortap/internal/insight"
)

// Findings implements insight.Source.
func (s *Source) Findings() ([]insight.Finding, error) {
	if err := s.failure(); err != nil || s.o.Healthy {
		return nil, err
	}
	now := s.o.Now().UTC()
	example := func(seq uint64, target string, size int64) insight.Exchange {
		x, _ := s.exchange(seq)
		x.Service, x.Method, x.Path, x.Target, x.ResponseBytes, x.Status, x.Complete = "shop.example", "GET", "/api/export", target, size, 200, true
		return x
	}
	return []insight.Finding{
		{
			ID: "surge-1f2e", Kind: "surge", Severity: insight.Critical,
			Title:   "GET /api/export went from 4 to 40 requests/s: three clients make 84 % of it, each with page=NaN",
			Service: "shop.example", Method: "GET", Path: "/api/export", Clients: s.clients[:3],
			Evidence: []insight.Evidence{{Name: "requests/s before", Value: "4.1"}, {Name: "requests/s since", Value: "40.6"},
				{Name: "share of all bytes", Value: "71.3 %"}, {Name: "distinct targets", Value: "1"}},
			Examples: []insight.Exchange{example(8, "/api/export?page=NaN&limit=100000", 412_004), example(16, "/api/export?page=NaN&limit=100000", 409_117)},
			Remedy:   "The clients ask for the same page again and again: page=NaN is not a number, and the server answers with all rows. Have the server refuse it with 400, and limit a page to 100 rows.",
			Saves:    1_840_000_000, Share: 0.61, First: now.Add(-9 * time.Minute), Last: now.Add(-4 * time.Second),
		},
		{
			ID: "compress-77ac", Kind: "compressible", Severity: insight.Warning,
			Title:   "GET /api/products sends JSON uncompressed: gzip makes it 86 % smaller",
			Service: "shop.example", Method: "GET", Path: "/api/products",
			Evidence: []insight.Evidence{{Name: "responses without Content-Encoding", Value: "1,204 of 1,204"}, {Name: "clients that accept gzip", Value: "100 %"},
				{Name: "measured on samples", Value: "40, of 64 KiB at most"}},
			Examples: []insight.Exchange{}, Remedy: "Turn on compression for application/json, in nginx: gzip on; gzip_types application/json;",
			Saves: 214_000_000, Share: 0.07, First: now.Add(-14 * time.Minute), Last: now.Add(-time.Second),
		},
		{
			ID: "errors-90be", Kind: "error-storm", Severity: insight.Info,
			Title: "POST /token fails for 9 % of its requests, and 192.0.2.12 tries again at once", Service: "auth.example", Method: "POST", Path: "/token",
			Clients: s.clients[2:3], Evidence: []insight.Evidence{{Name: "failed", Value: "9.1 %"}}, Examples: []insight.Exchange{},
			Remedy: "Let the client wait longer after each failure.", First: now.Add(-30 * time.Minute), Last: now.Add(-time.Minute),
		},
	}, nil
}

// Events implements insight.Source.
func (s *Source) Events() ([]insight.Event, error) {
	if err := s.failure(); err != nil || s.o.Healthy {
		return nil, err
	}
	now := s.o.Now().UTC()
	return []insight.Event{
		{Time: now.Add(-2 * time.Minute), Service: "shop.example", Method: "GET", Path: "/api/export", Measure: "requests",
			Value: 40.6, Low: 2.1, High: 6.8, Reason: "40.6 requests/s where 2.1 to 6.8 were expected from the last hours"},
		{Time: now.Add(-31 * time.Minute), End: now.Add(-28 * time.Minute), Service: "images.example", Method: "GET", Path: "/thumb/{id}", Measure: "duration",
			Value: 48e6, Low: 2e6, High: 9e6, Reason: "p99 of 48 ms where at most 9 ms was expected"},
	}, nil
}
