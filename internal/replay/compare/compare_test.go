package compare

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"gortap/internal/proto"
	"gortap/internal/record"
	"gortap/internal/testutil"
)

// rig drives a Comparer with a clock that stands.
type rig struct {
	t   *testing.T
	c   *Comparer
	now time.Time
}

func newRig(t *testing.T, c Config) *rig {
	t.Helper()
	testutil.CheckLeaks(t)
	r := &rig{t: t, now: time.Unix(1e9, 0)}
	c.Now = func() time.Time { return r.now }
	x, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	r.c = x
	t.Cleanup(func() { x.Close(context.Background()) })
	return r
}

func id(n int) string { return fmt.Sprintf("%024x", n) }

func rec(n int, kind record.Kind, data string, latency time.Duration) *record.Record {
	return &record.Record{Kind: kind, ID: id(n), TimeNs: 1e18 + int64(n)*1e6, LatencyNs: int64(latency), Protocol: proto.HTTP11, Data: []byte(data)}
}

func (r *rig) request(n int, line string) {
	r.c.Request(rec(n, record.Request, line+"\r\nHost: h\r\n\r\n", 0))
}

// exchange brings a request and its two responses.
func (r *rig) exchange(n int, line, a, b string) {
	r.request(n, line)
	r.c.Original(rec(n, record.Response, a, 0))
	r.c.Candidate(rec(n, record.Replayed, b, 0))
}

func (r *rig) result() *Result {
	r.t.Helper()
	if err := r.c.Close(context.Background()); err != nil {
		r.t.Fatal(err)
	}
	return r.c.Result()
}

// answer is a 200 with fields and a body.
func answer(body string, fields ...string) string {
	head := "HTTP/1.1 200 OK\r\n"
	for _, f := range fields {
		head += f + "\r\n"
	}
	return head + fmt.Sprintf("Content-Length: %d\r\n\r\n", len(body)) + body
}

const jsonType = "Content-Type: application/json"

// lines tells the findings as "verdict endpoint: place xcount".
func lines(r *Result) (out []string) {
	for _, f := range r.Findings {
		out = append(out, fmt.Sprintf("%s %s: %s x%d", f.Verdict, f.Endpoint, f.Place, f.Count))
	}
	return out
}

func text1(s *string) string {
	if s == nil {
		return "-"
	}
	return *s
}

func wantLines(t *testing.T, r *Result, want ...string) {
	t.Helper()
	got := strings.Join(lines(r), "\n")
	if got != strings.Join(want, "\n") {
		t.Errorf("found\n%s\nwant\n%s", got, strings.Join(want, "\n"))
	}
}

func TestFindsExactlyOneHeaderOneFieldAndTheLatency(t *testing.T) {
	r := newRig(t, Config{})
	for n := range 200 {
		noise := time.Duration(n%7) * 100 * time.Microsecond
		r.request(n, "GET /items/"+fmt.Sprint(n)+"?q=1 HTTP/1.1")
		a := answer(`{"id":1,"price":5,"tags":["a","b"]}`, jsonType, "Server: nginx", "X-Version: 1", fmt.Sprintf("Date: %d", n))
		b := answer(`{"tags":["a","b"],"id":1.0,"price":12}`, "X-Version: 2", "Server: nginx", jsonType, fmt.Sprintf("Date: %d", n+1))
		r.c.Original(rec(n, record.Response, a, 2*time.Millisecond+noise))
		r.c.Candidate(rec(n, record.Replayed, b, 22*time.Millisecond+noise))
	}
	got := r.result()
	wantLines(t, got,
		"different GET /items/{id}: header x-version x200",
		"different GET /items/{id}: json $.price x200",
		"slower GET /items/{id}: latency x200")
	if f := got.Findings[1]; !f.Uniform || text1(f.Examples[0].Original) != "5" || text1(f.Examples[0].Candidate) != "12" || f.Examples[0].Target != "/items/0" {
		t.Errorf("example %+v", f)
	}
	if got.Compared != 200 || got.Different != 200 || !got.Exceeded {
		t.Errorf("compared %d, different %d, exceeds %v", got.Compared, got.Different, got.Exceeded)
	}
}

func TestIdenticalServersDoNotDiffer(t *testing.T) {
	r := newRig(t, Config{})
	for n := range 100 {
		r.request(n, "GET /a HTTP/1.1")
		a := answer(`{"a":1}`, jsonType, fmt.Sprintf("X-Request-Id: %d", n))
		b := answer(`{"a":1}`, jsonType, fmt.Sprintf("X-Request-Id: %d", n+7))
		r.c.Candidate(rec(n, record.Replayed, b, time.Duration(1+n%10)*time.Millisecond))
		r.c.Original(rec(n, record.Response, a, time.Duration(1+(n+3)%10)*time.Millisecond))
	}
	got := r.result()
	wantLines(t, got)
	if got.Exceeded || got.Compared != 100 || got.Endpoints[0].Latency.Verdict != Same {
		t.Errorf("%+v", got)
	}
}

