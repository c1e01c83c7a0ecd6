package pcapio

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"gortap/internal/flow"
	"gortap/internal/pcapio/packet"
	"gortap/internal/testutil/corpus"
)

func TestCompressionIsRecognisedByContent(t *testing.T) {
	e := corpus.Get(t, "zeek-pipelined-requests.pcap")
	want := mustRead(t, e.Path()).segments
	content := e.Content(t)
	for name, other := range map[string]string{"x.pcap.gz": "x.txt", "x.pcap.zst": "x.pcapng", "x.pcap": "noext"} {
		path := filepath.Join(t.TempDir(), name)
		f, err := os.Create(path)
		if err != nil {
			t.Fatal(err)
		}
		out := io.WriteCloser(f)
		for _, c := range compressions() {
			if c.suffix == filepath.Ext(name) {
				if out, err = c.create(f); err != nil {
					t.Fatal(err)
				}
			}
		}
		if _, err := out.Write(content); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(out.Close(), os.Rename(path, filepath.Join(filepath.Dir(path), other))); err != nil {
			t.Fatal(err)
		}
		got := mustRead(t, filepath.Join(filepath.Dir(path), other)).segments
		if diff := diff(want, got); diff != "" {
			t.Errorf("%s named %s (-want +got):\n%s", name, other, diff)
		}
	}
}

// evenSeq matches packets of even sequence numbers.
type evenSeq struct{}

func (evenSeq) Match(p []byte, _ int) bool { return p[27]%2 == 0 }

func TestTheFilterDecidesWhatIsMatched(t *testing.T) {
	var asked []packet.LinkType
	var tapped int
	o := Options{
		Filter: func(l packet.LinkType) (Matcher, error) { asked = append(asked, l); return evenSeq{}, nil },
		Tap:    func(*packet.Record) { tapped++ },
	}
	c, stats, err := read(t, o, pcapFile(t, "a.pcap", 1, 2, 3, 4), pcapFile(t, "b.pcap", 5, 6))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := seqs(c), []uint32{2, 4, 6}; !slices.Equal(got, want) {
		t.Errorf("packets %v, want %v", got, want)
	}
	if want := (packet.Count{Packets: 3, Bytes: 3 * 41}); stats.Filtered != want || stats.Matched() != want || tapped != 3 {
		t.Errorf("filtered %+v, matched %+v, tapped %d, want %+v each", stats.Filtered, stats.Matched(), tapped, want)
	}
	if !slices.Equal(asked, []packet.LinkType{packet.Raw}) {
		t.Errorf("the filter was made for %v, want once", asked)
	}
}

// never matches nothing.
type never struct{}

func (never) Match([]byte, int) bool { return false }

func TestEachLinkTypeHasItsOwnFilter(t *testing.T) {
	f := &file{AppendByteOrder: binary.LittleEndian}
	f.section().iface(101, 0, nil).iface(1, 0, nil)
	for i := range uint32(4) {
		f.enhanced(0, uint64(i), 41, string(rawTCP(2*i, "x"))).enhanced(1, uint64(i), 60, string(make([]byte, 60)))
	}
	o := Options{Filter: func(l packet.LinkType) (Matcher, error) {
		if l == packet.Ethernet {
			return never{}, nil
		}
		return evenSeq{}, nil
	}}
	if _, stats, err := read(t, o, write(t, "x.pcapng", f.b)); err != nil || stats.Filtered.Packets != 4 || stats.Delivered.Packets != 4 {
		t.Errorf("%+v, %v; want 4 filtered, 4 delivered", stats, err)
	}
}

