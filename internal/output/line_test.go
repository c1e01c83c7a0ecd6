package output

import (
	"bytes"
	"encoding/json"
	"net/netip"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"gortap/internal/flow"
	"gortap/internal/process/redact"
	"gortap/internal/proto"
)

// record is a line as a reader of the format declares it.
type jsonRecord struct {
	Time          time.Time `json:"time"`
	Protocol      string    `json:"protocol"`
	ClientIP      string    `json:"client_ip"`
	ClientPort    int       `json:"client_port"`
	ServerIP      string    `json:"server_ip"`
	ServerPort    int       `json:"server_port"`
	Service       string    `json:"service"`
	Conn          uint64    `json:"conn"`
	Seq           uint64    `json:"seq"`
	Method        string    `json:"method"`
	Host          string    `json:"host"`
	Target        string    `json:"target"`
	Path          string    `json:"path"`
	Status        int       `json:"status"`
	RequestSize   int64     `json:"request_size"`
	ResponseSize  int64     `json:"response_size"`
	RequestBytes  int64     `json:"request_bytes"`
	ResponseBytes int64     `json:"response_bytes"`
	Duration      *float64  `json:"duration"`
	TTFB          *float64  `json:"ttfb"`
	Complete      bool      `json:"complete"`
	Incomplete    string    `json:"incomplete,omitempty"`
}

func testConn(client, server string) *proto.Conn {
	key, dir := flow.NewKey(netip.MustParseAddrPort(client), netip.MustParseAddrPort(server), 0)
	return &proto.Conn{ID: 7, Key: key, Client: dir, Opened: 1_700_000_000_000_000_000}
}

func testExchange() *proto.Exchange {
	const start = 1_706_780_096_000_000_007
	return &proto.Exchange{
		Conn: testConn("10.0.0.9:40000", "10.0.0.1:80"), Seq: 3, Protocol: proto.HTTP11,
		Method: []byte("GET"), Host: []byte("Shop.example"), Target: []byte("/users/42?page=2"),
		Status: 200, Path: "/users/{id}", Service: "shop.example",
		Request:  proto.Message{FirstNs: start, LastNs: start + 1_000_000, Wire: 120, Seen: true},
		Response: proto.Message{FirstNs: start + 3_500_000, LastNs: start + 1_234_567_890, Wire: 5200, Body: 5000, Seen: true},
	}
}

func encode(x *proto.Exchange) string {
	return string((&lineEncoder{}).appendLine(nil, x))
}

func TestLineOfACompleteExchange(t *testing.T) {
	want := `{"time":"2024-02-01T09:34:56.000000007Z","protocol":"http/1.1","client_ip":"10.0.0.9","client_port":40000,` +
		`"server_ip":"10.0.0.1","server_port":80,"service":"shop.example","conn":7,"seq":3,"method":"GET",` +
		`"host":"Shop.example","target":"/users/42?page=2","path":"/users/{id}","status":200,"request_size":0,` +
		`"response_size":5000,"request_bytes":120,"response_bytes":5200,"duration":1.23456789,"ttfb":0.0025,"complete":true}` + "\n"
	if diff := cmp.Diff(want, encode(testExchange())); diff != "" {
		t.Errorf("line (-want +got):\n%s", diff)
	}
}

func TestCodesAndMessagesAreInLinesThatHaveThem(t *testing.T) {
	x := testExchange()
	x.Protocol, x.HasCode, x.Code = proto.GRPC, true, 0
	x.Request.Messages, x.Request.MessageBytes = 1, 5
	x.Response.Messages, x.Response.MessageBytes = 3, 4985
	if got, want := encode(x), `"status":200,"code":0,"request_size":0,"response_size":5000,"request_bytes":120,"response_bytes":5200,`+
		`"request_messages":1,"response_messages":3,"request_message_bytes":5,"response_message_bytes":4985,"duration"`; !strings.Contains(got, want) {
		t.Errorf("gRPC: %s\nwant %s", got, want)
	}
	x.HasCode = false
	if got, want := encode(x), `"status":200,"request_size"`; !strings.Contains(got, want) {
		t.Errorf("gRPC without status: %s", got)
	}
	x.Protocol, x.HasCode, x.Code, x.Response.Messages = proto.WebSocket, true, 1001, 0
	if got := encode(x); !strings.Contains(got, `"code":1001,`) || !strings.Contains(got, `"response_messages":0,`) {
		t.Errorf("WebSocket: %s", got)
	}
}

