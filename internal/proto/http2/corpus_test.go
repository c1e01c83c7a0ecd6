package http2

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gortap/internal/proto"
	"gortap/internal/proto/prototest"
	"gortap/internal/testutil/corpus"
)

// asked is what the oracle of a capture and the parser are compared by.
func asked(method, target, status, code string, reqBody, respBody int64, reqMessages, respMessages string) string {
	return fmt.Sprint(method, " ", target, " ", status, " code ", code, " ", reqBody, "/", respBody, " ", reqMessages, "/", respMessages)
}

// oracleStream is tshark's reading of a stream.
type oracleStream struct {
	Type, Method, Path, Status string
	GRPCStatus                 string `json:"grpc_status"`
	Request, Response          struct {
		DataLen  int64   `json:"data_len"`
		Messages []int64 `json:"grpc_message_lengths"`
	}
}

func expected(t *testing.T, e corpus.Entry) []string {
	var out []string
	for line := range bytes.Lines(e.Oracle(t)) {
		var s oracleStream
		if err := json.Unmarshal(line, &s); err != nil {
			t.Fatal(err)
		}
		if s.Type == "h2" && s.Method != "" {
			out = append(out, asked(s.Method, s.Path, s.Status, s.GRPCStatus, s.Request.DataLen, s.Response.DataLen,
				messages(s.Request.Messages...), messages(s.Response.Messages...)))
		}
	}
	return out
}

func messages(sizes ...int64) string {
	sum := int64(0)
	for _, n := range sizes {
		sum += n
	}
	return fmt.Sprint(len(sizes), " of ", sum)
}

func TestCapturesGiveWhatTheirOracleSays(t *testing.T) {
	for _, e := range corpus.Entries(t) {
		if e.Group != "http2" && e.Group != "grpc" || e.Has("h2c-upgrade") {
			continue // the upgrade needs the parser that comes before
		}
		t.Run(e.File, func(t *testing.T) {
			want := expected(t, e)
			if e.File == "arkime-http2-nghttp2.pcap" {
				// Here tshark gives up on a request head of 18 KB, and knows no promised requests.
				want = []string{
					asked("GET", "/", "200", "", 0, 6616, "0 of 0", "0 of 0"),
					asked("GET", "/stylesheets/screen.css", "200", "", 0, 39082, "0 of 0", "0 of 0"),
				}
			}
			var got []string
			for _, c := range prototest.Read(t, e.Path()) {
				l := play(t, c.Script, proto.Env{}, Options{}, prototest.Whole, proto.Complete)
				for _, x := range l.Exchanges {
					code := ""
					if x.HasCode {
						code = strconv.Itoa(x.Code)
					}
					got = append(got, asked(string(x.Method), string(x.Target), strconv.Itoa(x.Status), code, x.Request.Body, x.Response.Body,
						fmt.Sprint(x.Request.Messages, " of ", x.Request.MessageBytes), fmt.Sprint(x.Response.Messages, " of ", x.Response.MessageBytes)))
					if x.Incomplete() != proto.Complete {
						t.Errorf("%s is incomplete: %s", x.Target, x.Incomplete())
					}
				}
				again(t, c.Script)
			}
			slices.Sort(want)
			slices.Sort(got)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("exchanges (-want +got):\n%s", diff)
			}
		})
	}
}

// again plays a capture cut, damaged, and from its middle.
func again(t *testing.T, sc prototest.Script) {
	r := rand.New(rand.NewPCG(1, 5))
	whole := play(t, sc, proto.Env{}, Options{}, prototest.Whole, proto.Complete)
	same(t, "cut", whole, play(t, sc, proto.Env{}, Options{}, prototest.Random(r), proto.Complete))
	for range 3 {
		play(t, sc.Damaged(r, 3), proto.Env{}, Options{}, prototest.Random(r), proto.Complete)
		play(t, sc[r.IntN(len(sc)):], proto.Env{MidStream: true}, Options{}, prototest.Random(r), proto.Complete)
	}
}
