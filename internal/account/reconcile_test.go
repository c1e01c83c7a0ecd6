package account

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gortap/internal/flow"
	"gortap/internal/proto"
)

// checkBalance asserts that each service's bytes add up to its payload.
func checkBalance(t *testing.T, m map[string]float64) {
	t.Helper()
	for _, metric := range []string{"gor_reconcile_errors_total", "gor_unreconciled_bytes_total"} {
		if n := sum(m, metric); n != 0 {
			t.Errorf("%s is %v", metric, n)
		}
	}
	checkServices(t, m)
}

func checkServices(t *testing.T, m map[string]float64) {
	t.Helper()
	services := map[string]bool{}
	for k := range m {
		if strings.HasPrefix(k, "gor_tcp_payload_bytes_total{") || strings.HasPrefix(k, "gor_bytes_total{") {
			services[strings.TrimSuffix(k[strings.Index(k, ",service=")+len(",service="):], "}")] = true
		}
	}
	for service := range services {
		for _, side := range []string{"request", "response"} {
			labels := []string{"service=" + service, "direction=" + side}
			bytes, payload := sum(m, "gor_bytes_total", labels...), sum(m, "gor_tcp_payload_bytes_total", labels...)
			if bytes != payload {
				t.Errorf("service %s has %v %s bytes and %v of payload", service, bytes, side, payload)
			}
		}
	}
}

func pathBytes(m map[string]float64, path string) float64 {
	return sum(m, "gor_bytes_total", "method=", "path="+path)
}

func TestUpdateTakesForLostOnlyWhatThePreviousOneCounted(t *testing.T) {
	a := newAccount(t, Config{}, 1)
	f := newSim(a.Shard(0), "10.0.0.9:40000", "10.0.0.1:80").open()
	x := f.begin("GET", "h", "/")
	f.seen(req, 100)
	f.update()
	if n := pathBytes(flatten(t, a), "(lost)"); n != 0 {
		t.Errorf("%v bytes are lost that may still be in the ring", n)
	}
	f.handed(req, 60) // 40 of them were lost
	a.Shard(0).Bytes(x, req, 60)
	f.seen(req, 5)
	f.update()
	if n := pathBytes(flatten(t, a), "(lost)"); n != 40 {
		t.Errorf("%v bytes are lost, want 40", n)
	}
	f.handed(req, 5)
	a.Shard(0).Bytes(x, req, 5)
	a.Shard(0).Done(x)
	f.close()
	f.end()
	m := flatten(t, a)
	if n := pathBytes(m, "(lost)"); n != 40 {
		t.Errorf("%v bytes are lost in the end, want 40", n)
	}
	checkBalance(t, m)
}

func TestHeldBytesAreNotLost(t *testing.T) {
	a := newAccount(t, Config{}, 1)
	f := newSim(a.Shard(0), "10.0.0.9:40000", "10.0.0.1:80").open()
	f.seen(req, 300)
	f.handed(req, 100)              // the parser waits for the end of a head
	f.asm.Dirs[f.up].Buffered = 150 // and the assembler for 50 bytes before these
	for range 3 {
		f.update()
	}
	if n := pathBytes(flatten(t, a), "(lost)"); n != 50 {
		t.Errorf("%v bytes are lost, want 50", n)
	}
	f.asm.Dirs[f.up].Buffered = 0
	f.asm.Dirs[f.up].Delivered = 250
	x := f.begin("GET", "h", "/")
	a.Shard(0).Bytes(x, req, 250)
	a.Shard(0).Done(x)
	f.close()
	f.end()
	m := flatten(t, a)
	if n := pathBytes(m, "(lost)"); n != 50 {
		t.Errorf("%v bytes are lost in the end, want 50", n)
	}
	checkBalance(t, m)
}

