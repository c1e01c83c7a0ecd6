package pcapio

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"gortap/internal/pcapio/packet"
	"gortap/internal/testutil/corpus"
)

// TestEveryCutGivesWhatPrecedesIt cuts small files at each byte.
func TestEveryCutGivesWhatPrecedesIt(t *testing.T) {
	for _, name := range []string{"zeek-curl_http_09.pcap", "packt-grpc-server-streaming.pcapng"} {
		e := corpus.Get(t, name)
		content := e.Content(t)
		whole, err := records(t, content)
		if err != io.EOF {
			t.Fatal(err)
		}
		starts := recordStarts(name, content)
		before := 0
		for n := headSize; n < len(content); n++ {
			got, err := records(t, content[:n])
			if len(got) > len(whole) || !slices.Equal(got, whole[:len(got)]) {
				t.Fatalf("%s cut at %d: packets differ from those of the whole file", name, n)
			}
			if len(got) < before {
				t.Fatalf("%s cut at %d: %d packets, a shorter file gave %d", name, n, len(got), before)
			}
			before = len(got)
			var damage *DamageError
			switch {
			case err == io.EOF || errors.Is(err, ErrCut) && n < pcapFileHeader:
			case !errors.As(err, &damage) || !errors.Is(err, ErrCut):
				t.Fatalf("%s cut at %d: %v", name, n, err)
			case damage.Offset != starts[n]:
				t.Fatalf("%s cut at %d: damage at byte %d, want %d", name, n, damage.Offset, starts[n])
			}
		}
	}
}

// recordStarts tells for each length that a little-endian file is cut to where
// the record or block begins that the cut goes through.
func recordStarts(name string, content []byte) []int64 {
	starts := make([]int64, len(content))
	at := 0
	for at < len(content) {
		size := pcapFileHeader
		switch {
		case filepath.Ext(name) == ".pcapng":
			size = int(binary.LittleEndian.Uint32(content[at+4:]))
		case at > 0:
			size = pcapRecordHeader + int(binary.LittleEndian.Uint32(content[at+8:]))
		}
		for i := at; i < at+size; i++ {
			starts[i] = int64(at)
		}
		at += size
	}
	return starts
}

func TestDamageInsideCompressionGivesWhatPrecedesIt(t *testing.T) {
	e := corpus.Get(t, "zeek-pipelined-requests.pcap")
	content := e.Content(t)
	zstdEncoder, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	for suffix, z := range map[string][]byte{
		".gz":  gzipped(t, content),
		".zst": zstdEncoder.EncodeAll(content, nil),
	} {
		flipped := slices.Clone(z)
		flipped[len(z)*3/4] ^= 0x55
		for name, damaged := range map[string][]byte{
			"cut": z[:len(z)*3/4], "flipped": flipped, "followed by garbage": append(slices.Clone(z), "garbage garbage"...),
		} {
			_, stats, err := read(t, Options{}, write(t, "x.pcap"+suffix, damaged))
			var damage *DamageError
			if !errors.As(err, &damage) || !damage.Decompressed || damage.Packets != stats.Read.Packets {
				t.Errorf("%s, %s: %v after %d packets", suffix, name, err, stats.Read.Packets)
			}
			if name == "followed by garbage" && stats.Read.Packets != 49 {
				t.Errorf("%s, %s: %d packets, want 49", suffix, name, stats.Read.Packets)
			}
		}
	}
}

func TestACompressedFileCutAnywhereIsDamaged(t *testing.T) {
	z := gzipped(t, rawTCP(1, "no capture at all"))
	for n := 3; n < 20; n++ {
		if _, _, err := read(t, Options{}, write(t, "x.pcap.gz", z[:n])); !errors.As(err, new(*DamageError)) || !errors.Is(err, ErrCut) {
			t.Errorf("cut at %d: error %v, want damage", n, err)
		}
	}
}

