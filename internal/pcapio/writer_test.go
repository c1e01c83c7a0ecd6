package pcapio

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math"
	"math/rand/v2"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gortap/internal/flow"
	"gortap/internal/pcapio/packet"
	"gortap/internal/testutil/corpus"
)

// TestPacketsSurviveWritingAndReading copies the whole corpus, packet by packet.
func TestPacketsSurviveWritingAndReading(t *testing.T) {
	names := []string{"x.pcap", "x.pcapng", "x.pcap.gz", "x.pcapng.zst"}
	for i, e := range corpus.Entries(t) {
		path := filepath.Join(t.TempDir(), names[i%len(names)])
		w, err := Create(path)
		if err != nil {
			t.Fatal(err)
		}
		var want []seen
		r, err := Open([]string{e.Path()}, Options{Tap: func(rec *packet.Record) {
			want = append(want, seen{string(rec.Data), rec.WireLen, rec.TsNs, rec.Link, 0, false})
			if err := w.Packet(rec); err != nil {
				t.Errorf("%s: %v", e.File, err)
			}
		}})
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Run(context.Background(), discard{}); err != nil && !e.Has("corrupt-file") {
			t.Error(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		var got []seen
		_, _, err = readTap(t, path, func(rec *packet.Record) {
			got = append(got, seen{string(rec.Data), rec.WireLen, rec.TsNs, rec.Link, 0, false})
		})
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%s as %s (-want +got), %v:\n%s", e.File, filepath.Base(path), err, diff)
		}
	}
}

func readTap(t *testing.T, path string, tap func(*packet.Record)) (*collector, Stats, error) {
	t.Helper()
	return read(t, Options{Tap: tap, Decoder: packet.Options{VerifyChecksums: true}}, path)
}

// TestSegmentsSurviveWritingAndReading is the path of live capture: segments
// without the packets they came in.
func TestSegmentsSurviveWritingAndReading(t *testing.T) {
	for _, name := range []string{"gen-concurrent-v6.pcapng", "zeek-vlan-collisions.pcap", "ppp-one_tcp_stream_max_seq.pcap", "drv-snap96.pcap"} {
		e := corpus.Get(t, name)
		want := mustRead(t, e.Path()).segments
		for _, ext := range []string{".pcap", ".pcapng.gz"} {
			got := rewritten(t, "x"+ext, want)
			if diff := diff(want, got); diff != "" {
				t.Errorf("%s as %s (-want +got):\n%s", name, ext, diff)
			}
		}
	}
}

// rewritten writes segments and reads them again, with all checksums verified.
func rewritten(t *testing.T, name string, segments []flow.Segment) []flow.Segment {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	w, err := Create(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := range segments {
		if err := w.Segment(&segments[i]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	c, stats, err := readTap(t, path, nil)
	if err != nil || stats.Delivered != stats.Read {
		t.Fatalf("%+v, %v", stats, err)
	}
	return c.segments
}

func segment(v6 bool, change func(*flow.Segment)) flow.Segment {
	src, dst, headers := "10.0.0.1", "10.0.0.2", 40
	if v6 {
		src, dst, headers = "2001:db8::1", "2001:db8::2", 60
	}
	k, d := flow.NewKey(netip.AddrPortFrom(netip.MustParseAddr(src), 40000), netip.AddrPortFrom(netip.MustParseAddr(dst), 80), 0)
	s := flow.Segment{Key: k, Dir: d, Flags: flow.ACK, Seq: 1000, Ack: 7, Window: 512, TsNs: 1700000000123456789}
	change(&s)
	if s.Data != nil && s.Len == 0 {
		s.Len = len(s.Data)
	}
	if s.NetBytes == 0 {
		s.NetBytes = headers + s.Len
	}
	return s
}

func TestSegmentsOfAllShapesBecomeFrames(t *testing.T) {
	tests := []struct {
		name   string
		change func(*flow.Segment)
	}{
		{"pure ACK", func(*flow.Segment) {}},
		{"one byte", func(s *flow.Segment) { s.Data = []byte("x") }},
		{"FIN with data", func(s *flow.Segment) { s.Data, s.Flags = []byte("bye"), flow.FIN|flow.ACK }},
		{"the other direction", func(s *flow.Segment) { s.Dir, s.Data = s.Dir.Other(), []byte("answer") }},
		{"options", func(s *flow.Segment) { s.Data, s.NetBytes = []byte("stamped"), 0; s.Key.Net = 0 }},
		{"VLAN", func(s *flow.Segment) { s.Key.Net = 42 }},
		{"QinQ", func(s *flow.Segment) { s.Key.Net = 10<<12 | 20 }},
		{"as large as a frame can be", func(s *flow.Segment) { s.Data = bytes.Repeat([]byte("0123456789"), maxPiece/10) }},
		{"cut", func(s *flow.Segment) { s.Data, s.Len, s.Cut = []byte("pre"), 1000, flow.Truncated }},
		{"nothing left", func(s *flow.Segment) { s.Len, s.Cut = 1000, flow.Truncated }},
		{"all control bits", func(s *flow.Segment) { s.Flags = 0xff }},
	}
	for _, tt := range tests {
		for _, v6 := range []bool{false, true} {
			want := segment(v6, tt.change)
			if tt.name == "options" {
				want.NetBytes += 12
			}
			got := rewritten(t, "x.pcapng", []flow.Segment{want})
			if diff := diff([]flow.Segment{want}, got); diff != "" {
				t.Errorf("%s, IPv6 %v (-want +got):\n%s", tt.name, v6, diff)
			}
		}
	}
}

func TestLayer3LengthsThatOptionsCannotMakeAreLeftOut(t *testing.T) {
	for _, more := range []int{-3, 3, 44, 1000} {
		s := segment(false, func(s *flow.Segment) { s.Data = []byte("x") })
		s.NetBytes += more
		if got := rewritten(t, "x.pcap", []flow.Segment{s}); len(got) != 1 || got[0].NetBytes != 41 {
			t.Errorf("%d bytes more: %+v", more, got)
		}
	}
}

// TestLargeSegmentsAreSplit reassembles the pieces by hand.
func TestLargeSegmentsAreSplit(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	for _, size := range []int{maxPiece + 1, 2 * maxPiece, 300_000} {
		for _, captured := range []int{size, size - 1, maxPiece + 5, maxPiece, 7} {
			whole := segment(size%2 == 0, func(s *flow.Segment) {
				s.Data = make([]byte, size)
				for i := range s.Data {
					s.Data[i] = byte(rng.Uint32())
				}
				s.Data = s.Data[:min(captured, size)]
				s.Len, s.Seq, s.Flags = size, math.MaxUint32-99, flow.SYN|flow.ACK|flow.FIN|flow.PSH
				if captured < size {
					s.Cut = flow.Skipped
				}
			})
			var data []byte
			at := 0
			for i, p := range rewritten(t, "x.pcap", []flow.Segment{whole}) {
				seq := whole.Seq + uint32(at)
				if i > 0 {
					seq++ // behind the SYN
				}
				last := at+p.Len == size
				if p.Seq != seq || p.Flags.Has(flow.SYN) != (i == 0) || p.Flags.Has(flow.FIN) != last || p.Flags.Has(flow.PSH) != last {
					t.Errorf("%d bytes, piece %d: sequence %d, flags %#x", size, i, p.Seq, p.Flags)
				}
				if p.NetBytes > 1<<16 {
					t.Errorf("%d bytes, piece %d: %d bytes of packet", size, i, p.NetBytes)
				}
				at += p.Len
				data = append(data, p.Data...)
			}
			if at != size || !bytes.Equal(data, whole.Data) {
				t.Errorf("%d bytes with %d captured: the pieces are %d with %d", size, captured, at, len(data))
			}
		}
	}
}

func TestAPcapFileHoldsOneLinkType(t *testing.T) {
	var out bytes.Buffer
	w, err := NewWriter(&out, "x.pcap")
	if err != nil {
		t.Fatal(err)
	}
	raw := packet.Record{Data: rawTCP(1, "x"), Link: packet.Raw}
	ethernet := packet.Record{Data: make([]byte, 60), Link: packet.Ethernet}
	if err := w.Packet(&raw); err != nil {
		t.Error(err)
	}
	if err := w.Packet(&ethernet); !errors.Is(err, ErrLinkType) {
		t.Errorf("error %v, want ErrLinkType", err)
	}
	if err := errors.Join(w.Packet(&raw), w.Close()); err != nil {
		t.Errorf("the file is no longer usable: %v", err)
	}
	if got, err := records(t, out.Bytes()); len(got) != 2 || err != io.EOF {
		t.Errorf("%d packets, %v", len(got), err)
	}
}

func TestInterfacesStayApartInPcapng(t *testing.T) {
	var out bytes.Buffer
	w, err := NewWriter(&out, "x.pcapng")
	if err != nil {
		t.Fatal(err)
	}
	s := segment(false, func(*flow.Segment) {})
	for _, r := range []packet.Record{
		{Data: []byte("a"), Link: packet.Raw, Interface: 1, Copies: true}, {Data: []byte("b"), Link: packet.Raw, Interface: 2, Copies: true},
		{Data: []byte("c"), Link: packet.Ethernet, Interface: 3}, {Data: []byte("d"), Link: packet.Raw, Interface: 1, Copies: true},
	} {
		if err := w.Packet(&r); err != nil {
			t.Error(err)
		}
	}
	if err := errors.Join(w.Segment(&s), w.Close()); err != nil {
		t.Error(err)
	}
	var got []uint64
	all, _ := records(t, out.Bytes())
	for _, r := range all {
		got = append(got, r.Iface>>32)
	}
	if diff := cmp.Diff([]uint64{0, 1, 2, 0, 3}, got); diff != "" {
		t.Errorf("interfaces (-want +got):\n%s", diff)
	}
}

func TestAFileWithoutPacketsIsValid(t *testing.T) {
	for _, name := range []string{"x.pcap", "x.pcapng", "x.pcap.gz", "x.pcapng.zst"} {
		if got := rewritten(t, name, nil); got != nil {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestWhatIsFlushedCanBeRead(t *testing.T) {
	for _, name := range []string{"x.pcap", "x.pcapng", "x.pcap.gz", "x.pcapng.zst"} {
		path := filepath.Join(t.TempDir(), name)
		w, err := Create(path)
		if err != nil {
			t.Fatal(err)
		}
		s := segment(false, func(*flow.Segment) {})
		if err := errors.Join(w.Segment(&s), w.Flush()); err != nil {
			t.Error(err)
		}
		if c, _, err := read(t, Options{}, path); len(c.segments) != 1 {
			t.Errorf("%s: %d segments, %v", name, len(c.segments), err)
		}
		if err := errors.Join(w.Close(), w.Close()); err != nil {
			t.Errorf("%s: close: %v", name, err)
		}
		if err := w.Segment(&s); err == nil {
			t.Errorf("%s: a closed writer takes segments", name)
		}
	}
}

func TestExtensionsDecideTheFormat(t *testing.T) {
	for _, name := range []string{"x", "x.txt", "x.gz", "pcap", "x.zst.pcap.txt"} {
		if _, err := Create(filepath.Join(t.TempDir(), name)); err == nil || !strings.Contains(err.Error(), "use .pcap or .pcapng") {
			t.Errorf("%s: error %v, want the remedy", name, err)
		}
	}
}

// fullDisk fails after n bytes.
type fullDisk struct{ n int }

var errFull = errors.New("no space left")

func (f *fullDisk) Write(p []byte) (int, error) {
	if f.n -= len(p); f.n < 0 {
		return 0, errFull
	}
	return len(p), nil
}

func TestAWriterStaysFailed(t *testing.T) {
	for _, name := range []string{"x.pcap", "x.pcapng", "x.pcap.gz", "x.pcapng.zst"} {
		w, err := NewWriter(&fullDisk{100}, name)
		if err != nil {
			t.Fatal(err)
		}
		s := segment(false, func(s *flow.Segment) { s.Data = make([]byte, 500) })
		for range 10 {
			w.Segment(&s)
			w.Flush()
		}
		if err := w.Segment(&s); !errors.Is(err, errFull) {
			t.Errorf("%s: error %v", name, err)
		}
		if err := w.Close(); !errors.Is(err, errFull) {
			t.Errorf("%s: close: %v", name, err)
		}
	}
}

func TestWritingAllocatesNothing(t *testing.T) {
	s := segment(false, func(s *flow.Segment) { s.Data = make([]byte, 100_000) })
	raw := packet.Record{Data: make([]byte, 1500), Link: packet.Ethernet}
	for _, name := range []string{"x.pcap", "x.pcapng"} {
		w, err := NewWriter(io.Discard, name)
		if err != nil {
			t.Fatal(err)
		}
		if n := testing.AllocsPerRun(200, func() { w.Segment(&s); w.Packet(&raw) }); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

// TestTsharkReadsWithoutComplaint is skipped where there is no tshark.
func TestTsharkReadsWithoutComplaint(t *testing.T) {
	tshark, err := exec.LookPath("tshark")
	if err != nil {
		t.Skip("needs tshark")
	}
	e := corpus.Get(t, "gen-concurrent-v6.pcapng")
	segments := mustRead(t, e.Path()).segments
	last := segments[len(segments)-1].TsNs
	big := segment(false, func(s *flow.Segment) { s.Data, s.TsNs, s.Seq = make([]byte, 200_000), last+1, math.MaxUint32-70_000 })
	cut := segment(true, func(s *flow.Segment) { s.Data, s.Len, s.TsNs = []byte("GET"), 1000, last+2 })
	tagged := segment(false, func(s *flow.Segment) { s.Key.Net, s.NetBytes, s.TsNs = 10<<12|20, 52, last+3 })
	segments = append(segments, big, cut, tagged)
	for _, name := range []string{"x.pcap", "x.pcapng.gz"} {
		path := filepath.Join(t.TempDir(), name)
		w, err := Create(path)
		if err != nil {
			t.Fatal(err)
		}
		for i := range segments {
			if err := w.Segment(&segments[i]); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		var stderr strings.Builder
		cmd := exec.Command(tshark, "-r", path, "-o", "tcp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE",
			"-Y", "_ws.malformed || tcp.checksum.status == 0 || ip.checksum.status == 0 || ip.version == 0")
		cmd.Stderr = &stderr
		cmd.Env = append(os.Environ(), "HOME="+t.TempDir())
		out, err := cmd.Output()
		complaint := strings.ReplaceAll(stderr.String(), "Running as user \"root\" and group \"root\". This could be dangerous.\n", "")
		if err != nil || len(out) > 0 || complaint != "" {
			t.Errorf("%s: %v\n%s%s", name, err, out, complaint)
		}
	}
}
