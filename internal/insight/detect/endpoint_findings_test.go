package detect

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"gortap/internal/insight"
)

const second = time.Second

// traffic makes observations; the detectors' tables have one each that provokes and
// several that must not.
type traffic func(s *Set)

func many(n int, each time.Duration, o func(i int, when time.Duration) insight.Observation) traffic {
	return func(s *Set) {
		for i := range n {
			feed(s, o(i, time.Duration(i)*each))
		}
	}
}

func TestEndpointFindings(t *testing.T) {
	for _, tc := range []struct {
		name    string
		kind    insight.Kind
		traffic traffic
		want    string // in the title; empty: no finding
		saves   [2]int64
	}{
		{"oversized: exports of 15 MB", insight.Oversized, many(10, second, func(i int, when time.Duration) insight.Observation {
			o := unique(get("/export", when, 15<<20), i)
			o.Head.ContentType = "text/csv"
			return o
		}), "GET /export of shop are 16 MB", [2]int64{10 * 14 << 20, 10 * 15 << 20}},
		{"oversized: videos are files", insight.Oversized, many(10, second, func(i int, when time.Duration) insight.Observation {
			o := unique(get("/film", when, 15<<20), i)
			o.Head.ContentType = "video/mp4"
			return o
		}), "", [2]int64{}},
		{"oversized: twice is not often", insight.Oversized, many(2, second, func(i int, when time.Duration) insight.Observation {
			return unique(get("/export", when, 15<<20), i)
		}), "", [2]int64{}},
		{"oversized: 4 MB", insight.Oversized, many(10, second, func(i int, when time.Duration) insight.Observation {
			return unique(get("/export", when, 4<<20), i)
		}), "", [2]int64{}},

		{"list: grows with data", insight.UnboundedList, many(100, second, func(i int, when time.Duration) insight.Observation {
			return growing(i, when, "/orders")
		}), "grew from", [2]int64{100 * 30000, 100 * 300000}},
		{"list: has a limit", insight.UnboundedList, many(100, second, func(i int, when time.Duration) insight.Observation {
			return growing(i, when, "/orders?limit=5000")
		}), "", [2]int64{}},
		{"list: goes up and down", insight.UnboundedList, many(100, second, func(i int, when time.Duration) insight.Observation {
			return growing((i*37)%100, when, "/orders")
		}), "", [2]int64{}},
		{"list: of each its own", insight.UnboundedList, many(100, second, func(i int, when time.Duration) insight.Observation {
			return growing(i, when, fmt.Sprintf("/orders?user=%d", i))
		}), "", [2]int64{}},
		{"list: one page is enough", insight.UnboundedList, many(100, second, func(i int, when time.Duration) insight.Observation {
			o := growing(i, when, "/orders")
			o.ResponseSize /= 4
			return o
		}), "", [2]int64{}},

		{"compression: JSON as it is", insight.Uncompressed, many(50, second, plain(func(o *insight.Observation) {})), "smaller with gzip", [2]int64{1000000, 2000000}},
		{"compression: done", insight.Uncompressed, many(50, second, plain(func(o *insight.Observation) { o.Head.ContentEncoding = "gzip" })), "", [2]int64{}},
		{"compression: an image", insight.Uncompressed, many(50, second, plain(func(o *insight.Observation) { o.Head.ContentType = "image/png" })), "", [2]int64{}},
		{"compression: does not shrink", insight.Uncompressed, many(50, second, plain(func(o *insight.Observation) { o.Sample = noise(40000) })), "", [2]int64{}},
		{"compression: too small to matter", insight.Uncompressed, many(50, second, plain(func(o *insight.Observation) { o.ResponseSize, o.Sample = 900, o.Sample[:900] })), "", [2]int64{}},
		{"compression: no sample, no finding", insight.Uncompressed, many(50, second, plain(func(o *insight.Observation) { o.Sample = nil })), "", [2]int64{}},
		{"compression: parts", insight.Uncompressed, many(50, second, plain(func(o *insight.Observation) { o.Status = 206 })), "", [2]int64{}},

		{"double: gzip of gzip", insight.DoubleCompression, many(50, second, coded(gzipped(gzipped(jsonRows(1, 200000))), "application/json")), "holds gzip", [2]int64{0, 100000}},
		{"double: gzip of PNG", insight.DoubleCompression, many(50, second, coded(gzipped(append([]byte("\x89PNG\r\n"), noise(50000)...)), "image/png")), "holds PNG", [2]int64{1, 100000}},
		{"double: once", insight.DoubleCompression, many(50, second, coded(gzipped(jsonRows(1, 400000)), "application/json")), "", [2]int64{}},
		{"double: broken", insight.DoubleCompression, many(50, second, coded(noise(50000), "application/json")), "", [2]int64{}},

		{"ETag: never compared", insight.ETagIgnored, many(50, second, tagged(200, `W/"a"`, `"a"`)), "ignores If-None-Match", [2]int64{50 * 39000, 50 * 41000}},
		{"ETag: compared", insight.ETagIgnored, many(50, second, tagged(304, `"a"`, `"a"`)), "", [2]int64{}},
		{"ETag: changed", insight.ETagIgnored, many(50, second, tagged(200, `"b"`, `"a", "c"`)), "", [2]int64{}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := New(Config{})
			tc.traffic(s)
			if tc.want == "" {
				wantNot(t, s, tc.kind)
				return
			}
			f := one(t, s, tc.kind)
			if !strings.Contains(f.Title, tc.want) || f.Path == "" || len(f.Examples) == 0 || len(f.Clients) == 0 {
				t.Errorf("title %q, want %q; %d examples, clients %v", f.Title, tc.want, len(f.Examples), f.Clients)
			}
			if f.Saves < tc.saves[0] || f.Saves > tc.saves[1] {
				t.Errorf("saves %d, want %v; %s", f.Saves, tc.saves, titles(s))
			}
		})
	}
}

