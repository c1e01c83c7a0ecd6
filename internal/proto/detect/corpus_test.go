package detect

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gortap/internal/flow"
	"gortap/internal/pcapio"
	"gortap/internal/proto"
	"gortap/internal/proto/prototest"
	"gortap/internal/reassembly"
	"gortap/internal/testutil/corpus"
)

// told is an exchange as an oracle or the endpoints tell it, and as we do.
type told struct {
	Client, Server, Method, URI string
	Status                      int
	Request, Response           int64 // body bytes, -1 where not told
}

// oracleRow is a row of an oracle or of the endpoints' own log.
type oracleRow struct {
	Type, Client, Server, Method, URI string
	Status                            json.Number
	Request                           *int64 `json:"req_body_len"`
	Response                          *int64 `json:"resp_body_len"`
}

func expected(t *testing.T, e corpus.Entry) []told {
	rows := e.Truth(t)
	if !bytes.Contains(rows, []byte(`"type":"exchange"`)) {
		rows = e.Oracle(t)
	}
	var out []told
	for line := range bytes.Lines(rows) {
		var r oracleRow
		_ = json.Unmarshal(line, &r) // rows of other types differ in theirs
		if r.Type != "exchange" || r.Method == "" {
			continue
		}
		status, _ := r.Status.Int64()
		x := told{r.Client, r.Server, r.Method, r.URI, int(status), -1, -1}
		if r.Request != nil {
			x.Request = *r.Request
		}
		if r.Response != nil {
			x.Response = *r.Response
		}
		out = append(out, x)
	}
	return out
}

// reading is a pass over a capture through reassembler, detector and parsers.
type reading struct {
	t         *testing.T
	assembler *reassembly.Assembler
	detector  *Detector
	conns     []*watched
}

// watched compares what a connection's receiver got with what was credited.
type watched struct {
	reassembly.Receiver
	ledger         *prototest.Ledger
	client, server netip.AddrPort
	fed            [2]int64 // by flow.Dir
	conn           *proto.Conn
}

func (w *watched) Data(d flow.Dir, b []byte, ts int64) {
	w.fed[d] += int64(len(b))
	w.Receiver.Data(d, b, ts)
}

func (w *watched) Gap(d flow.Dir, n int64, why flow.Gap, ts int64) {
	if why != flow.Lost {
		w.fed[d] += n
	}
	w.Receiver.Gap(d, n, why, ts)
}

func (w *watched) Close(why reassembly.CloseReason, ts int64) {
	c := w.conn
	if c.Client == flow.FromB {
		w.fed[0], w.fed[1] = w.fed[1], w.fed[0]
	}
	w.client, w.server = c.ClientAddr(), c.ServerAddr()
	w.Receiver.Close(why, ts)
}

func (r *reading) open(rc *reassembly.Conn) reassembly.Receiver {
	w := &watched{ledger: prototest.NewLedger()}
	w.Receiver = r.detector.Open(rc, w.ledger, w.ledger)
	w.conn = &w.Receiver.(*conn).conn
	r.conns = append(r.conns, w)
	return w
}

func (r *reading) Segment(s *flow.Segment) { r.assembler.Segment(s) }
func (r *reading) Update(*flow.Totals)     {}
func (r *reading) End(*flow.Totals)        {}
func (r *reading) Tick(nowNs int64)        { r.assembler.Advance(nowNs) }

// readCapture returns the connections of a capture, closed.
func readCapture(t *testing.T, path string) []*watched {
	f, err := pcapio.Open([]string{path}, pcapio.Options{})
	if err != nil {
		t.Fatalf("open capture: %v", err)
	}
	defer f.Close()
	r := &reading{t: t, detector: New(table(&echo{}))}
	r.assembler = reassembly.New(reassembly.Config{}, r.open)
	if err := f.Run(context.Background(), r); err != nil {
		t.Logf("read capture: %v", err)
	}
	r.assembler.Close()
	return r.conns
}

func (w *watched) told() []told {
	var out []told
	for _, x := range w.ledger.Exchanges {
		if len(x.Method) > 0 && (x.Protocol == proto.HTTP10 || x.Protocol == proto.HTTP11 || x.Protocol == proto.HTTP09) {
			out = append(out, told{w.client.String(), w.server.String(), string(x.Method), string(x.Target), x.Status, x.Request.Body, x.Response.Body})
		}
	}
	return out
}

func TestCapturesGiveWhatTheirOracleSays(t *testing.T) {
	for _, e := range corpus.Entries(t) {
		t.Run(e.File, func(t *testing.T) {
			var got []told
			for _, w := range readCapture(t, e.Path()) {
				if err := w.ledger.Check(w.fed); err != nil {
					t.Errorf("%s to %s: %v", w.client, w.server, err)
				}
				got = append(got, w.told()...)
			}
			if e.Confidence == "low" {
				t.Skipf("bytes are accounted for; the oracle is unsure: %s", e.Notes)
			}
			want := corrected(t, e)
			order := func(a, b told) int { return bytes.Compare(fmt.Append(nil, a), fmt.Append(nil, b)) }
			slices.SortFunc(want, order)
			slices.SortFunc(got, order)
			for i := range min(len(want), len(got)) { // what is not told is not compared
				if want[i].Request < 0 {
					want[i].Request = got[i].Request
				}
				if want[i].Response < 0 {
					want[i].Response = got[i].Response
				}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s %s %s (-want +got)\n%s", e.Confidence, e.Group, e.Notes, diff)
			}
		})
	}
}

// corrected returns what is expected of a capture where the oracle is known to
// be wrong, and says why.
func corrected(t *testing.T, e corpus.Entry) []told {
	want := expected(t, e)
	switch e.File {
	case "zeek-vlan-collisions.pcap": // tshark merges the same four-tuple of three VLANs
		want = slices.Concat(want, want, want)
	case "drv-drop1.pcap": // tshark pairs wrongly after the hole; it is in a body of known length
		want = expected(t, corpus.Get(t, "zeek-pipelined-requests.pcap"))
	case "gen-any-sll2.pcap": // the truth has it as a note: a request cut off by a reset, without response
		want = append(want, told{"127.0.0.1:47708", "127.0.0.1:18088", "POST", "/never", 0, 9, 0})
	case "gen-tls12-http1.pcap": // encrypted
		want = nil
	}
	return want
}
