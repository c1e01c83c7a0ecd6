package pcapio

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gortap/internal/pcapio/packet"
)

func TestFilesAreMergedByTime(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	for _, files := range []int{1, 2, 5, keepOpen + 12} {
		var paths []string
		var want []uint32
		next := make([][]uint32, files)
		for ms := range uint32(300) {
			i := rng.IntN(files)
			next[i] = append(next[i], ms)
			want = append(want, ms)
		}
		for _, ms := range next {
			paths = append(paths, pcapFile(t, "x.pcapng", ms...))
		}
		if got := seqs(mustRead(t, paths...)); !slices.Equal(got, want) {
			t.Errorf("%d files: %v", files, got)
		}
	}
}

func TestAFileOutOfOrderKeepsItsOrder(t *testing.T) {
	a, b := pcapFile(t, "a.pcap", 10, 5, 30), pcapFile(t, "b.pcap", 7, 20)
	if got, want := seqs(mustRead(t, a, b)), []uint32{7, 10, 5, 20, 30}; !slices.Equal(got, want) {
		t.Errorf("packets %v, want %v", got, want)
	}
}

func TestPacketsOfTheSameTimeComeInTheOrderOfTheInputs(t *testing.T) {
	var paths []string
	for i := range 3 {
		path := filepath.Join(t.TempDir(), "x.pcap")
		w, err := Create(path)
		if err != nil {
			t.Fatal(err)
		}
		for j := range 2 {
			data := rawTCP(uint32(10*i+j), "x")
			if err := w.Packet(&packet.Record{Data: data, TsNs: 1e9, Link: packet.Raw}); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		paths = append(paths, path)
	}
	if got, want := seqs(mustRead(t, paths...)), []uint32{0, 1, 10, 11, 20, 21}; !slices.Equal(got, want) {
		t.Errorf("packets %v, want %v", got, want)
	}
}

func TestRotatedFilesAreOpenOneAtATime(t *testing.T) {
	dir := t.TempDir()
	const files = 100
	for i := range files {
		content, err := os.ReadFile(pcapFile(t, "x.pcap", uint32(10*i), uint32(10*i+9)))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("x%03d.pcap", i)), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	r, err := Open([]string{filepath.Join(dir, "*.pcap")}, Options{MaxOpen: 1})
	if err != nil {
		t.Fatal(err)
	}
	if n := openFiles(t, dir); n != 0 {
		t.Errorf("%d files stay open before Run", n)
	}
	c := &collector{}
	if err := r.Run(t.Context(), c); err != nil || len(c.segments) != 2*files {
		t.Errorf("%d packets, %v; want %d", len(c.segments), err, 2*files)
	}
	if n := openFiles(t, dir); n != 0 {
		t.Errorf("%d files stay open after Run", n)
	}
	if read, total := r.Progress(); read != total || total == 0 {
		t.Errorf("progress %d of %d", read, total)
	}
}

func TestTooManyFilesOfTheSameTimeAreRefused(t *testing.T) {
	var paths []string
	for range 4 {
		paths = append(paths, pcapFile(t, "x.pcap", 1, 2, 3))
	}
	if _, _, err := read(t, Options{MaxOpen: 3}, paths...); !errors.Is(err, ErrTooManyOpen) {
		t.Errorf("error %v, want ErrTooManyOpen", err)
	}
	for _, path := range paths {
		if openFiles(t, path) != 0 {
			t.Errorf("%s stays open", path)
		}
	}
}

// openFiles counts the open files whose path begins with prefix. Others may come and
// go meanwhile: what earlier tests left to the garbage collector is closed at any time.
func openFiles(t *testing.T, prefix string) (n int) {
	t.Helper()
	const dir = "/proc/self/fd"
	fds, err := os.ReadDir(dir)
	if err != nil {
		t.Skipf("needs /proc: %v", err)
	}
	for _, fd := range fds {
		if path, err := os.Readlink(filepath.Join(dir, fd.Name())); err == nil && strings.HasPrefix(path, prefix) {
			n++
		}
	}
	return n
}

func TestPatternsNameEachFileOnce(t *testing.T) {
	dir := t.TempDir()
	for i, name := range []string{"a.pcap", "b.pcap", "c[1].pcap"} {
		content, err := os.ReadFile(pcapFile(t, name, uint32(i)))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	_, stats, err := read(t, Options{}, filepath.Join(dir, "a.pcap"), filepath.Join(dir, "[ab].pcap"), filepath.Join(dir, "c[1].pcap"))
	if err != nil || stats.Read.Packets != 3 {
		t.Errorf("%d packets, %v, want one of each file", stats.Read.Packets, err)
	}
}
