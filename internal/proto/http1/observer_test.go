package http1

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gortap/internal/proto"
	"gortap/internal/proto/prototest"
)

// observer keeps the payload of each message, by part.
type observer struct {
	*prototest.Ledger
	t     *testing.T
	parts map[string]string
	sizes map[uint64]*[2]int64 // by Exchange.Seq
	order string               // what came, but for payload
}

func (o *observer) Ended(x *proto.Exchange, s proto.Side) {
	o.order += fmt.Sprintf("%s %d, ", s, x.Seq)
}

func (o *observer) Done(x *proto.Exchange) {
	o.order += fmt.Sprintf("done %d, ", x.Seq)
	o.Ledger.Done(x)
}

func (o *observer) Payload(x *proto.Exchange, s proto.Side, part proto.Part, b []byte) {
	key := fmt.Sprintf("%d %s part %d", x.Seq, s, part)
	if part == proto.Head && o.parts[key] != "" {
		o.t.Errorf("%s came in pieces", key)
	}
	o.parts[key] += string(b)
	if o.sizes[x.Seq] == nil {
		o.sizes[x.Seq] = new([2]int64)
	}
	o.sizes[x.Seq][s] += int64(len(b))
}

func (o *observer) Switch(*proto.Exchange, []byte, [2][]byte) {}

func observe(t *testing.T, sc prototest.Script, cut func(int) int) *observer {
	o := &observer{Ledger: prototest.NewLedger(), t: t, parts: make(map[string]string), sizes: make(map[uint64]*[2]int64)}
	p := NewFactory(Limits{}).New(proto.Env{Conn: conn(o), Sink: o, Switch: o})
	sc.Play(p, cut, proto.Complete)
	return o
}

func TestObserverGetsTheBytesByPart(t *testing.T) {
	request := "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
	sc := script(c(request+"3;x\r\nabc\r\n2\r\nde\r\n0\r\nT: v\r\n\r\n"), s("HTTP/1.1 100 Continue\r\n\r\n"), s(ok5), c("\r\n"+get), s("HTTP/1.1 200 OK\r\n\r\nrest"), fin(server))
	want := map[string]string{
		"0 request part 0":  request,
		"0 request part 2":  "abcde",
		"0 request part 3":  "3;x\r\n\r\n2\r\n\r\n0\r\nT: v\r\n\r\n",
		"0 response part 1": "HTTP/1.1 100 Continue\r\n\r\n",
		"0 response part 0": ok5[:len(ok5)-5],
		"0 response part 2": "hello",
		"1 request part 0":  "\r\n" + get,
		"1 response part 0": "HTTP/1.1 200 OK\r\n\r\n",
		"1 response part 2": "rest",
	}
	for seed := range uint64(20) {
		cut := prototest.Random(rand.New(rand.NewPCG(seed, 2)))
		if seed == 0 {
			cut = prototest.Whole
		}
		if diff := cmp.Diff(want, observe(t, sc, cut).parts); diff != "" {
			t.Fatalf("seed %d (-want +got)\n%s", seed, diff)
		}
	}
}

func TestObserverIsToldOfEachMessagesEnd(t *testing.T) {
	for _, tc := range []struct {
		name   string
		script prototest.Script
		want   string
	}{
		{"in turn", script(c(get), s(ok5)), "request 0, response 0, done 0, "},
		{"pipelined", script(c(get+get), s(ok5+ok5)), "request 0, request 1, response 0, done 0, response 1, done 1, "},
		{"answered early", script(c("PUT / HTTP/1.1\r\nContent-Length: 2\r\n\r\n"), s(ok5), c("ab")), "response 0, request 0, done 0, "},
		{"cut short", script(c("PUT / HTTP/1.1\r\nContent-Length: 2\r\n\r\n")), "request 0, response 0, done 0, "},
		{"a body that its end delimits", script(c(get), s("HTTP/1.1 200 OK\r\n\r\nrest"), fin(server)), "request 0, response 0, done 0, "},
	} {
		for _, cut := range []func(int) int{prototest.Whole, prototest.Single} {
			if got := observe(t, tc.script, cut).order; got != tc.want {
				t.Errorf("%s: got %q, want %q", tc.name, got, tc.want)
			}
		}
	}
}

// TestObserverGetsWhatIsCredited: but for gaps and heads above the limit, the
// payload of a message is all of its wire bytes.
func TestObserverGetsWhatIsCredited(t *testing.T) {
	for _, tc := range wellFormed() {
		for _, cut := range []func(int) int{prototest.Whole, prototest.Single} {
			o := observe(t, tc.script, cut)
			for _, x := range o.Exchanges {
				sizes := o.sizes[x.Seq]
				if sizes == nil {
					sizes = new([2]int64)
				}
				if sizes[client] != x.Request.Wire || sizes[server] != x.Response.Wire {
					t.Errorf("%s: exchange %d has %d and %d wire bytes, but %d and %d of payload", tc.name, x.Seq, x.Request.Wire, x.Response.Wire, sizes[client], sizes[server])
				}
			}
		}
	}
}
