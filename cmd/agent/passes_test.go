package main

import (
	"encoding/json"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gortap/internal/testutil"
	"gortap/internal/testutil/corpus"
)

// totals are the numbers of a summary that a pass adds to.
type totals struct {
	Delivered    struct{ Packets, Bytes uint64 }
	TCPPayload   uint64 `json:"tcp_payload_bytes"`
	Exchanges    uint64
	Messages     uint64
	Incomplete   map[string]uint64
	Unattributed map[string]uint64 `json:"unattributed_bytes"`
	Sessions     []sessionTotals
}

type sessionTotals struct {
	Captured, Sessions, Replayed uint64
	Partial, Skipped             map[string]uint64
	Sent                         uint64 `json:"sent_bytes"`
}

// times is what so many passes add up to.
func (s totals) times(n uint64) totals {
	for _, v := range []*uint64{&s.Delivered.Packets, &s.Delivered.Bytes, &s.TCPPayload, &s.Exchanges, &s.Messages} {
		*v *= n
	}
	s.Incomplete, s.Unattributed = multiply(s.Incomplete, n), multiply(s.Unattributed, n)
	s.Sessions = slices.Clone(s.Sessions)
	for i := range s.Sessions {
		one := &s.Sessions[i]
		for _, v := range []*uint64{&one.Captured, &one.Sessions, &one.Replayed, &one.Sent} {
			*v *= n
		}
		one.Partial, one.Skipped = multiply(one.Partial, n), multiply(one.Skipped, n)
	}
	return s
}

func multiply(m map[string]uint64, n uint64) map[string]uint64 {
	m = maps.Clone(m)
	for k := range m {
		m[k] *= n
	}
	return m
}

// offline runs the agent on files and returns some numbers of its summary.
func offline(t *testing.T, flags ...string) (s totals, status int) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "summary")
	var stderr testutil.Buffer
	e := env{stdout: &stderr, stderr: &stderr, getenv: os.Getenv}
	status = run(t.Context(), e, append([]string{"--listen", "", "--summary", path}, flags...))
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v: status %d, %v\n%s", flags, status, err, stderr.String())
	}
	if err := json.Unmarshal(text, &s); err != nil {
		t.Fatal(err)
	}
	return s, status
}

func TestEachPassOfPacketFilesCountsTheSameAgain(t *testing.T) {
	compared := 0
	for _, e := range corpus.Entries(t) {
		once, status := offline(t, "--input-file", e.Path())
		if status != 0 || once.Exchanges == 0 {
			continue // damaged, which ends the reading
		}
		compared++
		thrice, _ := offline(t, "--input-file", e.Path(), "--input-file-passes", "3")
		if diff := cmp.Diff(once.times(3), thrice); diff != "" {
			t.Errorf("%s (-three times one pass +three passes):\n%s", e.File, diff)
		}
	}
	if compared < 10 {
		t.Errorf("%d captures were compared", compared)
	}
}

const threeStreams = "../../internal/testutil/corpus/data/gen-any-sll.pcap"

func TestPacketFilesAreReplayedAsOftenAsAsked(t *testing.T) {
	var requests atomic.Uint64
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { requests.Add(1) }))
	defer srv.Close()
	once, _ := offline(t, "--input-file", threeStreams+"|10000%", "--output-http", srv.URL)
	first := requests.Swap(0)
	_, status := offline(t, "--input-file", threeStreams+"|10000%", "--output-http", srv.URL, "--input-file-passes", "3")
	if got := requests.Load(); status != 0 || first == 0 || got != 3*first {
		t.Errorf("status %d, %d requests, of one pass %d: %+v", status, got, first, once)
	}
}

func TestSessionsOfPacketFilesAreReplayedAsOftenAsAsked(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var bytes, conns atomic.Uint64
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			conns.Add(1)
			wg.Go(func() {
				defer c.Close()
				n, _ := io.Copy(io.Discard, c)
				bytes.Add(uint64(n))
			})
		}
	})
	flags := []string{"--input-file", threeStreams, "--output-session", l.Addr().String(), "--session-order", "time", "--session-speed", "100", "--session-stall", "10ms"}
	once, _ := offline(t, flags...)
	// A window is about the files, not about how often they were read.
	thrice, status := offline(t, append(flags, "--input-file-passes", "3", "--input-to", "63ms")...)
	l.Close()
	wg.Wait()
	if diff := cmp.Diff(once.times(3), thrice); status != 0 || diff != "" || len(once.Sessions) != 1 || once.Sessions[0].Sent == 0 {
		t.Errorf("status %d (-three times one pass +three passes):\n%s", status, diff)
	}
	if want := once.Sessions[0].Sent * 4; bytes.Load() != want {
		t.Errorf("%d bytes in %d sessions at the target, want %d", bytes.Load(), conns.Load(), want)
	}
}

func TestAPassThatCannotBeRepeatedIsRefused(t *testing.T) {
	for _, flags := range [][]string{
		{"--input-file", threeStreams, "--input-file-passes", "2", "--output-file", filepath.Join(t.TempDir(), "x.pcap")},
		{"--input-file", threeStreams, "--input-file-passes", "2", "--input-file-loop"},
		{"--input-file", threeStreams, "--input-file-passes", "0"},
	} {
		var stderr testutil.Buffer
		e := env{stdout: &stderr, stderr: &stderr, getenv: os.Getenv}
		if status := run(t.Context(), e, append([]string{"--listen", ""}, flags...)); status != exitUsage || !strings.Contains(stderr.String(), "--input-file") {
			t.Errorf("%v: status %d\n%s", flags, status, stderr.String())
		}
	}
}