func TestResidualIsCreditedAtOnceAndNamed(t *testing.T) {
	a := newAccount(t, Config{}, 1)
	s := a.Shard(0)
	f := newSim(s, "10.0.0.9:40000", "10.0.0.1:5432").open()
	f.seen(req, 100)
	f.handed(req, 100)
	s.Unattributed(f.conn, req, 100, proto.NotHTTP)
	s.Residual(f.conn, proto.NotHTTP)
	f.seen(req, 1000)
	f.seen(res, 9000)
	f.update()
	m := flatten(t, a)
	if got := pathBytes(m, "(not-http)"); got != 10100 {
		t.Errorf("%v bytes are booked, want 10100", got)
	}
	// 400 of the bytes that were counted were still on their way.
	f.handed(res, 400)
	s.Unattributed(f.conn, res, 400, proto.NotHTTP)
	f.seen(res, 60)
	f.update()
	if got := pathBytes(flatten(t, a), "(not-http)"); got != 10160 {
		t.Errorf("%v bytes are booked, want 10160", got)
	}
	f.close()
	f.end()
	m = flatten(t, a)
	want := map[string]float64{
		"gor_bytes_total{direction=request,method=,path=(not-http),service=10.0.0.1:5432}":  1100,
		"gor_bytes_total{direction=response,method=,path=(not-http),service=10.0.0.1:5432}": 9060,
		"gor_tcp_payload_bytes_total{direction=request,service=10.0.0.1:5432}":              1100,
		"gor_tcp_payload_bytes_total{direction=response,service=10.0.0.1:5432}":             9060,
		"gor_network_bytes_total{direction=request,service=10.0.0.1:5432}":                  1180,
		"gor_network_bytes_total{direction=response,service=10.0.0.1:5432}":                 9140,
	}
	if diff := cmp.Diff(want, m); diff != "" {
		t.Errorf("metrics (-want +got):\n%s", diff)
	}
}

func TestResidualEndsWithItsConnection(t *testing.T) {
	a := newAccount(t, Config{}, 1)
	s := a.Shard(0)
	f := newSim(s, "10.0.0.9:40000", "10.0.0.1:80").open()
	s.Residual(f.conn, proto.Tunnel)
	f.seen(res, 500)
	f.update()
	f.seen(res, 50) // the tunnel's last bytes, counted after its last Update
	f.close()
	f.open() // the same port again
	f.update()
	f.update()
	f.seen(res, 7)
	f.close()
	f.end()
	m := flatten(t, a)
	if tunnel, lost := pathBytes(m, "(tunnel)"), pathBytes(m, "(lost)"); tunnel != 550 || lost != 7 {
		t.Errorf("tunnel %v and lost %v, want 550 and 7", tunnel, lost)
	}
	checkBalance(t, m)
}

func TestFlowWithoutConnectionIsBookedByAddress(t *testing.T) {
	a := newAccount(t, Config{}, 1)
	f := newSim(a.Shard(0), "10.0.0.9:40000", "10.0.0.1:80")
	f.seen(req, 100)
	a.Shard(0).SetResidual(f.totals.Key, proto.SkippedBytes) // not sampled
	f.update()
	g := newSim(a.Shard(0), "10.0.0.9:90", "10.0.0.1:8000") // the SYN tells, not the ports
	g.seen(res, 10)
	g.end()
	h := newSim(a.Shard(0), "10.0.0.9:40001", "10.0.0.2:80")
	h.totals.OpenerKnown = false
	h.seen(res, 20)
	h.end()
	m := flatten(t, a)
	for key, want := range map[string]float64{
		"gor_bytes_total{direction=request,method=,path=(skipped),service=10.0.0.1:80}": 100,
		"gor_bytes_total{direction=response,method=,path=(lost),service=10.0.0.1:8000}": 10,
		"gor_bytes_total{direction=response,method=,path=(lost),service=10.0.0.2:80}":   20,
	} {
		if m[key] != want {
			t.Errorf("%s is %v, want %v", key, m[key], want)
		}
	}
	checkBalance(t, m)
}

func TestHandshakeWaitsForTheServiceOfTheRequest(t *testing.T) {
	a := newAccount(t, Config{}, 1)
	f := newSim(a.Shard(0), "10.0.0.9:40000", "10.0.0.1:80").open()
	f.seen(req, 0)
	f.seen(res, 0)
	for range 3 {
		f.update()
	}
	if m := flatten(t, a); sum(m, "gor_network_bytes_total") != 0 {
		t.Errorf("the handshake is booked: %v", m)
	}
	f.exchange("GET", "h", "/", 10, 10, 1)
	f.update()
	m := flatten(t, a)
	if got := sum(m, "gor_network_bytes_total", "service=h"); got != 4*40+20 || got != sum(m, "gor_network_bytes_total") {
		t.Errorf("service h has %v network bytes of %v", got, sum(m, "gor_network_bytes_total"))
	}
}

