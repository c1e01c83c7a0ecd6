package detect

import (
	"math"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gortap/internal/flow"
	"gortap/internal/proto/prototest"
	"gortap/internal/reassembly"
)

// A connection that falls out of the sample is counted to the byte from then on.
func TestConnectionOutsideTheSampleIsCountedOnly(t *testing.T) {
	for _, tc := range []struct {
		name   string
		before []step // it leaves the sample
		after  []step
		want   string
	}{
		{
			"between two exchanges", []step{b(get), a(ok5)}, []step{b(get), a(ok5)},
			pair + "request unsampled 27\nresponse unsampled 43\nrest unsampled\n",
		},
		{
			"within an answer", []step{b(get), a(ok5[:40])}, []step{a(ok5[40:])},
			"0 http/1.1 GET h / 200 request 27/0 response 40/2!unsampled\nresponse unsampled 3\nrest unsampled\n",
		},
		{
			"before its protocol is known", []step{b("GE")}, []step{b("T / HTTP/1.1\r\n")},
			"request not-http 2\nrequest unsampled 14\nrest unsampled\n",
		},
		{
			"with a gap", []step{b(get)}, []step{{dir: flow.FromA, gap: 100, why: flow.Skipped}},
			"0 http/1.1 GET h / 0 request 27/0 response 0/0!unsampled\nresponse unsampled 100\nrest unsampled\n",
		},
		{
			"where nobody parses it anyway", []step{b("\x00\x01\x02\x03nothing"), a("known")}, []step{b("more")},
			"request not-http 15\nresponse not-http 5\nrest not-http\n",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var sample atomic.Uint32
			sample.Store(math.MaxUint32)
			d := New(table(&echo{}))
			d.Follow(&sample)
			w := &watched{ledger: prototest.NewLedger()}
			w.Receiver = d.Open(rawConn(byB), w.ledger, w.ledger)
			w.conn = &w.Receiver.(*conn).conn
			play := func(steps []step) {
				for i, s := range steps {
					if s.gap > 0 {
						w.Gap(s.dir, s.gap, s.why, int64(i+1))
						continue
					}
					w.Data(s.dir, []byte(s.b), int64(i+1))
				}
			}
			play(tc.before)
			sample.Store(0)
			play(tc.after)
			w.Close(reassembly.Finished, 9)
			if err := w.ledger.Check(w.fed); err != nil {
				t.Error(err)
			}
			if diff := cmp.Diff(tc.want, w.ledger.String()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if diff := cmp.Diff([]flow.Depth{flow.DepthNone}, w.ledger.Depths); diff != "" {
				t.Errorf("depths asked for (-want +got):\n%s", diff)
			}
		})
	}
}

// The hash decides, and those below the threshold stay.
func TestSampleTakesConnectionsByHash(t *testing.T) {
	hash := rawConn(byB).Key.Hash()
	for _, tc := range []struct {
		sample uint32
		keeps  bool
	}{{math.MaxUint32, true}, {hash + 1, true}, {hash, false}, {0, false}} {
		var sample atomic.Uint32
		sample.Store(tc.sample)
		d := New(table(&echo{}))
		d.Follow(&sample)
		if got := d.keeps(hash); got != tc.keeps {
			t.Errorf("sample %d of hash %d: keeps %v", tc.sample, hash, got)
		}
	}
}
