package compare

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gortap/internal/record"
)

func sample(t *testing.T) *Result {
	r := newRig(t, Config{Original: "http://a", Candidate: "http://b", Threshold: 0.005})
	for n := range 40 {
		b := answer(`{"price":12,"at":1}`, jsonType, "X-Version: 2")
		if n == 7 {
			b = "HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n"
		}
		r.request(n, "GET /a HTTP/1.1")
		r.c.Original(rec(n, record.Response, answer(`{"price":5,"at":1}`, jsonType, "X-Version: 1"), 2*time.Millisecond))
		r.c.Candidate(rec(n, record.Replayed, b, 30*time.Millisecond))
	}
	r.request(99, "GET /a HTTP/1.1")
	return r.result()
}

func TestTextTellsWhatMattersFirst(t *testing.T) {
	var b bytes.Buffer
	if err := sample(t).WriteText(&b, false); err != nil {
		t.Fatal(err)
	}
	want := `Comparison: http://b against http://a
  40 exchanges compared, 40 differ (100 %): EXCEEDS the threshold: 100 % of the exchanges differ, 0.50 % may; 2.4 % of the requests have no replayed response, 0.50 % may; 1 endpoint is slower
  not compared: 1 no-replay

Different
    2.5 %        1  GET /a  status 200 -> 500
   97.5 %       39  GET /a  header x-version: 1 -> 2
   97.5 %       39  GET /a  json $.price: 5 -> 12

Slower
    100 %       40  GET /a  latency p50 2.01 ms -> 30.1 ms (+28.1 ms)

Latency  all endpoints, 40 exchanges
  original    p50 2.01 ms   p90 2.01 ms   p99 2.01 ms   p99.9 2.01 ms   max 2.01 ms
  candidate   p50 30.1 ms   p90 30.1 ms   p99 30.1 ms   p99.9 30.1 ms   max 30.1 ms
`
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestTextCannotControlTheTerminal(t *testing.T) {
	r := newRig(t, Config{})
	evil := "\x1b]0;pwned\x07\x9b31m\u202e"
	r.exchange(1, "GET /"+evil+" HTTP/1.1", answer(`{"`+"\u202e"+`":1}`, jsonType, "X-A: 1"), answer(`{}`, jsonType, "X-A: "+evil))
	var b bytes.Buffer
	if err := r.result().WriteText(&b, false); err != nil {
		t.Fatal(err)
	}
	if strings.ContainsAny(b.String(), "\x1b\x07\u202e") || bytes.IndexByte(b.Bytes(), 0x9b) >= 0 {
		t.Errorf("%q", b.String())
	}
	if !strings.Contains(b.String(), `x-a: 1 -> \x1b]0;pwned`) {
		t.Errorf("the value is not shown: %s", b.String())
	}
}

func TestJSONKeepsItsForm(t *testing.T) {
	var b bytes.Buffer
	if err := sample(t).WriteJSON(&b); err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(b.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"schema", "time", "original", "candidate", "from", "to", "compared", "different", "share", "with_noise",
		"by_baseline", "bodies_cut", "unpaired", "threshold", "exceeds", "reasons", "findings", "endpoints", "latency"} {
		if _, ok := got[name]; !ok {
			t.Errorf("no %q", name)
		}
	}
	if got["schema"] != Schema || len(got["findings"].([]any)) != 4 {
		t.Errorf("schema %v, findings %v", got["schema"], got["findings"])
	}
	if !bytes.HasPrefix(b.Bytes(), []byte("{\n  \"schema\": ")) || !bytes.HasSuffix(b.Bytes(), []byte("}\n")) {
		t.Error("not one indented object")
	}
}

func TestEmptyComparisonExceeds(t *testing.T) {
	r := newRig(t, Config{Threshold: 1}).result()
	if !r.Exceeded || r.Reasons[0] != "nothing was compared" {
		t.Errorf("exceeds %v, %v", r.Exceeded, r.Reasons)
	}
	for _, write := range []func(*bytes.Buffer) error{
		func(b *bytes.Buffer) error { return r.WriteText(b, true) },
		func(b *bytes.Buffer) error { return r.WriteJSON(b) },
	} {
		if err := write(&bytes.Buffer{}); err != nil {
			t.Error(err)
		}
	}
}