func TestLinesOfPartialExchanges(t *testing.T) {
	x := testExchange()
	x.Response = proto.Message{Incomplete: proto.NoResponse}
	x.Status = 0
	tail := `"status":0,"request_size":0,"response_size":0,"request_bytes":120,"response_bytes":0,"duration":null,"ttfb":null,"complete":false,"incomplete":"no-response"}` + "\n"
	if got := encode(x); !strings.HasSuffix(got, tail) {
		t.Errorf("without response: %s", got)
	}

	x = testExchange()
	x.Method, x.Host, x.Target = nil, nil, nil
	x.Request = proto.Message{Incomplete: proto.NoRequest}
	got := encode(x)
	if !strings.HasPrefix(got, `{"time":"2024-02-01T09:34:56.003500007Z"`) ||
		!strings.Contains(got, `"method":"","host":"","target":"","path"`) ||
		!strings.HasSuffix(got, `"duration":null,"ttfb":null,"complete":false,"incomplete":"no-request"}`+"\n") {
		t.Errorf("without request: %s", got)
	}

	x = testExchange()
	x.Upgraded = true
	if got := encode(x); !strings.Contains(got, `"method":"","host":"Shop.example","target":"/users/42?page=2"`) {
		t.Errorf("after an upgrade: %s", got)
	}

	x = testExchange()
	x.Response.FirstNs = x.Request.LastNs - 2_000_000_000
	if got := encode(x); !strings.Contains(got, `"ttfb":-2,`) {
		t.Errorf("early response: %s", got)
	}
	x.Request, x.Response = proto.Message{}, proto.Message{}
	if got := encode(x); !strings.HasPrefix(got, `{"time":"2023-11-14T22:13:20.000000000Z"`) {
		t.Errorf("without any time: %s", got)
	}
}

func TestSecondsAreExact(t *testing.T) {
	for ns, want := range map[int64]string{
		0: "0", 1: "0.000000001", 1_000_000_000: "1", 1_500_000_000: "1.5", -250_000_000: "-0.25",
		3_600_000_000_010: "3600.00000001", 100: "0.0000001",
	} {
		if got := string(appendSeconds(nil, ns)); got != want {
			t.Errorf("%d ns is %s, want %s", ns, got, want)
		}
	}
}

func TestTimeBeforeAndAcrossSeconds(t *testing.T) {
	var c clock
	for _, ns := range []int64{0, 1, 999_999_999, 1_000_000_000, -1, 1_706_780_096_123_456_789, 1_706_780_096_000_000_000} {
		want := time.Unix(0, ns).UTC().Format("2006-01-02T15:04:05.000000000Z")
		if got := string(c.appendTime(nil, ns)); got != want {
			t.Errorf("time %d is %s, want %s", ns, got, want)
		}
	}
}

// asText is what a reader gets for bytes: those that are no UTF-8 encoded.
func asText(b []byte) string {
	var out strings.Builder
	for len(b) > 0 {
		r, n := utf8.DecodeRune(b)
		if r == utf8.RuneError && n == 1 {
			out.WriteString("%" + strings.ToUpper(string(hexDigits[b[0]>>4])+string(hexDigits[b[0]&15])))
		} else {
			out.Write(b[:n])
		}
		b = b[n:]
	}
	return out.String()
}

