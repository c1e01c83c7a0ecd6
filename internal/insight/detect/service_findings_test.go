package detect

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"gortap/internal/insight"
	"gortap/internal/proto"
)

// from gives an exchange another client, by number.
func from(i int, o insight.Observation) insight.Observation {
	o.Client = client(i)
	return o
}

func TestConcentration(t *testing.T) {
	crowd := func(clients, heavy int, factor int64) traffic {
		return func(s *Set) {
			for i := range clients * 20 {
				size := int64(2000)
				if i%clients < heavy {
					size *= factor
				}
				feed(s, from(i%clients*8, unique(get("/x", time.Duration(i)*second/10, size), i)))
			}
		}
	}
	for _, tc := range []struct {
		name    string
		traffic traffic
		want    string
	}{
		{"three of forty", crowd(40, 3, 100), "10.1.0.0, 10.1.0.8 and 10.1.0.16 of 40 addresses take 87 %"},
		{"one of forty", crowd(40, 1, 400), "10.1.0.0, one of 40 addresses, takes 89 %"},
		{"few clients: some always have most", crowd(4, 3, 100), ""},
		{"everybody the same", crowd(40, 0, 1), ""},
		{"ten of forty", crowd(40, 10, 100), ""},
		{"one client", crowd(1, 1, 1), ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := New(Config{})
			tc.traffic(s)
			if tc.want == "" {
				wantNone(t, s)
				return
			}
			if f := one(t, s, insight.Concentration); !strings.Contains(f.Title, tc.want) || f.Saves != 0 {
				t.Errorf("title %q, want %q", f.Title, tc.want)
			}
		})
	}
}

func TestConcentrationByNetwork(t *testing.T) {
	s := New(Config{})
	for i := range 4000 {
		addr := netip.AddrFrom4([4]byte{10, 9, 9, byte(i)}) // 256 addresses of one network
		if i%10 == 0 {
			addr = netip.AddrFrom4([4]byte{10, byte(i / 10 % 30), 3, 3})
		}
		o := unique(get("/x", time.Duration(i)*second/100, 3000), i)
		o.Client = netip.AddrPortFrom(addr, 1)
		feed(s, o)
	}
	if f := one(t, s, insight.Concentration); !strings.HasPrefix(f.Title, "10.9.9.0/24, one of 31 networks, takes 90 %") {
		t.Errorf("title %q", f.Title)
	}
}

// call is an exchange between service A, at 192.0.2.1, and service B.
func call(path string, when time.Duration, size int64) insight.Observation {
	o := get(path, when, size)
	o.Service, o.Host = "stock", "stock"
	o.Client, o.Server = netip.MustParseAddrPort("192.0.2.1:5000"), netip.MustParseAddrPort("192.0.2.10:8080")
	o.Conn = 77
	return o
}

// visits are n requests to A, each of which makes calls of B.
func visits(n, calls int, size int64, change func(i, j int, o *insight.Observation)) traffic {
	return func(s *Set) {
		for i := range n {
			when := time.Duration(i) * second / 10
			feed(s, unique(get("/page", when, 3000), i))
			for j := range calls {
				o := unique(call("/item/{id}", when+time.Duration(j+1)*4*time.Millisecond, size), i*calls+j)
				change(i, j, &o)
				feed(s, o)
			}
		}
	}
}

