package process

import (
	"context"
	"testing"

	"gortap/internal/record"
)

func TestChainAllocatesOnlyForChanges(t *testing.T) {
	for name, c := range benchmarks() {
		if raceDetector && name != "empty" {
			continue // it empties the pools that regexp uses
		}
		chain, err := New(c.cfg)
		if err != nil {
			t.Fatal(err)
		}
		chain.Start(func(*record.Record) {})
		r := &record.Record{Kind: record.Request, ID: "000000000000000700000001"}
		n := testing.AllocsPerRun(100, func() {
			r.Data = []byte(nil)
			r.Data = benchRequest
			chain.Put(context.Background(), r, 0)
		})
		if n > c.allocs {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

var benchRequest = []byte("GET /index.html?a=b&user_id=77 HTTP/1.1\r\nHost: www.example.com\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\n" +
	"Accept: text/html,application/xhtml+xml\r\nAccept-Language: en\r\nAccept-Encoding: gzip, deflate, br\r\nCookie: session=abcdef\r\nConnection: keep-alive\r\n\r\n")

type benchmark struct {
	cfg    Config
	allocs float64
}

func benchmarks() map[string]benchmark {
	return map[string]benchmark{
		"empty":   {Config{}, 0},
		"filters": {Config{HTTPAllowMethod: []string{"GET"}, HTTPAllowURL: []string{"^/index"}, HTTPDisallowHeader: []string{"User-Agent: Gor"}, HTTPParamLimiter: []string{"user_id: 99%"}}, 0},
		"url":     {Config{HTTPAllowURL: []string{"^www.example.com/index"}}, 0},
		"set":     {Config{HTTPSetHeader: []string{"X-Env: staging"}}, 2}, // the line, the result
	}
}

func BenchmarkChain(b *testing.B) {
	for name, c := range benchmarks() {
		b.Run(name, func(b *testing.B) {
			chain, err := New(c.cfg)
			if err != nil {
				b.Fatal(err)
			}
			chain.Start(func(*record.Record) {})
			r := &record.Record{Kind: record.Request, ID: "000000000000000700000001"}
			b.ReportAllocs()
			for b.Loop() {
				r.Data = benchRequest
				chain.Put(context.Background(), r, 0)
			}
		})
	}
}
