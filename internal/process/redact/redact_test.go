package redact

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"gortap/internal/process/message"
	"gortap/internal/record"
)

var testKey = []byte("0123456789abcdef")

func newRedactor(t testing.TB, cfg Config) *Redactor {
	t.Helper()
	cfg.Key = testKey
	r, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// short makes hashes short, so that a test can be read.
func short(text []byte) string {
	return regexp.MustCompile(Mark+"[0-9a-f]{16}").ReplaceAllString(string(text), "#")
}

func TestTargets(t *testing.T) {
	r := newRedactor(t, Config{})
	for target, want := range map[string]string{
		"/a?accessToken=abc&x=1":           "/a?accessToken=#&x=1",
		"/a?user[password]=abc&x=1":        "/a?user[password]=#&x=1",
		"/a?token=ab;cd&x=1":               "/a?token=#&x=1",
		"/a?token=ab;cd=1&x=1":             "/a?token=#;cd=1&x=1",
		"/a?token=ab#cd":                   "/a?token=#",
		"http://u:p/w@h.example/a":         "http://#@h.example/a",
		"http://[::1]:80/a@b":              "http://[::1]:80/a@b",
		"http://h:80/a@b":                  "http://h:80/a@b",
		"/redirect?to=http://u:p@h/&x=1":   "/redirect?to=http://#@h/&x=1",
		"http://u:p@h/http://u:p@h/?a=b@c": "http://#@h/http://#@h/?a=b@c",
		"/a?token=ab#c=d":                  "/a?token=##c=d",
		"0?token=S3CRET&://@":              "0?token=#&://#@",
		"/plain":                           "/plain",
		"/a?token=abc":                     "/a?token=#",
		"/a?x=1&Token=abc&y=2":             "/a?x=1&Token=#&y=2",
		"/a?tokens=abc&mytoken=d":          "/a?tokens=abc&mytoken=d",
		"/a?access_token=a;api_key=b":      "/a?access_token=#;api_key=#",
		"/a?%74oken=abc":                   "/a?%74oken=#",
		"/a?token=":                        "/a?token=#",
		"/a?token":                         "/a?token",
		"/a?token&x=token":                 "/a?token&x=token",
		"/a?token=a=b?c&d=e":               "/a?token=#&d=e",
		"/a?next=/b?password=p&x=1":        "/a?next=/b?password=#&x=1",
		"/a#access_token=abc&state=1":      "/a#access_token=#&state=1",
		"/a;jsessionid=abc?x=1":            "/a;jsessionid=#?x=1",
		"/a;sid=abc/b;v=1":                 "/a;sid=#/b;v=1",
		"/token=abc":                       "/token=abc",
		"/a?":                              "/a?",
		"":                                 "",
		"?&&==;;token=a":                   "?&&==;;token=#",
		"/a?%zz=1&token%=2&sig=3":          "/a?%zz=1&token%=2&sig=#",
		"http://u:p@h.example/a?sig=1":     "http://#@h.example/a?sig=#",
		"http://h.example/a@b?x=@":         "http://h.example/a@b?x=@",
	} {
		if got := short(r.Target([]byte(target))); got != want {
			t.Errorf("%s is %s, want %s", target, got, want)
		}
	}
	target := []byte("/a?token=abc&x=1")
	if n := testing.AllocsPerRun(100, func() { r.Target(target) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestFieldsKeepTheirForm(t *testing.T) {
	r := newRedactor(t, Config{Fields: []string{"X-Mine"}})
	for field, want := range map[string]string{
		"Authorization: Bearer abc":                         "Authorization: Bearer #",
		"authorization : abc def":                           "authorization : #",
		"Proxy-Authorization: Digest a=b, c":                "Proxy-Authorization: Digest #",
		"Cookie: a=1; b=2;c=3; d":                           "Cookie: a=#; b=#;c=#; #",
		"Set-Cookie: a=b; Path=/; HttpOnly; Max-Age=1; odd": "Set-Cookie: a=#; Path=/; HttpOnly; Max-Age=1; #",
		"X-Api-Key: abc":                                    "X-Api-Key: #",
		"x-mine: abc":                                       "x-mine: #",
		"Location: https://h/cb?code=abc&state=1":           "Location: https://h/cb?code=#&state=1",
		"Referer: http://u:p@h/":                            "Referer: http://#@h/",
		"Link: <https://h/?token=abc&p=2>; rel=\"n\"":       "Link: <https://h/?token=#&p=2>; rel=\"n\"",
		"Authorization:":                                    "Authorization:",
		"Authorization: Bearer a\r\n b":                     "Authorization: Bearer #",
		"User-Agent: token=abc":                             "User-Agent: token=abc",
	} {
		got, err := r.Message([]byte("GET / HTTP/1.1\r\nHost: x\r\n" + field + "\r\n\r\n"))
		if err != nil || short(got) != "GET / HTTP/1.1\r\nHost: x\r\n"+want+"\r\n\r\n" {
			t.Errorf("%q: got %q, %v", field, short(got), err)
		}
	}
	got, _ := r.Message([]byte("GET / HTTP/1.1\r\nAuthorization: Basic dTpw\r\n\r\n"))
	req, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(got)))
	if err != nil {
		t.Fatal(err)
	}
	if user, password, ok := req.BasicAuth(); !ok || user != "redacted" || short([]byte(password)) != "#" {
		t.Errorf("%q", got)
	}
}

func TestBodies(t *testing.T) {
	r := newRedactor(t, Config{JSON: []string{"$.user.name", "$.list[1]", "$.items[*].id", "**.pin", "$.a.**.z"}})
	for _, c := range []struct{ kind, body, want string }{
		{"application/json", `{"user":{"name":"x","x":1},"name":"y"}`, `{"user":{"name":"#","x":1},"name":"y"}`},
		{"application/json", ` { "password" : "p\"w" , "n":1.5e3 } `, ` { "password" : "#" , "n":1.5e3 } `},
		{"application/vnd.x+json; charset=utf-8", `{"pass\u0077ord":"x"}`, `{"pass\u0077ord":"#"}`},
		{"application/json", `{"list":["a","b","c"],"items":[{"id":1},{"id":2,"v":3}]}`, `{"list":["a","#","c"],"items":[{"id":"#"},{"id":"#","v":3}]}`},
		{"application/json", `[[{"pin":[1,2,{"x":"y"}]}],{"pin":null},{"token":true}]`, `[[{"pin":"#"}],{"pin":null},{"token":true}]`},
		{"application/json", `{"a":{"b":{"z":1}},"z":2}`, `{"a":{"b":{"z":"#"}},"z":2}`},
		{"application/json", `{"code":404,"key":"k","accessToken":"x"}`, `{"code":404,"key":"k","accessToken":"#"}`},
		{"application/json", `{"url":"https://x/?token=abc\u0026a=1"}`, `{"url":"https://x/?token=#\u0026a=1"}`},
		{"application/x-ndjson", "{\"token\":1}\n{\"token\":2}\n", "{\"token\":\"#\"}\n{\"token\":\"#\"}\n"},
		{"application/json", `{"token":"abc`, `"#"`},
		{"application/json", `token=abc`, `"#"`},
		{"text/plain", `{"token":"abc"}`, `{"token":"#"}`},
		{"", "token=abc def&x=1", "token=#&x=1"},
		{"", "just text, token=abc", "just text, token=abc"},
		{"application/x-www-form-urlencoded", "user=u&password=a;b#c?d/e&x=y", "user=u&password=#&x=y"},
		{"application/x-www-form-urlencoded", "url=http://u:p@h/&a", "url=http://#@h/&a"},
		{"text/html", "token=abc", "token=abc"},
		{"application/grpc+json", "\x00\x00\x00\x00\x02{}", `"#"`},
		{`multipart/form-data; boundary="b"`, "--b\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n--b\r\nContent-Disposition: form-data; name=\"password\"\r\n\r\np\r\nw\r\n--b\r\nContent-Disposition: form-data; name=j\r\nContent-Type: application/json\r\n\r\n{\"token\":1}\r\n--b--\r\n",
			"--b\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n--b\r\nContent-Disposition: form-data; name=\"password\"\r\n\r\n#\r\n--b\r\nContent-Disposition: form-data; name=j\r\nContent-Type: application/json\r\n\r\n{\"token\":\"#\"}\r\n--b--\r\n"},
		{"multipart/form-data", "--b\r\n\r\ntoken", "#"},
	} {
		msg := fmt.Sprintf("POST / HTTP/1.1\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s", c.kind, len(c.body), c.body)
		got, err := r.Message([]byte(msg))
		if err != nil {
			t.Errorf("%q: %v", c.body, err)
			continue
		}
		head, body, _ := strings.Cut(string(got), "\r\n\r\n")
		if short([]byte(body)) != c.want {
			t.Errorf("%s %q:\ngot  %q\nwant %q", c.kind, c.body, short([]byte(body)), c.want)
		}
		if !strings.HasSuffix(head, fmt.Sprintf("Content-Length: %d", len(body))) {
			t.Errorf("%q: body of %d, head %q", c.body, len(body), head)
		}
	}
}

func zip(text string) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	io.WriteString(w, text)
	w.Close()
	return b.String()
}

func TestCodingsAndChunksAreKeptOrReplaced(t *testing.T) {
	r := newRedactor(t, Config{})
	var v message.View
	send := func(msg string) string {
		t.Helper()
		got, err := r.Message([]byte(msg))
		if err != nil || !v.Parse(got) {
			t.Fatalf("%q: %v", msg, err)
		}
		content, err := v.Content(1 << 20)
		if err != nil {
			t.Fatalf("%q became %q: %v", msg, got, err)
		}
		return short(content)
	}
	if got := send("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Encoding: gzip\r\n\r\n" + zip(`{"token":"abc"}`)); got != `{"token":"#"}` || len(v.Value("Content-Encoding")) == 0 {
		t.Errorf("gzip: %s", got)
	}
	if got := send("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n9\r\n{\"token\":\r\n6;x\r\n\"abc\"}\r\n0\r\nX-Api-Key: abc\r\nA: b\r\n\r\nGET / HTTP/1.1"); got != `{"token":"#"}` || short(v.Trailers()) != "X-Api-Key: #\r\nA: b\r\n\r\n" {
		t.Errorf("chunks: %s %q", got, v.Trailers())
	}
	if got := send("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Encoding: br\r\nContent-Length: 3\r\n\r\nabc"); got != `"#"` || v.Value("Content-Encoding") != nil {
		t.Errorf("unknown coding: %s %q", got, v.Bytes())
	}
	if got := send("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\ntok"); got != "#" {
		t.Errorf("cut chunks: %s", got)
	}
	same := []byte("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;a=b\r\nhi\r\n0\r\nA: b\r\n\r\n")
	if got, err := r.Message(same); err != nil || &got[0] != &same[0] {
		t.Errorf("without a secret: %q, %v", got, err)
	}
}

func TestWhatFollowsAMessageIsCutOff(t *testing.T) {
	r := newRedactor(t, Config{})
	const next = "GET / HTTP/1.1\r\nAuthorization: abc\r\n\r\n"
	for msg, want := range map[string]string{
		"GET / HTTP/1.1\r\nA: b\r\n\r\n":                                 "GET / HTTP/1.1\r\nA: b\r\n\r\n",
		"POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\nhi":                 "POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\nhi",
		"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi":                 "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi",
		"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n": "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
	} {
		if got, err := r.Message([]byte(msg + next)); err != nil || string(got) != want {
			t.Errorf("%q: %q, %v", msg, got, err)
		}
	}
	h2 := "POST / HTTP/2.0\r\nhost: x\r\n\r\nbody"
	if got, _ := r.Message([]byte(h2)); string(got) != h2 {
		t.Errorf("HTTP/2: %q", got)
	}
}

func TestEqualityIsKeptAndTheKeyDecides(t *testing.T) {
	hash := func(r *Redactor, msg string) string {
		got, err := r.Message([]byte(msg))
		if err != nil {
			t.Fatal(err)
		}
		return regexp.MustCompile(Mark + "[0-9a-f]{16}").FindString(string(got))
	}
	a := newRedactor(t, Config{})
	inHeader := hash(a, "GET / HTTP/1.1\r\nAuthorization: Bearer abc\r\n\r\n")
	inTarget := hash(a.Clone(), "GET /?token=abc HTTP/1.1\r\n\r\n")
	inJSON := hash(a, "POST / HTTP/1.1\r\nContent-Length: 15\r\n\r\n{\"token\":\"abc\"}")
	other := hash(a, "GET /?token=abd HTTP/1.1\r\n\r\n")
	if inHeader != inTarget || inTarget != inJSON || other == inTarget {
		t.Error(inHeader, inTarget, inJSON, other)
	}
	b, err := New(Config{Key: []byte("another key of the user")})
	if err != nil {
		t.Fatal(err)
	}
	c, _ := New(Config{})
	if h := hash(b, "GET /?token=abc HTTP/1.1\r\n\r\n"); h == inTarget || h == hash(c, "GET /?token=abc HTTP/1.1\r\n\r\n") {
		t.Error("the key makes no difference")
	}
}

func TestNewExplains(t *testing.T) {
	for want, cfg := range map[string]Config{
		"openssl":       {Key: []byte("short")},
		`field "a b"`:   {Fields: []string{"a b"}},
		`path "a.b"`:    {JSON: []string{"a.b"}},
		`path "$"`:      {JSON: []string{"$"}},
		`path "$.a."`:   {JSON: []string{"$.a."}},
		`path "$.a[x]"`: {JSON: []string{"$.a[x]"}},
		`path "$.a[1"`:  {JSON: []string{"$.a[1"}},
		`path "$.**"`:   {JSON: []string{"$.**"}},
		`path "$x"`:     {JSON: []string{"$x"}},
	} {
		if _, err := New(cfg); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}

func TestKeyOfAFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "key")
	if _, err := ReadKey(file); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	for text, want := range map[string]string{"0123456789abcdef\n": "0123456789abcdef", "short\n": ""} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if key, err := ReadKey(file); string(key) != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q, %v", text, key, err)
		}
	}
}

