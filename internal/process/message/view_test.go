package message

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"strings"
	"testing"
)

const post = "POST /a?b=c HTTP/1.1\r\nHOST:  x.org \r\nCookie: a=1\r\ncookie: b=2\r\nX-Empty:\r\nX-Fold: a\r\n b\r\nbroken line\r\n" +
	"content-length: 5\r\n\r\nhello"

func TestParseTakesWhatIsSent(t *testing.T) {
	var v View
	if !v.Parse([]byte(post)) {
		t.Fatal("not parsed")
	}
	if got := string(v.Method()) + "|" + string(v.Target()) + "|" + string(v.Version()); got != "POST|/a?b=c|HTTP/1.1" {
		t.Error(got)
	}
	var got []string
	for i := range v.Fields() {
		name, value := v.Field(i)
		got = append(got, string(name)+"="+string(value))
	}
	if want := "HOST=x.org,Cookie=a=1,cookie=b=2,X-Empty=,X-Fold=a\r\n b,content-length=5"; strings.Join(got, ",") != want {
		t.Errorf("got  %q\nwant %q", strings.Join(got, ","), want)
	}
	if string(v.Body()) != "hello" || !v.IsRequest() || v.Changed() || string(v.Host()) != "x.org" {
		t.Errorf("body %q", v.Body())
	}
}

func TestParseStartLines(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"GET / HTTP/1.0\n\n", "GET|/|HTTP/1.0|0"},
		{"\r\nGET / HTTP/1.1\r\n\r\n", "GET|/|HTTP/1.1|0"},
		{"PURGE  /a b  HTTP/1.1\r\n\r\n", "PURGE|/a b|HTTP/1.1|0"},
		{"GET /old\r\n", "GET|/old||0"},
		{"CONNECT x:443 HTTP/1.1\r\n", "CONNECT|x:443|HTTP/1.1|0"},
		{"GET / HTTP/2.0\r\nhost: x\r\n\r\n", "GET|/|HTTP/2.0|0"},
		{"HTTP/1.1 299 Odd One\r\n\r\n", "HTTP/1.1|299|HTTP/1.1|299"},
		{"HTTP/1.1 204\r\n\r\n", "HTTP/1.1|204|HTTP/1.1|204"},
		{"HTTP/2.0 200 \r\n\r\n", "HTTP/2.0|200|HTTP/2.0|200"},
	} {
		var v View
		if !v.Parse([]byte(c.in)) {
			t.Errorf("%q: not parsed", c.in)
			continue
		}
		status := "0"
		if !v.IsRequest() {
			status = string(v.Target())
		}
		if got := string(v.Method()) + "|" + string(v.Target()) + "|" + string(v.Version()) + "|" + status; got != c.want {
			t.Errorf("%q: got %s", c.in, got)
		}
	}
	for _, in := range []string{"", "\r\n", "GET / HTTP/1.1", "hello world\r\n", " GET / HTTP/1.1\r\n", "HTTP/1.1\r\n",
		"HTTP/1.1 abc\r\n", "GET \r\n", "\x16\x03\x01\x02\n", "POST /x\r\n"} {
		if v := (View{}); v.Parse([]byte(in)) {
			t.Errorf("%q: parsed as %q %q", in, v.Method(), v.Target())
		}
	}
}