func FuzzLineIsWhatItsReaderDecodes(f *testing.F) {
	f.Add([]byte("GET"), []byte("h"), []byte("/a?b=c"), int64(1), int64(2), int64(3), 200, uint8(0))
	f.Add([]byte("\x00\"\\\n\r\t\x1f\x7f"), []byte("\xff\xc3\xa9\xe2\x80\xa8"), []byte("/\xed\xa0\x80<>&\xf0\x9f\x92\xa9"), int64(0), int64(5), int64(-7), -1, uint8(3))
	f.Fuzz(func(t *testing.T, method, host, target []byte, a, b, c int64, status int, why uint8) {
		const base = 1_706_780_096_000_000_000
		limit := int64(1e15)
		x := testExchange()
		x.Method, x.Host, x.Target, x.Status = method, host, target, status
		x.Request = proto.Message{FirstNs: base + a%limit, LastNs: base + b%limit, Wire: a, Body: b, Incomplete: proto.Reason(why) % proto.NumReasons}
		x.Response = proto.Message{FirstNs: base + c%limit, LastNs: base + b%limit, Wire: c, Body: a}
		line := encode(x)
		if strings.IndexByte(line, '\n') != len(line)-1 || !utf8.ValidString(line) {
			t.Fatalf("not one line of UTF-8: %q", line)
		}
		duration, ttfb := float64(b%limit-a%limit)/1e9, float64(c%limit-b%limit)/1e9
		want := jsonRecord{
			Time: time.Unix(0, x.Request.FirstNs).UTC(), Protocol: "http/1.1", ClientIP: "10.0.0.9", ClientPort: 40000,
			ServerIP: "10.0.0.1", ServerPort: 80, Service: "shop.example", Conn: 7, Seq: 3,
			Method: asText(method), Host: asText(host), Target: asText(target), Path: "/users/{id}", Status: status,
			RequestSize: b, ResponseSize: a, RequestBytes: a, ResponseBytes: c, Duration: &duration, TTFB: &ttfb,
			Complete: x.Request.Incomplete == proto.Complete,
		}
		if !want.Complete {
			want.Incomplete = x.Request.Incomplete.String()
		}
		var got jsonRecord
		if err := json.Unmarshal([]byte(line), &got); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		near := cmp.Comparer(func(x, y float64) bool { return x == y || (x-y)/y < 1e-12 && (y-x)/y < 1e-12 })
		if diff := cmp.Diff(want, got, near); diff != "" {
			t.Errorf("decoded (-want +got):\n%s\n%s", diff, line)
		}
		// The order of the fields is that of the declaration.
		oracle, err := json.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(keys(t, oracle), keys(t, []byte(line))); diff != "" {
			t.Errorf("fields (-want +got):\n%s", diff)
		}
	})
}

func keys(t *testing.T, object []byte) (names []string) {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(object))
	for i := 0; ; i++ {
		token, err := d.Token()
		if err != nil {
			return names
		}
		if s, ok := token.(string); ok && i%2 == 1 { // after the brace, names and values take turns
			names = append(names, s)
		}
	}
}

func TestSecretsAreHidden(t *testing.T) {
	x := testExchange()
	x.Target = []byte("/a?x=\"\n&secret=\"abc")
	e := lineEncoder{redact: newRedactor(t)}
	line := regexp.MustCompile(redact.Mark+"[0-9a-f]{16}").ReplaceAllString(string(e.appendLine(nil, x)), "#")
	if want := `"target":"/a?x=\"\n&secret=#",`; !strings.Contains(line, want) {
		t.Errorf("got %s, want %s", line, want)
	}
	e.redact = nil
	if line := string(e.appendLine(nil, x)); !strings.Contains(line, `secret=\"abc"`) {
		t.Errorf("asked to show secrets, the line is %s", line)
	}
}

func newRedactor(t testing.TB) *redact.Redactor {
	t.Helper()
	r, err := redact.New(redact.Config{})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestLineDoesNotAllocate(t *testing.T) {
	e := lineEncoder{redact: newRedactor(t)}
	x := testExchange()
	x.Target = []byte("/a?token=\xff&x=\"2\"")
	buf := make([]byte, 0, 4096)
	if n := testing.AllocsPerRun(1000, func() {
		x.Request.FirstNs += 1e9
		buf = e.appendLine(buf[:0], x)
	}); n != 0 {
		t.Errorf("%v allocations a line", n)
	}
}

func BenchmarkLine(b *testing.B) {
	e := lineEncoder{redact: newRedactor(b)}
	x := testExchange()
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		buf = e.appendLine(buf[:0], x)
	}
	b.SetBytes(int64(len(buf)))
}
