// Package corpus gives tests real and generated captures, with what each of
// them should yield. It is for tests only: it finds its files in the source tree.
//
// Trust, in this order: Truth, the oracle where its confidence is high, anything
// else as a hint. The notes of an entry say where an oracle is known to be wrong.
package corpus

import (
	"bytes"
	"encoding/csv"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"
)

// Entry is one capture of the index. Counts are tshark's; bytes are TCP payload.
type Entry struct {
	File       string // name in the index; the file itself may be gzipped, see Path
	Kind       string // real, generated, derived
	Group      string // for example tunnel-frag-l2
	Tags       []string
	Packets    int
	TCPStreams int
	HTTPPaired int   // HTTP/1 exchanges with both halves
	Payload    int64 // as often as captured
	Unique     int64 // each byte once
	GapBytes   int64 // never captured
	LinkType   string
	Confidence string // truth, high, medium, low, derived
	TsharkArgs []string
	Notes      string
	base       string
}

// Entries returns the captures of the index, in its order.
func Entries(t testing.TB) []Entry {
	t.Helper()
	dir := dir(t)
	f, err := os.Open(filepath.Join(dir, "INDEX.tsv"))
	if err != nil {
		t.Fatalf("open corpus index: %v", err)
	}
	defer f.Close()
	r := csv.NewReader(f)
	r.Comma, r.LazyQuotes = '\t', true
	rows, err := r.ReadAll()
	if err != nil || len(rows) < 2 {
		t.Fatalf("read corpus index: %v, %d rows", err, len(rows))
	}
	entries := make([]Entry, 0, len(rows)-1)
	for _, row := range rows[1:] {
		entries = append(entries, parse(t, dir, rows[0], row))
	}
	return entries
}

func parse(t testing.TB, dir string, names, row []string) Entry {
	t.Helper()
	col := make(map[string]string, len(row))
	for i, v := range row {
		col[names[i]] = v
	}
	number := func(name string) int64 {
		n, err := strconv.ParseInt(col[name], 10, 64)
		if err != nil {
			t.Fatalf("read corpus index: %s of %s: %v", name, col["file"], err)
		}
		return n
	}
	return Entry{
		File: col["file"], Kind: col["kind"], Group: col["group"], Tags: strings.Split(col["tags"], ","),
		Packets: int(number("packets")), TCPStreams: int(number("tcp_streams")), HTTPPaired: int(number("http_paired")),
		Payload: number("payload_bytes"), Unique: number("unique_bytes"), GapBytes: number("gap_bytes"),
		LinkType: col["linktype"], Confidence: col["confidence"], TsharkArgs: strings.Fields(col["tshark_args"]),
		Notes: col["notes"], base: filepath.Join(dir, "data", col["file"]),
	}
}

// Get returns one capture by its name in the index.
func Get(t testing.TB, file string) Entry {
	t.Helper()
	for _, e := range Entries(t) {
		if e.File == file {
			return e
		}
	}
	t.Fatalf("no capture %s in the corpus", file)
	return Entry{}
}

// Has reports whether the entry has a tag.
func (e *Entry) Has(tag string) bool { return slices.Contains(e.Tags, tag) }

// Path returns the capture file, which may be gzipped: open it with pcapio.
func (e *Entry) Path() string {
	if _, err := os.Stat(e.base); err == nil {
		return e.base
	}
	return e.base + ".gz"
}

// Content returns the capture file's content, decompressed.
func (e *Entry) Content(t testing.TB) []byte { t.Helper(); return read(t, e.Path()) }

// Oracle returns tshark's reading: JSON lines.
func (e *Entry) Oracle(t testing.TB) []byte { t.Helper(); return read(t, e.base+".oracle.jsonl.gz") }

// Truth returns what the endpoints themselves sent, as JSON lines, or nil.
func (e *Entry) Truth(t testing.TB) []byte {
	t.Helper()
	path := e.base + ".truth.jsonl.gz"
	if _, err := os.Stat(path); err != nil {
		return nil
	}
	return read(t, path)
}

func read(t testing.TB, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("read corpus: %v", err)
	}
	if !strings.HasSuffix(path, ".gz") {
		return b
	}
	z, err := gzip.NewReader(bytes.NewReader(b))
	if err == nil {
		b, err = io.ReadAll(z)
	}
	if err != nil {
		t.Fatalf("decompress %s: %v", path, err)
	}
	return b
}

// dir finds the package's folder from that of the running test.
func dir(t testing.TB) string {
	t.Helper()
	at, err := os.Getwd()
	if err != nil {
		t.Fatalf("find corpus: %v", err)
	}
	for {
		if _, err := os.Stat(filepath.Join(at, "go.mod")); err == nil {
			return filepath.Join(at, "internal", "testutil", "corpus")
		}
		if at == filepath.Dir(at) {
			t.Fatalf("find corpus: no go.mod above the test's folder")
		}
		at = filepath.Dir(at)
	}
}
