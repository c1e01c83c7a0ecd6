package ring_test

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gortap/bpf"
	"gortap/internal/capture/ring"
	"gortap/internal/capture/ring/ringtest"
)

const segment = uint8(bpf.CaptureEventTypeEVENT_SEGMENT)

// forever is a time that no record has.
const forever = math.MaxUint64

// text is a record of that time with a text of at least 8 bytes.
func text(time uint64, s string) []byte { return append(ringtest.Head(segment, time), s...) }

func read(w *ringtest.Writer, limit int, now uint64) (records []string, n int) {
	n = w.Drain(limit, now, func(b []byte) { records = append(records, string(b[16:])) })
	return records, n
}

func TestRecordsComeInTheOrderOfTheirTimes(t *testing.T) {
	w := ringtest.New(3, 64<<10)
	if got, n := read(w, math.MaxInt, forever); len(got) != 0 || n != 0 {
		t.Errorf("an empty ring has %q in %d bytes", got, n)
	}
	for _, r := range []struct {
		lane int
		time uint64
		text string
	}{
		{0, 10, "a request"}, {1, 20, "its answer"}, {1, 40, "another answer, which is longer"},
		{0, 30, "12345678"}, {2, 35, "of the third CPU"}, {0, 50, "the end!"},
	} {
		w.Write(r.lane, text(r.time, r.text))
	}
	want := []string{"a request\x00\x00\x00\x00\x00\x00\x00", "its answer\x00\x00\x00\x00\x00\x00", "12345678", "of the third CPU", "another answer, which is longer\x00", "the end!"}
	pending := w.Pending()
	got, n := read(w, math.MaxInt, forever)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
	if n != pending || w.Pending() != 0 || w.Written() != uint64(n) {
		t.Errorf("read %d of %d bytes, %d are left, %d were written", n, pending, w.Pending(), w.Written())
	}
}

// A record that tells of what was before keeps its place among those of its CPU.
func TestALaneIsNotReordered(t *testing.T) {
	w := ringtest.New(2, 64<<10)
	w.Write(0, text(10, "first one"))
	w.Write(0, text(30, "second.."))
	w.Write(0, text(20, "third..."))
	w.Write(1, text(25, "another CPU's..."))
	w.Write(1, text(30, "another CPU's later one."))
	got, _ := read(w, math.MaxInt, 30)
	if len(got) != 5 || got[1] != "another CPU's..." || got[0][:5] != "first" {
		t.Fatalf("read %q", got)
	}
	second, third := -1, -1
	for i, s := range got {
		switch s {
		case "second..":
			second = i
		case "third...":
			third = i
		}
	}
	if second < 0 || third < second {
		t.Errorf("read %q", got)
	}
}

// What is younger than the reader's look at the clock waits: what caused it may be on a
// lane that was looked at before it was there.
func TestNothingIsReadThatIsYoungerThanNow(t *testing.T) {
	w := ringtest.New(2, 64<<10)
	w.Write(0, text(10, "at ten.."))
	w.Write(1, text(11, "eleven.."))
	w.Write(0, text(12, "twelve.."))
	for _, step := range []struct {
		now  uint64
		want []string
	}{{9, nil}, {10, []string{"at ten.."}}, {11, []string{"eleven.."}}, {11, nil}, {12, []string{"twelve.."}}} {
		got, _ := read(w, math.MaxInt, step.now)
		if diff := cmp.Diff(step.want, got); diff != "" {
			t.Errorf("up to %d (-want +got):\n%s", step.now, diff)
		}
		if w.Told() != step.now {
			t.Errorf("told up to %d, want %d", w.Told(), step.now)
		}
	}
}

func TestReadingStopsAtItsLimit(t *testing.T) {
	w := ringtest.New(2, 64<<10)
	for i := range 10 {
		w.Write(i%2, text(uint64(10+i), "12345678")) // 24 bytes each
	}
	var sizes []int
	told := uint64(0)
	for range 5 {
		got, n := read(w, 60, 100)
		if n != 24*len(got) {
			t.Errorf("%d records in %d bytes", len(got), n)
		}
		sizes = append(sizes, len(got))
		if w.Told() < told {
			t.Errorf("told up to %d, before that up to %d", w.Told(), told)
		}
		told = w.Told()
		if w.Pending() > 0 && told >= uint64(20-w.Pending()/24) {
			t.Errorf("told up to %d, with %d bytes left", told, w.Pending())
		}
	}
	// The record that reaches the limit is the last.
	if diff := cmp.Diff([]int{3, 3, 3, 1, 0}, sizes); diff != "" {
		t.Errorf("records a call (-want +got):\n%s", diff)
	}
	if told != 100 {
		t.Errorf("told up to %d in the end, want 100", told)
	}
}

// What comes while it reads is left for the next call: a busy CPU does not keep the
// reader for ever.
func TestReadingEndsWithWhatWasThereWhenItBegan(t *testing.T) {
	w := ringtest.New(1, 64<<10)
	w.Write(0, text(1, "12345678"))
	calls := 0
	w.Drain(math.MaxInt, forever, func([]byte) {
		calls++
		w.Write(0, text(1, "12345678"))
	})
	if calls != 1 {
		t.Errorf("read %d records, want 1", calls)
	}
}

