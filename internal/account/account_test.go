package account

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"gortap/internal/proto"
)

func TestMetricsOfOneConnection(t *testing.T) {
	a := newAccount(t, Config{}, 1)
	f := newSim(a.Shard(0), "10.0.0.9:40000", "10.0.0.1:80").open()
	f.exchange("GET", "Shop.example", "/users/42?token=x", 100, 1000, 300_000)
	f.exchange("GET", "shop.example:80", "/users/43", 100, 2000, 3_000_000)

	x := f.begin("POST", "shop.example", "/upload")
	f.flowing(x, req, 5000)
	f.seen(req, 700) // the ring was full
	x.Request = proto.Message{FirstNs: 1, LastNs: 2, Seen: true, Incomplete: proto.Lost}
	x.Response = proto.Message{Incomplete: proto.NoResponse}
	a.Shard(0).Done(x)
	f.totals.Dirs[f.up].Retransmitted = 17
	f.close()
	f.end()

	want := map[string]float64{
		"gor_bytes_total{direction=request,method=GET,path=/users/{id},service=shop.example}":  200,
		"gor_bytes_total{direction=response,method=GET,path=/users/{id},service=shop.example}": 3000,
		"gor_bytes_total{direction=request,method=POST,path=/upload,service=shop.example}":     5000,
		"gor_bytes_total{direction=request,method=,path=(lost),service=shop.example}":          700,
		"gor_requests_total{code=200,method=GET,path=/users/{id},service=shop.example}":        2,
		"gor_requests_total{code=0,method=POST,path=/upload,service=shop.example}":             1,

		"gor_request_duration_seconds_count{method=GET,path=/users/{id},service=shop.example}": 2,
		"gor_request_duration_seconds_sum{method=GET,path=/users/{id},service=shop.example}":   0.0033,

		"gor_incomplete_messages_total{direction=request,path=/upload,reason=lost,service=shop.example}":         1,
		"gor_incomplete_messages_total{direction=response,path=/upload,reason=no-response,service=shop.example}": 1,

		"gor_tcp_payload_bytes_total{direction=request,service=shop.example}":   5900,
		"gor_tcp_payload_bytes_total{direction=response,service=shop.example}":  3000,
		"gor_network_bytes_total{direction=request,service=shop.example}":       5900 + 4*40,
		"gor_network_bytes_total{direction=response,service=shop.example}":      3000 + 2*40,
		"gor_retransmitted_bytes_total{direction=request,service=shop.example}": 17,
	}
	got := flatten(t, a)
	for _, b := range []struct {
		le string
		n  float64
	}{
		{"0.00048828125", 1}, {"0.0009765625", 1}, {"0.001953125", 1}, {"0.00390625", 2}, {"0.0078125", 2}, {"0.015625", 2},
		{"0.03125", 2}, {"0.0625", 2}, {"0.125", 2}, {"0.25", 2}, {"0.5", 2}, {"1", 2}, {"2", 2}, {"4", 2}, {"8", 2}, {"16", 2}, {"32", 2}, {"64", 2},
	} {
		want["gor_request_duration_seconds_bucket{method=GET,path=/users/{id},service=shop.example,le="+b.le+"}"] = b.n
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("metrics (-want +got):\n%s", diff)
	}
}

func TestExchangeIsNamedInBegin(t *testing.T) {
	a := newAccount(t, Config{}, 1)
	f := newSim(a.Shard(0), "10.0.0.9:40000", "10.0.0.1:8080").open()
	x := f.begin("GET", "shop.example:8080", "/a/1")
	if x.Service != "shop.example:8080" || x.Path != "/a/{id}" {
		t.Errorf("service %q, path %q", x.Service, x.Path)
	}
	if x := f.begin("GET", "", "/b"); x.Service != "shop.example:8080" {
		t.Errorf("a request without a host on that connection has service %q", x.Service)
	}
	if x := f.begin("GET", "other.example", "/b"); x.Service != "other.example" {
		t.Errorf("a request to another host has service %q", x.Service)
	}
	if x := f.begin("", "", ""); x.Service != "other.example" || x.Path != "(no-request)" {
		t.Errorf("a response without request has service %q, path %q", x.Service, x.Path)
	}
}

func TestShardsAddUp(t *testing.T) {
	a := newAccount(t, Config{}, 3)
	for i := range a.Shards() {
		f := newSim(a.Shard(i), "10.0.0.9:40000", "10.0.0.1:80").open()
		f.exchange("GET", "h", "/", 10, 20, 1000)
		f.close()
		f.end()
	}
	m := flatten(t, a)
	for key, want := range map[string]float64{
		"gor_bytes_total{direction=response,method=GET,path=/,service=h}": 60,
		"gor_requests_total{code=200,method=GET,path=/,service=h}":        3,
		"gor_request_duration_seconds_count{method=GET,path=/,service=h}": 3,
		"gor_tcp_payload_bytes_total{direction=request,service=h}":        30,
	} {
		if m[key] != want {
			t.Errorf("%s is %v, want %v", key, m[key], want)
		}
	}
}

