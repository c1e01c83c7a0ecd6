package http2_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gortap/internal/proto"
	"gortap/internal/proto/detect"
	"gortap/internal/proto/http1"
	"gortap/internal/proto/http2"
	"gortap/internal/proto/prototest"
	"gortap/internal/testutil/corpus"
)

// What the clients of this capture logged: the first two connections were
// upgraded, the third stayed, the fourth was HTTP/2 from the start.
func TestUpgradedConnectionsOfACapture(t *testing.T) {
	d := detect.New([]detect.Protocol{
		{Name: "h2c", Detect: http2.Detect, DetectMid: http2.DetectMid, New: func() proto.Factory {
			return http2.NewFactory(http2.Options{})
		}},
		{Name: "http/1.1", Detect: http1.Detect, DetectMid: http1.DetectMid, Lines: true, New: func() proto.Factory {
			return http1.NewFactory(http1.Limits{})
		}},
	})
	var got []string
	var upgraded []uint64
	e := corpus.Get(t, "gen-h2c-upgrade.pcap")
	for _, c := range prototest.Read(t, e.Path()) {
		l := prototest.NewLedger()
		if err := l.Check(c.Receive(d.Open(c.Conn(), l, nil))); err != nil {
			t.Error(err)
		}
		got = slices.AppendSeq(got, strings.Lines(l.String()))
		for _, x := range l.Exchanges {
			if x.Upgraded {
				upgraded = append(upgraded, x.Seq)
			}
		}
	}
	want := []string{
		"0 http/1.1 GET 127.0.0.1:18096 /?n=700 101 request 173/0 response 71/0\n",
		"1 h2 GET 127.0.0.1:18096 /?n=700 200 request 14/0 response 756/700\n",
		"2 h2 GET 127.0.0.1:18096 /gzip 200 request 53/0 response 12671/12637\n",
		"request h2-connection 141\n",
		"response h2-connection 67\n",
		"0 http/1.1 GET 127.0.0.1:18096 /trailer 101 request 179/0 response 71/0\n",
		"1 h2 GET 127.0.0.1:18096 /trailer 200 request 0/0 response 1657/1510\n",
		"request h2-connection 73\n",
		"response h2-connection 67\n",
		"0 http/1.1 GET 127.0.0.1:18096 /?n=50 200 request 84/0 response 152/50\n",
		"0 h2 POST 127.0.0.1:18096 /?n=60000 200 request 30099/30000 response 60088/60000\n",
		"request h2-connection 73\n",
		"response h2-connection 119\n",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("exchanges (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]uint64{1, 1}, upgraded); diff != "" {
		t.Errorf("upgraded exchanges (-want +got):\n%s", diff)
	}
}
