package output

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"gortap/internal/testutil"
)

// disk is a target that fails on demand.
type disk struct {
	mu       sync.Mutex
	content  []byte
	room     int   // bytes until err
	err      error // what a Write beyond the room returns
	noCut    bool
	opened   int
	openErr  error
	oldFiles [][]byte
	writes   chan struct{} // a token a Write, where not nil
}

func (d *disk) open() (target, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.openErr != nil {
		return nil, d.openErr
	}
	if d.opened > 0 {
		d.oldFiles = append(d.oldFiles, d.content)
		d.content = nil
	}
	d.opened++
	return &diskFile{d}, nil
}

func (d *disk) set(change func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	change()
}

type diskFile struct{ *disk }

func (f *diskFile) Write(b []byte) (int, error) {
	if f.writes != nil {
		<-f.writes
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err == nil {
		f.content = append(f.content, b...)
		return len(b), nil
	}
	n := min(f.room, len(b))
	f.room -= n
	f.content = append(f.content, b[:n]...)
	if n == len(b) {
		return n, nil
	}
	return n, f.err
}

func (f *diskFile) CutBack(n int64) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.noCut {
		return errors.ErrUnsupported
	}
	f.content = f.content[:len(f.content)-int(n)]
	f.room += int(n)
	return nil
}

func (f *diskFile) Close() error { return nil }

// bench is a JSONL on a disk, whose retries wait for the test.
type bench struct {
	*JSONL
	t     *testing.T
	disk  *disk
	feed  Feed
	waits chan chan time.Time // one for each wait of the writer
	log   *testutil.Buffer
	seq   uint64
	now   int64
}

// messages are those that were logged as JSON.
func messages(log *testutil.Buffer) (out []string) {
	for line := range strings.Lines(log.String()) {
		var m struct{ Msg string }
		if json.Unmarshal([]byte(line), &m) == nil {
			out = append(out, m.Msg)
		}
	}
	return out
}

func newBench(t *testing.T, d *disk) *bench {
	t.Helper()
	b := &bench{t: t, disk: d, waits: make(chan chan time.Time, 100), log: &testutil.Buffer{}}
	after := func(time.Duration) <-chan time.Time {
		c := make(chan time.Time)
		b.waits <- c
		return c
	}
	j, err := newJSONL(JSONLConfig{Path: "disk", Log: slog.New(slog.NewJSONHandler(b.log, nil))}, d.open, after)
	if err != nil {
		t.Fatal(err)
	}
	b.JSONL, b.feed = j, j.Feed()
	return b
}

// hand gives the writer a buffer of n lines and returns their length.
func (b *bench) hand(n int) (bytes int) {
	for range n {
		x := testExchange()
		x.Seq = b.seq
		b.seq++
		bytes += len(encode(x))
		b.feed.Exchange(x)
	}
	b.now += int64(time.Second)
	b.feed.Tick(b.now)
	return bytes
}

func (b *bench) closeAll() {
	b.t.Helper()
	b.feed.Close()
	if err := b.Close(context.Background()); err != nil {
		b.t.Error(err)
	}
}

// seqs checks that content is whole lines and returns their numbers.
func seqs(t *testing.T, content []byte) (out []uint64) {
	t.Helper()
	for line := range bytes.Lines(content) {
		var r jsonRecord
		if err := json.Unmarshal(line, &r); err != nil || line[len(line)-1] != '\n' {
			t.Errorf("not a whole line: %q", line)
		}
		out = append(out, r.Seq)
	}
	return out
}

// checkAll asserts that lines from..to-1 are there in order.
func checkAll(t *testing.T, content []byte, from, to uint64) {
	t.Helper()
	for _, n := range seqs(t, content) {
		if n != from {
			t.Errorf("line %d where %d was expected", n, from)
		}
		from = n + 1
	}
	if from != to {
		t.Errorf("the last line is %d, want %d", from-1, to-1)
	}
}

func checkConserved(t *testing.T, s Stats) {
	t.Helper()
	sum := s.Written
	for _, n := range s.Dropped {
		sum += n
	}
	if sum != s.Taken {
		t.Errorf("taken %d, written and dropped %d: %+v", s.Taken, sum, s)
	}
}

func TestFullDiskIsWaitedFor(t *testing.T) {
	line := len(encode(testExchange()))
	for _, c := range []struct {
		name string
		disk *disk
	}{
		{"and the half line taken back", &disk{err: syscall.ENOSPC, room: 3*line + line/2}},
		{"and the half line finished where it cannot be taken back", &disk{err: syscall.ENOSPC, room: 3*line + line/2, noCut: true}},
		{"without a single byte of room", &disk{err: syscall.EDQUOT}},
		{"up to the end of a line", &disk{err: syscall.ENOSPC, room: 2 * line}},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t, c.disk)
			b.hand(10)
			first := <-b.waits // the writer waits for space
			if err := b.Err(); !errors.Is(err, ErrNoSpace) {
				t.Errorf("error is %v", err)
			}
			c.disk.set(func() {
				if !c.disk.noCut {
					seqs(t, c.disk.content)
				}
				c.disk.room = 1
			})
			first <- time.Time{}
			second := <-b.waits // still not enough
			c.disk.set(func() { c.disk.err = nil })
			second <- time.Time{}
			b.hand(5)
			b.closeAll()
			checkAll(t, c.disk.content, 0, 15)
			s := b.Stats()
			checkConserved(t, s)
			if s.Written != 15 || s.Bytes != uint64(len(c.disk.content)) || b.Err() != nil {
				t.Errorf("stats %+v of %d bytes, error %v", s, len(c.disk.content), b.Err())
			}
			want := []string{"output does not write", "output writes again"}
			if got := messages(b.log); strings.Join(got, "|") != strings.Join(want, "|") {
				t.Errorf("log is %q, want %q", got, want)
			}
		})
	}
}