func TestConnectionOfManyServicesBalancesForEach(t *testing.T) {
	a := newAccount(t, Config{}, 1)
	f := newSim(a.Shard(0), "10.0.0.9:40000", "10.0.0.1:80").open()
	for i := range 3 * maxDebts { // more than can be owed at once
		f.exchange("GET", fmt.Sprintf("h%d.example", i%(maxDebts*2)), "/", 10, 100, 1)
	}
	if n := len(a.Shard(0).ledgers[f.totals.Key].debts); n > maxDebts {
		t.Errorf("%d debts", n)
	}
	f.seen(res, 5)
	f.close()
	f.end()
	m := flatten(t, a)
	checkBalance(t, m)
	if got, want := sum(m, "gor_tcp_payload_bytes_total"), 3.0*maxDebts*110+5; got != want {
		t.Errorf("payload is %v, want %v", got, want)
	}
}

func TestRolesTurnedRoundStayBalanced(t *testing.T) {
	all := Rule{Name: "all", CIDRs: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}
	a := newAccount(t, Config{Rules: []Rule{all}}, 1)
	s := a.Shard(0)
	f := newSim(s, "10.0.0.9:40000", "10.0.0.1:80").open()
	f.conn.ClientKnown = false
	f.conn.Client = f.up.Other() // a wrong guess
	f.seen(req, 30)
	f.handed(req, 30)
	s.Unattributed(f.conn, res, 30, proto.MidStream)
	f.conn.Client = f.up
	f.exchange("GET", "h", "/", 10, 20, 1)
	f.close()
	f.end()
	checkBalance(t, flatten(t, a))
}

func TestCreditBeyondTheCountIsAnError(t *testing.T) {
	a := newAccount(t, Config{}, 1)
	f := newSim(a.Shard(0), "10.0.0.9:40000", "10.0.0.1:80").open()
	f.exchange("GET", "h", "/", 10, 20, 1)
	f.totals.Dirs[f.up].Payload -= 3
	f.close()
	f.end()
	m := flatten(t, a)
	if got := m["gor_reconcile_errors_total{reason=excess}"]; got != 3 {
		t.Errorf("excess is %v, want 3", got)
	}
	if got := sum(m, "gor_tcp_payload_bytes_total"); got != 27 {
		t.Errorf("payload is %v, want the capture's count of 27", got)
	}
	if got := m["gor_account_flows{}"]; got != 0 {
		t.Errorf("%v flows remain", got)
	}
}

func TestConnectionThatOutlivesItsFlowGoesOn(t *testing.T) {
	a := newAccount(t, Config{}, 1)
	f := newSim(a.Shard(0), "10.0.0.9:40000", "10.0.0.1:80").open()
	x := f.begin("GET", "h", "/")
	f.flowing(x, req, 10)
	f.seen(res, 50)
	f.handed(res, 30) // not credited yet; 20 were lost
	f.end()
	key, opener := f.totals.Key, f.totals.Opener
	f.totals = flow.Totals{Key: key, FirstNs: 1, Opener: opener, OpenerKnown: true}
	a.Shard(0).Bytes(x, res, 30)
	f.flowing(x, res, 500) // more than the flow before had
	a.Shard(0).Done(x)
	f.close()
	f.end()
	m := flatten(t, a)
	checkBalance(t, m)
	if lost, all := pathBytes(m, "(lost)"), sum(m, "gor_tcp_payload_bytes_total"); lost != 20 || all != 560 {
		t.Errorf("lost %v of %v, want 20 of 560", lost, all)
	}
}

func TestFlowThatIsNeverReportedIsGivenUp(t *testing.T) {
	a := newAccount(t, Config{}, 1)
	s := a.Shard(0)
	s.Tick(1)
	f := newSim(s, "10.0.0.9:40000", "10.0.0.1:80").open()
	f.exchange("GET", "h", "/", 10, 20, 1)
	s.Tick(int64(unreportedAfter) * 2)
	if m := flatten(t, a); m["gor_account_flows{}"] != 1 {
		t.Error("a flow with an open connection was given up")
	}
	f.close()
	s.Tick(int64(unreportedAfter) * 4)
	m := flatten(t, a)
	if got := m["gor_reconcile_errors_total{reason=unreported}"]; got != 30 || m["gor_account_flows{}"] != 0 {
		t.Errorf("unreported is %v, want 30; %v flows remain", got, m["gor_account_flows{}"])
	}
	checkServices(t, m)

	f.end() // after all
	m = flatten(t, a)
	checkServices(t, m)
	if lost := pathBytes(m, "(lost)"); lost != 0 {
		t.Errorf("%v bytes of a flow given up are called lost", lost)
	}
	if got := m["gor_unreconciled_bytes_total{by=capture}"]; got != 30 {
		t.Errorf("unreconciled is %v, want 30", got)
	}
}

