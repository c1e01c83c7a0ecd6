package compare

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"gortap/internal/record"
)

// BenchmarkPair measures the comparison of a pair with all that belongs to it but
// the pairing.
func BenchmarkPair(b *testing.B) {
	list := func(price int) string {
		var s strings.Builder
		for n := range 40 {
			fmt.Fprintf(&s, `{"id":%d,"name":"item %d","price":%d,"tags":["a","b"],"stock":{"here":1,"there":2.5}},`, n, n, price)
		}
		return "[" + strings.TrimSuffix(s.String(), ",") + "]" // about 3.5 kB
	}
	fields := []string{jsonType, "Server: nginx", "Cache-Control: no-store", "Vary: Accept-Encoding", "X-Frame-Options: DENY", "Date: now"}
	gz := append([]string{"Content-Encoding: gzip"}, fields...)
	for _, c := range []struct{ name, a, b string }{
		{"same", answer(list(1), fields...), answer(list(1), append(fields, "X-Request-Id: 1")...)},
		{"json", answer(list(1), fields...), answer(list(2), fields...)},
		{"gzip", answer(string(encode(b, "gzip", []byte(list(1)))), gz...), answer(string(encode(b, "gzip", []byte(list(2)))), gz...)},
		{"bytes", answer(list(1), "Content-Type: text/plain"), answer(list(2), "Content-Type: text/plain")},
	} {
		b.Run(c.name, func(b *testing.B) {
			w := newTestWorker(b, Config{})
			books := newBooks(w.config)
			e := &entry{id: id(1), method: []byte("GET"), endpoint: "GET /a", target: "/a"}
			e.parts[original], e.parts[candidate] = rec(1, record.Response, c.a, time.Millisecond), rec(1, record.Replayed, c.b, time.Millisecond)
			b.ReportAllocs()
			b.SetBytes(int64(len(c.a) + len(c.b)))
			for b.Loop() {
				w.compare(e, books)
			}
		})
	}
}

// BenchmarkComparer measures everything, from the records to the books.
func BenchmarkComparer(b *testing.B) {
	c, err := New(Config{Block: true})
	if err != nil {
		b.Fatal(err)
	}
	a, z := answer(`{"id":1,"price":5}`, jsonType), answer(`{"id":1,"price":6}`, jsonType)
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		n++
		c.Request(rec(n, record.Request, "GET /items/17?q=1 HTTP/1.1\r\nHost: h\r\n\r\n", 0))
		c.Original(rec(n, record.Response, a, time.Millisecond))
		c.Candidate(rec(n, record.Replayed, z, time.Millisecond))
	}
	if err := c.Close(b.Context()); err != nil {
		b.Fatal(err)
	}
}

func TestComparingAllocatesNothingInSteadyState(t *testing.T) {
	w := newTestWorker(t, Config{Redactor: newRedactor(t)})
	books := newBooks(w.config)
	e := &entry{id: id(1), method: []byte("GET"), endpoint: "GET /a", target: "/a"}
	e.parts[original] = rec(1, record.Response, answer(`{"a":[1,2,{"b":"c"}],"d":1}`, jsonType, "Server: a"), time.Millisecond)
	e.parts[candidate] = rec(1, record.Replayed, answer(`{"d":2,"a":[1,2,{"b":"x"}]}`, jsonType, "Server: b"), time.Millisecond)
	for range 100 {
		w.compare(e, books)
	}
	if n := testing.AllocsPerRun(100, func() { w.compare(e, books) }); n > 0 {
		t.Errorf("%.0f allocations a pair", n)
	}
}
