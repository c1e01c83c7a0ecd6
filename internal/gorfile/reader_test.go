package gorfile

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"

	"gortap/internal/pcapio"
	"gortap/internal/record"
	"gortap/internal/testutil"
)

func write(t testing.TB, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// readAll returns all records of a reader.
func readAll(t testing.TB, r *Reader) (out []*record.Record) {
	t.Helper()
	for {
		rec, err := r.Next()
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, rec)
	}
}

func read(t testing.TB, o Options, patterns ...string) ([]*record.Record, *Reader) {
	t.Helper()
	r, err := Open(patterns, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return readAll(t, r), r
}

// lines tells records in short.
func lines(records []*record.Record) (out []string) {
	for _, r := range records {
		line, _, _ := bytes.Cut(r.Data, []byte("\r\n"))
		out = append(out, fmt.Sprintf("%c conn %x seq %x: %s, %d bytes, latency %d", r.Kind, r.Conn, r.Seq, line, len(r.Data), r.LatencyNs))
	}
	return out
}

// See testdata/make.sh: three requests on a connection, an upload of known length and
// one in chunks on the next, and two uploads with separators inside.
func TestFilesOfGoReplay(t *testing.T) {
	testutil.CheckLeaks(t)
	want := []string{
		"1 conn a1921f907f000001 seq 36c83d1: GET /one?a=1 HTTP/1.1, 76 bytes, latency 0",
		"2 conn a1921f907f000001 seq 36c83d1: HTTP/1.1 200 OK, 154 bytes, latency 2503786",
		"1 conn a1921f907f000001 seq 36c846b: GET /two HTTP/1.1, 40 bytes, latency 0",
		"1 conn a1921f907f000001 seq 36c84db: HEAD /three HTTP/1.1, 43 bytes, latency 0",
		"1 conn a1981f907f000001 seq c7e641d0: POST /length HTTP/1.1, 72 bytes, latency 0",
		"2 conn a1981f907f000001 seq c7e641d0: HTTP/1.1 201 Created, 140 bytes, latency 23669637",
		"1 conn a1981f907f000001 seq c7e6425c: POST /chunked HTTP/1.1, 87 bytes, latency 0",
		"1 conn a1a61f907f000001 seq 631bd202: POST /lookalike HTTP/1.1, 107 bytes, latency 0",
		"2 conn a1a61f907f000001 seq 631bd202: HTTP/1.1 201 Created, 140 bytes, latency 58613839",
		"1 conn a1ae1f907f000001 seq b8771837: PUT /nested HTTP/1.1, 239 bytes, latency 0",
		"2 conn a1ae1f907f000001 seq b8771837: HTTP/1.1 201 Created, 140 bytes, latency 19074635",
		"1 conn a1b21f907f000001 seq b25f2b41: POST /bytes HTTP/1.1, 320 bytes, latency 0",
		"2 conn a1b21f907f000001 seq b25f2b41: HTTP/1.1 201 Created, 140 bytes, latency 7001753",
	}
	for _, name := range []string{"lookalikes.gor", "lookalikes.gor.gz"} {
		records, r := read(t, Options{}, "testdata/"+name)
		if diff := cmp.Diff(want, lines(records)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		if s := r.Stats(); s.Lost != nil || s.Records != 13 {
			t.Errorf("%s: %+v", name, s)
		}
		if got, total := r.Progress(); got != total || total == 0 {
			t.Errorf("%s: read %d of %d bytes", name, got, total)
		}
	}
	records, _ := read(t, Options{Depth: 1}, "testdata/replayed.gor")
	if got := lines(records)[1]; got != "3 conn a1c01f907f000001 seq fa0eb28f: HTTP/1.1 200 OK, 112 bytes, latency 1698216" {
		t.Errorf("a replayed response is %s", got)
	}
}

// The files of GoReplay, read and written again, are the same bytes.
func TestWhatIsReadIsWrittenAlike(t *testing.T) {
	for _, name := range []string{"lookalikes.gor", "plain.gor", "replayed.gor"} {
		want, err := os.ReadFile("testdata/" + name)
		if err != nil {
			t.Fatal(err)
		}
		records, _ := read(t, Options{Depth: 1}, "testdata/"+name)
		var got []byte
		for _, r := range records {
			got = Append(got, r)
		}
		if diff := cmp.Diff(string(want), string(got)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// timed makes a file of records with these times in milliseconds.
func timed(ms ...int) string {
	var out []byte
	for _, n := range ms {
		out = Append(out, &record.Record{Kind: record.Request, ID: record.ID(uint64(n), 0), TimeNs: int64(n) * 1e6, Data: []byte(get)})
	}
	return string(out)
}

func times(records []*record.Record) (out []int) {
	for _, r := range records {
		out = append(out, int(r.TimeNs/1e6))
	}
	return out
}

func TestManyFilesAreMergedByTime(t *testing.T) {
	testutil.CheckLeaks(t)
	var z bytes.Buffer
	w := gzip.NewWriter(&z)
	io.WriteString(w, timed(1000, 5000))
	w.Close()
	e, _ := zstd.NewWriter(nil)
	dir := t.TempDir()
	for name, content := range map[string]string{
		"a.gor": timed(3000, 2000, 6000), "b.gor.gz": z.String(),
		"c.gor.zst": string(e.EncodeAll([]byte(timed(4000, 7000)), nil)), "d.gor": "",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	records, r := read(t, Options{}, filepath.Join(dir, "*"), filepath.Join(dir, "a.gor"))
	want := []int{1000, 2000, 3000, 4000, 5000, 6000, 7000}
	if diff := cmp.Diff(want, times(records)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if r.Start() != time.Unix(1, 0) {
		t.Errorf("starts at %v", r.Start())
	}
	if err := r.Rewind(); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, times(readAll(t, r))); diff != "" {
		t.Errorf("again (-want +got):\n%s", diff)
	}
	if _, err := Open([]string{filepath.Join(dir, "*")}, Options{MaxOpen: 1}); err != nil {
		t.Error(err) // none is open yet
	}
}

func TestTooManyFilesOfOneTimeAreAnError(t *testing.T) {
	testutil.CheckLeaks(t)
	r, err := Open([]string{write(t, "a.gor", timed(1, 5)), write(t, "b.gor", timed(2, 6))}, Options{MaxOpen: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for err == nil {
		_, err = r.Next()
	}
	if !errors.Is(err, ErrTooManyOpen) {
		t.Errorf("got %v", err)
	}
}

func TestWindow(t *testing.T) {
	file := write(t, "a.gor", timed(1000, 2000, 4000, 3000, 5000))
	for _, c := range []struct {
		name string
		o    Options
		want []int
	}{
		{"offsets", Options{From: Bound{Offset: time.Second}, To: Bound{Offset: 3 * time.Second}}, []int{2000, 3000}},
		{"times", Options{From: Bound{Time: time.Unix(3, 0)}, To: Bound{Time: time.Unix(5, 0)}}, []int{3000, 4000}},
		{"no end", Options{From: Bound{Time: time.Unix(3, 1)}}, []int{4000, 5000}},
		{"nothing", Options{From: Bound{Offset: time.Hour}}, nil},
	} {
		records, r := read(t, c.o, file)
		if diff := cmp.Diff(c.want, times(records)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
		if s := r.Stats(); int(s.Outside) != 5-len(c.want) || int(s.Records) != len(c.want) {
			t.Errorf("%s: %+v", c.name, s)
		}
	}
	// Past the end, the rest of the file is not read.
	_, r := read(t, Options{To: Bound{Offset: 1}, Depth: 2}, file)
	if s := r.Stats(); s.Outside != 2 {
		t.Errorf("looked at %d records past the end", s.Outside)
	}
}

func TestDamageIsToldOnce(t *testing.T) {
	whole := timed(1, 2)
	content := whole + "junk" + Separator + "7 x 3 4\nnews" + Separator + whole[:20]
	var told []Damage
	o := Options{Damaged: func(d *Damage) { d.Path = ""; told = append(told, *d) }}
	records, r := read(t, o, write(t, "a.gor", content))
	if len(records) != 2 {
		t.Errorf("%d records", len(records))
	}
	n := int64(len(whole))
	want := []Damage{
		{Offset: n, Size: 18, Reason: Damaged},
		{Offset: n + 18, Size: 26, Reason: UnknownType},
		{Offset: n + 44, Size: 20, Reason: Cut},
	}
	if diff := cmp.Diff(want, told); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	s := r.Stats()
	if diff := cmp.Diff([]record.Count{{Reason: Damaged, N: 1}, {Reason: UnknownType, N: 1}, {Reason: Cut, N: 1}}, s.Lost); diff != "" || s.LostBytes != 64 {
		t.Errorf("%d bytes, (-want +got):\n%s", s.LostBytes, diff)
	}
}

func TestACutCompressedFileGivesWhatIsWhole(t *testing.T) {
	testutil.CheckLeaks(t)
	var z bytes.Buffer
	w := gzip.NewWriter(&z)
	io.WriteString(w, timed(1, 2, 3))
	w.Flush()
	var told []string
	o := Options{Damaged: func(d *Damage) { told = append(told, d.Reason) }}
	records, _ := read(t, o, write(t, "a.gor.gz", z.String()))
	if diff := cmp.Diff([]int{1, 2, 3}, times(records)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	broken := append(z.Bytes()[:z.Len()-4:z.Len()-4], bytes.Repeat([]byte{0xff}, 100)...)
	read(t, o, write(t, "b.gor.gz", string(broken)))
	read(t, o, write(t, "c.gor.gz", z.String()[:8]))
	if diff := cmp.Diff([]string{Cut, Unreadable, Unreadable}, told); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestOtherFilesAreRefused(t *testing.T) {
	testutil.CheckLeaks(t)
	for content, want := range map[string]error{
		"\xd4\xc3\xb2\xa1\x02\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\xff\xff\x00\x00\x01\x00\x00\x00": ErrNotGor,
		"hello, world": pcapio.ErrUnknownFormat,
	} {
		if _, err := Open([]string{write(t, "x", content)}, Options{}); !errors.Is(err, want) {
			t.Errorf("%q: got %v, want %v", content, err, want)
		}
	}
	if _, err := Open([]string{"testdata/nothing*"}, Options{}); !errors.Is(err, pcapio.ErrNoFiles) {
		t.Errorf("got %v", err)
	}
}

func TestAPipeIsReadAndInterrupted(t *testing.T) {
	testutil.CheckLeaks(t)
	path := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		w, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err != nil {
			t.Error(err)
			return
		}
		t.Cleanup(func() { w.Close() })
		io.WriteString(w, timed(1, 2, 3, 4, 5, 6))
	})
	r, err := Open([]string{path}, Options{Depth: 1, Damaged: func(d *Damage) { t.Error(d) }})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if rec, err := r.Next(); err != nil || rec.TimeNs != 1e6 { // though the pipe is still open
		t.Fatalf("got %v, %v", rec, err)
	}
	wg.Wait()
	wg.Go(r.Interrupt)
	readAll(t, r)
	wg.Wait()
	if err := r.Rewind(); !errors.Is(err, ErrOnce) {
		t.Errorf("got %v", err)
	}
}

// Whoever writes to a pipe may pause for long: what is whole is delivered meanwhile,
// in order by time, and half a record waits for its rest.
func TestRecordsOfASilentPipeArrive(t *testing.T) {
	testutil.CheckLeaks(t)
	path := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	w, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	upload := rec(record.Request, 9, post("a"+Separator+"b"))
	next := timed(4)
	cut := len(upload) - len(Separator) - 1 // behind the first separator
	io.WriteString(w, timed(1, 3, 2)+next[:10])
	r, err := Open([]string{path}, Options{Damaged: func(d *Damage) { t.Error(d) }})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if !r.Live() {
		t.Error("a pipe is no live input")
	}
	var got []int
	for range 3 {
		got = append(got, int(one(t, r).TimeNs/1e6))
	}
	io.WriteString(w, next[10:])
	got = append(got, int(one(t, r).TimeNs/1e6))
	if diff := cmp.Diff([]int{1, 2, 3, 4}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	io.WriteString(w, upload[:cut])
	var wg sync.WaitGroup
	wg.Go(func() {
		if got := string(one(t, r).Data); got != post("a"+Separator+"b") {
			t.Errorf("got %q", got)
		}
	})
	io.WriteString(w, upload[cut:])
	wg.Wait()
}

func one(t *testing.T, r *Reader) *record.Record {
	t.Helper()
	rec, err := r.Next()
	if err != nil {
		t.Error(err)
		return &record.Record{}
	}
	return rec
}

func TestReadingAllocatesOnceARecord(t *testing.T) {
	var content []byte
	for i := range 20000 {
		content = append(content, rec('1', i, get)...)
	}
	path := write(t, "a.gor", string(content))
	r, err := Open([]string{path}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	n := testing.AllocsPerRun(9000, func() {
		if _, err := r.Next(); err != nil {
			t.Fatal(err)
		}
	})
	if n > 1 {
		t.Errorf("%v allocations a record", n)
	}
}

func BenchmarkRead(b *testing.B) {
	for _, size := range []int{200, 10_000} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			var content []byte
			n := 0
			for ; len(content) < 32<<20; n++ {
				content = append(content, rec('1', n, post(string(bytes.Repeat([]byte("x"), size))))...)
			}
			path := write(b, "a.gor", string(content))
			b.SetBytes(int64(len(content)))
			b.ReportAllocs()
			for b.Loop() {
				r, err := Open([]string{path}, Options{})
				if err != nil {
					b.Fatal(err)
				}
				for err == nil {
					_, err = r.Next()
				}
				r.Close()
			}
			b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "records/s")
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n)/float64(b.N), "ns/record")
		})
	}
}