func TestEditsKeepTheRest(t *testing.T) {
	for _, c := range []struct {
		name     string
		edit     func(v *View)
		old, new string // what differs
	}{
		{"none", func(*View) {}, "", ""},
		{"target", func(v *View) { v.SetTarget([]byte("/longer/target")) }, "/a?b=c", "/longer/target"},
		{"empty target", func(v *View) { v.SetTarget(nil) }, "/a?b=c", "/"},
		{"value", func(v *View) { v.Set("host", "y") }, "x.org ", "y "},
		{"empty value", func(v *View) { v.Set("x-empty", "full") }, "X-Empty:", "X-Empty:full"},
		{"folded", func(v *View) { v.Set("x-fold", "c") }, "a\r\n b", "c"},
		{"line end in value", func(v *View) { v.Set("x-fold", "c\r\nX: 1") }, "a\r\n b", "c  X: 1"},
		{"new field", func(v *View) { v.Set("X-New", "1") }, "HOST", "X-New: 1\r\nHOST"},
		{"duplicates go", func(v *View) { v.Set("Cookie", "z") }, "a=1\r\ncookie: b=2\r\n", "z\r\n"},
		{"content", func(v *View) { v.SetContent([]byte("hello, world")) }, "5\r\n\r\nhello", "12\r\n\r\nhello, world"},
	} {
		var v View
		v.Parse([]byte(post))
		c.edit(&v)
		if want := strings.Replace(post, c.old, c.new, 1); string(v.Bytes()) != want {
			t.Errorf("%s:\ngot  %q\nwant %q", c.name, v.Bytes(), want)
		}
		if v.Changed() != (c.old != "") {
			t.Errorf("%s: changed %v", c.name, v.Changed())
		}
	}
}

func TestBareLineEndsAndLowerCaseStay(t *testing.T) {
	var v View
	v.Parse([]byte("GET / HTTP/2.0\nhost: x\n\n"))
	v.Set("X-New", "1")
	if want := "GET / HTTP/2.0\nx-new: 1\nhost: x\n\n"; string(v.Bytes()) != want {
		t.Errorf("got %q", v.Bytes())
	}
}

