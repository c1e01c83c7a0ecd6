package http2

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
	xhttp2 "golang.org/x/net/http2"

	"gortap/internal/proto"
	"gortap/internal/proto/prototest"
)

// randomTraffic is a connection with some of everything, interleaved.
func randomTraffic(r *rand.Rand) prototest.Script {
	w := opened()
	open := map[uint32]int{} // how far a stream got
	next := uint32(1)
	text := func(n int) string {
		b := make([]byte, r.IntN(n))
		for i := range b {
			b[i] = byte(r.IntN(256) * r.IntN(2))
		}
		return string(b)
	}
	for range 30 + r.IntN(60) {
		switch r.IntN(9) {
		case 0, 1:
			ct := "content-type: text/plain"
			if r.IntN(2) == 0 {
				ct = "content-type: application/grpc"
			}
			w.headers(client, next, r.IntN(2) == 0, ":method: POST", ":scheme: http", ":authority: h",
				fmt.Sprintf(":path: /%d", r.IntN(5)), ct)
			open[next] = 0
			next += 2
		case 2:
			w.frame(client, func(f *xhttp2.Framer) error { return f.WriteWindowUpdate(uint32(r.IntN(9)), 1000) })
		case 3:
			w.frame(server, func(f *xhttp2.Framer) error { return f.WritePing(r.IntN(2) == 0, [8]byte{}) })
		}
		for id, at := range open {
			switch {
			case r.IntN(3) > 0:
			case r.IntN(10) == 0:
				w.frame(client, func(f *xhttp2.Framer) error { return f.WriteRSTStream(id, xhttp2.ErrCodeCancel) })
				delete(open, id)
			case at == 0:
				w.headers(server, id, false, ":status: 200", "content-type: application/grpc", fmt.Sprintf("x: %d", r.IntN(4)))
				open[id] = 1
			case at == 1 && r.IntN(3) > 0:
				w.frame(server, func(f *xhttp2.Framer) error {
					return f.WriteDataPadded(id, false, []byte(message(r.IntN(300))+text(50)), make([]byte, r.IntN(20)))
				})
				w.data(client, id, r.IntN(4) == 0, text(200))
			default:
				w.headers(server, id, true, "grpc-status: 0")
				delete(open, id)
			}
			break
		}
	}
	return w.script
}

func TestAnySplitGivesTheSameResult(t *testing.T) {
	for seed := range uint64(60) {
		r := rand.New(rand.NewPCG(seed, 1))
		sc := randomTraffic(r)
		env := proto.Env{}
		if seed%3 == 1 {
			sc = sc.Damaged(r, 3)
		}
		if seed%3 == 2 {
			sc, env.MidStream = sc[r.IntN(len(sc)/2):], true
		}
		want := play(t, sc, env, Options{}, prototest.Whole, proto.Complete)
		for name, cut := range map[string]func(int) int{"single": prototest.Single, "random": prototest.Random(r)} {
			got := play(t, sc, env, Options{}, cut, proto.Complete)
			same(t, fmt.Sprintf("seed %d, %s", seed, name), want, got)
		}
	}
}

// play checks the books; here is nothing to compare with.
func TestDamageIsSurvivedWithEveryByteCredited(t *testing.T) {
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 2))
		sc := randomTraffic(r).Damaged(r, 1+r.IntN(10))
		o := Options{MaxStreams: 1 + r.IntN(8), MaxHeaderBlock: 10 + r.IntN(100), MaxHeaderTable: r.IntN(4096)}
		play(t, sc, proto.Env{MidStream: r.IntN(2) == 0}, o, prototest.Random(r), proto.Reason(r.IntN(2)))
	}
}

// What the damaged capture says of a request must be what the whole one says.
func TestDamageMakesNoRequestUp(t *testing.T) {
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 3))
		sc := randomTraffic(r)
		known := map[string]bool{proto.Unknown: true, "": true}
		for _, x := range play(t, sc, proto.Env{}, Options{}, prototest.Whole, proto.Complete).Exchanges {
			known[string(x.Target)] = true
		}
		for _, x := range play(t, sc.Damaged(r, 5), proto.Env{}, Options{}, prototest.Whole, proto.Complete).Exchanges {
			if !known[string(x.Target)] || (string(x.Method) != "POST" && !known[string(x.Method)]) {
				t.Errorf("seed %d: %s %s was never asked", seed, x.Method, x.Target)
			}
			if x.Status != 200 && x.Status != 0 {
				t.Errorf("seed %d: nobody said %d", seed, x.Status)
			}
		}
	}
}

// FuzzParser plays any bytes: op bytes say whose the next ones are, and what
// becomes of them.
func FuzzParser(f *testing.F) {
	for seed := range uint64(6) {
		r := rand.New(rand.NewPCG(seed, 4))
		f.Add(prototest.Fuzzed(randomTraffic(r)), byte(seed))
	}
	f.Fuzz(func(t *testing.T, b []byte, how byte) {
		sc := prototest.FromFuzz(b)
		env := proto.Env{MidStream: how&1 != 0}
		if how&2 != 0 {
			env.From = &proto.Exchange{Target: []byte("/"), Host: []byte("h")}
		}
		o := Options{MaxStreams: 4, MaxHeaderBlock: 300, MaxHeaderTable: 200}
		whole := play(t, sc, env, o, prototest.Whole, proto.Complete)
		single := play(t, sc, env, o, prototest.Single, proto.Complete)
		same(t, "byte by byte", whole, single)
	})
}

func same(t *testing.T, what string, want, got *prototest.Ledger) {
	t.Helper()
	if diff := cmp.Diff(want.Exchanges, got.Exchanges); diff != "" {
		t.Errorf("%s: exchanges (-want +got):\n%s", what, diff)
	}
	if diff := cmp.Diff(want.Stray, got.Stray); diff != "" {
		t.Errorf("%s: stray bytes (-want +got):\n%s", what, diff)
	}
}
