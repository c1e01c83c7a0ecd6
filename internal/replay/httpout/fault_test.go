package httpout

import (
	"context"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"gortap/internal/process"
	"gortap/internal/record"
	"gortap/internal/testutil"
)

func TestAHungTargetStopsNothingElse(t *testing.T) {
	testutil.CheckLeaks(t)
	never := make(chan struct{})
	hung := testutil.NewOrigin(t, nil, "127.0.0.1:0", testutil.Wait(never))
	well := testutil.NewOrigin(t, nil, "127.0.0.1:0", serveEach(10, answer)...)
	bad := open(t, hung.Addr().String(), Config{Timeout: 100 * time.Millisecond, QueueLen: 8})
	good := open(t, well.Addr().String(), Config{})
	refused := 0
	for range 10 {
		for _, o := range []*Output{bad, good} {
			if !o.Put(get(1, "/"), 0) {
				refused++
			}
		}
	}
	s := shut(t, good, time.Minute)
	if s.Done != 10 || refused == 0 {
		t.Errorf("beside a hung target: %+v; refused %d", s, refused)
	}
	s = shut(t, bad, time.Minute)
	if s.Done != 0 || !strings.HasPrefix(dropped(s), "queue-full ") || !strings.Contains(dropped(s), ", timeout ") {
		t.Errorf("hung target: %+v", s)
	}
	if got := bad.Report().Opened; got != s.Taken-uint64(refused) {
		t.Errorf("%d connections: the next request needs a new one each time", got)
	}
}