// fragmentFile is a file with the two halves of a datagram, apart in time.
func fragmentFile(t *testing.T, apart time.Duration, halves int) string {
	t.Helper()
	whole := rawTCP(1, "twelve bytes")
	path := filepath.Join(t.TempDir(), "x.pcap")
	w, err := Create(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := range halves {
		p := slices.Concat(whole[:20], whole[20+16*i:36+16*i])
		p[3] = byte(len(p))
		p[6], p[7] = byte(1-i)<<5, byte(2*i)
		if err := w.Packet(&packet.Record{Data: p, Link: packet.Raw, TsNs: int64(i) * int64(apart)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestFragmentsWaitInCaptureTimeAndNotBeyondTheEnd(t *testing.T) {
	for _, tt := range []struct {
		name             string
		apart            time.Duration
		halves, segments int
	}{
		{"together", time.Second, 2, 1}, {"after a long pause", time.Minute, 2, 0}, {"one alone", 0, 1, 0},
	} {
		c, stats, err := read(t, Options{}, fragmentFile(t, tt.apart, tt.halves))
		lost := stats.Dropped[packet.FragmentTimeout].Packets
		if err != nil || len(c.segments) != tt.segments || stats.Pending.Packets != 0 || (lost > 0) != (tt.segments == 0) {
			t.Errorf("%s: %d segments, %d timed out, %d pending, %v", tt.name, len(c.segments), lost, stats.Pending.Packets, err)
		}
	}
}

func TestAFilterThatCannotBeMadeFailsBeforeAnyPacket(t *testing.T) {
	bad := errors.New("no ports in 802.11")
	_, err := Open([]string{pcapFile(t, "a.pcap", 1)}, Options{Filter: func(packet.LinkType) (Matcher, error) { return nil, bad }})
	if !errors.Is(err, bad) {
		t.Errorf("error %v, want the filter's", err)
	}
}

func TestTheClock(t *testing.T) {
	const ms = int64(time.Millisecond)
	day := 24 * time.Hour.Nanoseconds()
	type step struct {
		ts   int64
		tick bool
		now  int64
	}
	tests := []struct {
		name  string
		steps []step
	}{
		{"ticks each 100 ms, before the packet", []step{{0, false, 0}, {99 * ms, false, 99 * ms}, {100 * ms, true, 100 * ms}, {101 * ms, false, 101 * ms}}},
		{"ticks once after a pause", []step{{0, false, 0}, {day, true, day}, {day + 1, false, day + 1}}},
		{"stays for packets out of order", []step{{50 * ms, false, 50 * ms}, {0, false, 50 * ms}, {151 * ms, true, 151 * ms}}},
		{"follows a clock that was set back", []step{{10 * day, false, 10 * day}, {0, true, 0}, {1, false, 1}}},
		{"does not believe one leap", []step{{0, false, 0}, {9 * day, false, 0}, {1, false, 1}, {100 * ms, true, 100 * ms}}},
		{"believes a leap that is confirmed", []step{{0, false, 0}, {9 * day, false, 0}, {9*day + 1, true, 9*day + 1}}},
		{"survives absurd times", []step{{0, false, 0}, {math.MaxInt64, false, 0}, {math.MaxInt64, true, math.MaxInt64}}},
	}
	for _, tt := range tests {
		var c clock
		for i, s := range tt.steps {
			if tick := c.advance(s.ts); tick != s.tick || c.now != s.now {
				t.Errorf("%s, packet %d: tick %v at %d, want %v at %d", tt.name, i, tick, c.now, s.tick, s.now)
			}
		}
	}
}

func TestATickFollowsEach1024PacketsAndTheLast(t *testing.T) {
	c := mustRead(t, pcapFile(t, "a.pcap", slices.Repeat([]uint32{7}, 2500)...))
	if want := slices.Repeat([]int64{7e6}, 3); !slices.Equal(c.ticks, want) {
		t.Errorf("ticks at %v, want %v", c.ticks, want)
	}
}

func TestACancelledRunEndsSoonAndCleanly(t *testing.T) {
	path := pcapFile(t, "a.pcap", slices.Repeat([]uint32{7}, 5000)...)
	r, err := Open([]string{path}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	c := &collector{onTick: cancel}
	if err := r.Run(ctx, c); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want that of the context", err)
	}
	s := r.Stats()
	checkConservation(t, &s)
	if n := len(c.segments); n >= 2*tickPackets {
		t.Errorf("%d packets after the end", n)
	}
	if openFiles(t, path) != 0 {
		t.Error("the file stays open")
	}
}

func TestAPipeIsReadAsItComesAndCancelled(t *testing.T) {
	content, err := os.ReadFile(pcapFile(t, "a.pcap", slices.Repeat([]uint32{7}, 100)...))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Skipf("needs a file system with pipes: %v", err)
	}
	hold := make(chan struct{})
	wrote := make(chan error, 1)
	go func() {
		f, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err == nil {
			_, err = f.Write(content)
			<-hold // the writer stays: only cancelling ends the read
			f.Close()
		}
		wrote <- err
	}()
	r, err := Open([]string{path}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	c := &collector{onSegment: func(n int) {
		if n == 100 { // nothing comes after it: Run waits for the pipe
			cancel()
		}
	}}
	if err := r.Run(ctx, c); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want that of the context", err)
	}
	close(hold)
	if err := <-wrote; err != nil {
		t.Error(err)
	}
	if len(c.segments) != 100 {
		t.Errorf("%d packets of a pipe, want 100", len(c.segments))
	}
}

func TestCopiesFromSeveralInterfacesCountOnce(t *testing.T) {
	f := &file{AppendByteOrder: binary.LittleEndian}
	f.section().iface(101, 0, nil).iface(101, 0, nil)
	for i := range uint32(5) {
		data := string(rawTCP(i, "x"))
		f.enhanced(0, uint64(i), 41, data).enhanced(1, uint64(i)+1, 41, data)
	}
	c, stats, err := read(t, Options{}, write(t, "two.pcapng", f.b))
	if err != nil || len(c.segments) != 5 || stats.Dropped[packet.Duplicate].Packets != 5 {
		t.Errorf("%d segments, %+v, %v; want 5 and 5 duplicates", len(c.segments), stats.Dropped[packet.Duplicate], err)
	}
	one := pcapFile(t, "a.pcap", 1, 2, 3)
	c, stats, err = read(t, Options{}, one, pcapFile(t, "a.pcap", 1, 2, 3))
	if err != nil || len(c.segments) != 3 || stats.Dropped[packet.Duplicate].Packets != 3 {
		t.Errorf("two files: %d segments, %+v, %v; want 3 and 3 duplicates", len(c.segments), stats.Dropped[packet.Duplicate], err)
	}
}

func TestReadingAllocatesPerFileAndNotPerPacket(t *testing.T) {
	path := pcapFile(t, "a.pcapng", slices.Repeat([]uint32{7}, 200_000)...)
	n := testing.AllocsPerRun(3, func() {
		r, err := Open([]string{path}, Options{Filter: func(packet.LinkType) (Matcher, error) { return evenSeq{}, nil }})
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Run(context.Background(), discard{}); err != nil {
			t.Fatal(err)
		}
	})
	if n > 50 {
		t.Errorf("%v allocations for 200000 packets", n)
	}
}

// discard is the cheapest handler.
type discard struct{}

func (discard) Segment(*flow.Segment) {}
func (discard) Update(*flow.Totals)   {}
func (discard) End(*flow.Totals)      {}
func (discard) Tick(int64)            {}