func TestDurationsAreOfExchangesSeenWhole(t *testing.T) {
	whole := proto.Message{FirstNs: 10, LastNs: 20, Seen: true}
	with := func(why proto.Reason) proto.Message {
		m := whole
		m.Incomplete = why
		return m
	}
	for _, c := range []struct {
		name     string
		req, res proto.Message
		want     bool
	}{
		{"both", whole, whole, true},
		{"truncated by the file", with(proto.Truncated), with(proto.Truncated), true},
		{"skipped by the budget", whole, with(proto.SkippedBytes), true},
		{"lost bytes", whole, with(proto.Lost), false},
		{"joined midway", with(proto.MidStream), whole, false},
		{"aborted", whole, with(proto.Aborted), false},
		{"no request", proto.Message{Incomplete: proto.NoRequest}, whole, false},
		{"no response", whole, proto.Message{Incomplete: proto.NoResponse}, false},
	} {
		if _, got := duration(&proto.Exchange{Request: c.req, Response: c.res}); got != c.want {
			t.Errorf("%s: counted %v, want %v", c.name, got, c.want)
		}
	}
}

func TestTotalsOfARun(t *testing.T) {
	a := newAccount(t, Config{}, 2)
	f := newSim(a.Shard(1), "10.0.0.9:40000", "10.0.0.1:80").open()
	f.exchange("GET", "h", "/", 100, 1000, 1)
	x := f.begin("", "", "")
	x.Request = proto.Message{Incomplete: proto.NoRequest}
	x.Response.Seen = true
	f.flowing(x, res, 50)
	a.Shard(1).Done(x)
	f.seen(res, 7)
	f.totals.Dirs[f.up].Retransmitted = 9
	f.close()
	f.end()
	want := Totals{
		NetworkBytes: 1157 + 4*40, PayloadBytes: 1157, RetransmittedBytes: 9,
		Exchanges: 2, Messages: 3, MessageBytes: 1150,
	}
	want.Incomplete[proto.NoRequest] = 1
	want.Unattributed[proto.Lost] = 7
	if diff := cmp.Diff(want, a.Totals()); diff != "" {
		t.Errorf("totals (-want +got):\n%s", diff)
	}
}

func TestSessionAfterAnUpgradeIsNoSecondRequest(t *testing.T) {
	a := newAccount(t, Config{LiveEndpoints: 1}, 1)
	a.Shard(0).Tick(1000 * second)
	f := newSim(a.Shard(0), "10.0.0.9:40000", "10.0.0.1:80").open()
	x := f.begin("GET", "h", "/chat")
	f.flowing(x, req, 100)
	f.flowing(x, res, 50)
	x.Status = 101
	a.Shard(0).Done(x)
	session := f.begin("GET", "h", "/chat")
	session.Upgraded = true
	f.flowing(session, res, 1000)
	session.Response.Seen = true
	session.Status = 200
	a.Shard(0).Done(session)
	f.close()
	f.end()
	m := flatten(t, a)
	for key, want := range map[string]float64{
		"gor_requests_total{code=101,method=GET,path=/chat,service=h}":        1,
		"gor_requests_total{code=200,method=GET,path=/chat,service=h}":        0,
		"gor_request_duration_seconds_count{method=GET,path=/chat,service=h}": 0,
		"gor_bytes_total{direction=response,method=GET,path=/chat,service=h}": 1050,
	} {
		if m[key] != want {
			t.Errorf("%s is %v, want %v", key, m[key], want)
		}
	}
	if got := a.Live().Total.Requests; got != 1 {
		t.Errorf("requests in the live view are %d, want 1", got)
	}
	if got := a.Totals().Exchanges; got != 2 {
		t.Errorf("exchanges are %d, want 2", got)
	}
}

func TestWhatCannotBeReadHasItsOwnLabels(t *testing.T) {
	a := newAccount(t, Config{MaxMethods: 1}, 1)
	f := newSim(a.Shard(0), "10.0.0.9:40000", "10.0.0.1:80").open()
	f.exchange(proto.Unknown, "h", proto.Unknown, 1, 1, 1)
	if m := flatten(t, a); m["gor_requests_total{code=200,method=(unknown),path=(unknown),service=h}"] != 1 {
		t.Errorf("metrics are %v", m)
	}
}
