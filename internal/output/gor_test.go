package output

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gortap/internal/gorfile"
	"gortap/internal/record"
	"gortap/internal/testutil"
)

// message is the i-th record of a recording.
func message(i int) *record.Record {
	return &record.Record{
		Kind: record.Request, ID: record.ID(7, uint64(i)), Conn: 7, Seq: uint64(i), TimeNs: int64(1e18) + int64(i), EndNs: int64(1e18) + int64(i),
		Data: fmt.Appendf(nil, "GET /%d HTTP/1.1\r\nHost: a\r\n\r\n", i),
	}
}

func startGor(t *testing.T, cfg GorConfig) *Gor {
	t.Helper()
	g, err := NewGor(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// putAll puts messages from..to-1, one flush each where each is set.
func putAll(t *testing.T, g *Gor, from, to int) {
	t.Helper()
	for i := from; i < to; i++ {
		if !g.Put(message(i), time.Minute) {
			t.Fatalf("put of %d refused", i)
		}
	}
}

func closeGor(t *testing.T, g *Gor) record.Stats {
	t.Helper()
	if err := g.Close(context.Background()); err != nil {
		t.Error(err)
	}
	s := g.Stats()
	sum := s.Done
	for _, d := range s.Dropped {
		sum += d.N
	}
	if sum != s.Taken {
		t.Errorf("taken %d, done and dropped %d: %+v", s.Taken, sum, s)
	}
	return s
}

// numbers returns which messages files hold, in order, and checks that nothing
// else is in them.
func numbers(t *testing.T, patterns ...string) (out []int) {
	t.Helper()
	r, err := gorfile.Open(patterns, gorfile.Options{Depth: 1, Damaged: func(d *gorfile.Damage) { t.Error(d) }})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for {
		rec, err := r.Next()
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		if want := message(int(rec.Seq)); !bytes.Equal(rec.Data, want.Data) || rec.ID != want.ID || rec.TimeNs != want.TimeNs {
			t.Errorf("record %d is %+v", rec.Seq, rec)
		}
		out = append(out, int(rec.Seq))
	}
}

func upTo(from, to int) (out []int) {
	for i := from; i < to; i++ {
		out = append(out, i)
	}
	return out
}

func names(t *testing.T, dir string) (out []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return out
}

func TestRecordingsComeBack(t *testing.T) {
	testutil.CheckLeaks(t)
	for _, ext := range []string{".gor", ".gor.gz", ".gor.zst"} {
		dir := t.TempDir()
		const n = 20_000 // several blocks
		for run := range 2 {
			g := startGor(t, GorConfig{Path: filepath.Join(dir, "x"+ext), Append: true})
			putAll(t, g, run*n, (run+1)*n)
			if s := closeGor(t, g); s.Done != n || s.Bytes == 0 {
				t.Errorf("%s: %+v", ext, s)
			}
		}
		if diff := cmp.Diff(upTo(0, 2*n), numbers(t, filepath.Join(dir, "x"+ext))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", ext, diff)
		}
	}
}

// The names are those that GoReplay v1.3.2 makes.
func TestNamesOfRecordings(t *testing.T) {
	at := time.Date(2026, 11, 2, 3, 4, 5, 600, time.Local)
	for _, c := range []struct {
		pattern string
		cfg     GorConfig
		want    []string
	}{
		{"x.gor", GorConfig{}, []string{"x_0.gor", "x_1.gor"}},
		{"x.gor.gz", GorConfig{}, []string{"x.gor_0.gz", "x.gor_1.gz"}},
		{"x-%Y%m%d-%H%M%S-%NS", GorConfig{}, []string{"x-20261102-030405-600_0", "x-20261102-030405-600_1"}},
		{"x_%m.gor", GorConfig{}, []string{"x_11_0.gor", "x_11_1.gor"}},
		{"x-%t-%r.gor", GorConfig{}, []string{
			"x-1-000000000000000700000000_0.gor", "x-1-000000000000000700000001_0.gor",
			"x-1-000000000000000700000002_0.gor", "x-1-000000000000000700000003_0.gor",
		}},
		{"x.gor", GorConfig{QueueLimit: 1}, []string{"x_0.gor", "x_1.gor", "x_2.gor", "x_3.gor"}},
		{"x.gor", GorConfig{SizeLimit: 100}, []string{"x_0.gor", "x_1.gor"}},
		{"x-%H.gor", GorConfig{Append: true}, []string{"x-03.gor"}},
	} {
		dir := t.TempDir()
		c.cfg.Path, c.cfg.Now = filepath.Join(dir, c.pattern), func() time.Time { return at }
		for run := range 2 {
			g := startGor(t, c.cfg)
			putAll(t, g, 2*run, 2*run+2)
			if s := closeGor(t, g); s.Done != 2 {
				t.Errorf("%s: %+v", c.pattern, s)
			}
		}
		if diff := cmp.Diff(c.want, names(t, dir)); diff != "" {
			t.Errorf("%s %+v (-want +got):\n%s", c.pattern, c.cfg, diff)
		}
		if diff := cmp.Diff(upTo(0, 4), numbers(t, filepath.Join(dir, "*"))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.pattern, diff)
		}
	}
}

func TestRotationLosesNothing(t *testing.T) {
	testutil.CheckLeaks(t)
	dir := t.TempDir()
	var now struct {
		sync.Mutex
		time.Time
	}
	g := startGor(t, GorConfig{
		Path: filepath.Join(dir, "%S", "x.gor"), SizeLimit: 5000, QueueLimit: 70,
		Now: func() time.Time {
			now.Lock()
			defer now.Unlock()
			now.Time = now.Add(time.Millisecond)
			return now.Time
		},
	})
	const n = 5000
	putAll(t, g, 0, n)
	closeGor(t, g)
	if diff := cmp.Diff(upTo(0, n), numbers(t, filepath.Join(dir, "*", "x_*.gor"))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	files, _ := filepath.Glob(filepath.Join(dir, "*", "*"))
	if len(names(t, dir)) != 6 || len(files) < n/70 {
		t.Errorf("%d folders, %d files", len(names(t, dir)), len(files))
	}
	for _, f := range files {
		if st, err := os.Stat(f); err != nil || st.Size() > 5100 {
			t.Errorf("%s: %v, %v", f, st, err)
		}
	}
}

func TestTypesAndIDsShareTheirFiles(t *testing.T) {
	dir := t.TempDir()
	g := startGor(t, GorConfig{Path: filepath.Join(dir, "%t-%r.gor")})
	for range 3 {
		for _, k := range []record.Kind{record.Request, record.Response, record.End} {
			r := message(1)
			r.Kind, r.ID = k, "../a/b"
			g.Put(r, time.Minute)
		}
	}
	if s := closeGor(t, g); s.Taken != 6 {
		t.Errorf("%+v", s)
	}
	if diff := cmp.Diff([]string{"1-___a_b_0.gor", "2-___a_b_0.gor"}, names(t, dir)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestAppendingMendsWhatAKillLeft(t *testing.T) {
	whole := string(gorfile.Append(nil, message(0)))
	for name, c := range map[string]struct {
		content string
		want    []int
	}{
		"half a record":           {whole + whole[:30], upTo(0, 2)},
		"a half separator":        {whole + whole[:len(whole)-5], upTo(0, 2)},
		"nothing whole":           {whole[:40], upTo(1, 2)},
		"a half one, very long":   {whole + whole[:50] + strings.Repeat("x", 200_000), upTo(0, 2)},
		"nothing whole, and long": {whole[:50] + strings.Repeat("x", 200_000), upTo(1, 2)},
	} {
		path := filepath.Join(t.TempDir(), "x.gor")
		if err := os.WriteFile(path, []byte(c.content), 0o600); err != nil {
			t.Fatal(err)
		}
		g := startGor(t, GorConfig{Path: path, Append: true})
		putAll(t, g, 1, 2)
		closeGor(t, g)
		if diff := cmp.Diff(c.want, numbers(t, path)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestATornCompressedFileIsLeftAlone(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "x.gor.gz")
	g := startGor(t, GorConfig{Path: path, Append: true})
	putAll(t, g, 0, 1)
	closeGor(t, g)
	st, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, st.Size()-3); err != nil {
		t.Fatal(err)
	}
	g = startGor(t, GorConfig{Path: path, Append: true})
	putAll(t, g, 1, 2)
	closeGor(t, g)
	if diff := cmp.Diff([]string{"x.gor.gz", "x.gor_0.gz"}, names(t, dir)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(upTo(1, 2), numbers(t, filepath.Join(dir, "x.gor_0.gz"))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestRecordingsThatCannotBe(t *testing.T) {
	testutil.CheckLeaks(t)
	other := filepath.Join(t.TempDir(), "x.txt")
	if err := os.WriteFile(other, []byte("hello, world\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, cfg := range []GorConfig{
		{Path: other, Append: true},
		{Path: "/nowhere/x.gor"},
		{Path: "/nowhere/x-%H.gor", Append: true},
		{Path: "x.gor", Append: true, QueueLimit: 1},
	} {
		if _, err := NewGor(cfg); err == nil {
			t.Errorf("%+v: no error", cfg)
		}
	}
	if b, err := os.ReadFile(other); string(b) != "hello, world\n" {
		t.Errorf("the file is %q, %v", b, err)
	}
}

func TestRecordingStopsAtItsFullSize(t *testing.T) {
	dir := t.TempDir()
	g := startGor(t, GorConfig{Path: filepath.Join(dir, "x.gor"), MaxSize: 300, QueueLimit: 2})
	putAll(t, g, 0, 10)
	s := closeGor(t, g)
	one := len(gorfile.Append(nil, message(0)))
	if want := uint64(300/one + 1); s.Done != want || s.Dropped[SizeLimit].N != 10-want || !errors.Is(g.Err(), ErrSizeLimit) {
		t.Errorf("want %d written: %+v, %v", want, s, g.Err())
	}
}

func TestReopenFollowsAMovedFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "x.gor")
	g := startGor(t, GorConfig{Path: path, Append: true, FlushInterval: time.Nanosecond})
	putAll(t, g, 0, 1)
	for g.Stats().Done == 0 {
		runtime.Gosched()
	}
	if err := os.Rename(path, filepath.Join(dir, "old.gor")); err != nil {
		t.Fatal(err)
	}
	g.Reopen()
	putAll(t, g, 1, 2)
	closeGor(t, g)
	for name, want := range map[string][]int{"old.gor": {0}, "x.gor": {1}} {
		if diff := cmp.Diff(want, numbers(t, filepath.Join(dir, name))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestStdoutShowsRecordsRedacted(t *testing.T) {
	testutil.CheckLeaks(t)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	g := startGor(t, GorConfig{Path: "-", Stdout: w, Transform: func(r *record.Record) *record.Record {
		c := *r
		c.Data = []byte("redacted")
		return &c
	}})
	w.Close()
	g.Put(message(1), time.Minute)
	closeGor(t, g)
	got, err := io.ReadAll(r)
	want := "1 000000000000000700000001 1000000000000000001 0\nredacted\n🐵🙈🙉\n"
	if string(got) != want || err != nil {
		t.Errorf("got %q, %v, want %q", got, err, want)
	}
}

// A run that is killed leaves whole records, and at most one that is cut.
func TestAKilledRunLeavesAReadableFile(t *testing.T) {
	if path := os.Getenv("GORTAP_TEST_RECORD_TO"); path != "" {
		g := startGor(t, GorConfig{Path: path, Append: true, FlushInterval: time.Millisecond})
		for i := 0; ; i++ {
			g.Put(message(i), time.Minute)
			if g.Stats().Done > 5000 {
				os.Stderr.Close() // says so to the parent
			}
		}
	}
	for _, ext := range []string{".gor", ".gor.gz"} {
		path := filepath.Join(t.TempDir(), "x"+ext)
		child := exec.Command(os.Args[0], "-test.run=^TestAKilledRunLeavesAReadableFile$")
		child.Env = append(os.Environ(), "GORTAP_TEST_RECORD_TO="+path)
		told, err := child.StderrPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		if b, err := io.ReadAll(told); len(b) > 0 || err != nil {
			t.Errorf("the child says %q, %v", b, err)
		}
		child.Process.Kill()
		child.Wait()
		var damages []string
		r, err := gorfile.Open([]string{path}, gorfile.Options{Depth: 1, Damaged: func(d *gorfile.Damage) { damages = append(damages, d.Reason) }})
		if err != nil {
			t.Fatal(err)
		}
		next := 0
		for {
			rec, err := r.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil || int(rec.Seq) != next {
				t.Fatalf("record %v, %v where %d was expected", rec, err, next)
			}
			next++
		}
		r.Close()
		if next < 1000 || len(damages) > 1 || (len(damages) == 1 && damages[0] != gorfile.Cut) {
			t.Errorf("%s: %d records, damages %v", ext, next, damages)
		}
	}
}