// sink is an output that keeps what it is given.
type sink struct {
	record.Output
	got []*record.Record
}

func (s *sink) Put(r *record.Record, _ time.Duration) bool {
	s.got = append(s.got, r)
	return true
}

func (s *sink) Stats() record.Stats {
	return record.Stats{Taken: uint64(len(s.got)), Done: uint64(len(s.got))}
}

func TestOutputGetsNoSecretsAndCountsWhatItDrops(t *testing.T) {
	s := &sink{}
	o := Wrap(s, newRedactor(t, Config{}))
	for _, rec := range []*record.Record{
		{Kind: record.Request, Data: []byte("GET /?token=abc HTTP/1.1\r\n\r\n")},
		{Kind: record.Stream, Data: []byte("abc")},
		{Kind: record.End},
	} {
		if !o.Put(rec, 0) {
			t.Errorf("no room for %d", rec.Kind)
		}
	}
	if len(s.got) != 2 || bytes.Contains(s.got[0].Data, []byte("abc")) {
		t.Errorf("got %d", len(s.got))
	}
	st := o.Stats()
	if st.Taken != 3 || st.Done != 2 || len(st.Dropped) != 1 || st.Dropped[0] != (record.Count{Reason: "unredactable", N: 1}) {
		t.Errorf("%+v", st)
	}
}