func TestFlowsBeyondTheLimitAreCountedAndNotCalledLost(t *testing.T) {
	a := newAccount(t, Config{MaxFlows: 2}, 1)
	s := a.Shard(0)
	var flows []*sim
	for i := range 4 {
		f := newSim(s, fmt.Sprintf("10.0.0.9:%d", 40000+i), "10.0.0.1:80").open()
		f.exchange("GET", "h", "/", 10, 20, 1)
		s.Unattributed(f.conn, res, 0, proto.Malformed)
		flows = append(flows, f)
	}
	for i, f := range flows {
		f.update()
		f.close()
		if i%2 == 0 {
			f.end() // makes room: the others' totals find a ledger that knows nothing
			f.totals = flow.Totals{Key: f.totals.Key, FirstNs: 100, Opener: f.up, OpenerKnown: true}
		}
	}
	for _, f := range flows {
		f.update()
		f.end()
	}
	m := flatten(t, a)
	checkServices(t, m)
	for key, want := range map[string]float64{
		"gor_unreconciled_bytes_total{by=parser}":  60,
		"gor_unreconciled_bytes_total{by=capture}": 60,
		"gor_account_flows{}":                      0,
	} {
		if m[key] != want {
			t.Errorf("%s is %v, want %v", key, m[key], want)
		}
	}
	if lost := pathBytes(m, "(lost)"); lost != 0 {
		t.Errorf("%v bytes are called lost", lost)
	}
	if got, want := sum(m, "gor_network_bytes_total"), 4.0*(30+80); got != want {
		t.Errorf("network bytes are %v, want %v: they need no ledger", got, want)
	}
}

func TestTotalsThatGoBackAreThoseOfANewFlow(t *testing.T) {
	a := newAccount(t, Config{}, 1)
	f := newSim(a.Shard(0), "10.0.0.9:40000", "10.0.0.1:80").open()
	f.exchange("GET", "h", "/", 100, 1000, 1)
	f.update()
	f.totals.Dirs = [2]flow.DirTotals{}
	f.exchange("GET", "h", "/", 10, 20, 1)
	f.close()
	f.end()
	m := flatten(t, a)
	checkBalance(t, m)
	if got, want := sum(m, "gor_network_bytes_total"), 1100.0+30+4*40; got != want {
		t.Errorf("network bytes are %v, want %v", got, want)
	}
}

func TestQuietFlowThatWasReportedIsNotGivenUp(t *testing.T) {
	a := newAccount(t, Config{}, 1)
	s := a.Shard(0)
	s.Tick(1)
	f := newSim(s, "10.0.0.9:40000", "10.0.0.1:80").open()
	f.exchange("GET", "h", "/", 10, 20, 1)
	f.update()
	f.close()
	s.Tick(int64(unreportedAfter) * 10)
	f.update()
	f.end()
	m := flatten(t, a)
	checkBalance(t, m)
	if got := sum(m, "gor_network_bytes_total"); got != 30+80 {
		t.Errorf("network bytes are %v, want 110", got)
	}
}

func TestFlowThatEndsWithoutRoomIsBookedByTheNetwork(t *testing.T) {
	a := newAccount(t, Config{MaxFlows: 1}, 1)
	newSim(a.Shard(0), "10.0.0.9:1", "10.0.0.1:80").open()
	f := newSim(a.Shard(0), "10.0.0.9:40000", "10.0.0.2:80")
	f.seen(res, 100)
	f.update()
	f.end()
	want := map[string]float64{
		"gor_account_flows{}": 1,
		"gor_network_bytes_total{direction=response,service=10.0.0.2:80}": 140,
		"gor_unreconciled_bytes_total{by=capture}":                        100,
	}
	if diff := cmp.Diff(want, flatten(t, a)); diff != "" {
		t.Errorf("metrics (-want +got):\n%s", diff)
	}
}
