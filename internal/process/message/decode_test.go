package message

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/klauspost/compress/flate"
)

func TestCodingsOnTopOfEachOther(t *testing.T) {
	text := strings.Repeat("text ", 100)
	for _, fields := range []string{
		"Content-Encoding: br\r\n", "Content-Encoding: gzip, br\r\n", "Content-Encoding: deflate, identity,\tZSTD\r\n",
		"Content-Encoding: gzip\r\nContent-Encoding: br\r\n",
	} {
		var v View
		v.Parse([]byte("POST / HTTP/1.1\r\n" + fields + "\r\n"))
		if err := v.SetContent([]byte(text)); err != nil {
			t.Fatal(err)
		}
		sent := v.Bytes()
		v.Parse(sent)
		if got, err := v.Content(500); err != nil || string(got) != text || len(v.Body()) >= len(text) {
			t.Errorf("%q: got %q, %v", fields, got, err)
		}
		if got, err := v.Content(499); !errors.Is(err, ErrTooLarge) || len(got) != 499 {
			t.Errorf("%q: limit: %d bytes, %v", fields, len(got), err)
		}
	}
	var v View
	v.Parse([]byte("POST / HTTP/1.1\r\nContent-Encoding: gzip, gzip, gzip, gzip\r\n\r\n"))
	if err := v.SetContent([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if _, err := v.Content(500); !errors.Is(err, ErrCoding) {
		t.Errorf("four codings: %v", err)
	}
}

func TestDeflateWithoutItsFormatIsRead(t *testing.T) {
	var b bytes.Buffer
	b.WriteString("HTTP/1.1 200 OK\r\nContent-Encoding: deflate\r\n\r\n")
	w, _ := flate.NewWriter(&b, 5)
	w.Write([]byte("bare"))
	w.Close()
	var v View
	for range 2 { // with a new reader, and with a used one
		v.Parse(b.Bytes())
		if got, err := v.Content(100); err != nil || string(got) != "bare" {
			t.Errorf("got %q, %v", got, err)
		}
	}
}

// TestReadingWritesOverNoMessage reads messages of which one is given back as it
// is, and then some that are written to the buffers of the view.
func TestReadingWritesOverNoMessage(t *testing.T) {
	var v View
	v.Parse([]byte("POST / HTTP/1.1\r\nContent-Encoding: gzip\r\n\r\n"))
	if err := v.SetContent([]byte("zipped")); err != nil {
		t.Fatal(err)
	}
	zipped := v.Bytes()
	const chunks = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n2\r\ncd\r\n0\r\n\r\n"
	for _, text := range []string{
		"POST / HTTP/1.1\r\nContent-Encoding: identity\r\n\r\nas it is sent",
		"POST / HTTP/1.1\r\nContent-Encoding: unknown\r\n\r\nas it is sent",
		"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nsent\r\n0\r\n\r\n",
	} {
		data := []byte(text)
		for _, next := range []string{string(zipped), chunks} {
			v.Parse(data)
			v.Content(100)
			v.Parse([]byte(next))
			if _, err := v.Content(100); err != nil {
				t.Fatal(err)
			}
		}
		if string(data) != text {
			t.Errorf("%q became %q", text, data)
		}
	}
}

func TestPayloadIsWhatThereIs(t *testing.T) {
	const chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
	for in, want := range map[string]struct {
		body string
		err  error
	}{
		"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi there": {"hi", nil},
		"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhi":       {"hi", ErrCut},
		"HTTP/2.0 200\r\ncontent-length: 5\r\n\r\nhi":          {"hi", ErrCut},
		"HTTP/2.0 200\r\ncontent-length: 1\r\n\r\nhi":          {"hi", nil},
		chunked:                            {"", ErrCut},
		chunked + "5":                      {"", ErrCut},
		chunked + "5\r\nhel":               {"hel", ErrCut},
		chunked + "1\r\nh\r\n2\r\ni":       {"hi", ErrCut},
		chunked + "1\r\nh\r\n1\r\ni\r\nx":  {"hi", ErrCut},
		chunked + "1\r\nh\r\n1\r\niX\r\n0": {"hi", ErrChunks},
		chunked + "2\nhi\n0\nT: 1\n\n":     {"hi", nil},
	} {
		var v View
		v.Parse([]byte(in))
		if got, err := v.Payload(); string(got) != want.body || !errors.Is(err, want.err) {
			t.Errorf("%q: got %q, %v", in, got, err)
		}
	}
}