func TestBaselineTellsNoiseFromDifferences(t *testing.T) {
	r := newRig(t, Config{Baselines: 1})
	body := func(clock, price int) string {
		return answer(fmt.Sprintf(`{"clock":%d,"price":%d}`, clock, price), jsonType)
	}
	for n := range 50 {
		price := 5
		if n < 3 {
			price = 6
		}
		r.request(n, "GET /a HTTP/1.1")
		r.c.Original(rec(n, record.Response, body(3*n, 5), 0))
		r.c.Candidate(rec(n, record.Replayed, body(3*n+1, price), 0))
		r.c.Baseline(rec(n, record.Replayed, body(3*n+2, 5), 0))
	}
	got := r.result()
	wantLines(t, got, "different GET /a: json $.price x3", "noise GET /a: json $.clock x50")
	if got.Different != 3 || got.WithNoise != 50 {
		t.Errorf("different %d, with noise %d", got.Different, got.WithNoise)
	}
}

func TestValuesThatNeverRepeatAreProbablyNoiseButCount(t *testing.T) {
	r := newRig(t, Config{})
	for n := range 20 {
		r.exchange(n, "GET /a HTTP/1.1", answer(fmt.Sprintf(`{"at":%d}`, 2*n), jsonType), answer(fmt.Sprintf(`{"at":%d}`, 2*n+1), jsonType))
	}
	got := r.result()
	wantLines(t, got, "probably-noise GET /a: json $.at x20")
	if got.Different != 20 || !got.Exceeded {
		t.Errorf("different %d, exceeds %v", got.Different, got.Exceeded)
	}
}

func TestUnpairedResponsesAreCountedByReason(t *testing.T) {
	r := newRig(t, Config{Timeout: time.Minute})
	ok := answer("x")
	r.request(1, "GET /a HTTP/1.1") // never replayed
	r.c.Original(rec(1, record.Response, ok, 0))
	r.request(2, "GET /a HTTP/1.1") // never answered when it was recorded
	r.c.Candidate(rec(2, record.Replayed, ok, 0))
	r.exchange(3, "GET /a HTTP/1.1", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx", ok)
	r.c.Skip(id(4)) // not to be replayed
	r.c.Original(rec(4, record.Response, ok, 0))
	r.now = r.now.Add(2 * time.Minute)
	r.exchange(5, "GET /a HTTP/1.1", ok, ok)
	r.c.Candidate(rec(5, record.Replayed, ok, 0)) // again
	r.c.Candidate(rec(1, record.Replayed, ok, 0)) // too late
	got := r.result()
	want := map[string]uint64{"no-original": 1, "no-replay": 1, "evicted": 0, "incomplete": 1, "late": 2}
	for why, n := range want {
		if got.Unpaired[why] != n {
			t.Errorf("%s: %d, want %d", why, got.Unpaired[why], n)
		}
	}
	if got.Compared != 1 || len(got.Unpaired) != len(want) {
		t.Errorf("compared %d, unpaired %v", got.Compared, got.Unpaired)
	}
}

func TestTargetThatFailsIsADifference(t *testing.T) {
	r := newRig(t, Config{})
	for n := range 4 {
		r.request(n, "GET /a HTTP/1.1")
		r.c.Original(rec(n, record.Response, answer("x"), 0))
		switch n {
		case 0:
			r.c.Failed(id(n), "timeout")
		case 1:
			r.c.Candidate(rec(n, record.Replayed, "SSH-2.0-OpenSSH_9.2\r\n", 0))
		case 2:
			r.c.Candidate(rec(n, record.Replayed, answer("x")[:30], 0))
		default:
			r.c.Candidate(rec(n, record.Replayed, "HTTP/1.1 503 No\r\nContent-Type: text/html\r\nContent-Length: 2\r\n\r\nno", 0))
		}
	}
	wantLines(t, r.result(),
		"different GET /a: no response: not an HTTP response x1",
		"different GET /a: no response: the message ends too early x1",
		"different GET /a: no response: timeout x1",
		"different GET /a: status 200 -> 503 x1")
}

func TestWithoutOriginalsTwoBaselinesServe(t *testing.T) {
	r := newRig(t, Config{Baselines: 2})
	for n := range 6 {
		r.request(n, "GET /a HTTP/1.1")
		r.c.Candidate(rec(n, record.Replayed, answer(fmt.Sprintf(`{"at":%d,"v":2}`, 3*n), jsonType), 0))
		r.c.Baseline(rec(n, record.Replayed, answer(fmt.Sprintf(`{"at":%d,"v":1}`, 3*n+1), jsonType), 0))
		r.c.Baseline(rec(n, record.Replayed, answer(fmt.Sprintf(`{"at":%d,"v":1}`, 3*n+2), jsonType), 0))
	}
	got := r.result()
	wantLines(t, got, "different GET /a: json $.v x6", "noise GET /a: json $.at x6")
	if got.ByBaseline != 6 {
		t.Errorf("by baseline %d, want 6", got.ByBaseline)
	}
}

func TestResponseThatTheReplayCutIsNoDifference(t *testing.T) {
	r := newRig(t, Config{ResponseLimit: 100})
	whole := answer(strings.Repeat("x", 5000), "Content-Type: text/plain")
	r.exchange(1, "GET /a HTTP/1.1", whole, whole[:strings.Index(whole, "\r\n\r\n")+4+100])
	got := r.result()
	wantLines(t, got)
	if got.BodiesCut != 1 || got.Compared != 1 {
		t.Errorf("%d cut of %d", got.BodiesCut, got.Compared)
	}
}