func TestContentOfChunksAndCodings(t *testing.T) {
	var zipped bytes.Buffer
	w := gzip.NewWriter(&zipped)
	io.WriteString(w, "hello, gzip")
	w.Close()
	head := "POST / HTTP/1.1\r\nTransfer-Encoding: x, Chunked\r\nTrailer: t\r\n"
	chunked := head + "\r\n5;e=1\r\nhello\r\n1\r\n!\r\n0\r\nt: 1\r\n\r\n"
	var v View
	v.Parse([]byte(chunked))
	content, err := v.Content(100)
	if err != nil || string(content) != "hello!" || string(v.Trailers()) != "t: 1\r\n\r\n" {
		t.Fatalf("content %q, %v, trailers %q", content, err, v.Trailers())
	}
	if string(v.Bytes()) != chunked {
		t.Fatal("a look changed it")
	}
	if _, err := v.Content(5); !errors.Is(err, ErrTooLarge) {
		t.Errorf("limit: %v", err)
	}
	v.SetContent([]byte("hello, there ok?"))
	if want := head + "\r\n10\r\nhello, there ok?\r\n0\r\nt: 1\r\n\r\n"; string(v.Bytes()) != want {
		t.Errorf("got %q", v.Bytes())
	}
	for _, coding := range []string{"gzip", "X-GZIP", "deflate", "zstd", "identity"} {
		v.Parse([]byte("POST / HTTP/1.1\r\nContent-Encoding: " + coding + "\r\nContent-Length: 0\r\n\r\n"))
		if err := v.SetContent([]byte(strings.Repeat("text ", 100))); err != nil {
			t.Fatal(err)
		}
		sent := v.Bytes()
		v.Parse(sent)
		if got, err := v.Content(500); err != nil || string(got) != strings.Repeat("text ", 100) {
			t.Errorf("%s: got %q, %v", coding, got, err)
		}
		if _, err := v.Content(499); !errors.Is(err, ErrTooLarge) {
			t.Errorf("%s: limit: %v", coding, err)
		}
	}
	v.Parse([]byte("POST / HTTP/1.1\r\nContent-Encoding: gzip\r\n\r\n" + zipped.String()))
	if got, err := v.Content(100); err != nil || string(got) != "hello, gzip" {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestContentRefusesWhatItCannotRead(t *testing.T) {
	for in, want := range map[string]error{
		"Content-Encoding: br\r\n\r\nxx":                              ErrCoding,
		"Content-Encoding: gzip\r\n\r\nxx":                            ErrCoding,
		"Content-Encoding: gzip\r\nContent-Encoding: gzip\r\n\r\nxx":  ErrCoding,
		"Content-Encoding: zstd\r\n\r\nxx":                            ErrCoding,
		"Content-Encoding: deflate\r\n\r\nxx":                         ErrCoding,
		"Transfer-Encoding: chunked\r\n\r\n5\r\nhel":                  ErrChunks,
		"Transfer-Encoding: chunked\r\n\r\n5\r\nhello":                ErrChunks,
		"Transfer-Encoding: chunked\r\n\r\n5\r\nhelloX\r\n0\r\n\r\n":  ErrChunks,
		"Transfer-Encoding: chunked\r\n\r\nxyz\r\n":                   ErrChunks,
		"Transfer-Encoding: chunked\r\n\r\nffffffffffff\r\nhello\r\n": ErrChunks,
	} {
		var v View
		v.Parse([]byte("POST / HTTP/1.1\r\n" + in))
		if got, err := v.Content(1000); !errors.Is(err, want) {
			t.Errorf("%q: got %q, %v", in, got, err)
		}
	}
}

func FuzzView(f *testing.F) {
	f.Add([]byte(post), "X-New", "value", 1)
	f.Add([]byte("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"), "a", "", 0)
	f.Add([]byte("GET /\n"), "a", "b", 0)
	f.Fuzz(func(t *testing.T, data []byte, name, value string, i int) {
		var v View
		kept := bytes.Clone(data)
		if !v.Parse(data) {
			return
		}
		if !bytes.Equal(v.Bytes(), data) {
			t.Fatalf("parse changed %q to %q", data, v.Bytes())
		}
		body, n := bytes.Clone(v.Body()), v.Fields()
		if n > 0 && i >= 0 {
			i %= n
			name, _ := v.Field(i)
			name = bytes.Clone(name)
			v.SetValue(i, []byte(value))
			if got, _ := v.Field(i); v.Fields() != n || !bytes.Equal(got, name) {
				t.Fatalf("value %q of field %d of %q: %q", value, i, data, v.Bytes())
			}
			if _, got := v.Field(i); !bytes.Equal(got, bytes.Trim(oneLine([]byte(value)), " \t")) {
				t.Fatalf("value %q became %q in %q", value, got, v.Bytes())
			}
		}
		v.SetTarget([]byte(value))
		if len(name) > 0 && isToken([]byte(name)) && len(v.Version()) > 0 && !beginsFolded(&v) {
			v.Set(name, "1")
			if got := v.Value(name); string(got) != "1" {
				t.Fatalf("set %q: %q", name, v.Bytes())
			}
		}
		if !bytes.Equal(v.Body(), body) {
			t.Fatalf("body %q became %q", body, v.Body())
		}
		if content, err := v.Content(1 << 16); err == nil && v.Chunked() {
			content = bytes.Clone(content)
			if err := v.SetContent(content); err != nil {
				t.Fatal(err)
			}
			if again, err := v.Content(1 << 16); err != nil || !bytes.Equal(again, content) {
				t.Fatalf("content %q became %q, %v", content, again, err)
			}
		}
		if !bytes.Equal(data, kept) {
			t.Fatal("the data that it looked at changed")
		}
	})
}

// beginsFolded says that the first field line would continue one before it.
func beginsFolded(v *View) bool {
	return v.fieldsAt < len(v.head) && (v.head[v.fieldsAt] == ' ' || v.head[v.fieldsAt] == '\t')
}

func BenchmarkParse(b *testing.B) {
	data := []byte("GET /index.html?a=b HTTP/1.1\r\nHost: example.com\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\n" +
		"Accept: text/html,application/xhtml+xml\r\nAccept-Language: en\r\nAccept-Encoding: gzip, deflate, br\r\nCookie: session=abcdef\r\nConnection: keep-alive\r\n\r\n")
	var v View
	b.ReportAllocs()
	for b.Loop() {
		v.Parse(data)
	}
}
