package insight

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const second = int64(time.Second)

// day is when the tests' traffic begins.
var day = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC).UnixNano()

// observation is the n-th of its kind.
func observation(endNs int64, service, path, client string, status int, bytes int64) *Observation {
	return &Observation{
		StartNs: endNs - second/100, EndNs: endNs, Conn: 1, Protocol: "http/1.1",
		Client: netip.AddrPortFrom(netip.MustParseAddr(client), 40000), Server: netip.MustParseAddrPort("192.0.2.1:80"),
		Service: service, Method: "GET", Path: path, Target: path, Status: status,
		RequestBytes: 100, ResponseBytes: bytes, ResponseSize: bytes, Duration: time.Second / 100, Complete: true,
	}
}

// random is traffic of more names than a small Book has room for.
func random(r *rand.Rand, endNs int64) *Observation {
	// The square prefers small numbers: some names come much more often.
	pick := func(n int) int { f := r.Float64(); return int(f * f * float64(n)) }
	service, path := pick(9), pick(40)
	o := observation(endNs, fmt.Sprintf("s%d", service), fmt.Sprintf("/p%d", path),
		fmt.Sprintf("10.0.%d.%d", pick(2), pick(30)), []int{200, 200, 200, 404, 500}[r.IntN(5)], int64(r.IntN(50000)))
	o.First = r.IntN(4) == 0
	if o.Row = uint32(1 + service*40 + path); r.IntN(10) == 0 {
		o.Row = uint32(1 + r.IntN(400)) // another account's
	}
	return o
}

// TestRowsOnlyShowTheWay: numbers of rows, right or wrong, change nothing in what is kept.
func TestRowsOnlyShowTheWay(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	with, without := NewBook(Config{}), NewBook(Config{})
	now := day
	for i := range 5000 {
		now += r.Int64N(80 * second / 1000)
		o := random(r, now-r.Int64N(3*second))
		with.Observe(o)
		o.Row = 0
		without.Observe(o)
		if i%50 == 0 {
			with.Tick(now)
			without.Tick(now)
		}
	}
	for _, q := range []Query{{}, {Service: "s0"}, {Service: "s1", Path: "/p2"}, {Client: "10.0.0.0"}, {FromNs: now - 40*second}} {
		q.Rows = maxRows
		if diff := cmp.Diff(without.View(q), with.View(q)); diff != "" {
			t.Fatalf("%+v (-without +with)\n%s", q, diff)
		}
	}
}

func TestSearchLeavesOtherNamesOut(t *testing.T) {
	b := NewBook(Config{})
	b.Observe(observation(day, "shop", "/a", "10.0.0.1", 200, 1000))
	b.Observe(observation(day, "auth", "/b", "10.0.1.1", 200, 900))
	v := b.View(Query{Search: "10.0.1."})
	if len(v.Clients) != 1 || len(v.Networks) != 1 || v.Networks[0].Client != "10.0.1.0/24" || len(v.Services) != 0 || v.Total.Requests != 2 {
		t.Errorf("clients %+v\nnetworks %+v\nservices %+v\ntotal %+v", v.Clients, v.Networks, v.Services, v.Total)
	}
}

// TestWhatWasSentAgainIsByService: it is in no other list, and leaves no rest there.
func TestWhatWasSentAgainIsByService(t *testing.T) {
	b := NewBook(Config{Services: 1})
	b.Observe(observation(day, "a", "/", "10.0.0.1", 200, 1000))
	b.Observe(observation(day, "b", "/", "10.0.0.1", 200, 900))
	b.Resent("a", 70)
	b.Resent("b", 30)
	v := b.View(Query{})
	if v.Total.Retransmitted != 100 || v.Total.Requests != 2 || len(v.Services) != 2 || v.Services[0].Retransmitted != 70 || v.Services[1].Retransmitted != 30 || v.Services[1].Service != Rest {
		t.Errorf("total %+v\nservices %+v", v.Total, v.Services)
	}
	if len(v.Clients) != 1 || len(v.Statuses) != 2 || v.Statuses[1].Path != Rest {
		t.Errorf("clients %+v\nstatuses %+v", v.Clients, v.Statuses)
	}
	check(t, &v)
}

