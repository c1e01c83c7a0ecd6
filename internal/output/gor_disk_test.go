package output

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gortap/internal/gorfile"
	"gortap/internal/testutil"
)

// gorBench is a Gor on a disk, whose retries wait for the test.
func gorBench(t *testing.T, cfg GorConfig, d *disk) (*Gor, chan chan time.Time, *testutil.Buffer) {
	t.Helper()
	waits, log := make(chan chan time.Time, 100), &testutil.Buffer{}
	cfg.Log = slog.New(slog.NewJSONHandler(log, nil))
	g, err := newGor(cfg, d.open, func(time.Duration) <-chan time.Time {
		c := make(chan time.Time)
		waits <- c
		return c
	})
	if err != nil {
		t.Fatal(err)
	}
	return g, waits, log
}

func (d *disk) save(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "x.gor")
	if err := os.WriteFile(path, d.content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestRecordingWaitsForAFullDisk(t *testing.T) {
	one := len(gorfile.Append(nil, message(0)))
	for name, ext := range map[string]string{"plain": ".gor", "compressed": ".gor.zst"} {
		d := &disk{err: syscall.ENOSPC, room: map[string]int{"plain": 3*one + 20, "compressed": 20}[name]}
		g, waits, log := gorBench(t, GorConfig{Path: "disk" + ext}, d)
		putAll(t, g, 0, 10)
		first := <-waits
		if err := g.Err(); !errors.Is(err, ErrNoSpace) {
			t.Errorf("%s: error is %v", name, err)
		}
		d.set(func() {
			if want := map[string]int{"plain": 3 * one, "compressed": 0}[name]; len(d.content) != want {
				t.Errorf("%s: %d bytes are on the full disk, want %d", name, len(d.content), want)
			}
			d.err = nil
		})
		first <- time.Time{}
		putAll(t, g, 10, 15)
		if s := closeGor(t, g); s.Done != 15 || g.Err() != nil {
			t.Errorf("%s: %+v, %v", name, s, g.Err())
		}
		if diff := cmp.Diff(upTo(0, 15), numbers(t, d.save(t))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		if got := strings.Join(messages(log), "|"); got != "output does not write|output writes again" {
			t.Errorf("%s: log is %q", name, got)
		}
	}
}

func TestRecordingDropsWhatDoesNotFitIntoItsQueue(t *testing.T) {
	d := &disk{err: syscall.ENOSPC}
	g, waits, _ := gorBench(t, GorConfig{Path: "disk", QueueSize: 10_000}, d)
	putAll(t, g, 0, 1)
	wait := <-waits
	last := 1
	for g.Put(message(last), 0) {
		last++
	}
	if s := g.Stats(); s.Dropped[NoSpace].N != 1 || last < 10 {
		t.Errorf("%+v after %d", s, last)
	}
	d.set(func() { d.err = nil })
	wait <- time.Time{}
	closeGor(t, g)
	if diff := cmp.Diff(upTo(0, last), numbers(t, d.save(t))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestClosingARecordingInTroubleDropsTheRest(t *testing.T) {
	one := len(gorfile.Append(nil, message(0)))
	d := &disk{err: syscall.ENOSPC, room: one + one/2}
	g, waits, _ := gorBench(t, GorConfig{Path: "disk"}, d)
	putAll(t, g, 0, 3)
	<-waits
	putAll(t, g, 3, 7)
	if s := closeGor(t, g); s.Done != 1 || s.Dropped[NoSpace].N != 6 {
		t.Errorf("%+v", s)
	}
	if diff := cmp.Diff(upTo(0, 1), numbers(t, d.save(t))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
