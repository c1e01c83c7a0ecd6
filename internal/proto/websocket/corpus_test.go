package websocket_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gortap/internal/proto"
	"gortap/internal/proto/detect"
	"gortap/internal/proto/http1"
	"gortap/internal/proto/prototest"
	"gortap/internal/proto/websocket"
	"gortap/internal/testutil/corpus"
)

// sent is what one side sent in a session.
type sent struct{ Messages, Bytes int64 }

// frameRow is a frame of an oracle, or a message of the endpoints' own log.
type frameRow struct {
	Type, Src, Dst, Dir string
	Client, Server      string
	Opcode              int
	Fin                 bool
	Len                 int64
	Inflated            int64 `json:"payload_len_shown"` // 0 where not compressed
}

// expected returns what each side sent, by Side: as on the wire from the oracle,
// in which the handshake comes before the frames, or inflated, and then from the
// truth if there is one.
func expected(t *testing.T, e corpus.Entry, inflated bool) (out [2]sent) {
	rows, client := e.Oracle(t), ""
	if truth := e.Truth(t); inflated && truth != nil {
		rows = truth
	}
	for line := range bytes.Lines(rows) {
		var r frameRow
		if err := json.Unmarshal(line, &r); err != nil {
			t.Fatal(err)
		}
		side := proto.Server
		if r.Dir == "c2s" || (client != "" && r.Src == client) {
			side = proto.Client
		}
		switch {
		case r.Type == "exchange":
			client = r.Client
		case r.Type == "ws_message":
			out[side].Messages++
			out[side].Bytes += r.Len
		case r.Type == "ws" && r.Opcode < 8:
			if r.Fin {
				out[side].Messages++
			}
			if inflated && r.Inflated > 0 {
				r.Len = r.Inflated
			}
			out[side].Bytes += r.Len
		}
	}
	return out
}

func TestCapturesGiveWhatTheyHold(t *testing.T) {
	codes := map[string]int{
		"gen-websocket-deflate.pcap": 1001, "zeek-ws-jupyter-websocket.pcap": 1005,
		"suri-websocket-compressed.pcap": 1006, "mikekap-ws-segmented.pcap": 1006,
	}
	for _, e := range corpus.Entries(t) {
		if e.Group != "websocket" {
			continue
		}
		for _, inflate := range []bool{false, true} {
			t.Run(fmt.Sprint(e.File, ", inflate ", inflate), func(t *testing.T) {
				var sessions int
				for _, c := range prototest.Read(t, e.Path()) {
					l := read(t, c, websocket.Options{Inflate: inflate})
					for i, x := range l.Exchanges {
						if x.Protocol != proto.WebSocket {
							continue
						}
						sessions++
						check(t, l.Exchanges[i-1], x, codes[e.File], expected(t, e, inflate))
					}
				}
				if sessions != 1 {
					t.Errorf("%d sessions", sessions)
				}
			})
		}
	}
}

func check(t *testing.T, handshake, x proto.Exchange, code int, want [2]sent) {
	t.Helper()
	if handshake.Status != 101 || string(handshake.Target) != string(x.Target) || handshake.Response.Body != 0 || handshake.Incomplete() != proto.Complete {
		t.Errorf("handshake %+v", handshake)
	}
	got := [2]sent{{x.Request.Messages, x.Request.MessageBytes}, {x.Response.Messages, x.Response.MessageBytes}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("messages (-want +got):\n%s", diff)
	}
	if x.Code != code || x.Incomplete() != proto.Complete {
		t.Errorf("code %d, %s", x.Code, x.Incomplete())
	}
}

func read(t *testing.T, c *prototest.Connection, o websocket.Options) *prototest.Ledger {
	t.Helper()
	d := detect.New([]detect.Protocol{
		{Name: "http/1.1", Detect: http1.Detect, DetectMid: http1.DetectMid, Lines: true, New: func() proto.Factory {
			return http1.NewFactory(http1.Limits{})
		}},
		{Name: "websocket", New: func() proto.Factory { return websocket.NewFactory(o) }},
	})
	l := prototest.NewLedger()
	if err := l.Check(c.Receive(d.Open(c.Conn(), l, nil))); err != nil {
		t.Error(err)
	}
	return l
}
