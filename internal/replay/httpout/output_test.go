package httpout

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gortap/internal/record"
	"gortap/internal/testutil"
)

const answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

// client is where the tests' records come from, so that their end is known.
var client = netip.MustParseAddrPort("192.0.2.1:1234")

func get(conn uint64, path string) *record.Record {
	return &record.Record{Kind: record.Request, Conn: conn, Client: client, Data: []byte("GET " + path + " HTTP/1.1\r\nHost: recorded\r\nX-CASE: 1\r\n\r\n")}
}

func raw(conn uint64, data string) *record.Record {
	return &record.Record{Kind: record.Request, Conn: conn, Client: client, Data: []byte(data)}
}

func end(conn uint64) *record.Record { return &record.Record{Kind: record.End, Conn: conn} }

// open makes an output to the origin.
func open(t *testing.T, address string, cfg Config) *Output {
	t.Helper()
	cfg.URL = "http://" + address
	o, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { shut(t, o, 0) })
	return o
}

// shut closes the output and checks that each record became something.
func shut(t *testing.T, o *Output, wait time.Duration) record.Stats {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), wait)
	defer cancel()
	if err := o.Close(ctx); err != nil {
		t.Error(err)
	}
	s := o.Stats()
	sum := s.Done
	for _, d := range s.Dropped {
		sum += d.N
	}
	if sum != s.Taken {
		t.Errorf("taken %d, done and dropped %d: %+v", s.Taken, sum, s)
	}
	if n, b := o.records.Load(), o.bytes.Load(); n != 0 || b != 0 {
		t.Errorf("%d records and %d bytes were not given back", n, b)
	}
	return s
}

func put(t *testing.T, o *Output, records ...*record.Record) {
	t.Helper()
	for _, r := range records {
		if !o.Put(r, 0) {
			t.Errorf("%q was refused", r.Data)
		}
	}
}

// received returns what the origin's connections received, with its address left out.
func received(o *testutil.Origin) []string {
	var all []string
	for _, s := range o.Drain() {
		all = append(all, strings.ReplaceAll(string(s.Received), o.Addr().String(), "TARGET"))
	}
	return all
}

func want(t *testing.T, what string, got, want any) {
	t.Helper()
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("%s (-want +got):\n%s", what, d)
	}
}

func dropped(s record.Stats) string {
	var all []string
	for _, d := range s.Dropped {
		all = append(all, fmt.Sprintf("%s %d", d.Reason, d.N))
	}
	return strings.Join(all, ", ")
}

// serveEach answers n requests without a body, then waits for the client to end.
func serveEach(n int, answer string) []testutil.Step {
	var steps []testutil.Step
	for range n {
		steps = append(steps, testutil.ReadHead(), testutil.Write(answer))
	}
	return append(steps, testutil.ReadToEnd())
}

func TestOneConnectionForEachRecordedOneInItsOrder(t *testing.T) {
	testutil.CheckLeaks(t)
	origin := testutil.NewOrigin(t, nil, "127.0.0.1:0", serveEach(3, answer)...)
	o := open(t, origin.Addr().String(), Config{})
	for i := range 3 {
		for conn := range uint64(4) {
			put(t, o, get(conn, fmt.Sprintf("/%d/%d", conn, i)))
		}
	}
	for conn := range uint64(4) {
		put(t, o, end(conn))
	}
	s := shut(t, o, time.Minute)
	got := make(map[string]bool)
	for _, r := range received(origin) {
		got[r] = true
	}
	wanted := make(map[string]bool)
	for conn := range 4 {
		text := ""
		for i := range 3 {
			text += fmt.Sprintf("GET /%d/%d HTTP/1.1\r\nHost: TARGET\r\nX-CASE: 1\r\n\r\n", conn, i)
		}
		wanted[text] = true
	}
	want(t, "connections", got, wanted)
	if s.Done != 12 || o.Report().Opened != 4 || o.Report().Statuses[200] != 12 {
		t.Errorf("done %d, report %+v", s.Done, o.Report())
	}
}

func TestTheNextRequestWaitsForTheResponseUnlessItWasPipelined(t *testing.T) {
	testutil.CheckLeaks(t)
	for _, pipelined := range []bool{false, true} {
		go1 := make(chan struct{})
		origin := testutil.NewOrigin(t, nil, "127.0.0.1:0",
			testutil.ReadHead(), testutil.Wait(go1), testutil.Write(answer), testutil.ReadHead(), testutil.Write(answer), testutil.ReadToEnd())
		o := open(t, origin.Addr().String(), Config{})
		const conns = 20
		for conn := range uint64(conns) {
			second := get(conn, "/2")
			second.Pipelined = pipelined
			put(t, o, get(conn, "/1"), second, end(conn))
		}
		// The second has to come without the first answer, or must not.
		under := map[bool]int{false: conns, true: 2 * conns}[pipelined]
		await(t, func() bool { return sentNow(o) >= under })
		if n := sentNow(o); n != under {
			t.Errorf("pipelined %v: %d requests of %d connections under way", pipelined, n, conns)
		}
		close(go1)
		if s := shut(t, o, time.Minute); s.Done != 2*conns {
			t.Errorf("pipelined %v: %+v", pipelined, s)
		}
		want(t, "connections", len(received(origin)), conns)
	}
}
