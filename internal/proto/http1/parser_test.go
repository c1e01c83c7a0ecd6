package http1

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gortap/internal/flow"
	"gortap/internal/proto"
	"gortap/internal/proto/prototest"
)

// numbered replaces the N that repeated lines begin with.
func numbered(want string) string {
	lines := strings.SplitAfter(want, "\n")
	for i, l := range lines {
		if strings.HasPrefix(l, "N ") {
			lines[i] = fmt.Sprint(i) + l[1:]
		}
	}
	return strings.Join(lines, "")
}

func TestConnectionGivesExchanges(t *testing.T) {
	for _, tc := range append(wellFormed(), gaps()...) {
		t.Run(tc.name, func(t *testing.T) {
			h := play(t, testFactory(), tc.mid, tc.script, prototest.Whole, tc.close)
			if diff := cmp.Diff(numbered(tc.want), h.String()); diff != "" {
				t.Errorf("exchanges (-want +got)\n%s", diff)
			}
		})
	}
}

func TestAnySplitGivesTheSame(t *testing.T) {
	for _, tc := range wellFormed() {
		t.Run(tc.name, func(t *testing.T) {
			f := testFactory()
			want := play(t, f, tc.mid, tc.script, prototest.Whole, tc.close)
			same := func(what string, sc prototest.Script, cut func(int) int) {
				got := play(t, f, tc.mid, sc, cut, tc.close)
				if got.String() != want.String() {
					t.Fatalf("%s (-want +got)\n%s", what, cmp.Diff(want.String(), got.String()))
				}
				if !reflect.DeepEqual(want.ledger.Exchanges, got.ledger.Exchanges) {
					t.Fatalf("%s (-want +got)\n%s", what, cmp.Diff(want.ledger.Exchanges, got.ledger.Exchanges))
				}
			}
			same("single bytes", tc.script, prototest.Single)
			for i, e := range tc.script {
				for at := 1; at < len(e.Data); at += 1 + len(e.Data)/500 {
					cut := &cutter{event: i, at: at}
					same(fmt.Sprintf("event %d split at %d", i, at), tc.script, cut.next(tc.script))
				}
			}
			for seed := range uint64(20) {
				r := rand.New(rand.NewPCG(seed, 1))
				same(fmt.Sprintf("random split %d", seed), tc.script, prototest.Random(r))
			}
		})
	}
}

// cutter splits one event of a script in two and leaves the others whole.
type cutter struct{ event, at int }

func (c *cutter) next(sc prototest.Script) func(int) int {
	i, done := 0, false
	for ; i < len(sc) && len(sc[i].Data) == 0; i++ {
	}
	return func(left int) int {
		n := left
		if i == c.event && !done {
			n, done = c.at, true
		}
		if n == left {
			for i++; i < len(sc) && len(sc[i].Data) == 0; i++ {
			}
		}
		return n
	}
}

func TestTimesOfAnExchange(t *testing.T) {
	sc := script(
		c("PUT /x HTTP/1.1\r\nExpect: 100-conti"), // at 1 us
		c("nue\r\nContent-Length: 2\r\n\r\n"),     // 2
		s("HTTP/1.1 100 Continue\r\n\r\n"),        // 3
		c("a"), c("b"),                            // 4, 5
		s("HTTP/1.1 200 OK\r\n"), s("Content-Length: 2\r\n\r\n"), // 6, 7
		s("h"), s("i"), c(get)) // 8, 9, 10
	h := play(t, testFactory(), false, sc, prototest.Whole, proto.Complete)
	x := h.ledger.Exchanges[0]
	got := [4]int64{x.Request.FirstNs, x.Request.LastNs, x.Response.FirstNs, x.Response.LastNs}
	if want := [4]int64{1000, 5000, 6000, 9000}; got != want {
		t.Errorf("first and last byte of request and response at %v, want %v", got, want)
	}
}

// TestParsersAndExchangesAreReused runs many connections through one factory:
// nothing of one may show in another.
func TestParsersAndExchangesAreReused(t *testing.T) {
	f := testFactory()
	cases := append(wellFormed(), gaps()...)
	for round := range 3 {
		for _, tc := range cases {
			h := play(t, f, tc.mid, tc.script, prototest.Whole, tc.close)
			if diff := cmp.Diff(numbered(tc.want), h.String()); diff != "" {
				t.Fatalf("round %d, %s (-want +got)\n%s", round, tc.name, diff)
			}
		}
	}
	if n := len(f.parsers); n != 1 {
		t.Errorf("%d parsers in the pool, want the one that served every connection", n)
	}
}

func TestHeldRequestKeepsItsTime(t *testing.T) {
	sc := script(c("CONNECT h:1 HTTP/1.1\r\n\r\n"), c(get[:9]), c(get[9:]), s("HTTP/1.1 405 No\r\nContent-Length: 0\r\n\r\n"), s(ok5))
	h := play(t, testFactory(), false, sc, prototest.Whole, proto.Complete)
	x := h.ledger.Exchanges[1]
	if x.Request.FirstNs != 2000 || x.Response.FirstNs != 5000 {
		t.Errorf("request at %d ns and response at %d ns, want 2000 and 5000", x.Request.FirstNs, x.Response.FirstNs)
	}
}

// TestRequestOfHiddenEndIsDoneWithItsResponse: nobody has to wait for the next.
func TestRequestOfHiddenEndIsDoneWithItsResponse(t *testing.T) {
	h := newHarness(testFactory(), false)
	h.Data(client, []byte("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello"), 1)
	h.Gap(client, 100, flow.Skipped, 2)
	h.Data(server, []byte(ok5), 3)
	if n := len(h.ledger.Exchanges); n != 1 {
		t.Errorf("%d exchanges done after the response, want 1", n)
	}
	h.Close(proto.Complete, 4)
}