func growing(i int, when time.Duration, target string) insight.Observation {
	o := get("/orders", when, int64(100000+2000*i))
	o.Target = target
	o.ResponseHash, o.HasResponseHash = uint64(i+1), true
	return o
}

func plain(change func(*insight.Observation)) func(int, time.Duration) insight.Observation {
	sample := jsonRows(1, 40000)
	return func(i int, when time.Duration) insight.Observation {
		o := unique(get("/items", when, 40000), i)
		o.Sample, o.Head.ContentEncoding = sample, ""
		change(&o)
		return o
	}
}

func coded(body []byte, contentType string) func(int, time.Duration) insight.Observation {
	return func(i int, when time.Duration) insight.Observation {
		o := unique(get("/items", when, int64(len(body))), i)
		o.Head.ContentType, o.Sample = contentType, body
		return o
	}
}

func tagged(status int, tag, asked string) func(int, time.Duration) insight.Observation {
	return func(i int, when time.Duration) insight.Observation {
		o := unique(get("/items", when, 40000), i)
		o.Status, o.Head.ETag, o.Head.IfNoneMatch = status, tag, asked
		if status == 304 {
			o.ResponseSize, o.ResponseBytes = 0, 180
		}
		return o
	}
}

func TestPaging(t *testing.T) {
	for _, tc := range []struct {
		name    string
		kind    insight.Kind
		traffic traffic
		want    string
	}{
		{"the parameter is ignored", insight.BrokenPaging, many(60, second/10, page("page=%d&limit=100", func(i int, o *insight.Observation) { o.ResponseHash = 7 })), "page parameter is ignored: 59 answers"},
		{"told by a beginning and a size", insight.BrokenPaging, many(60, second/10, page("offset=%d00", func(i int, o *insight.Observation) {
			o.HasResponseHash, o.ResponsePart, o.ResponseHash = false, 1800, 5
		})), "offset parameter is ignored"},
		{"each answer holds those before", insight.BrokenPaging, many(30, second/10, page("page=%d", func(i int, o *insight.Observation) { o.ResponseSize = int64(40000 * (i + 1)) })), "skips nothing"},
		{"never turned", insight.BrokenPaging, many(60, second/10, page("page=1", func(i int, o *insight.Observation) { o.ResponseHash = 7 })), "never advances"},
		{"pages that differ", insight.BrokenPaging, many(60, second/10, page("page=%d", func(i int, o *insight.Observation) {})), ""},
		{"one size, no other evidence", insight.BrokenPaging, many(60, second/10, page("page=%d", func(i int, o *insight.Observation) { o.HasResponseHash = false })), ""},
		{"past the end", insight.BrokenPaging, many(60, second/10, page("page=%d", func(i int, o *insight.Observation) {
			o.ResponseHash, o.ResponseSize = 7, 12
		})), ""},
		{"four pages that are the same", insight.BrokenPaging, many(60, second/10, page("page=%d", func(i int, o *insight.Observation) { o.ResponseHash = uint64(i/4) + 1 })), ""},
		{"a dashboard looks at page 1 every 10 s", insight.BrokenPaging, many(60, 10*second, page("page=1", func(i int, o *insight.Observation) { o.ResponseHash = 7 })), ""},
		{"larger and larger, not by pages", insight.BrokenPaging, many(60, second/10, page("page=%d", func(i int, o *insight.Observation) { o.ResponseSize = int64(40000 + 100*i) })), ""},
		{"thousands of tiny pages", insight.TinyPages, many(3000, second/100, page("after=%d&limit=1", func(i int, o *insight.Observation) { o.ResponseSize, o.ResponseBytes = 120, 520 })), "in 3,000 pages of 120 bytes"},
		{"ninety tiny pages", insight.TinyPages, many(90, second/100, page("after=%d", func(i int, o *insight.Observation) { o.ResponseSize, o.ResponseBytes = 120, 520 })), ""},
		{"pages of a good size", insight.TinyPages, many(3000, second/100, page("after=%d", func(i int, o *insight.Observation) {})), ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := New(Config{})
			tc.traffic(s)
			if tc.want == "" {
				wantNot(t, s, tc.kind)
				return
			}
			if f := one(t, s, tc.kind); !strings.Contains(f.Title, tc.want) {
				t.Errorf("title %q, want %q", f.Title, tc.want)
			}
		})
	}
}

