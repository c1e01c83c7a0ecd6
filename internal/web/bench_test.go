package web

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strconv"
	"testing"
	"time"

	"gortap/internal/insight"
	"gortap/internal/web/api"

	"github.com/prometheus/client_golang/prometheus"
)

// What the page asks for where there are 200 endpoints and 100 clients, of a Book that
// has 15 minutes of them; compressed, as browsers take it.
func BenchmarkView(b *testing.B) {
	book := insight.NewBook(insight.Config{})
	start := time.Now().Add(-15 * time.Minute)
	for i := range 400_000 {
		at := start.Add(time.Duration(i) * 15 * time.Minute / 400_000).UnixNano()
		book.Observe(&insight.Observation{
			StartNs: at, EndNs: at + 1e6, Conn: uint64(i % 500), Service: "shop" + strconv.Itoa(i%4), Method: "GET", Path: "/endpoint/" + strconv.Itoa(i%200), Status: 200,
			Client: netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(i % 97)}), 40000), ResponseSize: int64(i % 9000), ResponseBytes: int64(i % 9000), RequestBytes: 300, Duration: 1e6, Complete: true,
		})
	}
	s, err := Listen(Config{Addr: "127.0.0.1:0", Metrics: prometheus.NewRegistry(), Ready: func() error { return nil }, Source: insight.NewStore(book, nil)})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	for name, query := range map[string]string{
		"overview":  "?from=-15m&rows=10&points=60&lists=services,endpoints,clients",
		"endpoints": "?from=-15m&rows=200&points=40&lists=endpoints,sizes,durations",
		"all":       "?from=-15m&rows=200",
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			size := 0
			for b.Loop() {
				w := httptest.NewRecorder()
				r := httptest.NewRequest(http.MethodGet, api.ViewPath+query, nil)
				r.Host = "localhost"
				r.Header.Set("Accept-Encoding", "gzip")
				s.http.Handler.ServeHTTP(w, r)
				if w.Code != http.StatusOK {
					b.Fatal(w.Code, w.Body)
				}
				size = w.Body.Len()
			}
			b.ReportMetric(float64(size), "bytes")
		})
	}
}
