package http1

import (
	"bufio"
	"bytes"
	"io"
	"math/rand/v2"
	"net/http"
	"regexp"
	"testing"

	"gortap/internal/flow"
	"gortap/internal/proto"
	"gortap/internal/proto/prototest"
)

// decode makes a script of any bytes: each event is a control byte and what
// follows it.
func decode(b []byte) prototest.Script {
	var sc prototest.Script
	for len(b) > 0 {
		op := b[0]
		b = b[1:]
		side := proto.Side(op & 1)
		switch op >> 1 & 3 {
		case 0, 1:
			n := min(int(op>>3)+1, len(b))
			if op&2 != 0 {
				n = min(8*n, len(b))
			}
			if n > 0 {
				sc = append(sc, prototest.Event{Side: side, Data: b[:n]})
			}
			b = b[n:]
		case 2:
			sc = append(sc, prototest.Event{Side: side, Gap: int64(op>>5)*int64(op>>5)*7 + 1, Why: flow.Gap(op >> 3 % 3)})
		case 3:
			if op == 0xff {
				sc = append(sc, prototest.Event{Side: side, End: true})
			}
		}
	}
	return oneEnd(sc)
}

// oneEnd keeps to the contract: nothing comes from a side after its end.
func oneEnd(sc prototest.Script) prototest.Script {
	var ended [2]bool
	out := sc[:0]
	for _, e := range sc {
		if !ended[e.Side] {
			out = append(out, e)
		}
		ended[e.Side] = ended[e.Side] || e.End
	}
	return out
}

func encode(sc prototest.Script) []byte {
	var b []byte
	for _, e := range sc {
		for rest := e.Data; len(rest) > 0; {
			n := min(len(rest), 32)
			b = append(append(b, byte(n-1)<<3|byte(e.Side)), rest[:n]...)
			rest = rest[n:]
		}
		if e.Gap > 0 {
			b = append(b, byte(e.Gap%5)<<5|byte(e.Why)<<3|4|byte(e.Side))
		}
	}
	return b
}

// FuzzContract feeds anything, with gaps, and holds the parser to the contract
// of its sink: every byte credited once, every exchange begun and done.
func FuzzContract(f *testing.F) {
	for _, tc := range append(wellFormed(), gaps()...) {
		if b := encode(tc.script); len(b) < 1000 {
			f.Add(b, tc.mid)
		}
	}
	factory := testFactory()
	f.Fuzz(func(t *testing.T, b []byte, mid bool) {
		play(t, factory, mid, decode(b), prototest.Whole, proto.Reason(len(b)%2)*proto.Aborted)
	})
}

// FuzzSplit holds that without gaps the split into deliveries does not matter.
func FuzzSplit(f *testing.F) {
	for _, tc := range wellFormed() {
		if b := encode(tc.script); len(b) < 1000 {
			f.Add(b, tc.mid)
		}
	}
	factory := testFactory()
	f.Fuzz(func(t *testing.T, b []byte, mid bool) {
		sc := decode(b)
		for _, e := range sc {
			if e.Gap > 0 {
				return
			}
		}
		want := play(t, factory, mid, sc, prototest.Whole, proto.Complete).String()
		r := rand.New(rand.NewPCG(uint64(len(b)), 3))
		for _, cut := range []func(int) int{prototest.Single, prototest.Random(r)} {
			if got := play(t, factory, mid, sc, cut, proto.Complete).String(); got != want {
				t.Errorf("split changed\n%s into\n%s\nof %s", want, got, render(sc))
			}
		}
	})
}

// spacedFraming finds space before the colon of a field that frames a message.
// RFC 9112, 5.1 has a server refuse it and a proxy remove it; both make it the
// field. net/http takes it for a field of another name.
var spacedFraming = regexp.MustCompile(`(?i)(content-length|transfer-encoding)[ \t]+:`)

// FuzzRequest compares with net/http on what both take for a request.
func FuzzRequest(f *testing.F) {
	for _, tc := range wellFormed() {
		for _, e := range tc.script {
			if e.Side == proto.Client && len(e.Data) < 500 {
				f.Add(e.Data)
			}
		}
	}
	factory := NewFactory(Limits{})
	f.Fuzz(func(t *testing.T, b []byte) {
		in := bytes.NewReader(b)
		br := bufio.NewReader(in)
		req, err := http.ReadRequest(br)
		if err != nil || req.ProtoMajor > 1 || req.Method == http.MethodConnect || req.Header.Get("Upgrade") != "" {
			return
		}
		if len(req.Method) > maxMethod {
			return // a limit of ours
		}
		if spacedFraming.Match(b) {
			return
		}
		if !req.ProtoAtLeast(1, 1) && bytes.Contains(bytes.ToLower(b), []byte("transfer-encoding")) {
			return // net/http ignores the field there; RFC 9112, 6.1 calls such a message faulty
		}
		body, err := io.ReadAll(req.Body)
		if err != nil {
			return
		}
		used := int64(len(b) - in.Len() - br.Buffered())
		h := newHarness(factory, false)
		fed := script(c(string(b))).Play(h, prototest.Whole, proto.Complete)
		if err := h.check(fed); err != nil {
			t.Fatal(err)
		}
		x := h.first()
		if x == nil {
			t.Fatalf("no request found, but net/http reads %s %s", req.Method, req.RequestURI)
		}
		if string(x.Method) != req.Method || string(x.Target) != req.RequestURI || x.Request.Incomplete != proto.Complete ||
			x.Request.Body != int64(len(body)) || x.Request.Wire != used {
			t.Errorf("%s %s %s, but net/http reads %s %s, %d bytes of which %d are body, from %q", x.Method, x.Target, prototest.Sprint(&x.Request),
				req.Method, req.RequestURI, used, len(body), b)
		}
	})
}

// FuzzResponse compares with net/http on what both take for a response.
func FuzzResponse(f *testing.F) {
	for _, tc := range wellFormed() {
		for _, e := range tc.script {
			if e.Side == proto.Server && len(e.Data) < 500 {
				f.Add(e.Data, false)
			}
		}
	}
	factory := NewFactory(Limits{})
	f.Fuzz(func(t *testing.T, b []byte, head bool) {
		method, request := http.MethodGet, get
		if head {
			method, request = http.MethodHead, "HEAD / HTTP/1.1\r\n\r\n"
		}
		in := bytes.NewReader(b)
		br := bufio.NewReader(in)
		resp, err := http.ReadResponse(br, &http.Request{Method: method})
		if err != nil || resp.StatusCode < 200 || resp.ProtoMajor > 1 {
			return
		}
		if spacedFraming.Match(b) {
			return
		}
		if !resp.ProtoAtLeast(1, 1) && bytes.Contains(bytes.ToLower(b), []byte("transfer-encoding")) {
			return
		}
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			return
		}
		used := int64(len(b) - in.Len() - br.Buffered())
		h := newHarness(factory, false)
		fed := script(c(request), s(string(b)), fin(proto.Server)).Play(h, prototest.Whole, proto.Complete)
		if err := h.check(fed); err != nil {
			t.Fatal(err)
		}
		x := h.first()
		if x.Status != resp.StatusCode || x.Response.Incomplete != proto.Complete || x.Response.Body != int64(len(body)) || x.Response.Wire != used {
			t.Errorf("%d %s, but net/http reads %d, %d bytes of which %d are body, from %q", x.Status, prototest.Sprint(&x.Response), resp.StatusCode, used, len(body), b)
		}
	})
}