// However CPUs write and the reader reads: each record comes once, as it was, in order.
func TestEveryRecordComesOnce(t *testing.T) {
	for seed := range uint64(60) {
		r := rand.New(rand.NewPCG(seed, 1))
		lanes := 1 + r.IntN(4)
		w := ringtest.New(lanes, (lanes+1+r.IntN(8))*4096)
		var written, got []string
		now, lost := uint64(1), 0
		for range 1 + r.IntN(3000) {
			now += uint64(r.IntN(3))
			s := make([]byte, 8*(1+r.IntN(100)))
			for i := range s {
				s[i] = byte(r.Uint32())
			}
			if w.Write(r.IntN(lanes), text(now, string(s))) {
				written = append(written, string(s))
			} else {
				lost++
			}
			if r.IntN(20) == 0 {
				some, _ := read(w, 1+r.IntN(5000), now-min(now, uint64(r.IntN(5))))
				got = append(got, some...)
			}
			now++ // no two at the same time: their order would be anybody's
		}
		rest, _ := read(w, math.MaxInt, now)
		got = append(got, rest...)
		if diff := cmp.Diff(written, got); diff != "" {
			t.Fatalf("seed %d, %d lost: (-written +read):\n%.2000s", seed, lost, diff)
		}
		if taken := w.Taken(); taken > lanes {
			t.Errorf("seed %d: %d chunks are taken by %d lanes that are read", seed, taken, lanes)
		}
	}
}

// A chunk goes back once all of it is read, and not while the last record is borrowed.
func TestChunksGoBack(t *testing.T) {
	w := ringtest.New(1, 3*4096)
	n := 0
	for w.Write(0, text(uint64(n), "12345678")) {
		n++
	}
	if w.Free() != 0 || w.Fill() != 1 {
		t.Fatalf("%d chunks are free in a full ring, filled to %v", w.Free(), w.Fill())
	}
	var free []int
	w.Drain(math.MaxInt, forever, func(b []byte) {
		if binary.LittleEndian.Uint64(b[8:])%uint64(n/3+1) == 0 || int(binary.LittleEndian.Uint64(b[8:])) == n-1 {
			free = append(free, w.Free())
		}
	})
	// One of the three is where the lane writes.
	if free[0] != 0 || free[len(free)-1] != 2 || w.Free() != 2 || w.Fill() != 0 {
		t.Errorf("%v chunks were free on the way and %d in the end, filled to %v", free, w.Free(), w.Fill())
	}
	if !w.Write(0, text(uint64(n), "12345678")) {
		t.Error("no room after all was read")
	}
}

// The programs have begun a chunk, and have not put anything in it.
func TestAChunkThatIsOnlyBegunIsNotRead(t *testing.T) {
	w := ringtest.New(1, 2*4096)
	n := 0
	for ; !w.AtEnd(0); n++ {
		w.Write(0, text(uint64(n), "12345678"))
	}
	w.Begin(0)
	got, _ := read(w, math.MaxInt, forever)
	if len(got) != n {
		t.Errorf("read %d records of %d", len(got), n)
	}
	if got, _ := read(w, math.MaxInt, forever); len(got) != 0 {
		t.Errorf("read %d records where there are none", len(got))
	}
	w.Write(0, text(uint64(n), "12345678"))
	if got, _ := read(w, math.MaxInt, forever); len(got) != 1 {
		t.Errorf("read %d records of the new chunk, want 1", len(got))
	}
}

func TestReadingDoesNotAllocate(t *testing.T) {
	w := ringtest.New(2, 64<<10)
	seen := 0
	handle := func(b []byte) { seen += len(b) }
	record := text(1, "12345678")
	if n := testing.AllocsPerRun(100, func() {
		for i := range 500 {
			w.Write(i%2, record)
		}
		w.Drain(math.MaxInt, forever, handle)
	}); n > 0 {
		t.Errorf("%v allocations in 500 records", n)
	}
	if seen != 101*500*24 {
		t.Errorf("read %d bytes, want %d", seen, 101*500*24)
	}
}

func TestChunksAreAsLargeAsTheRingHasRoomFor(t *testing.T) {
	for _, tc := range []struct {
		name         string
		cpus, bytes  int
		chunk, count int
	}{
		{"the default on a small machine", 2, 8 << 20, 64 << 10, 128},
		{"the default on a large one", 64, 8 << 20, 32 << 10, 256},
		{"less than it needs", 2, 1, 4 << 10, 6},
		{"less than a large machine needs", 256, 1 << 20, 4 << 10, 514},
	} {
		l := ring.LayoutOf(1, tc.cpus, tc.bytes)
		if l.ChunkBytes != tc.chunk || l.Chunks != tc.count || l.Lanes != tc.cpus+1 {
			t.Errorf("%s: %+v, want %d chunks of %d", tc.name, l, tc.count, tc.chunk)
		}
		if end := l.Last() + l.Slice(); end > l.ChunkBytes || l.Last() < l.ChunkBytes/2 {
			t.Errorf("%s: the last record begins at %d of %d", tc.name, l.Last(), l.ChunkBytes)
		}
	}
}

func TestARingThatIsTooLargeIsRefused(t *testing.T) {
	spec, err := bpf.LoadCapture()
	if err != nil {
		t.Fatal(err)
	}
	if err := ring.LayoutOf(1, 2, ring.MaxBytes).Apply(spec); err != nil {
		t.Errorf("the largest ring: %v", err)
	}
	if err := ring.LayoutOf(1, 2, ring.MaxBytes+64<<10).Apply(spec); err == nil {
		t.Error("took a ring that the pool has no bits for")
	}
}
