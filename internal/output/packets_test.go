package output

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gortap/internal/flow"
	"gortap/internal/pcapio"
)

// read is a flow.Handler that keeps what a file holds.
type read struct {
	payload  strings.Builder
	segments int
}

func (r *read) Segment(s *flow.Segment) { r.segments++; r.payload.Write(s.Data) }
func (r *read) Update(*flow.Totals)     {}
func (r *read) End(*flow.Totals)        {}
func (r *read) Tick(int64)              {}

func segmentsOf(text string, size int) []flow.Segment {
	key, dir := flow.NewKey(netip.MustParseAddrPort("192.0.2.1:40000"), netip.MustParseAddrPort("192.0.2.2:80"), 0)
	var out []flow.Segment
	for seq := 0; seq < len(text); seq += size {
		data := []byte(text[seq:min(seq+size, len(text))])
		out = append(out, flow.Segment{
			Key: key, Dir: dir, Flags: flow.ACK, Seq: uint32(seq), Len: len(data), Data: data,
			NetBytes: 40 + len(data), TsNs: int64(1e18) + int64(seq),
		})
	}
	return out
}

func TestPacketsComeBackFromTheFile(t *testing.T) {
	text := strings.Repeat("all of it, in order; ", 50_000) // more than a batch
	path := filepath.Join(t.TempDir(), "out.pcapng")
	p, err := NewPackets(PacketsConfig{Path: path, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	feed := p.Feed().(*packetsFeed)
	segments := segmentsOf(text, 1400)
	for i := range segments {
		feed.Segment(&segments[i])
		clear(segments[i].Data) // it was borrowed
	}
	feed.Close()
	if err := p.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if s := p.Stats(); s.Taken != uint64(len(segments)) || s.Written != s.Taken {
		t.Errorf("taken %d, written %d, want %d", s.Taken, s.Written, len(segments))
	}
	got := &read{}
	r, err := pcapio.Open([]string{path}, pcapio.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Run(t.Context(), got); err != nil {
		t.Fatal(err)
	}
	if got.payload.String() != text || got.segments != len(segments) {
		t.Errorf("%d segments with %d bytes came back, want %d with %d", got.segments, got.payload.Len(), len(segments), len(text))
	}
}

func TestPacketsAFullDiskIsToldOnceAndCounted(t *testing.T) {
	path := filepath.Join(t.TempDir(), "full.pcapng")
	if err := os.Symlink("/dev/full", path); err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	p, err := NewPackets(PacketsConfig{Path: path, Log: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	feed := p.Feed().(*packetsFeed)
	segments := segmentsOf(strings.Repeat("x", 1<<20), 1000)
	for i := range segments {
		feed.Segment(&segments[i])
	}
	feed.Close()
	if err := p.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	s := p.Stats()
	if s.Written > 0 {
		t.Errorf("%d written to a full disk", s.Written)
	}
	if s.Written+s.Dropped[NoSpace]+s.Dropped[Slow] != s.Taken || s.Dropped[NoSpace] == 0 {
		t.Errorf("taken %d, written %d, dropped %v", s.Taken, s.Written, s.Dropped)
	}
	if n := strings.Count(log.String(), "\n"); n != 1 || !errors.Is(p.Err(), ErrNoSpace) {
		t.Errorf("%d log lines, error %v; want 1, %v", n, p.Err(), ErrNoSpace)
	}
}

func TestPacketsCloseGivesUpWhenItsTimeIsOver(t *testing.T) {
	p, err := NewPackets(PacketsConfig{Path: filepath.Join(t.TempDir(), "out.pcap"), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	if err := p.Close(over); err != nil && !errors.Is(err, ErrAbandoned) {
		t.Errorf("got %v, want nil or %v", err, ErrAbandoned)
	}
	<-p.done // the writer ends all the same
}