func TestFaultsOfATargetHaveNames(t *testing.T) {
	testutil.CheckLeaks(t)
	for _, c := range []struct {
		name   string
		script []testutil.Step
		want   string
	}{
		{"garbage", []testutil.Step{testutil.ReadHead(), testutil.Write("SSH-2.0-x\r\n"), testutil.ReadToEnd()}, "protocol 1"},
		{"reset", []testutil.Step{testutil.ReadHead(), testutil.Reset()}, "reset 1"},
		{"end", []testutil.Step{testutil.ReadHead()}, "reset 1"},
		{"cut", []testutil.Step{testutil.ReadHead(), testutil.Write(answer[:len(answer)-1])}, "reset 1"},
		{"cut chunks", []testutil.Step{testutil.ReadHead(), testutil.Write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab")}, "reset 1"},
	} {
		origin := testutil.NewOrigin(t, nil, "127.0.0.1:0", c.script...)
		var told []string
		o := open(t, origin.Addr().String(), Config{OnFailure: func(id, reason string) { told = append(told, id+" "+reason) }})
		r := get(1, "/")
		put(t, o, r, end(1))
		if s := shut(t, o, time.Minute); dropped(s) != c.want || s.Done != 0 {
			t.Errorf("%s: %+v, want %s", c.name, s, c.want)
		}
		if want := r.ID + " " + strings.TrimSuffix(c.want, " 1"); len(told) != 1 || told[0] != want {
			t.Errorf("%s: told %q, want %q once", c.name, told, want)
		}
	}
}

func TestWhatALimitLeavesOutIsTold(t *testing.T) {
	testutil.CheckLeaks(t)
	var left []string
	failed := func(id, reason string) { t.Errorf("%s failed: %s", id, reason) }
	o := open(t, "127.0.0.1:1", Config{
		Limit: process.Limit{Connections: 1e-12}, OnFailure: failed, OnLeftOut: func(id string) { left = append(left, id) },
	})
	r := get(7, "/")
	put(t, o, r)
	if s := shut(t, o, time.Minute); dropped(s) != "sample 1" || len(left) != 1 || left[0] != r.ID {
		t.Errorf("%+v, told %q", s, left)
	}
}

func TestADeadTargetCostsAlmostNoAttempts(t *testing.T) {
	testutil.CheckLeaks(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	o := open(t, address, Config{})
	attempts := 0
	connect := o.tcp
	o.tcp = func(ctx context.Context, network, address string) (net.Conn, error) {
		attempts++
		return connect(ctx, network, address)
	}
	const n = 2000
	for i := range n { // one session, so that attempts need no lock
		put(t, o, get(1, "/"))
		if i == 0 {
			await(t, func() bool { return o.records.Load() == 0 })
		}
	}
	if s := shut(t, o, time.Minute); dropped(s) != "connect 2000" || attempts > n/100 {
		t.Errorf("%d attempts, %+v", attempts, s)
	}
}

func TestATargetThatComesBackIsUsedAgain(t *testing.T) {
	var h health
	h.failed()
	if !h.down() {
		t.Fatal("still up after a failed attempt")
	}
	h.failed() // one that began before
	if h.wait != shortestBackoff {
		t.Fatalf("waits %v", h.wait)
	}
	h.until = time.Now()
	if h.down() || !h.down() {
		t.Fatal("want one attempt after the wait")
	}
	h.failed()
	if h.wait != 2*shortestBackoff || !h.down() {
		t.Fatalf("waits %v", h.wait)
	}
	h.succeeded()
	if h.down() {
		t.Fatal("down after a success")
	}
}

func TestUnsafeRequestsDoNotGoBackToWhereTheyWereCaptured(t *testing.T) {
	testutil.CheckLeaks(t)
	origin := testutil.NewOrigin(t, nil, "127.0.0.1:0", serveEach(10, answer)...)
	address := netip.MustParseAddrPort(origin.Addr().String())
	for _, c := range []struct {
		method, server string
		allow          bool
		want           string
	}{
		{"POST", address.String(), false, "same-server 1"},
		{"post", address.String(), false, "same-server 1"},
		{"GET", address.String(), false, ""},
		{"OPTIONS", address.String(), false, ""},
		{"DELETE", address.String(), true, ""},
		{"POST", "192.0.2.7:" + portOf(address), false, ""},
		{"POST", "127.0.0.1:1", false, ""},
		{"POST", "", false, ""},
		// A service that listens on every address of this machine.
		{"POST", "[::1]:" + portOf(address), false, "same-server 1"},
		{"POST", "[::ffff:127.0.0.1]:" + portOf(address), false, "same-server 1"},
	} {
		o := open(t, address.String(), Config{AllowUnsafe: c.allow})
		r := raw(1, c.method+" / HTTP/1.1\r\nContent-Length: 0\r\n\r\n")
		if c.server != "" {
			r.Server = netip.MustParseAddrPort(c.server)
		}
		put(t, o, r, end(1))
		if s := shut(t, o, time.Minute); dropped(s) != c.want {
			t.Errorf("%+v: dropped %q", c, dropped(s))
		}
	}
}

func portOf(a netip.AddrPort) string {
	_, port, _ := net.SplitHostPort(a.String())
	return port
}

func TestTheEndCutsWhatHangs(t *testing.T) {
	testutil.CheckLeaks(t)
	never := make(chan struct{})
	hung := testutil.NewOrigin(t, nil, "127.0.0.1:0", testutil.Wait(never))
	o := open(t, hung.Addr().String(), Config{Timeout: time.Hour})
	put(t, o, get(1, "/"), get(1, "/"), get(2, "/"))
	await(t, func() bool { return sentNow(o) == 2 })
	if s := shut(t, o, 0); dropped(s) != "deadline 3" {
		t.Errorf("%+v", s)
	}
	if o.Put(get(3, "/"), 0) {
		t.Error("a closed output takes records")
	}
}

func TestConnectionsAreBounded(t *testing.T) {
	testutil.CheckLeaks(t)
	go1 := make(chan struct{})
	origin := testutil.NewOrigin(t, nil, "127.0.0.1:0", testutil.ReadHead(), testutil.Wait(go1), testutil.Write(answer), testutil.ReadToEnd())
	o := open(t, origin.Addr().String(), Config{MaxConns: 2})
	put(t, o, get(1, "/"), get(2, "/"))
	if o.Put(get(3, "/"), 0) {
		t.Error("a third connection while two are busy")
	}
	close(go1)
	await(t, func() bool { return o.records.Load() == 0 })
	await(t, func() bool { return o.Put(get(4, "/"), 0) }) // lets an idle one go
	s := shut(t, o, time.Minute)
	if s.Done != 3 || s.Taken-s.Done < 1 || !strings.HasPrefix(dropped(s), "conn-limit ") {
		t.Errorf("%+v", s)
	}
}

func TestARestingConnectionWhoseEndIsNotKnownIsClosed(t *testing.T) {
	testutil.CheckLeaks(t)
	origin := testutil.NewOrigin(t, nil, "127.0.0.1:0", serveEach(1, answer)...)
	o := open(t, origin.Addr().String(), Config{IdleTimeout: time.Millisecond})
	unknown := get(1, "/")
	unknown.Client = netip.AddrPort{}
	put(t, o, unknown, get(2, "/"))
	await(t, func() bool { o.mu.Lock(); defer o.mu.Unlock(); return len(o.live) == 1 })
	if o.byKey[key{2, 0}] == nil {
		t.Error("the connection whose end will be told has gone")
	}
}

func TestLimits(t *testing.T) {
	testutil.CheckLeaks(t)
	origin := testutil.NewOrigin(t, nil, "127.0.0.1:0", serveEach(100, answer)...)
	for _, c := range []struct {
		limit  process.Limit
		opened uint64
		want   string
	}{
		{process.Limit{Connections: 3}, 3 * 20, ""},
		{process.Limit{Connections: 1, PerSecond: 0.001}, 1, "rate 39"},
		{process.Limit{Connections: 1e-9}, 0, "sample 40"},
	} {
		o := open(t, origin.Addr().String(), Config{Limit: c.limit})
		for i := range 40 {
			put(t, o, get(uint64(i%20), "/"))
		}
		s := shut(t, o, time.Minute)
		if o.Report().Opened != c.opened || dropped(s) != c.want {
			t.Errorf("%+v: %d connections, %+v", c.limit, o.Report().Opened, s)
		}
	}
	const share = 0.3
	o := open(t, origin.Addr().String(), Config{Limit: process.Limit{Connections: share}})
	whole := make(map[uint64]int)
	for conn := range uint64(50) {
		whole[conn] = process.Limit{Connections: share}.Copies(conn)
		put(t, o, get(conn, "/"), get(conn, "/"), end(conn))
	}
	n := 0
	for _, copies := range whole {
		n += copies
	}
	if s := shut(t, o, time.Minute); s.Done != uint64(2*n) || o.Report().Opened != uint64(n) || n == 0 || n == 50 {
		t.Errorf("%d of 50 connections: %d opened, %+v", n, o.Report().Opened, s)
	}
}

func TestAPoolOpensNoMoreThanItsWorkers(t *testing.T) {
	testutil.CheckLeaks(t)
	origin := testutil.NewOrigin(t, nil, "127.0.0.1:0", serveEach(200, answer)...)
	o := open(t, origin.Addr().String(), Config{Workers: 2})
	for conn := range uint64(100) {
		put(t, o, get(conn, "/"), end(conn))
	}
	s := shut(t, o, time.Minute)
	if n := o.Report().Opened; s.Done != 100 || n < 1 || n > 2 {
		t.Errorf("%d connections, %+v", n, s)
	}
}

func TestWhatIsNoWholeRequestIsNotSent(t *testing.T) {
	testutil.CheckLeaks(t)
	origin := testutil.NewOrigin(t, nil, "127.0.0.1:0", serveEach(1, answer)...)
	o := open(t, origin.Addr().String(), Config{})
	stray := &record.Record{Kind: record.Stream, Conn: 1, Data: []byte("x")}
	put(t, o, raw(1, "POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nabc"), stray, &record.Record{Kind: record.Response})
	if s := shut(t, o, time.Minute); dropped(s) != "incomplete 1, not-upgraded 1" || o.Report().Opened != 0 {
		t.Errorf("%+v", s)
	}
}