func TestServicePairs(t *testing.T) {
	same := func(int, int, *insight.Observation) {}
	for _, tc := range []struct {
		name    string
		kind    insight.Kind
		traffic traffic
		want    string
	}{
		{"most is between two services", insight.ServiceShare, visits(200, 3, 4000, same), "shop calling stock is 79 % of all bytes"},
		{"a gateway passes on what it gets", insight.ServiceShare, visits(200, 1, 3000, same), ""},
		{"much, but no more than it gives", insight.ServiceShare, visits(200, 1, 5400, same), ""},
		{"users are no service", insight.ServiceShare, visits(200, 3, 4000, func(i, j int, o *insight.Observation) { o.Client = client(3) }), ""},
		{"a server's calls to itself", insight.ServiceShare, visits(200, 3, 4000, func(i, j int, o *insight.Observation) {
			o.Client, o.Server = netip.MustParseAddrPort("127.0.0.1:1"), netip.MustParseAddrPort("127.0.0.1:2")
		}), ""},
		{"one after another", insight.ChattyPair, visits(100, 20, 300, same), "shop calls GET /item/{id} of stock 20 times for each"},
		{"three calls", insight.ChattyPair, visits(300, 3, 300, same), ""},
		{"at once", insight.ChattyPair, visits(100, 20, 300, func(i, j int, o *insight.Observation) { o.Conn = uint64(j) + 100 }), ""},
		{"large answers", insight.ChattyPair, visits(100, 20, 30000, same), ""},
		{"of a user", insight.ChattyPair, visits(100, 20, 300, func(i, j int, o *insight.Observation) { o.Client = client(3) }), ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := New(Config{})
			tc.traffic(s)
			if tc.want == "" {
				wantNot(t, s, tc.kind)
				return
			}
			if f := one(t, s, tc.kind); !strings.Contains(f.Title, tc.want) || f.Clients[0] != "shop" {
				t.Errorf("title %q, want %q", f.Title, tc.want)
			}
		})
	}
}

func TestRedundantPayload(t *testing.T) {
	constant := strings.Repeat("terms and conditions ", 40)
	body := func(format string) func(i, j int, o *insight.Observation) {
		return func(i, j int, o *insight.Observation) {
			o.Sample = fmt.Appendf(nil, format, i*100+j, constant, jsonRows(i*100+j, 600))
			o.ResponseSize, o.ResponseBytes = int64(len(o.Sample)), int64(len(o.Sample))+250
			o.Head.ContentEncoding = ""
		}
	}
	full := `{"id":%d,"legal":{"text":%q},"more":%q}`
	for _, tc := range []struct {
		name   string
		change func(i, j int, o *insight.Observation)
		want   string
	}{
		{"a field that never changes", body(full), "shop gets answers of GET /item/{id} of stock of which 5"},
		{"compressed", func(i, j int, o *insight.Observation) { body(full)(i, j, o); o.Head.ContentEncoding = "gzip" }, ""},
		{"the whole answer is the same", func(i, j int, o *insight.Observation) { body(full)(0, 0, o) }, ""},
		{"every field changes", func(i, j int, o *insight.Observation) {
			body(full)(i, j, o)
			o.Sample = []byte(strings.ReplaceAll(string(o.Sample), "terms", fmt.Sprint(i, j)))
		}, ""},
		{"not JSON", body(`<id>%d</id>%q%q`), ""},
		{"cut and broken", body(`{"id":%d]]}%q%q`), ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := New(Config{})
			visits(200, 3, 1000, tc.change)(s)
			if tc.want == "" {
				wantNot(t, s, insight.RedundantPayload)
				return
			}
			f := one(t, s, insight.RedundantPayload)
			if !strings.Contains(f.Title, tc.want) || !strings.Contains(f.Title, "(text)") {
				t.Errorf("title %q, want %q", f.Title, tc.want)
			}
		})
	}
}

func TestConnectionChurn(t *testing.T) {
	visit := func(perConn int, clients int, each time.Duration) traffic {
		return many(2000, each, func(i int, when time.Duration) insight.Observation {
			o := from(i%clients, unique(get("/x", when, 1000), i))
			o.First = i/clients%perConn == 0
			return o
		})
	}
	for _, tc := range []struct {
		name    string
		traffic traffic
		want    string
	}{
		{"one for each request", visit(1, 2, second/50), "10.1.0.0 and 10.1.0.1 open 2,000 connections for 2,000 requests to shop (50 a second)"},
		{"kept open", visit(50, 2, second/50), ""},
		{"three requests on each", visit(3, 2, second/50), ""},
		{"many clients with one each", visit(1, 2000, second/50), ""},
		{"a health check every 10 s", visit(1, 1, 10*second), ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := New(Config{})
			tc.traffic(s)
			if tc.want == "" {
				wantNone(t, s)
				return
			}
			if f := one(t, s, insight.ConnectionChurn); !strings.Contains(f.Title, tc.want) || f.Saves != 1980*connBytes {
				t.Errorf("saves %d, title %q, want %q", f.Saves, f.Title, tc.want)
			}
		})
	}
}