func TestFullQueueDropsTheNewestAndCountsThem(t *testing.T) {
	d := &disk{err: syscall.ENOSPC}
	b := newBench(t, d)
	b.hand(1)
	wait := <-b.waits // it holds the first buffer
	for range queueLength + 10 {
		b.hand(2)
	}
	s := b.Stats()
	if s.Dropped[NoSpace] != 20 || s.Taken != 1+2*(queueLength+10) {
		t.Errorf("stats %+v", s)
	}
	d.set(func() { d.err = nil })
	wait <- time.Time{}
	b.closeAll()
	checkAll(t, d.content, 0, 1+2*queueLength)
	checkConserved(t, b.Stats())
}

func TestSlowDiskDropsAndSaysSoOnce(t *testing.T) {
	d := &disk{writes: make(chan struct{})}
	b := newBench(t, d)
	b.hand(1)
	for range 4 { // it drops again and again
		for range queueLength + 3 {
			b.hand(1)
		}
		d.writes <- struct{}{} // one buffer
	}
	close(d.writes)
	b.closeAll()
	s := b.Stats()
	checkConserved(t, s)
	if s.Dropped[Slow] < 3*queueLength {
		t.Errorf("stats %+v", s)
	}
	want := []string{"output is too slow and drops", "output keeps up again"}
	if got := messages(b.log); strings.Join(got, "|") != strings.Join(want, "|") {
		t.Errorf("log is %q, want %q", got, want)
	}
}

func TestClosingInTroubleDropsTheRest(t *testing.T) {
	line := len(encode(testExchange()))
	d := &disk{err: syscall.ENOSPC, room: line + line/2}
	b := newBench(t, d)
	b.hand(3)
	<-b.waits
	b.hand(4)
	d.set(func() { d.room = 10 * line }) // too late: what follows a dropped line is dropped too
	b.closeAll()
	checkAll(t, d.content, 0, 1)
	s := b.Stats()
	checkConserved(t, s)
	if s.Written != 1 || s.Dropped[NoSpace] != 6 {
		t.Errorf("stats %+v", s)
	}
}

func TestOtherErrorsAreToldAndRetried(t *testing.T) {
	d := &disk{err: syscall.EIO}
	b := newBench(t, d)
	b.hand(2)
	wait := <-b.waits
	if err := b.Err(); !errors.Is(err, syscall.EIO) || b.writer.dropReason() != WriteError {
		t.Errorf("error is %v, drops are %v", err, b.writer.dropReason())
	}
	d.set(func() { d.err = nil })
	wait <- time.Time{}
	b.closeAll()
	checkAll(t, d.content, 0, 2)
}

func TestRotationWhileInTroubleBeginsWithAWholeLine(t *testing.T) {
	line := len(encode(testExchange()))
	d := &disk{err: syscall.EIO, room: line + line/2, noCut: true}
	b := newBench(t, d)
	b.hand(3)
	<-b.waits
	d.set(func() { d.err = nil })
	b.Reopen()
	for len(b.rotate) > 0 { // until the writer has taken it
		runtime.Gosched()
	}
	b.closeAll()
	checkAll(t, d.content, 1, 3)
	checkAll(t, d.oldFiles[0][:line], 0, 1)
	if got := messages(b.log); len(got) != 2 {
		t.Errorf("log is %q", got)
	}
}

func TestFailedRotationKeepsTheFile(t *testing.T) {
	d := &disk{writes: make(chan struct{}, 10)}
	b := newBench(t, d)
	d.set(func() { d.openErr = syscall.EACCES })
	b.Reopen()
	for len(b.rotate) > 0 { // until the writer has taken it
		d.writes <- struct{}{}
		b.hand(1)
	}
	n := b.seq
	close(d.writes)
	b.closeAll()
	checkAll(t, d.content, 0, n)
	if got := messages(b.log); len(got) != 1 || got[0] != "reopen output; the old file is kept" {
		t.Errorf("log is %q", got)
	}
}

func TestFeedDoesNotAllocate(t *testing.T) {
	d := &disk{err: syscall.ENOSPC}
	b := newBench(t, d)
	b.hand(1)
	<-b.waits
	x := testExchange()
	for range 200 * queueLength {
		b.feed.Exchange(x)
	}
	if n := testing.AllocsPerRun(1000, func() { b.feed.Exchange(x); b.feed.Tick(0) }); n != 0 {
		t.Errorf("%v allocations a line", n)
	}
	b.closeAll()
	checkConserved(t, b.Stats())
}
