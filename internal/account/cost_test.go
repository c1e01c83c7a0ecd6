package account

import (
	"fmt"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"gortap/internal/proto"
)

// busy is a connection in steady state and one round of everything on it.
func busy(s *Shard, port int) func() {
	f := newSim(s, fmt.Sprintf("10.0.0.9:%d", port), "10.0.0.1:8080").open()
	xs := make([]*proto.Exchange, 3)
	for i := range xs {
		xs[i] = &proto.Exchange{
			Conn: f.conn, Method: []byte("GET"), Status: 200,
			Host:     fmt.Appendf(nil, "H%d.example:8080", i),
			Target:   fmt.Appendf(nil, "http://h/users/%d/posts/550e8400-e29b-41d4-a716-446655440000?q=%d", i, i),
			Request:  proto.Message{FirstNs: 1, LastNs: 2, Seen: true},
			Response: proto.Message{FirstNs: 3, LastNs: 4_000_000, Seen: true},
		}
	}
	now := 1000 * second
	return func() {
		now += second / 100
		for _, x := range xs {
			s.Begin(x)
			f.flowing(x, req, 100)
			f.flowing(x, res, 1000)
			s.Done(x)
		}
		f.seen(res, 30)
		f.handed(res, 10)
		s.Unattributed(f.conn, res, 10, proto.AfterMessage)
		f.update()
		s.Tick(now)
	}
}

func TestSteadyStateDoesNotAllocate(t *testing.T) {
	for _, c := range []struct {
		name   string
		config Config
	}{
		{"plain", Config{}},
		{"live view", Config{LiveEndpoints: 10}},
		{"live view at its limit", Config{LiveEndpoints: 1}},
		{"beyond the limit of services", Config{MaxServices: 1}},
		{"beyond the limit of endpoints", Config{MaxEndpoints: 1}},
		{"beyond the limit of methods", Config{MaxMethods: 1}},
		{"beyond the limit of flows", Config{MaxFlows: 1}},
	} {
		a := newAccount(t, c.config, 1)
		newSim(a.Shard(0), "10.0.0.9:1", "10.0.0.1:80").open()
		round := busy(a.Shard(0), 40000)
		for range 2000 { // all slots of the live view
			round()
		}
		if n := testing.AllocsPerRun(1000, round); n != 0 {
			t.Errorf("%s: %v allocations a round", c.name, n)
		}
	}
}

func TestConnectionsReuseMemory(t *testing.T) {
	a := newAccount(t, Config{}, 1)
	f := newSim(a.Shard(0), "10.0.0.9:40000", "10.0.0.1:80").open()
	conn, asm := f.conn, f.asm
	x := f.begin("GET", "h", "/")
	round := func() {
		f.s.Opened(conn)
		f.conn, f.asm = conn, asm
		f.s.Begin(x)
		f.flowing(x, req, 100)
		f.s.Done(x)
		f.close()
		f.end()
		f.totals.Dirs[f.up].Payload, f.totals.Dirs[f.up].Bytes = 0, 0
	}
	round()
	if n := testing.AllocsPerRun(1000, round); n != 0 {
		t.Errorf("%v allocations a connection", n)
	}
}

func TestScrapesRunBesideTheShards(t *testing.T) {
	a := newAccount(t, Config{LiveEndpoints: 2, MaxServices: 2}, 3)
	var shards sync.WaitGroup
	for i := range a.Shards() {
		shards.Go(func() {
			s := a.Shard(i)
			s.Lock()
			round := busy(s, 40000+i)
			s.Unlock()
			for range 500 {
				s.Lock()
				round()
				s.Unlock()
			}
		})
	}
	done := make(chan struct{})
	go func() { shards.Wait(); close(done) }()
	for {
		flatten(t, a)
		a.Live()
		select {
		case <-done:
			if got, want := sum(flatten(t, a), "gor_requests_total"), 3.0*500*3; got != want {
				t.Errorf("requests are %v, want %v", got, want)
			}
			return
		default:
		}
	}
}

func BenchmarkExchange(b *testing.B) {
	a := newAccount(b, Config{}, 1)
	f := newSim(a.Shard(0), "10.0.0.9:40000", "10.0.0.1:8080").open()
	x := f.begin("GET", "shop.example:8080", "/users/42/posts/first-post?q=1")
	x.Request.Seen, x.Response.Seen = true, true
	b.ReportAllocs()
	for b.Loop() {
		f.s.Begin(x)
		f.s.Bytes(x, req, 100)
		f.s.Bytes(x, res, 1000)
		f.s.Done(x)
	}
}

func BenchmarkTemplate(b *testing.B) {
	var p templater
	target := []byte("/api/v1/users/12345/posts/550e8400-e29b-41d4-a716-446655440000/comments?limit=10")
	b.ReportAllocs()
	for b.Loop() {
		p.template(nil, target)
	}
}

// BenchmarkScrape is a scrape with the default limit of endpoints reached, and
// the part of it that takes the shards' locks (merge), in steps.
func BenchmarkScrape(b *testing.B) {
	a := newAccount(b, Config{}, 1)
	f := newSim(a.Shard(0), "10.0.0.9:40000", "10.0.0.1:8080").open()
	for i := range 10000 {
		f.exchange("GET", fmt.Sprintf("h%d.example", i/200), fmt.Sprintf("/%c%c%c", 'a'+i%10, 'a'+i/10%10, 'a'+i/100%2), 1, 1, 1000)
	}
	b.Run("merge", func(b *testing.B) {
		for b.Loop() {
			a.merge()
		}
	})
	b.Run("collect", func(b *testing.B) {
		for b.Loop() {
			out := make(chan prometheus.Metric, 1024)
			go func() { a.Collect(out); close(out) }()
			for range out {
			}
		}
	})
}
