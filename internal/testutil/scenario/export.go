package scenario

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"gortap/internal/lab"
)

// The names in Export, as findings tell them.
const (
	ShopHost   = "shop.example"
	ExportPath = "/api/export"
)

// Rates of Export, in requests a second. The second one is what the machine can do, at
// most.
const (
	UsualRate = 30
	SurgeRate = 500
)

// Export is an export endpoint that ignores its page parameter, behind three clients
// that fetch page after page like caches of a CDN, without compression; and two dozen
// users of other endpoints that are as they should be.
type Export struct {
	t      testing.TB
	pair   *lab.Pair
	server string
	pages  [3]atomic.Int64
	failed failures
}

// NewExport starts the server, on the port given. The pair needs 30 client addresses:
// the CDN has the first three.
func NewExport(t testing.TB, p *lab.Pair, port int) *Export {
	t.Helper()
	e := &Export{t: t, pair: p, server: lab.ServerIP().String() + ":" + strconv.Itoa(port)}
	page := rows(0, 100)
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+ExportPath, func(w http.ResponseWriter, r *http.Request) {
		// The mistake: the clients say "page".
		if r.URL.Query().Get("pg") != "" {
			http.Error(w, "not implemented", http.StatusNotImplemented)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(page)
	})
	mux.HandleFunc("GET /api/items/{id}", func(w http.ResponseWriter, r *http.Request) {
		id, _ := strconv.Atoi(r.PathValue("id"))
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "private, max-age=60")
		_, _ = w.Write(rows(id, 3))
	})
	Serve(t, p.Server, e.server, mux)
	return e
}

// rows is JSON of so many rows, all of which differ.
func rows(from, n int) []byte {
	type row struct {
		ID       int    `json:"id"`
		Name     string `json:"name"`
		Category string `json:"category"`
		Price    string `json:"price"`
		InStock  bool   `json:"in_stock"`
	}
	list := make([]row, n)
	for i := range list {
		id := from*1000 + i
		list[i] = row{id, fmt.Sprintf("article %x", uint32(id)*2654435761), "category " + strconv.Itoa(id*7%13), fmt.Sprintf("%d.%02d", id*37%400, id*91%100), id%3 > 0}
	}
	text, err := json.Marshal(map[string]any{"items": list})
	if err != nil {
		return nil
	}
	return text
}

// Users lets two dozen clients look at a few articles each.
func (e *Export) Users(ctx context.Context) {
	for i := range 24 {
		c := Client(e.t, e.pair.Client, lab.ClientIP(5+i))
		for j := range 3 {
			_, _, err := Get(ctx, c, e.server, ShopHost, fmt.Sprintf("/api/items/%d", i*3+j))
			e.failed.see(ctx, err)
		}
	}
}

// Usual plays the rate of every day for a while.
func (e *Export) Usual(ctx context.Context, d time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	e.fetch(ctx, UsualRate)
}

// Surge plays the incident until ctx is done.
func (e *Export) Surge(ctx context.Context) { e.fetch(ctx, SurgeRate) }

func (e *Export) fetch(ctx context.Context, rate int) {
	var clients [3]*http.Client
	for i := range clients {
		clients[i] = Client(e.t, e.pair.Client, lab.ClientIP(i))
	}
	pace(ctx, rate, 24, func(i int) {
		who := i % len(clients)
		target := fmt.Sprintf("%s?page=%d&per_page=100", ExportPath, e.pages[who].Add(1))
		_, _, err := Get(ctx, clients[who], e.server, ShopHost, target, "User-Agent", "edge-cache/2.1")
		e.failed.see(ctx, err)
	})
}

// Check fails the test where a request failed.
func (e *Export) Check() { e.t.Helper(); e.failed.check(e.t) }
