package e2e

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"net/http"
	"sync/atomic"
)

// The hosts: one that does everything wrong, and two that are as they should be.
const wasteHost, goodHost, filesHost = "waste.example", "good.example", "files.example"

func compressed(b []byte) []byte {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	w.Write(b)
	w.Close()
	return out.Bytes()
}

// text is of so many bytes, in lines that differ and compress.
func textOf(n int) []byte {
	var b bytes.Buffer
	for i := 0; b.Len() < n; i++ {
		fmt.Fprintf(&b, "%08d,article %x,%d\n", i, uint32(i)*2654435761, i%7)
	}
	return b.Bytes()[:n]
}

// wasteful is a service that does everything wrong.
func wasteful() http.Handler {
	mux := http.NewServeMux()
	var events, reports atomic.Int64
	dump, large := textOf(6<<20), textOf(400<<10)
	twice := compressed(compressed(noise(70 << 10)))
	send := func(w http.ResponseWriter, kind string, b []byte) {
		w.Header().Set("Content-Type", kind)
		_, _ = w.Write(b)
	}
	mux.HandleFunc("GET /dump", func(w http.ResponseWriter, _ *http.Request) { send(w, "text/csv", dump) })
	mux.HandleFunc("GET /events", func(w http.ResponseWriter, _ *http.Request) {
		send(w, "text/csv", large[:(150<<10)+int(events.Add(1))*(4<<10)])
	})
	mux.HandleFunc("GET /feed", func(w http.ResponseWriter, r *http.Request) {
		send(w, "application/json", fmt.Appendf(nil, `{"id":%q}`, r.URL.Query().Get("after")))
	})
	mux.HandleFunc("GET /twice", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		send(w, "application/json", twice)
	})
	mux.HandleFunc("GET /rates", func(w http.ResponseWriter, _ *http.Request) { send(w, "text/plain", large[:60<<10]) })
	mux.HandleFunc("GET /tagged", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("ETag", `"v1"`)
		send(w, "text/plain", large[:60<<10])
	})
	mux.HandleFunc("GET /fails", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "5")
		http.Error(w, "overloaded", http.StatusServiceUnavailable)
	})
	mux.HandleFunc("GET /report", func(w http.ResponseWriter, r *http.Request) {
		n := reports.Add(1)
		size := 4 << 10
		if r.URL.Query().Has("all") {
			size = 80 << 10
		}
		send(w, "image/png", noise(size+int(n%64)))
	})
	mux.HandleFunc("GET /lossy", func(w http.ResponseWriter, _ *http.Request) { send(w, "video/mp4", dump) })
	return mux
}

// noise does not compress.
func noise(n int) []byte {
	b := make([]byte, n)
	x := uint64(88172645463325252)
	for i := range b {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
		b[i] = byte(x >> 32)
	}
	return b
}

// careful is a service as it should be.
func careful() http.Handler {
	mux := http.NewServeMux()
	page := compressed(textOf(40 << 10))
	mux.HandleFunc("GET /news", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "private, max-age=0, must-revalidate")
		w.Header().Set("ETag", `"n1"`)
		w.Header().Set("Content-Type", "text/html")
		if r.Header.Get("If-None-Match") == `"n1"` {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = w.Write(page)
	})
	mux.HandleFunc("GET /list", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = w.Write(compressed(append([]byte(r.URL.RawQuery+r.RemoteAddr), textOf(30<<10)...)))
	})
	return mux
}
