package detect

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"

	"gortap/internal/insight"
)

// Whatever came before, a target is read alike.
func TestTargetsThatCameBeforeAreReadAlike(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	ts := newTargets()
	for range 20_000 {
		// Many begin and end alike, have one length and so one place.
		text := fmt.Sprintf("/lists/%d?page=%d&sort=name", r.IntN(1000), r.IntN(1000))
		if r.IntN(10) == 0 {
			text = text[:r.IntN(len(text))]
		}
		var want target
		ts.read(text, &want)
		if got := ts.find(text); *got != want {
			t.Fatalf("%q is %+v, want %+v", text, *got, want)
		}
	}
}

// A row's number only shows the way to an endpoint: names decide.
func TestRowsOnlyShowTheWayToEndpoints(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 2))
	tb := newTable(16, func(int) {})
	for range 20_000 {
		o := insight.Observation{Service: fmt.Sprint("s", r.IntN(3)), Method: "GET", Path: fmt.Sprint("/", r.IntN(10)), Row: uint32(r.IntN(30))}
		if e := tb.of(&o); e.service != o.Service || e.method != o.Method || e.path != o.Path || tb.index[endpointKey{e.service, e.method, e.path}] != e {
			t.Fatalf("%s %s went to %s", o.Service, o.Path, e.name())
		}
	}
}

// A member whose place another took is not found again.
func TestCrowdsTellMembersApart(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 3))
	var c crowd
	for range 20_000 {
		addr := netip.AddrFrom4([4]byte{10, 0, byte(r.IntN(2)), byte(r.IntN(256))})
		m := c.of(hashAddr(addr), addr)
		if m.addr != addr || m.network != networkOf(addr) || c.index[hashAddr(addr)] != m {
			t.Fatalf("%s is %s in %s", addr, m.addr, m.network)
		}
		m.bytes++
	}
}
