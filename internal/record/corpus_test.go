package record

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gortap/internal/proto"
	"gortap/internal/proto/prototest"
	"gortap/internal/testutil/corpus"
)

// connections returns all connections of the corpus that have no gaps.
func connections(t *testing.T) map[string][]*prototest.Connection {
	out := map[string][]*prototest.Connection{}
	for _, e := range corpus.Entries(t) {
		if !e.Has("corrupt-file") {
			out[e.File] = prototest.Read(t, e.Path())
		}
	}
	return out
}

// plain reports whether a connection is complete HTTP/1 and nothing else.
func plain(l *prototest.Ledger) bool {
	for side := range l.Stray {
		if len(l.Stray[side]) > 0 {
			return false
		}
	}
	for _, x := range l.Exchanges {
		if isHTTP2(&x) || x.Upgraded || x.Incomplete() != proto.Complete {
			return false
		}
	}
	return len(l.Exchanges) > 0
}

func TestRequestsAndResponsesAreTheBytesOfTheirConnection(t *testing.T) {
	checked := 0
	for file, conns := range connections(t) {
		for _, c := range conns {
			p := play(t, c, RecorderOptions{})
			if !plain(p.ledger) {
				continue
			}
			checked++
			var sent [2][]byte
			for _, e := range c.Script {
				sent[e.Side] = append(sent[e.Side], e.Data...)
			}
			// Interim responses are left out.
			sent[proto.Server] = bytes.ReplaceAll(sent[proto.Server], []byte("HTTP/1.1 100 Continue\r\n\r\n"), nil)
			for s, kind := range []Kind{Request, Response} {
				if got := p.data(kind); !bytes.Equal(got, sent[s]) && !bytes.Contains(sent[s], []byte("HTTP/1.1 103")) {
					t.Errorf("%s: %d bytes of %s, want %d", file, len(got), proto.Side(s), len(sent[s]))
				}
			}
		}
	}
	if checked < 90 {
		t.Errorf("checked %d connections, want at least 90", checked)
	}
}

func TestAnySplitGivesTheSameRecords(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for file, conns := range connections(t) {
		for _, c := range conns[:min(len(conns), 10)] {
			want := play(t, c, RecorderOptions{})
			for _, size := range []func(int) int{prototest.Single, prototest.Random(r)} {
				if len(want.data(Request)) > 8<<10 {
					continue // takes its time, and tells nothing new
				}
				got := play(t, cut(c, size), RecorderOptions{})
				// Streams come in pieces of any size.
				if diff := cmp.Diff(want.data(Stream), got.data(Stream)); diff != "" {
					t.Fatalf("%s: what followed an upgrade (-want +got):\n%s", file, diff)
				}
				if diff := cmp.Diff(want.messages(), got.messages()); diff != "" {
					t.Fatalf("%s (-want +got):\n%s", file, diff)
				}
			}
		}
	}
}

// messages are the records but for those of streams.
func (c *collector) messages() []string {
	var out []string
	for _, r := range c.records {
		if r.Kind != Stream {
			out = append(out, text(r))
		}
	}
	return out
}

func TestWhatFollowsAnUpgradeIsTheClientsBytes(t *testing.T) {
	for _, file := range []string{"zeek-ws-jupyter-websocket.pcap", "gen-websocket-deflate.pcap", "mikekap-ws-segmented.pcap"} {
		streams := 0
		entry := corpus.Get(t, file)
		for _, c := range prototest.Read(t, entry.Path()) {
			p := play(t, c, RecorderOptions{})
			if len(p.data(Stream)) == 0 {
				continue
			}
			streams++
			var sent []byte
			for _, e := range c.Script {
				if e.Side == proto.Client {
					sent = append(sent, e.Data...)
				}
			}
			if got := append(p.data(Request), p.data(Stream)...); !bytes.Equal(got, sent) {
				t.Errorf("%s: %d bytes, want %d", file, len(got), len(sent))
			}
			if last := p.records[len(p.records)-1]; last.Kind != End {
				t.Errorf("%s ends with %s", file, text(last))
			}
		}
		if streams == 0 {
			t.Errorf("%s: no streams", file)
		}
	}
}

// TestConservationUnderDamage: play checks that everything is counted, once.
func TestConservationUnderDamage(t *testing.T) {
	for file, conns := range connections(t) {
		for i, c := range conns {
			if len(c.Script) == 0 || len(c.Script) > 500 {
				continue
			}
			r := rand.New(rand.NewPCG(uint64(i), 7))
			damaged := *c
			damaged.Script = c.Script.Damaged(r, 5)
			p := play(t, &damaged, RecorderOptions{Ordered: i%2 == 0})
			whole := play(t, c, RecorderOptions{}).data(Request)
			for _, rec := range p.records {
				if rec.Kind == Request && !isHTTP2(&proto.Exchange{Protocol: rec.Protocol}) && !bytes.Contains(whole, rec.Data) {
					t.Errorf("%s: made up %q", file, rec.Data)
				}
			}
		}
	}
}
