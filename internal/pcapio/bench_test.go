package pcapio

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"gortap/internal/flow"
)

// BenchmarkRead measures a file from the page cache to a handler that does
// nothing: frames with full payload, frames from segmentation offload, and
// pure ACKs.
func BenchmarkRead(b *testing.B) {
	for _, bm := range []struct {
		name, file string
		payload    int
	}{
		{"body 1448", "x.pcap", 1448}, {"body 1448 pcapng", "x.pcapng", 1448}, {"body 64k", "x.pcap", 65160},
		{"ack", "x.pcap", 0}, {"ack pcapng", "x.pcapng", 0},
		{"body 1448 gz", "x.pcap.gz", 1448}, {"body 1448 zst", "x.pcap.zst", 1448},
	} {
		b.Run(bm.name, func(b *testing.B) {
			path, packets, bytes := benchFile(b, bm.file, bm.payload)
			b.SetBytes(bytes)
			b.ReportAllocs()
			for b.Loop() {
				r, err := Open([]string{path}, Options{})
				if err != nil {
					b.Fatal(err)
				}
				if err := r.Run(context.Background(), discard{}); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(packets*b.N)/b.Elapsed().Seconds()/1e6, "Mpackets/s")
		})
	}
}

// benchFile writes about 64 MiB of frames, and returns how many and how large.
func benchFile(b *testing.B, name string, payload int) (path string, packets int, bytes int64) {
	b.Helper()
	path = filepath.Join(b.TempDir(), name)
	w, err := Create(path)
	if err != nil {
		b.Fatal(err)
	}
	s := segment(false, func(s *flow.Segment) { s.Data = make([]byte, payload) })
	text := "some bytes that compress about as well as those of a web page do: "
	for i := range s.Data {
		s.Data[i] = text[i%len(text)] ^ byte(i*i>>7)&3
	}
	for ; bytes < 64<<20; packets++ {
		s.Seq += uint32(payload)
		s.TsNs += 1000
		if err := w.Segment(&s); err != nil {
			b.Fatal(err)
		}
		bytes += int64(16 + 54 + payload)
	}
	if err := w.Close(); err != nil {
		b.Fatal(err)
	}
	if st, err := os.Stat(path); err != nil || st.Size() == 0 {
		b.Fatal(err)
	}
	return path, packets, bytes
}

func BenchmarkWriteSegment(b *testing.B) {
	for name, payload := range map[string]int{"ack": 0, "1448": 1448, "64k": 65160} {
		b.Run(name, func(b *testing.B) {
			w, err := NewWriter(nowhere{}, "x.pcapng")
			if err != nil {
				b.Fatal(err)
			}
			s := segment(false, func(s *flow.Segment) { s.Data = make([]byte, payload) })
			b.SetBytes(int64(payload))
			b.ReportAllocs()
			for b.Loop() {
				if err := w.Segment(&s); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

type nowhere struct{}

func (nowhere) Write(p []byte) (int, error) { return len(p), nil }