func TestRecordsOfOthersStayAsTheyAre(t *testing.T) {
	r := newRedactor(t, Config{})
	data := []byte("GET /?token=abc HTTP/1.1\r\n\r\n")
	rec := &record.Record{Kind: record.Request, ID: "1", Data: bytes.Clone(data)}
	clean, err := r.Record(rec)
	if err != nil || clean == rec || !bytes.Equal(rec.Data, data) || bytes.Contains(clean.Data, []byte("abc")) || clean.ID != "1" {
		t.Errorf("%+v became %+v, %v", rec, clean, err)
	}
	for _, rec := range []*record.Record{{Kind: record.Stream, Data: []byte("x")}, {Kind: record.Request, Data: []byte("\x16")}} {
		if clean, err := r.Record(rec); err == nil {
			t.Errorf("%+v became %+v", rec, clean)
		}
	}
	if end, err := r.Record(&record.Record{Kind: record.End}); err != nil || end.Kind != record.End {
		t.Error(err)
	}
}

func TestValuesThatAreShownAlone(t *testing.T) {
	r := newRedactor(t, Config{Fields: []string{"X-Mine"}, JSON: []string{"$.items[1].pin", "$.list[0]"}})
	for _, c := range []struct{ name, value, want string }{
		{"x-mine", "abc", "#"}, {"X-Other", "abc", "abc"}, {"Cookie", "a=b; c=d", "a=#; c=#"}, {"Authorization", "Bearer abc", "Bearer #"}, {"Authorization", "", ""},
	} {
		if got := short(r.AppendField([]byte("-"), []byte(c.name), []byte(c.value))); got != "-"+c.want {
			t.Errorf("%s: %s is %s, want -%s", c.name, c.value, got, c.want)
		}
	}
	name := func(s string) Place { return Place{Name: []byte(s)} }
	for _, c := range []struct {
		way         []Place
		value, want string
	}{
		{nil, `{"token":"abc","x":1}`, `{"token":"#","x":1}`},
		{[]Place{name("a"), name("access_token")}, `"abc"`, `"#"`},
		{[]Place{name("a"), name("x")}, `"abc"`, `"abc"`},
		{[]Place{name("password"), {Index: 3}, name("x")}, `5`, `"#"`},
		{[]Place{name("items"), {Index: 1}, name("pin")}, `"abc"`, `"#"`},
		{[]Place{name("items"), {Index: 0}, name("pin")}, `"abc"`, `"abc"`},
		{[]Place{name("items"), {Index: 1}}, `{"pin":1,"x":2}`, `{"pin":"#","x":2}`},
		{[]Place{name("list")}, `["a","b"]`, `["#","b"]`},
		{[]Place{name("x")}, `{"token`, `#`},
	} {
		if got := short(r.AppendJSON([]byte("-"), c.way, []byte(c.value))); got != "-"+c.want {
			t.Errorf("%v %s is %s, want -%s", c.way, c.value, got, c.want)
		}
	}
	for _, c := range []struct{ kind, content, want string }{
		{"text/html", "token=abc", "token=abc"}, {"", "token=abc", "token=#"}, {"application/json", "{", "#"},
	} {
		if got := short(r.Body([]byte(c.kind), []byte(c.content))); got != c.want {
			t.Errorf("%s %s is %s, want %s", c.kind, c.content, got, c.want)
		}
	}
	var none *Redactor
	if got := string(none.AppendField(nil, []byte("Cookie"), []byte("a=b"))) + string(none.AppendJSON(nil, nil, []byte(`{"token":1}`))) + string(none.Body(nil, []byte("token=a"))); got != `a=b{"token":1}token=a` || none.Clone() != nil {
		t.Error(got)
	}
}
