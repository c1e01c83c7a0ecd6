package pcapio

import (
	"bytes"
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gortap/internal/flow"
)

// linked is a flow.Handler that keeps payload.
type linked struct {
	payload strings.Builder
	ticks   int
}

func (r *linked) Segment(s *flow.Segment) { r.payload.Write(s.Data) }
func (r *linked) Update(*flow.Totals)     {}
func (r *linked) End(*flow.Totals)        {}
func (r *linked) Tick(int64)              { r.ticks++ }

// aStream is what a sender writes: its counts, packets with text, and its counts again.
func aStream(t *testing.T, run string, before, dropped uint64, text ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := NewLinkWriter(&b, run)
	if err != nil {
		t.Fatal(err)
	}
	err = w.Statistics(before, 0, 1)
	key, dir := flow.NewKey(netip.MustParseAddrPort("192.0.2.1:40000"), netip.MustParseAddrPort("192.0.2.2:80"), 0)
	for i, s := range text {
		if err == nil {
			err = w.Segment(&flow.Segment{Key: key, Dir: dir, Flags: flow.ACK, Seq: uint32(i * 100), Len: len(s), Data: []byte(s), NetBytes: 40 + len(s), TsNs: int64(1e18) + int64(i)})
		}
	}
	if err == nil {
		err = w.Statistics(before+w.Packets()+dropped, dropped, 2)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// send lets l read a stream that is written in pieces of so many bytes.
func send(t *testing.T, l *Link, stream []byte, piece int) error {
	t.Helper()
	here, there := net.Pipe()
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		defer there.Close()
		for len(stream) > 0 {
			n := min(piece, len(stream))
			if _, err := there.Write(stream[:n]); err != nil {
				return
			}
			stream = stream[n:]
		}
	}()
	err := l.Run(here)
	here.Close()
	<-sent
	return err
}

func TestALinkReadsTheSameHoweverItIsSplit(t *testing.T) {
	stream := aStream(t, "1", 0, 3, "one ", "two ", "three")
	for piece := 1; piece < len(stream); piece += 1 + piece/7 {
		h := &linked{}
		l := NewLink(h)
		if err := send(t, l, stream, piece); err != nil {
			t.Fatalf("pieces of %d: %v", piece, err)
		}
		st := l.Stats()
		if h.payload.String() != "one two three" || st.Delivered.Packets != 3 || st.SenderDropped != 3 || st.Lost != 0 || h.ticks == 0 {
			t.Errorf("pieces of %d: %q, %+v", piece, h.payload.String(), st)
		}
	}
}

func TestALinkCountsWhatDidNotCome(t *testing.T) {
	type counts struct{ Came, SenderDropped, Lost uint64 }
	for _, c := range []struct {
		name    string
		streams [][]byte
		want    counts
	}{
		{"all came", [][]byte{aStream(t, "1", 0, 0, "a", "b")}, counts{2, 0, 0}},
		{"a connection broke", [][]byte{aStream(t, "1", 0, 0, "a", "b"), aStream(t, "1", 7, 0, "c")}, counts{3, 0, 5}},
		{"it dropped some", [][]byte{aStream(t, "1", 0, 4, "a")}, counts{1, 4, 0}},
		{"it had others before", [][]byte{aStream(t, "1", 1000, 0, "a")}, counts{1, 0, 0}},
		{"another sender came", [][]byte{aStream(t, "1", 0, 4, "a"), aStream(t, "2", 50, 1, "b")}, counts{2, 5, 0}},
	} {
		l := NewLink(&linked{})
		for _, s := range c.streams {
			if err := send(t, l, s, 1000); err != nil {
				t.Fatalf("%s: %v", c.name, err)
			}
		}
		st := l.Stats()
		if diff := cmp.Diff(c.want, counts{st.Read.Packets, st.SenderDropped, st.Lost}); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
}

func TestALinkTakesOtherProgramsCaptures(t *testing.T) {
	for _, name := range []string{"x.pcap", "x.pcapng"} {
		var b bytes.Buffer
		w, err := NewWriter(&b, name)
		if err != nil {
			t.Fatal(err)
		}
		key, dir := flow.NewKey(netip.MustParseAddrPort("192.0.2.1:40000"), netip.MustParseAddrPort("192.0.2.2:80"), 0)
		_ = w.Segment(&flow.Segment{Key: key, Dir: dir, Flags: flow.ACK, Len: 5, Data: []byte("hello"), NetBytes: 45, TsNs: 1e18})
		_ = w.Close()
		h := &linked{}
		if err := send(t, NewLink(h), b.Bytes(), 7); err != nil || h.payload.String() != "hello" {
			t.Errorf("%s: %q, %v", name, h.payload.String(), err)
		}
	}
}

func TestALinkRefusesWhatIsNoCaptureAndSaysWhereOneIsDamaged(t *testing.T) {
	stream := aStream(t, "1", 0, 0, "one", "two")
	for _, c := range []struct {
		name   string
		stream []byte
		want   string
	}{
		{"nothing", nil, ""},
		{"HTTP", []byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), ErrUnknownFormat.Error()},
		{"cut", stream[:len(stream)-40], ErrCut.Error()},
		{"short", stream[:6], ErrCut.Error()},
	} {
		err := send(t, NewLink(&linked{}), c.stream, 5)
		if got := ""; err != nil {
			got = err.Error()
			if c.want == "" || !strings.Contains(got, c.want) {
				t.Errorf("%s: %v, want %q", c.name, err, c.want)
			}
		} else if c.want != "" {
			t.Errorf("%s: no error, want %q", c.name, c.want)
		}
	}
}
