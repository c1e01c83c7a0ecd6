package compare

import (
	"fmt"
	"strings"
	"testing"

	"gortap/internal/process/redact"
)

func TestHeadersAreComparedByRules(t *testing.T) {
	w := newTestWorker(t, Config{IgnoreHeaders: []string{"X-Debug-*", "X-Node"}, CompareHeaders: []string{"Age", "set-cookie-2"}})
	for name, c := range map[string]struct{ a, b, want string }{
		"order, case and lists":   {"Vary: a\r\nVary: b\r\nX: 1\r\n", "x: 1\r\nvary: a, b\r\n", ""},
		"a value":                 {"X: 1\r\n", "X: 2\r\n", "header x"},
		"a missing one":           {"X: 1\r\n", "", "header x"},
		"an additional one":       {"", "X:\r\n", "header x"},
		"another server":          {"Server: nginx\r\n", "Server: caddy\r\n", "header server"},
		"clocks and ids":          {"Date: 1\r\nX-Request-Id: 1\r\n", "Date: 2\r\nX-Request-Id: 2\r\n", ""},
		"connection":              {"Connection: close\r\nKeep-Alive: x\r\n", "", ""},
		"ignored by the user":     {"X-Debug-A: 1\r\nX-Node: 1\r\n", "X-Debug-B: 1\r\n", ""},
		"compared after all":      {"Age: 1\r\n", "Age: 2\r\n", "header age"},
		"validators":              {"ETag: a\r\nLast-Modified: 1\r\n", "ETag: b\r\nLast-Modified: 2\r\n", ""},
		"a validator less":        {"ETag: a\r\n", "", "header etag"},
		"cookie values":           {"Set-Cookie: s=1; Path=/; Expires=1\r\n", "Set-Cookie: s=2; Path=/; Expires=2\r\n", ""},
		"cookie attributes":       {"Set-Cookie: s=1; Path=/; Secure\r\n", "Set-Cookie: s=1; Path=/\r\n", "header set-cookie"},
		"cookie names":            {"Set-Cookie: s=1\r\n", "Set-Cookie: t=1\r\n", "header set-cookie"},
		"a cookie less":           {"Set-Cookie: s=1\r\nSet-Cookie: t=1\r\n", "Set-Cookie: s=1\r\n", "header set-cookie"},
		"length follows the body": {"", "Transfer-Encoding: chunked\r\n", ""},
	} {
		response := func(fields string) []byte {
			if strings.Contains(fields, "chunked") {
				return []byte("HTTP/1.1 200 OK\r\n" + fields + "\r\n0\r\n\r\n")
			}
			return []byte("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n" + fields + "\r\n")
		}
		if got := strings.Join(w.places(t, "GET", response(c.a), response(c.b)), ", "); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
	head := func(n int) []byte { return []byte(fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", n)) }
	if got := w.places(t, "HEAD", head(1), head(2)); len(got) != 1 || got[0] != "header content-length" {
		t.Errorf("lengths without a body: %v", got)
	}
}

func TestJSONIsComparedByStructure(t *testing.T) {
	w := newTestWorker(t, Config{IgnoreJSON: []string{"$.ignored", "$.list[*].at", "$..deep", "$['a.b'].c"}})
	for name, c := range map[string]struct{ a, b, want string }{
		"order and space":          {`{"a":1,"b":[1,2]}`, "{ \"b\" : [1 ,2],\n\"a\":1 }", ""},
		"numbers as decimals":      {`[1, 1.0, -0, 1e2, 0.1, 1E-2]`, `[1.0, 10e-1, 0, 100, 1e-1, 0.01]`, ""},
		"no digit is lost":         {`[9007199254740993]`, `[9007199254740992]`, "json $[*]"},
		"the sign":                 {`[-1]`, `[1]`, "json $[*]"},
		"an absurd exponent":       {`[1e99999999999999999999]`, `[1e99999999999999999998]`, "json $[*]"},
		"spellings of a string":    {`"\u00e9\/\ud83d\ude00"`, `"é/😀"`, ""},
		"half a pair":              {`"\ud83d"`, `"\ud83e"`, "json $"},
		"another value":            {`{"a":{"b":1}}`, `{"a":{"b":2}}`, "json $.a.b"},
		"another type":             {`{"a":1}`, `{"a":"1"}`, "json $.a"},
		"true and false":           {`{"a":true}`, `{"a":false}`, "json $.a"},
		"null and nothing":         {`{"a":null}`, `{}`, "json $.a"},
		"an additional member":     {`{}`, `{"z":1,"a":1}`, "json $.a, json $.z"},
		"the number of elements":   {`{"a":[1,2]}`, `{"a":[1]}`, "json $.a (length)"},
		"elements are one place":   {`[{"a":1},{"a":2}]`, `[{"a":2},{"a":3}]`, "json $[*].a"},
		"keys that are data":       {`{"u":{"17":1,"18":1}}`, `{"u":{"17":2,"18":2}}`, "json $.u.*"},
		"keys that need quotes":    {`{"a b":1,"a.b":{"d":1}}`, `{"a b":2,"a.b":{"d":2}}`, "json $['a b'], json $['a.b'].d"},
		"what is ignored":          {`{"ignored":{"x":1},"a.b":{"c":1}}`, `{"ignored":2,"a.b":{}}`, ""},
		"what is ignored in lists": {`{"list":[{"at":1,"b":1}]}`, `{"list":[{"at":2,"b":2}]}`, "json $.list[*].b"},
		"what is ignored anywhere": {`{"x":[{"deep":1}],"deep":1}`, `{"x":[{"deep":2}]}`, ""},
		"a name twice":             {`{"a":1,"a":2}`, `{"a":1,"a":3}`, "json $.a"},
		"a name twice, or once":    {`{"a":1,"a":2}`, `{"a":1}`, "json $.a"},
		"not JSON":                 {`{"a":1}`, `{"a":1`, "body"},
		"too deep":                 {strings.Repeat("[", 300) + strings.Repeat("]", 300), "[]", "body"},
	} {
		got := strings.Join(w.places(t, "GET", []byte(answer(c.a, jsonType)), []byte(answer(c.b, jsonType))), ", ")
		if got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

func TestOtherBodiesAreComparedByBytes(t *testing.T) {
	w := newTestWorker(t, Config{})
	html := "Content-Type: text/html"
	a, b := answer(strings.Repeat("a", 100)+"<old>", html), answer(strings.Repeat("a", 100)+"<new>", html)
	if got := w.places(t, "GET", []byte(a), []byte(b)); len(got) != 1 || got[0] != "body" {
		t.Fatalf("%v", got)
	}
	if got := string(w.differ.found[0].b); got != "byte 101 of 105: ..."+strings.Repeat("a", 23)+"<new>" {
		t.Errorf("shown %q", got)
	}
	gz := func(body string, fields ...string) []byte {
		return []byte(answer(body, append(fields, html, "Content-Encoding: gzip")...))
	}
	broken := gz("not gzip")
	if got := w.places(t, "GET", gz(string(encode(t, "gzip", []byte("x")))), broken); len(got) != 1 || got[0] != "body coding" {
		t.Errorf("a coding that is broken on one side: %v", got)
	}
	if got := w.places(t, "GET", broken, gz("neither")); len(got) != 1 || got[0] != "body" {
		t.Errorf("a coding that is broken on both sides: %v", got)
	}
}

func TestStatusOfAnotherClassTellsAll(t *testing.T) {
	w := newTestWorker(t, Config{})
	response := func(status int, body string) []byte {
		return []byte(fmt.Sprintf("HTTP/1.1 %d X\r\nX-B: %s\r\nContent-Length: %d\r\n\r\n%s", status, body, len(body), body))
	}
	for _, c := range []struct {
		a, b int
		want string
	}{{200, 500, "status 200 -> 500"}, {200, 201, "status 200 -> 201, header x-b, body"}} {
		if got := strings.Join(w.places(t, "GET", response(c.a, "one"), response(c.b, "two")), ", "); got != c.want {
			t.Errorf("%d to %d: %s, want %s", c.a, c.b, got, c.want)
		}
	}
}

func TestGRPCIsComparedByMessage(t *testing.T) {
	w := newTestWorker(t, Config{})
	message := func(flag byte, text string) string {
		return string([]byte{flag, 0, 0, 0, byte(len(text))}) + text
	}
	call := func(status, body string) []byte {
		return []byte(fmt.Sprintf("HTTP/2.0 200\r\ncontent-type: application/grpc+proto\r\ngrpc-encoding: gzip\r\ntransfer-encoding: chunked\r\n\r\n"+
			"%x\r\n%s\r\n0\r\ngrpc-status: %s\r\nx-node: 1\r\n\r\n", len(body), body, status))
	}
	ok := call("0", message(0, "one")+message(0, "two"))
	for name, c := range map[string]struct {
		b    []byte
		want string
	}{
		"itself":              {ok, ""},
		"compressed":          {call("0", message(1, string(encode(t, "gzip", []byte("one"))))+message(0, "two")), ""},
		"another message":     {call("0", message(0, "one")+message(0, "2wo")), "grpc message"},
		"a message less":      {call("0", message(0, "one")), "grpc messages (number)"},
		"another end":         {call("13", message(0, "one")), "grpc-status 0 -> 13"},
		"no message, no end":  {[]byte("HTTP/2.0 200\r\ncontent-type: application/grpc\r\n\r\n"), "grpc-status 0 -> none"},
		"nothing but trailer": {[]byte("HTTP/2.0 200\r\ncontent-type: application/grpc\r\ngrpc-status: 5\r\n\r\n"), "grpc-status 0 -> 5"},
		"another trailer":     {[]byte(strings.Replace(string(ok), "x-node: 1", "x-node: 2", 1)), "trailer x-node"},
	} {
		if got := strings.Join(w.places(t, "POST", ok, c.b), ", "); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
	w.places(t, "POST", ok, call("0", message(0, "one")))
	if d := w.differ.found[0]; string(d.a) != "2" || string(d.b) != "1" {
		t.Errorf("numbers of messages %s and %s", d.a, d.b)
	}
}

func newRedactor(t testing.TB) *redact.Redactor {
	t.Helper()
	r, err := redact.New(redact.Config{Fields: []string{"X-Mine"}, JSON: []string{"$.items[*].pin"}})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestSecretsAreNotShown puts one wherever a difference is shown.
func TestSecretsAreNotShown(t *testing.T) {
	const secret = "hunter2hunter2"
	form := "Content-Type: application/x-www-form-urlencoded"
	for _, a := range []string{
		answer("{}", jsonType, "Set-Cookie: s="+secret+"; Path=/; odd="+secret, "Authorization: "+secret, "X-Mine: "+secret,
			"WWW-Authenticate: Negotiate "+secret, "X-Api-Key: "+secret, "Location: /a?token="+secret),
		answer(`{"user":{"accessToken":"`+secret+`"},"password":["`+secret+`"],"items":[{"pin":"`+secret+`"}],"url":"http://h/?sig=`+secret+`"}`, jsonType),
		answer(`{"token":"`+secret+`"`, jsonType),
		answer("a=b&password="+secret, form),
		answer(`{"token":"`+secret+`"}`, "Content-Type: text/plain"),
	} {
		w := newTestWorker(t, Config{CompareHeaders: []string{"Set-Cookie"}, Redactor: newRedactor(t)})
		b := strings.ReplaceAll(a, secret, "hunter3hunter3")
		got := w.places(t, "GET", []byte(a), []byte(b))
		if len(got) == 0 {
			t.Errorf("%s: no difference", a)
		}
		for _, d := range w.differ.found {
			shown := string(d.a) + " " + string(d.b)
			if strings.Contains(shown, "hunter") || !strings.Contains(shown, redact.Mark) || string(d.a) == string(d.b) {
				t.Errorf("%s shows %s", d.place, shown)
			}
		}
	}
}

func TestSecretsAreNotShownInWhatOneSideHasMore(t *testing.T) {
	w := newTestWorker(t, Config{Redactor: newRedactor(t)})
	for _, c := range [][2]string{
		{answer(`{"a":{"x":1,"token":"hunter2"}}`, jsonType), answer(`{"a":1}`, jsonType)},
		{answer(`{"a":{"x":1,"token":"hunter2"}}`, jsonType), answer(`{}`, jsonType)},
		{answer("{}", jsonType, "Set-Cookie: s=hunter2; Path=/; odd=hunter2"), answer("{}", jsonType)},
	} {
		if got := w.places(t, "GET", []byte(c[0]), []byte(c[1])); len(got) != 1 {
			t.Fatalf("%v", got)
		}
		if d := w.differ.found[0]; strings.Contains(string(d.a), "hunter2") || len(d.a) < 10 {
			t.Errorf("%s shows %s", d.place, d.a)
		}
	}
}

func TestDifferencesOfAnExchangeAreLimited(t *testing.T) {
	w := newTestWorker(t, Config{})
	var a, b strings.Builder
	for n := range 200 {
		fmt.Fprintf(&a, `,"k%c%c":1`, 'a'+n%20, 'a'+n/20)
		fmt.Fprintf(&b, `,"k%c%c":2`, 'a'+n%20, 'a'+n/20)
	}
	got := w.places(t, "GET", []byte(answer("{"+a.String()[1:]+"}", jsonType)), []byte(answer("{"+b.String()[1:]+"}", jsonType)))
	if len(got) != maxDifferences || !w.differ.more {
		t.Errorf("%d places, more: %v", len(got), w.differ.more)
	}
}