func TestRetransmission(t *testing.T) {
	for _, tc := range []struct {
		again uint64
		found bool
	}{{5e4, true}, {1e3, false}, {0, false}} {
		s := New(Config{})
		many(100, second, func(i int, when time.Duration) insight.Observation { return unique(get("/x", when, 100000), i) })(s)
		for range 100 {
			s.Resent("shop", tc.again)
		}
		if !tc.found {
			wantNone(t, s)
			continue
		}
		if f := one(t, s, insight.Retransmission); f.Saves != 5e6 || !strings.HasPrefix(f.Title, "5 MB were sent again for 10 MB of shop (50 %)") {
			t.Errorf("%+v", f)
		}
	}
}

func TestErrorsAndRetries(t *testing.T) {
	failing := func(every, status int, change func(int, *insight.Observation)) traffic {
		return many(600, second/10, func(i int, when time.Duration) insight.Observation {
			o := from(i%50, unique(get("/pay", when, 1000), i))
			if i%every == 0 {
				o.Status = status
				change(i, &o)
			}
			return o
		})
	}
	nothing := func(int, *insight.Observation) {}
	same := func(i int, o *insight.Observation) { o.Target, o.Client = "/pay?id=5", client(5) }
	for _, tc := range []struct {
		name    string
		kind    insight.Kind
		traffic traffic
		want    string
	}{
		{"half of them fail", insight.ErrorStorm, failing(2, 503, nothing), "50 % of the requests to GET /pay of shop fail (300 of 600, mostly status 503)"},
		{"too many requests", insight.ErrorStorm, failing(1, 429, nothing), "100 % of"},
		{"gRPC", insight.ErrorStorm, failing(2, 200, func(i int, o *insight.Observation) { o.HasCode, o.Code = true, 14 }), "grpc-status"},
		{"no answers", insight.ErrorStorm, failing(2, 0, func(i int, o *insight.Observation) { o.Complete, o.Incomplete = false, proto.NoResponse }), "no answer"},
		{"answers that the capture lost", insight.ErrorStorm, failing(1, 0, func(i int, o *insight.Observation) { o.Complete, o.Incomplete = false, proto.Lost }), ""},
		{"one of ten", insight.ErrorStorm, failing(10, 503, nothing), ""},
		{"not found", insight.ErrorStorm, failing(1, 404, nothing), ""},
		{"gRPC: not found", insight.ErrorStorm, failing(1, 200, func(i int, o *insight.Observation) { o.HasCode, o.Code = true, 5 }), ""},
		{"again at once", insight.RetryStorm, failing(1, 503, same), "are repeated 599 times, 98 ms after the failure; 10.1.0.5 takes 100 % of it"},
		{"others fail too", insight.RetryStorm, failing(1, 503, nothing), ""},
		{"twice each", insight.RetryStorm, failing(1, 503, func(i int, o *insight.Observation) {
			o.Target, o.Client = fmt.Sprint("/pay?id=", i/3), client(i/3)
		}), ""},
		{"with patience", insight.RetryStorm, many(600, 8*second, func(i int, when time.Duration) insight.Observation {
			o := get("/pay", when, 1000)
			o.Status = 503
			return o
		}), ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := New(Config{})
			tc.traffic(s)
			if tc.want == "" {
				wantNot(t, s, tc.kind)
				return
			}
			if f := one(t, s, tc.kind); !strings.Contains(f.Title, tc.want) || f.Saves < 0 {
				t.Errorf("title %q, want %q", f.Title, tc.want)
			}
		})
	}
}

func TestAStormOfAMinuteInAQuietHourIsFound(t *testing.T) {
	s := New(Config{})
	many(3600, second, func(i int, when time.Duration) insight.Observation {
		o := unique(get("/pay", when, 1000), i)
		if i >= 1800 && i < 1860 {
			o.Status = 500
		}
		return o
	})(s)
	if f := one(t, s, insight.ErrorStorm); !strings.Contains(f.Title, "100 % of the requests to GET /pay of shop fail (60 of 60") {
		t.Errorf("title %q", f.Title)
	}
}