func gzipped(t testing.TB, content []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write(content); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestTheErrorIsOneLineWithThePlace(t *testing.T) {
	content, err := os.ReadFile(pcapFile(t, "a.pcap", 1, 2, 3))
	if err != nil {
		t.Fatal(err)
	}
	path := write(t, "a.pcap", content[:len(content)-1])
	_, _, err = read(t, Options{}, path)
	want := "read " + path + ": damaged at byte 138, after 2 packets: the file ends inside a record (what precedes it was used)"
	if err == nil || err.Error() != want {
		t.Errorf("error:\n%v\nwant:\n%s", err, want)
	}
}

func TestDamageOfOneFileDoesNotEndTheOthers(t *testing.T) {
	a, err := os.ReadFile(pcapFile(t, "a.pcap", 10, 20, 30))
	if err != nil {
		t.Fatal(err)
	}
	cutFile := write(t, "cut.pcap", a[:len(a)-30])
	headless := write(t, "headless.pcap", a[:20])
	whole := pcapFile(t, "b.pcap", 15, 40)
	c, _, err := read(t, Options{}, cutFile, headless, whole)
	if got, want := seqs(c), []uint32{10, 15, 20, 40}; !slices.Equal(got, want) {
		t.Errorf("packets %v, want %v", got, want)
	}
	var others []string // so many that they are closed and opened again
	for range keepOpen {
		others = append(others, pcapFile(t, "b.pcap", 50))
	}
	var damage *DamageError
	_, _, again := read(t, Options{}, append(others, cutFile)...)
	if !errors.As(again, &damage) || damage.Packets != 2 {
		t.Errorf("error %v, want damage after 2 packets", again)
	}
	if n := strings.Count(err.Error(), "damaged at byte"); n != 2 || strings.Count(err.Error(), "\n") != 1 {
		t.Errorf("the error tells of %d files, want 2:\n%v", n, err)
	}
}

func TestWhatIsNoCaptureFailsAtOnce(t *testing.T) {
	folder := t.TempDir()
	tests := []struct {
		name, path string
		want       error
	}{
		{"empty", write(t, "a.pcap", nil), ErrUnknownFormat},
		{"text", write(t, "a.pcap", []byte("1 deadbeef 1700000000\nGET / HTTP/1.1\r\n\r\n")), ErrUnknownFormat},
		{"one byte", write(t, "a.pcap", []byte{0xd4}), ErrUnknownFormat},
		{"gzipped text", write(t, "a.pcap.gz", gzipped(t, []byte("hello, world, this is text"))), ErrUnknownFormat},
		{"absent", filepath.Join(folder, "absent.pcap"), ErrNoFiles},
		{"pattern without a match", filepath.Join(folder, "*.pcap"), ErrNoFiles},
		{"bad pattern", "[", filepath.ErrBadPattern},
	}
	good := pcapFile(t, "good.pcap", 1)
	for _, tt := range tests {
		if _, err := Open([]string{good, tt.path}, Options{}); !errors.Is(err, tt.want) {
			t.Errorf("%s: error %v, want %v", tt.name, err, tt.want)
		}
	}
	if _, err := Open([]string{folder}, Options{}); err == nil || err.Error() != "read "+folder+": is a directory" {
		t.Errorf("error %v, want one that names the folder once", err)
	}
}

// stuck never has anything to say.
type stuck struct{}

func (stuck) Read([]byte) (int, error) { return 0, nil }

func TestAStreamWithoutProgressEnds(t *testing.T) {
	if _, err := newWindow(stuck{}).peek(1); !errors.Is(err, io.ErrNoProgress) {
		t.Errorf("error %v, want io.ErrNoProgress", err)
	}
}

func FuzzReader(f *testing.F) {
	for _, name := range []string{"zeek-curl_http_09.pcap", "packt-grpc-server-streaming.pcapng"} {
		e := corpus.Get(f, name)
		f.Add(e.Content(f)[:600])
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		d, c := packet.NewDecoder(packet.Options{}), &collector{}
		got, err := records(t, content)
		if err == nil {
			t.Fatal("the file does not end")
		}
		for _, s := range got {
			if s.Wire < len(s.Data) {
				t.Errorf("%d bytes captured of %d", len(s.Data), s.Wire)
			}
			d.Decode(&packet.Record{Data: []byte(s.Data), WireLen: s.Wire, TsNs: s.TsNs, Link: s.Link}, c)
		}
	})
}

// TestMutatedFilesAreReadOrRefused changes bytes of the whole corpus.
func TestMutatedFilesAreReadOrRefused(t *testing.T) {
	for _, e := range corpus.Entries(t) {
		content := e.Content(t)
		content = content[:min(len(content), 20000)]
		for i := range 10 {
			changed := slices.Clone(content)
			for j := i; j < len(changed); j += 97 + 13*i {
				changed[j] ^= byte(1 << (j % 8))
			}
			copy(changed, content[:24])
			d, c := packet.NewDecoder(packet.Options{}), &collector{}
			got, _ := records(t, changed)
			for _, s := range got {
				d.Decode(&packet.Record{Data: []byte(s.Data), WireLen: s.Wire, TsNs: s.TsNs, Link: s.Link}, c)
			}
		}
	}
}