// check holds every list of a View against its total.
func check(t *testing.T, v *View) {
	t.Helper()
	for name, rows := range map[string][]Row{
		"services": v.Services, "endpoints": v.Endpoints, "clients": v.Clients, "networks": v.Networks, "pairs": v.Pairs, "statuses": v.Statuses,
	} {
		if v.More[name] > 0 {
			t.Fatalf("%s: %d more rows", name, v.More[name])
		}
		var sum Row
		bytes, counts := make([]float64, len(v.Total.Bytes)), make([]float64, len(v.Total.Bytes))
		for _, r := range rows {
			sum.Requests += r.Requests
			sum.Errors += r.Errors
			sum.Connections += r.Connections
			sum.RequestBytes += r.RequestBytes
			sum.ResponseBytes += r.ResponseBytes
			for i := range r.Bytes {
				bytes[i] += r.Bytes[i]
				counts[i] += r.Counts[i]
				if r.Bytes[i] < 0 || r.Counts[i] < 0 {
					t.Fatalf("%s: %+v is below zero at %d", name, r, i)
				}
			}
		}
		w := &v.Total
		if sum.Requests != w.Requests || sum.Errors != w.Errors || sum.Connections != w.Connections || sum.RequestBytes != w.RequestBytes || sum.ResponseBytes != w.ResponseBytes {
			t.Errorf("%s add up to %d requests, %d errors, %d connections, %d and %d bytes; the total has %d, %d, %d, %d and %d", name,
				sum.Requests, sum.Errors, sum.Connections, sum.RequestBytes, sum.ResponseBytes,
				w.Requests, w.Errors, w.Connections, w.RequestBytes, w.ResponseBytes)
		}
		for i := range bytes {
			if bytes[i] != w.Bytes[i] || counts[i] != w.Counts[i] {
				t.Fatalf("%s: at point %d they add up to %.0f bytes of %.0f, %.0f requests of %.0f", name, i, bytes[i], w.Bytes[i], counts[i], w.Counts[i])
			}
		}
	}
}

// TestListsAddUp: whatever has no room, every list of every view adds up to its total,
// and the total is what happened.
func TestListsAddUp(t *testing.T) {
	for name, cfg := range map[string]Config{
		"room for all":        {},
		"few names":           {Services: 3, Endpoints: 10, Clients: 20, Combinations: 50},
		"little memory":       {MemoryBytes: 400 << 10},
		"few and little":      {Services: 2, Endpoints: 5, Clients: 5, Combinations: 5, MemoryBytes: 64 << 10},
		"short steps of time": {Steps: [3]Steps{{time.Second, 60 * time.Second}, {5 * time.Second, 2 * time.Minute}, {20 * time.Second, 10 * time.Minute}}, Clients: 50},
	} {
		t.Run(name, func(t *testing.T) {
			r := rand.New(rand.NewPCG(1, 2))
			b := NewBook(cfg)
			var requests, bytes uint64
			now := day
			for i := range 8000 {
				now += r.Int64N(80 * second / 1000)
				o := random(r, now-r.Int64N(3*second))
				requests++
				bytes += uint64(o.RequestBytes + o.ResponseBytes)
				b.Observe(o)
				if i%50 == 0 {
					b.Tick(now)
				}
			}
			if v := b.View(Query{}); v.Total.Requests != requests || v.Total.RequestBytes+v.Total.ResponseBytes != bytes {
				t.Errorf("got %d requests and %d bytes of %d and %d", v.Total.Requests, v.Total.RequestBytes+v.Total.ResponseBytes, requests, bytes)
			}
			for _, q := range []Query{
				{}, {Service: "s0"}, {Service: "s0", Path: "/p0"}, {Method: "GET"}, {Path: "/p1"}, {Client: "10.0.0.0"},
				{Client: "10.0.0.0", Service: "s0"}, {Service: "none"}, {Client: "no address"},
				{FromNs: now - 40*second}, {FromNs: day + 100*second, ToNs: day + 130*second}, {FromNs: now - 100*second, Service: "s1", Points: 7},
			} {
				q.Rows = maxRows
				v := b.View(q)
				check(t, &v)
			}
		})
	}
}

// TestWhoWasDroppedMayComeBack: a name that had to leave is a candidate like any other.
func TestWhoWasDroppedMayComeBack(t *testing.T) {
	for name, cfg := range map[string]Config{
		"one of each": {Services: 1, Endpoints: 1, Clients: 1, Combinations: 1}, "one pair": {Combinations: 1},
	} {
		b := NewBook(cfg)
		now := day
		move := func(service, client string, bytes int64) {
			for range 2 * exchangeEvery {
				now += second / 1000
				o := observation(now, service, "/", client, 200, bytes)
				o.Row = uint32(service[0])
				b.Observe(o)
			}
			b.Tick(now)
		}
		for _, who := range []struct {
			service, client string
			bytes           int64
		}{{"a", "10.0.0.1", 1000}, {"b", "10.0.0.2", 10_000}, {"a", "10.0.0.1", 100_000}} {
			move(who.service, who.client, who.bytes) // makes room
			move(who.service, who.client, who.bytes)
			v := b.View(Query{FromNs: now - second})
			for list, rows := range map[string][]Row{"services": v.Services, "endpoints": v.Endpoints, "clients": v.Clients, "pairs": v.Pairs} {
				if len(rows) == 0 || rows[0].Service == Rest || rows[0].Client == Rest {
					t.Errorf("%s: %s when %s comes: %+v", name, list, who.client, rows)
				}
			}
		}
	}
}
