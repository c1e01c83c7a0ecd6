package http1

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"gortap/internal/proto"
	"gortap/internal/proto/prototest"
)

// traffic is a random connection whose request /i is answered with status
// 400+i, so that a wrong pair shows.
type traffic struct {
	r        *rand.Rand
	script   prototest.Script
	sent     int
	answered int
	heads    []bool // which requests are HEAD
}

func (g *traffic) request() {
	method := [...]string{"GET", "HEAD", "POST", "purge"}[g.r.IntN(4)]
	g.script = append(g.script, c(fmt.Sprintf("%s /%d HTTP/1.1\r\nHost: h\r\n%s", method, g.sent, g.body(method != "GET" && method != "HEAD"))))
	g.heads = append(g.heads, method == "HEAD")
	g.sent++
}

func (g *traffic) response() {
	g.script = append(g.script, s(fmt.Sprintf("HTTP/1.1 %d X\r\n%s", 400+g.answered, g.body(!g.heads[g.answered]))))
	g.answered++
}

// body returns the end of a head and a body, framed one way or another.
func (g *traffic) body(content bool) string {
	n := g.r.IntN(60)
	text := strings.Repeat("text of a line\nand more 0\r\n", 3)[:n]
	if !content {
		return "\r\n"
	}
	if g.r.IntN(2) == 0 {
		return fmt.Sprintf("Content-Length: %d\r\n\r\n%s", n, text)
	}
	if n == 0 {
		return "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
	}
	return fmt.Sprintf("Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n1;e\r\nx\r\n0\r\nT: v\r\n\r\n", n, text)
}

// lockstep appends rounds of up to batch requests and then their responses.
func (g *traffic) lockstep(rounds, batch int) {
	for range rounds {
		n := 1 + g.r.IntN(batch)
		for range n {
			g.request()
		}
		for range n {
			g.response()
		}
	}
}

// overlapping appends a client that always has two requests going.
func (g *traffic) overlapping(rounds int) {
	g.request()
	for range rounds {
		g.request()
		g.response()
	}
	g.response()
}

func TestGapsNeverMispairAndLaterExchangesRecover(t *testing.T) {
	for name, grow := range map[string]func(g *traffic){
		"one at a time": func(g *traffic) { g.lockstep(6, 1) },
		"in batches":    func(g *traffic) { g.lockstep(4, 4) },
		"overlapping":   func(g *traffic) { g.overlapping(8) },
	} {
		t.Run(name, func(t *testing.T) {
			f := testFactory()
			for seed := range uint64(1200) {
				g := &traffic{r: rand.New(rand.NewPCG(seed, 7))}
				overlapping := name == "overlapping"
				if overlapping {
					g.overlapping(2) // what such a client does has to be seen once
				}
				sc := g.script
				g.script = nil
				grow(g)
				sc = append(sc, g.script.Damaged(g.r, 1+g.r.IntN(3))...)
				g.script = nil
				g.tail()
				sc = append(sc, g.script...)
				h := play(t, f, seed%5 == 4 && !overlapping, sc, prototest.Whole, proto.Complete)
				mispaired(t, h)
				if !overlapping {
					recovered(t, h, g.answered-1)
				}
				if t.Failed() {
					t.Fatalf("seed %d: %s\n%s", seed, render(sc), h)
				}
			}
		})
	}
}

// tail appends what has to come out whole again at the end.
func (g *traffic) tail() {
	for range 3 {
		g.script = append(g.script,
			c(fmt.Sprintf("GET /%d HTTP/1.1\r\nHost: h\r\n\r\n", g.sent)),
			s(fmt.Sprintf("HTTP/1.1 %d X\r\nContent-Length: 5\r\n\r\nhello", 400+g.sent)))
		g.sent++
	}
	g.answered = g.sent
}

func mispaired(t *testing.T, h *harness) {
	t.Helper()
	for _, x := range h.ledger.Exchanges {
		if x.Status == 0 || x.Target == nil {
			continue
		}
		want := fmt.Sprintf("/%d", x.Status-400)
		cut := x.Request.Incomplete == proto.Truncated || x.Request.Incomplete == proto.SkippedBytes
		if string(x.Target) != want && !(cut && strings.HasPrefix(want, string(x.Target))) {
			t.Errorf("request %s got response %d, which answers %s", x.Target, x.Status, want)
		}
	}
}

func recovered(t *testing.T, h *harness, last int) {
	t.Helper()
	for _, x := range h.ledger.Exchanges {
		if string(x.Target) == fmt.Sprintf("/%d", last) && x.Status == 400+last && x.Incomplete() == proto.Complete && x.Response.Body == 5 {
			return
		}
	}
	t.Errorf("exchange /%d did not come out whole", last)
}

// render shows a script for a failure message.
func render(sc prototest.Script) string {
	var b strings.Builder
	for _, e := range sc {
		switch {
		case e.End:
			fmt.Fprintf(&b, "%s end\n", e.Side)
		case e.Gap > 0:
			fmt.Fprintf(&b, "%s gap %d kind %d\n", e.Side, e.Gap, e.Why)
		default:
			fmt.Fprintf(&b, "%s %q\n", e.Side, e.Data)
		}
	}
	return b.String()
}

// TestAnyGapKeepsTheContract puts gaps at every place of every case.
func TestAnyGapKeepsTheContract(t *testing.T) {
	f := testFactory()
	for i, tc := range append(wellFormed(), gaps()...) {
		for seed := range uint64(150) {
			r := rand.New(rand.NewPCG(seed, uint64(i)))
			sc := tc.script.Damaged(r, 1+r.IntN(4))
			if len(sc) == 0 {
				continue
			}
			h := play(t, f, tc.mid, sc, prototest.Random(r), tc.close)
			if t.Failed() {
				t.Fatalf("%s, seed %d: %s\n%s", tc.name, seed, render(sc), h)
			}
		}
	}
}
