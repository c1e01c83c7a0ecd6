package scenario

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"gortap/internal/lab"
)

// The names in Calls.
const (
	FrontHost = "front.example"
	StockHost = "stock.example"
	RatesPath = "/rates"
	ItemPath  = "/item"
)

// Calls is service front, which for each request of a user asks service stock for the
// same rates again, and for a dozen items one after another, each with the same terms
// and conditions in it.
type Calls struct {
	t      testing.TB
	pair   *lab.Pair
	front  string
	failed failures
}

const itemsOfAPage = 12

// NewCalls starts both. stock runs beside the clients, so that the link between the
// namespaces carries what front asks. The pair needs 30 client addresses.
func NewCalls(t testing.TB, p *lab.Pair, frontPort, stockPort int) *Calls {
	t.Helper()
	c := &Calls{t: t, pair: p, front: lab.ServerIP().String() + ":" + strconv.Itoa(frontPort)}
	stock := lab.ClientIP(3).String() + ":" + strconv.Itoa(stockPort)
	Serve(t, p.Client, stock, stockHandler())
	caller := Client(t, p.Server, lab.ServerIP())
	Serve(t, p.Server, c.front, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		page, _ := strconv.Atoi(strings.TrimPrefix(r.URL.Path, "/page/"))
		var sum int64
		for i := range itemsOfAPage {
			_, n, err := Get(r.Context(), caller, stock, StockHost, fmt.Sprintf("%s?id=%d", ItemPath, page*itemsOfAPage+i))
			c.failed.see(r.Context(), err)
			sum += n
		}
		_, n, err := Get(r.Context(), caller, stock, StockHost, RatesPath)
		c.failed.see(r.Context(), err)
		w.Header().Set("Content-Type", "text/html")
		_, _ = fmt.Fprintf(w, "<p>page %d of %d bytes", page, sum+n)
	}))
	return c
}

func stockHandler() http.Handler {
	terms := strings.Repeat("Delivery within three to five working days. ", 40)
	rates := rows(1, 400)
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+ItemPath, func(w http.ResponseWriter, r *http.Request) {
		id, _ := strconv.Atoi(r.URL.Query().Get("id"))
		w.Header().Set("Content-Type", "application/json")
		_, _ = fmt.Fprintf(w, `{"id":%d,"name":"article %x","stock":%d,"terms":%q}`, id, uint32(id)*2654435761, id%97, terms)
	})
	mux.HandleFunc("GET "+RatesPath, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(rates)
	})
	return mux
}

// Visit lets users fetch so many pages, one after another.
func (c *Calls) Visit(ctx context.Context, pages int) {
	users := make([]*http.Client, 4)
	for i := range users {
		users[i] = Client(c.t, c.pair.Client, lab.ClientIP(5+i))
	}
	for i := range pages {
		_, _, err := Get(ctx, users[i%len(users)], c.front, FrontHost, fmt.Sprintf("/page/%d", i))
		c.failed.see(ctx, err)
	}
}

// Check fails the test where a request failed.
func (c *Calls) Check() { c.t.Helper(); c.failed.check(c.t) }