func page(query string, change func(int, *insight.Observation)) func(int, time.Duration) insight.Observation {
	return func(i int, when time.Duration) insight.Observation {
		o := unique(get("/list", when, 40000), i)
		if strings.Contains(query, "%") {
			query := fmt.Sprintf(query, i+1)
			o.Target = "/list?" + query
		} else {
			o.Target = "/list?" + query
		}
		change(i, &o)
		return o
	}
}

func TestPagesOfSeveralClientsAreWalkedApart(t *testing.T) {
	s := New(Config{})
	for i := range 60 {
		for c := range 3 {
			o := page("page=%d", func(_ int, o *insight.Observation) { o.ResponseHash = 7 })(i, time.Duration(i)*second/10)
			o.Client = client(c)
			feed(s, o)
		}
	}
	f := one(t, s, insight.BrokenPaging)
	if !strings.Contains(f.Title, "10.1.0.0, 10.1.0.1 and 10.1.0.2 take 100 % of it") || len(f.Clients) != 3 {
		t.Errorf("title %q, clients %v", f.Title, f.Clients)
	}
}

func TestRepeats(t *testing.T) {
	again := func(change func(int, *insight.Observation)) func(int, time.Duration) insight.Observation {
		return func(i int, when time.Duration) insight.Observation {
			o := unique(get("/rates", when, 40000), 0)
			change(i, &o)
			return o
		}
	}
	for _, tc := range []struct {
		name    string
		traffic traffic
		want    string
	}{
		{"the same answer", many(60, second, again(func(i int, o *insight.Observation) {})), "59 times more than needed: it has neither"},
		{"a validator that nobody sends", many(60, second, again(func(i int, o *insight.Observation) { o.Head.ETag = `"a"` })), "never send back"},
		{"kept answers are fetched anew", many(60, second, again(func(i int, o *insight.Observation) { o.Head.CacheControl = "public, max-age=300" })), "lets clients keep it"},
		{"no-store", many(60, second, again(func(i int, o *insight.Observation) { o.Head.CacheControl = "no-store" })), "no-store forbids"},
		{"only sizes are known", many(60, second, again(func(i int, o *insight.Observation) { o.HasResponseHash = false })), "59 times"},
		{"a question by POST", many(60, second, again(func(i int, o *insight.Observation) { o.Method, o.HasRequestHash = "POST", true })), "59 times"},
		{"another client each time", many(60, second, again(func(i int, o *insight.Observation) { o.Client = client(i) })), "59 times"},
		{"another answer each time", many(60, second, again(func(i int, o *insight.Observation) { o.ResponseHash = uint64(i) })), ""},
		{"nine times", many(9, second, again(func(i int, o *insight.Observation) { o.ResponseSize, o.ResponseBytes = 400000, 400000 })), ""},
		{"once a minute", many(60, 61*second, again(func(i int, o *insight.Observation) {})), ""},
		{"not modified", many(60, second, again(func(i int, o *insight.Observation) { o.Status = 304 })), ""},
		{"a health check", many(600, second, again(func(i int, o *insight.Observation) { o.ResponseSize, o.ResponseBytes = 2, 180 })), ""},
		{"only sizes, 29 times", many(29, second, again(func(i int, o *insight.Observation) { o.HasResponseHash = false })), ""},
		{"orders", many(60, second, again(func(i int, o *insight.Observation) {
			o.Method, o.HasRequestHash, o.RequestHash = "POST", true, uint64(i)
		})), ""},
		{"PUT", many(60, second, again(func(i int, o *insight.Observation) { o.Method, o.HasRequestHash = "PUT", true })), ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := New(Config{})
			tc.traffic(s)
			if tc.want == "" {
				wantNot(t, s, insight.Repeated)
				return
			}
			if f := one(t, s, insight.Repeated); !strings.Contains(f.Title, tc.want) || f.Saves != 59*(40250-notModified) {
				t.Errorf("saves %d, title %q, want %q", f.Saves, f.Title, tc.want)
			}
		})
	}
}
