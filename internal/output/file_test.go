package output

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// emit writes lines from..to-1 to a path and closes the output.
func emit(t *testing.T, path string, from, to uint64) Stats {
	t.Helper()
	j, err := NewJSONL(JSONLConfig{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	f := j.Feed()
	feedLines(f, from, to)
	f.Close()
	if err := j.Close(context.Background()); err != nil {
		t.Error(err)
	}
	checkConserved(t, j.Stats())
	return j.Stats()
}

func feedLines(f Feed, from, to uint64) {
	for ; from < to; from++ {
		x := testExchange()
		x.Seq = from
		f.Exchange(x)
	}
}

func readFile(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestFileIsAppendedTo(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.jsonl")
	emit(t, path, 0, 1000) // more than a buffer
	s := emit(t, path, 1000, 1003)
	content := readFile(t, path)
	checkAll(t, content, 0, 1003)
	if s.Written != 3 || s.Taken != 3 {
		t.Errorf("stats %+v", s)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm()&0o007 != 0 {
		t.Errorf("mode is %v, %v: others may read it", info.Mode(), err)
	}
}

func TestTornLineOfAnEarlierRunIsEnded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.jsonl")
	if err := os.WriteFile(path, []byte("{\"time\":\"20"), 0o600); err != nil {
		t.Fatal(err)
	}
	emit(t, path, 0, 2)
	rest, ok := bytes.CutPrefix(readFile(t, path), []byte("{\"time\":\"20\n"))
	if !ok {
		t.Errorf("the file begins with %.30q", rest)
	}
	checkAll(t, rest, 0, 2)
}

func TestRotation(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.jsonl")
	j, err := NewJSONL(JSONLConfig{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	f := j.Feed()
	feedLines(f, 0, 2)
	f.Tick(int64(time.Hour))
	for j.Stats().Written < 2 {
		runtime.Gosched()
	}
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	j.Reopen()
	for !exists(path) {
		runtime.Gosched()
	}
	feedLines(f, 2, 5)
	f.Close()
	if err := j.Close(context.Background()); err != nil {
		t.Error(err)
	}
	checkAll(t, readFile(t, path+".1"), 0, 2)
	checkAll(t, readFile(t, path), 2, 5)
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func TestOpenErrorsNameThePathAndTheRemedy(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "none", "x.jsonl")
	_, err := NewJSONL(JSONLConfig{Path: path})
	want := "write JSON lines: open " + path + ": no such file or directory (make its folder first)"
	if err == nil || err.Error() != want || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error %v, want %s", err, want)
	}
	if _, err := NewJSONL(JSONLConfig{Path: dir}); !errors.Is(err, syscall.EISDIR) {
		t.Errorf("a folder gives error %v", err)
	}
}

func TestCutBackLeavesWhatOthersWrote(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x")
	file, err := openFile(path)()
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if _, err := file.Write([]byte("whole\nhalf")); err != nil {
		t.Fatal(err)
	}
	if err := file.CutBack(2); err != nil {
		t.Error(err)
	}
	other, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if _, err := other.WriteString("theirs"); err != nil {
		t.Fatal(err)
	}
	if err := file.CutBack(2); err == nil {
		t.Error("another program's bytes were cut off")
	}
	if got, want := string(readFile(t, path)), "whole\nhatheirs"; got != want {
		t.Errorf("the file is %q, want %q", got, want)
	}
}

func TestStdoutIsOpenedOnceAndNotAsDescriptor1(t *testing.T) {
	file, err := os.Create(filepath.Join(t.TempDir(), "x"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	open := openStdout(file)
	own, err := open()
	if err != nil {
		t.Fatal(err)
	}
	defer own.Close()
	if fd := own.(stream).Fd(); fd <= 2 || fd == file.Fd() {
		t.Errorf("descriptor %d", fd)
	}
	if _, err := open(); !errors.Is(err, ErrReaderGone) {
		t.Errorf("a second time: %v", err)
	}
}

func makePipe(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestNamedPipeWaitsForItsReaderAndOutlivesIt(t *testing.T) {
	path := makePipe(t)
	retry, waiting := make(chan time.Time), make(chan struct{}, 10)
	j, err := newJSONL(JSONLConfig{Path: path}, openFile(path), func(time.Duration) <-chan time.Time {
		waiting <- struct{}{}
		return retry
	})
	if err != nil {
		t.Fatal(err)
	}
	if !errors.Is(j.Err(), ErrReaderGone) {
		t.Errorf("without a reader, the error is %v", j.Err())
	}
	f := j.Feed()
	feedLines(f, 0, 3)
	f.Close()
	var first [1000]byte
	reader := openPipe(t, path)
	<-waiting
	retry <- time.Time{}
	for j.Stats().Written < 3 {
		runtime.Gosched()
	}
	n, err := io.ReadAtLeast(reader, first[:], 500) // the second line, half read
	if err != nil {
		t.Fatal(err)
	}
	reader.Close()

	feedLines(f, 3, 1000) // more than a pipe holds
	f.Close()
	<-waiting
	second := openPipe(t, path)
	retry <- time.Time{}
	for errors.Is(j.Err(), ErrReaderGone) { // until the writer is there, a read says EOF
		runtime.Gosched()
	}
	content := make(chan []byte)
	go func() {
		b, _ := io.ReadAll(second)
		content <- b
	}()
	if err := j.Close(context.Background()); err != nil {
		t.Error(err)
	}
	got := <-content
	second.Close()
	seqs(t, first[:bytes.LastIndexByte(first[:n], '\n')+1])
	lines := seqs(t, got)
	if len(lines) < 900 || lines[len(lines)-1] != 999 {
		t.Errorf("the second reader got %d lines", len(lines))
	}
	checkConserved(t, j.Stats())
}

func openPipe(t *testing.T, path string) *os.File {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestStalledReaderOfStdoutStopsNobody(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	j, err := NewJSONL(JSONLConfig{Path: "-", Stdout: w})
	if err != nil {
		t.Fatal(err)
	}
	f := j.Feed()
	for j.Stats().Dropped[Slow] == 0 { // the pipe, the writer and the queue are full
		feedLines(f, 0, 200)
	}
	f.Close()
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	if err := j.Close(ended); !errors.Is(err, ErrAbandoned) {
		t.Errorf("close says %v", err)
	}
	if again := j.Close(context.Background()); !errors.Is(again, ErrAbandoned) {
		t.Errorf("a second close says %v", again)
	}
	s := j.Stats()
	checkConserved(t, s)
	if s.Dropped[Deadline] == 0 {
		t.Errorf("stats %+v", s)
	}
	// Standard output belongs to the program: it is open, and blocks as before.
	if flags, _, e := syscall.Syscall(syscall.SYS_FCNTL, w.Fd(), syscall.F_GETFL, 0); e != 0 || flags&syscall.O_NONBLOCK != 0 {
		t.Errorf("flags of standard output are %#x, %v", flags, e)
	}
}

func TestReaderOfStdoutThatLeavesCostsItsLinesOnly(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	j, err := NewJSONL(JSONLConfig{Path: "-", Stdout: w})
	if err != nil {
		t.Fatal(err)
	}
	r.Close()
	f := j.Feed()
	for j.Stats().Dropped[ReaderGone] == 0 {
		feedLines(f, 0, 1000)
	}
	f.Close()
	if err := j.Close(context.Background()); err != nil {
		t.Error(err)
	}
	s := j.Stats()
	checkConserved(t, s)
	if s.Written != 0 || !errors.Is(j.Err(), ErrReaderGone) {
		t.Errorf("stats %+v, error %v", s, j.Err())
	}
}

func TestStdoutThatIsAFileIsWrittenWhereItStands(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out")
	out, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	if _, err := out.WriteString("before\n"); err != nil {
		t.Fatal(err)
	}
	j, err := NewJSONL(JSONLConfig{Path: "-", Stdout: out})
	if err != nil {
		t.Fatal(err)
	}
	if j.Reopen(); len(j.rotate) != 0 {
		t.Error("standard output is to be opened again")
	}
	f := j.Feed()
	feedLines(f, 0, 3)
	f.Close()
	if err := j.Close(context.Background()); err != nil {
		t.Error(err)
	}
	if _, err := out.WriteString("after\n"); err != nil {
		t.Fatalf("standard output was closed: %v", err)
	}
	content := strings.TrimSuffix(strings.TrimPrefix(string(readFile(t, path)), "before\n"), "after\n")
	checkAll(t, []byte(content), 0, 3)
}

// smallDisk returns a folder on a file system of 64 KiB. Its mount is detached
// at once and lives on in an open descriptor, so that nothing is left behind
// even if the test is killed.
func smallDisk(t *testing.T) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("mounting a small tmpfs needs root")
	}
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=64k"); err != nil {
		t.Skipf("mount tmpfs: %v", err)
	}
	root, err := os.Open(dir)
	if e := syscall.Unmount(dir, syscall.MNT_DETACH); e != nil {
		t.Error(e)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close() })
	return "/proc/self/fd/" + strconv.Itoa(int(root.Fd()))
}

func TestDiskThatFillsUpAndEmpties(t *testing.T) {
	dir := smallDisk(t)
	path, ballast := filepath.Join(dir, "x.jsonl"), filepath.Join(dir, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 40<<10), 0o600); err != nil {
		t.Fatal(err)
	}
	retry := make(chan time.Time)
	j, err := newJSONL(JSONLConfig{Path: path}, openFile(path), func(time.Duration) <-chan time.Time { return retry })
	if err != nil {
		t.Fatal(err)
	}
	f := j.Feed()
	feedLines(f, 0, 100) // some 42 KiB
	f.Close()
	for !errors.Is(j.Err(), ErrNoSpace) {
		runtime.Gosched()
	}
	retry <- time.Time{}
	retry <- time.Time{} // it takes this only after the second attempt
	content := readFile(t, path)
	checkAll(t, content, 0, uint64(len(seqs(t, content))))
	if len(content) == 0 {
		t.Error("nothing was written to the room that there was")
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	retry <- time.Time{}
	if err := j.Close(context.Background()); err != nil {
		t.Error(err)
	}
	checkAll(t, readFile(t, path), 0, 100)
	checkConserved(t, j.Stats())
}
