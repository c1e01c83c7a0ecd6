package incident

import (
	"time"

	"gortap/internal/insight"
)

func findings(xs []insight.Exchange) []insight.Finding {
	var exports []insight.Exchange
	for _, x := range xs {
		if x.Path == "/api/v1/export" && len(exports) < 3 {
			exports = append(exports, x)
		}
	}
	at := func(m, s int) time.Time {
		return Begin.Add(time.Duration(m)*time.Minute + time.Duration(s)*time.Second)
	}
	return []insight.Finding{
		{
			ID: "paging shop GET /api/v1/export", Kind: "paging", Severity: insight.Critical,
			Title:   "3 clients (198.51.100.11 to 198.51.100.13) ask GET /api/v1/export of shop for the same page again and again: the page parameter is ignored, and each answer is the whole list (1.40 MB)",
			Service: "shop", Method: "GET", Path: "/api/v1/export", Clients: []string{"198.51.100.11", "198.51.100.12", "198.51.100.13"},
			Evidence: []insight.Evidence{{Name: "requests a second", Value: "0.2 before 14:04, 3.0 since"}, {Name: "answers that are equal", Value: "934 of 941"}, {Name: "share of all bytes", Value: "86 %"}},
			Examples: exports,
			Remedy:   "Make the endpoint honour page and limit, and bound the limit (100 rows). Until then, cache the answer for a minute: the clients ask for the same bytes.",
			Saves:    1_120_000_000, Share: 0.84, First: at(4, 1), Last: at(8, 59),
		},
		{
			ID: "uncompressed shop GET /assets/{file}", Kind: "compression", Severity: insight.Warning,
			Title:   "GET /assets/{file} of shop is sent without compression: 65 % smaller with gzip",
			Service: "shop", Method: "GET", Path: "/assets/{file}",
			Evidence: []insight.Evidence{{Name: "sampled bodies", Value: "64, 3.1 MB to 1.1 MB"}, {Name: "clients that accept gzip", Value: "40 of 40"}},
			Remedy:   "Turn on gzip for text types in the server (nginx: gzip on; gzip_types text/css application/javascript).",
			Saves:    81_000_000, Share: 0.06, First: at(0, 0), Last: at(9, 59),
		},
		{
			ID: "errors shop POST /api/v1/orders", Kind: "errors", Severity: insight.Warning,
			Title:   "6 % of POST /api/v1/orders of shop fail with status 503",
			Service: "shop", Method: "POST", Path: "/api/v1/orders", Clients: []string{"203.0.113.21"},
			Evidence: []insight.Evidence{{Name: "failed", Value: "36 of 590"}},
			Remedy:   "Look at the server's log from 14:00:20 on. Have clients wait longer before they repeat.",
			First:    at(0, 20), Last: at(9, 40),
		},
	}
}

func events() []insight.Event {
	return []insight.Event{
		{
			Time: Begin.Add(4 * time.Minute), End: Begin.Add(9 * time.Minute), Service: "shop", Method: "GET", Path: "/api/v1/export", Measure: "bytes",
			Value: 4.2e6, Low: 0, High: 0.6e6, Reason: "4.20 MB/s where 0.60 MB/s at most were expected",
		},
	}
}
