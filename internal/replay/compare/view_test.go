package compare

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/zstd"

	"gortap/internal/process/message"
)

func TestViewTakesResponsesApart(t *testing.T) {
	for name, c := range map[string]struct {
		data, method string
		status       int
		body         string
		err          error
	}{
		"length":           {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", "GET", 200, "hi", nil},
		"more than length": {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi there", "GET", 200, "hi", nil},
		"to the end":       {"HTTP/1.0 200 OK\r\n\r\nhi", "GET", 200, "hi", nil},
		"no reason":        {"HTTP/1.1 299\r\n\r\n", "GET", 299, "", nil},
		"bare LF":          {"HTTP/1.1 200 OK\nContent-Length: 2\n\nhi", "GET", 200, "hi", nil},
		"chunked":          {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nh\r\n1;x=y\r\ni\r\n0\r\nT: 1\r\n\r\n", "GET", 200, "hi", nil},
		"coded, unchunked": {"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\nContent-Length: 1\r\n\r\nhi", "GET", 200, "hi", nil},
		"HTTP/2":           {"HTTP/2.0 200\r\ncontent-type: a/b\r\n\r\nhi", "GET", 200, "hi", nil},
		"HEAD":             {"HTTP/1.1 200 OK\r\nContent-Length: 200\r\n\r\n", "HEAD", 200, "", nil},
		"304":              {"HTTP/1.1 304 No\r\nContent-Length: 200\r\n\r\n", "GET", 304, "", nil},
		"CONNECT":          {"HTTP/1.1 200 OK\r\n\r\ntunnel", "CONNECT", 200, "", nil},
		"two lengths":      {"HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\nhi", "GET", 200, "hi", nil},
		"nothing":          {"", "GET", 0, "", message.ErrCut},
		"cut start":        {"HTTP/1.1 2", "GET", 0, "", message.ErrCut},
		"cut head":         {"HTTP/1.1 200 OK\r\nContent-Le", "GET", 200, "", message.ErrCut},
		"cut body":         {"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nhi", "GET", 200, "hi", message.ErrCut},
		"cut chunk":        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhi", "GET", 200, "hi", message.ErrCut},
		"no last chunk":    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n", "GET", 200, "hi", message.ErrCut},
		"cut trailer":      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nT: 1", "GET", 200, "", message.ErrCut},
		"broken chunk":     {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhi", "GET", 200, "", message.ErrChunks},
		"unended chunk":    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nhi\r\n", "GET", 200, "h", message.ErrChunks},
		"endless chunk":    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nhi", "GET", 200, "", message.ErrChunks},
		"another protocol": {"220 mail.example.com ESMTP\r\n", "GET", 0, "", errNotHTTP},
		"a bad status":     {"HTTP/1.1 2x0 OK\r\n\r\n", "GET", 0, "", errNotHTTP},
	} {
		var v view
		err := v.read([]byte(c.data), []byte(c.method), 0)
		if !errors.Is(err, c.err) || v.status != c.status || string(v.coded) != c.body {
			t.Errorf("%s: status %d, body %q, error %v, want %d, %q, %v", name, v.status, v.coded, err, c.status, c.body, c.err)
		}
	}
}

func TestViewJoinsFoldedFieldsAndSortsNames(t *testing.T) {
	var v view
	if err := v.read([]byte("HTTP/1.1 200 OK\r\nX-B: 1\r\n  2\r\nnonsense\r\nx-a:\t3 \r\n\r\n"), nil, 0); err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprintf("%s", v.head); got != "[{x-a 3} {x-b 1 2}]" {
		t.Errorf("fields %s", got)
	}
}

func encode(t testing.TB, coding string, body []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	var w io.WriteCloser
	var err error
	switch coding {
	case "":
		return body
	case "gzip":
		w = gzip.NewWriter(&b)
	case "br":
		w = brotli.NewWriter(&b)
	case "zstd":
		w, err = zstd.NewWriter(&b, zstd.WithEncoderConcurrency(1))
	case "deflate":
		w = zlib.NewWriter(&b)
	case "raw deflate":
		w, err = flate.NewWriter(&b, 5)
	case "gzip, br":
		return encode(t, "br", encode(t, "gzip", body))
	}
	if err != nil {
		t.Fatal(err)
	}
	w.Write(body)
	w.Close()
	return b.Bytes()
}

func codings() []string {
	return []string{"", "gzip", "br", "zstd", "deflate", "raw deflate", "gzip, br"}
}

// inAnyForm writes a response with its body in a content coding, and in chunks of
// any size or in one piece.
func inAnyForm(t testing.TB, random *rand.Rand, coding string, body []byte) []byte {
	coded := encode(t, coding, body)
	out := []byte("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n")
	if name, _ := strings.CutPrefix(coding, "raw "); name != "" {
		out = fmt.Appendf(out, "Content-Encoding: %s\r\n", name)
	}
	if random.IntN(3) == 0 {
		return append(fmt.Appendf(out, "Content-Length: %d\r\n\r\n", len(coded)), coded...)
	}
	out = append(out, "Transfer-Encoding: chunked\r\n\r\n"...)
	for len(coded) > 0 {
		n := 1 + random.IntN(min(len(coded), 1+random.IntN(4000)))
		out = append(append(fmt.Appendf(out, "%x\r\n", n), coded[:n]...), "\r\n"...)
		coded = coded[n:]
	}
	return append(out, "0\r\n\r\n"...)
}

func newTestWorker(t testing.TB, c Config) *worker {
	t.Helper()
	c, err := c.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	r, err := newRules(&c)
	if err != nil {
		t.Fatal(err)
	}
	return newWorker(&c, r)
}

// places compares two responses and returns where they differ.
func (w *worker) places(t testing.TB, method string, a, b []byte) (out []string) {
	t.Helper()
	if err := w.views[0].read(a, []byte(method), 0); err != nil {
		t.Fatal(err)
	}
	if err := w.views[1].read(b, []byte(method), w.config.ResponseLimit); err != nil {
		t.Fatal(err)
	}
	for _, d := range w.pair(&w.differ, &w.views[1]) {
		out = append(out, string(d.place))
	}
	return out
}

func TestBodyIsTheSameInAnyChunkingAndCoding(t *testing.T) {
	w := newTestWorker(t, Config{IgnoreHeaders: []string{"Content-Encoding"}})
	random := rand.New(rand.NewPCG(3, 4))
	for range 60 {
		body := []byte(fmt.Sprintf(`{"a":%q}`, strings.Repeat("x", random.IntN(20000))))
		for i := range body[6 : len(body)-2] {
			body[6+i] = byte('a' + random.IntN(26))
		}
		if random.IntN(4) == 0 {
			body = body[:len(body)-1] // not JSON any more
		}
		one, two := codings()[random.IntN(7)], codings()[random.IntN(7)]
		a, b := inAnyForm(t, random, one, body), inAnyForm(t, random, two, body)
		if got := w.places(t, "GET", a, b); len(got) > 0 {
			t.Fatalf("%q and %q: %v", one, two, got)
		}
		changed := bytes.Clone(body)
		changed[3]++ // the key
		if got := w.places(t, "GET", a, inAnyForm(t, random, two, changed)); len(got) == 0 {
			t.Fatalf("%q and %q: a changed body was not seen", one, two)
		}
	}
}

func TestDecodingIsBounded(t *testing.T) {
	w := newTestWorker(t, Config{MaxBody: 1000})
	random := rand.New(rand.NewPCG(3, 4))
	for _, coding := range codings() {
		bomb := inAnyForm(t, random, coding, bytes.Repeat([]byte(" "), 4<<20))
		other := inAnyForm(t, random, coding, append(bytes.Repeat([]byte(" "), 1000), 'x'))
		if got := w.places(t, "GET", bomb, other); len(got) > 0 {
			t.Errorf("%q: bytes beyond the limit were compared: %v", coding, got)
		}
		if v := &w.views[0]; !v.cut || len(v.body) != 1000 || cap(v.body) > 64<<10 && coding != "" {
			t.Errorf("%q: cut %v, %d bytes, room for %d", coding, v.cut, len(v.body), cap(v.body))
		}
		name, _ := strings.CutPrefix(coding, "raw ")
		if out, err := w.differ.decoder.Decode(nil, w.views[0].coded, []byte(name), 1000); coding != "" && (err != nil || cap(out) > 64<<10) {
			t.Errorf("%q: room for %d, error %v", coding, cap(out), err)
		}
	}
}

func FuzzViewComparesWithItself(f *testing.F) {
	random := rand.New(rand.NewPCG(3, 4))
	for _, coding := range codings() {
		f.Add(inAnyForm(f, random, coding, []byte(`{"a":[1,2,{"b":"c"}]}`)), "GET")
	}
	f.Add([]byte("HTTP/2.0 200\r\ncontent-type: application/grpc\r\ntransfer-encoding: chunked\r\n\r\n7\r\n\x00\x00\x00\x00\x02hi\r\n0\r\ngrpc-status: 0\r\n\r\n"), "POST")
	f.Add([]byte("HTTP/1.1 200 OK\r\nSet-Cookie: a=b; Path=/; Expires=x\r\nA: 1\r\nA: 2\r\n\r\n"), "HEAD")
	f.Fuzz(func(t *testing.T, data []byte, method string) {
		w := newTestWorker(t, Config{MaxBody: 1 << 16})
		if w.views[0].read(data, []byte(method), 0) != nil {
			return
		}
		if got := w.places(t, method, data, bytes.Clone(data)); len(got) > 0 {
			t.Errorf("differs from itself in %v", got)
		}
		// The way that is taken where codings differ gives the same.
		w.views[0].decode(1 << 16)
		w.views[1].decode(1 << 16)
		if got := w.differ.diff(&w.views[0], &w.views[1]); len(got) > 0 {
			t.Errorf("differs from itself, decoded, in %s", got[0].place)
		}
	})
}

func TestResponsesThatTheReplayCutAreComparedAsFarAsTheyGo(t *testing.T) {
	const limit = 3000
	w := newTestWorker(t, Config{ResponseLimit: limit, IgnoreHeaders: []string{"Content-Encoding"}})
	random := rand.New(rand.NewPCG(3, 4))
	body := make([]byte, 40_000)
	for i := range body {
		body[i] = byte('a' + random.IntN(26))
	}
	cut := func(data []byte) []byte {
		head := bytes.Index(data, []byte("\r\n\r\n")) + 4
		return data[:min(len(data), head+limit)]
	}
	text := func(data []byte) []byte {
		return bytes.Replace(data, []byte("application/json"), []byte("text/plain"), 1)
	}
	changed := bytes.Clone(body)
	changed[100]++
	for _, coding := range codings()[:6] {
		whole := text(inAnyForm(t, random, coding, body))
		if got := w.places(t, "GET", whole, cut(text(inAnyForm(t, random, coding, body)))); len(got) > 0 || !w.views[1].cut {
			t.Errorf("%q: the beginning of the same differs: %v", coding, got)
		}
		if got := w.places(t, "GET", whole, cut(text(inAnyForm(t, random, "", changed)))); len(got) != 1 {
			t.Errorf("%q: another beginning does not differ: %v", coding, got)
		}
		if got := w.places(t, "GET", text(inAnyForm(t, random, coding, body[:1000])), cut(text(inAnyForm(t, random, "", body)))); len(got) != 1 {
			t.Errorf("%q: a longer one does not differ: %v", coding, got)
		}
		if got := w.places(t, "GET", whole, cut(inAnyForm(t, random, "", changed))); len(got) != 1 || got[0] != "header content-type" {
			t.Errorf("%q: half of a structure was compared: %v", coding, got)
		}
	}
}
