package intake

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"gortap/internal/flow"
	"gortap/internal/insight"
	"gortap/internal/proto"
	"gortap/internal/testutil"
)

// copies is a capture's control that writes down what it is asked for.
type copies struct{ depths []flow.Depth }

func (c *copies) SetDepth(_ flow.Key, d flow.Depth) { c.depths = append(c.depths, d) }

// wholeRig plays exchanges whose bodies are longer than what was copied of them.
type wholeRig struct {
	f     *Feed
	now   int64
	conns uint64
	may   bool
}

func newWholeRig(t *testing.T) *wholeRig {
	testutil.CheckLeaks(t)
	r := &wholeRig{now: 1e18, may: true}
	in := New(Config{Store: insight.NewStore(insight.NewBook(insight.Config{}), nil), Wait: true, Whole: func() bool { return r.may }})
	r.f = in.Feed(nil)
	r.f.Tick(r.now)
	t.Cleanup(func() { r.f.Close(); in.Close() })
	return r
}

func (r *wholeRig) connection() (*proto.Exchange, *copies) {
	r.conns++
	c := &copies{}
	return &proto.Exchange{Conn: &proto.Conn{ID: r.conns, Control: c}, Protocol: proto.HTTP11, Service: "shop", Path: "/", Status: 200}, c
}

func (r *wholeRig) exchange(x *proto.Exchange, size, seen int64) {
	r.now += 1e6
	x.Response.Body = size
	r.f.Begin(x)
	r.f.Payload(x, proto.Server, proto.Body, make([]byte, seen))
	r.f.Exchange(x)
	r.f.Tick(r.now)
}

func TestSomeConnectionsAreCopiedWhole(t *testing.T) {
	for name, tc := range map[string]struct {
		play func(*wholeRig, *proto.Exchange)
		want []flow.Depth
	}{
		"not where the copy is whole":       {func(r *wholeRig, x *proto.Exchange) { r.exchange(x, 1000, 1000) }, nil},
		"nor where the ring could overflow": {func(r *wholeRig, x *proto.Exchange) { r.exchange(x, 10<<20, 2000) }, nil},
		"nor while the agent copies less":   {func(r *wholeRig, x *proto.Exchange) { r.may = false; r.exchange(x, 20000, 2000) }, nil},
		"for a few exchanges": {func(r *wholeRig, x *proto.Exchange) {
			for range wholeExchanges + 1 {
				r.exchange(x, 20000, 2000)
			}
		}, []flow.Depth{flow.DepthAll, flow.DepthDefault}},
		"for a few seconds": {func(r *wholeRig, x *proto.Exchange) {
			r.exchange(x, 20000, 2000)
			r.f.Tick(r.now + wholeFor + 1e6)
		}, []flow.Depth{flow.DepthAll, flow.DepthDefault}},
		"until the parser knows better": {func(r *wholeRig, x *proto.Exchange) {
			r.exchange(x, 20000, 2000)
			x.Conn.SetDepth(flow.DepthNone)
			r.f.Tick(r.now + wholeFor + 1e6)
		}, []flow.Depth{flow.DepthAll, flow.DepthNone}},
		"not after an upgrade": {func(r *wholeRig, x *proto.Exchange) { x.Status = 101; r.exchange(x, 20000, 2000) }, nil},
		"until it is over": {func(r *wholeRig, x *proto.Exchange) {
			r.exchange(x, 20000, 2000)
			r.f.Closed(x.Conn)
			r.f.Tick(r.now + wholeFor + 1e6)
		}, []flow.Depth{flow.DepthAll}},
	} {
		t.Run(name, func(t *testing.T) {
			r := newWholeRig(t)
			x, c := r.connection()
			tc.play(r, x)
			if diff := cmp.Diff(tc.want, c.depths); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestFewConnectionsOfAnEndpointAreCopiedWhole: some at once, then one now and then.
func TestFewConnectionsOfAnEndpointAreCopiedWhole(t *testing.T) {
	r := newWholeRig(t)
	for range 3 * firstWholes {
		x, _ := r.connection()
		r.exchange(x, 20000, 2000)
		r.f.Closed(x.Conn)
	}
	if n := r.f.in.Stats().Wholes; n != firstWholes {
		t.Errorf("%d connections, want %d", n, firstWholes)
	}
	r.now += wholeEvery
	for range 3 {
		x, _ := r.connection()
		r.exchange(x, 20000, 2000)
	}
	if n := r.f.in.Stats().Wholes; n != firstWholes+1 {
		t.Errorf("%d connections after a while, want %d", n, firstWholes+1)
	}
}
