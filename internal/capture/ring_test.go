package capture

import (
	"encoding/binary"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// fakeRing is a ring in ordinary memory, with the kernel's half in the test's
// hands. Its data is followed by its copy, as the kernel maps it.
type fakeRing struct {
	*ring
	size uint64
	head uint64 // where the next record goes
}

func newFakeRing(size int) *fakeRing {
	page := os.Getpagesize()
	producer := make([]byte, page+2*size)
	return &fakeRing{size: uint64(size), ring: &ring{
		consumer: make([]byte, page),
		producer: producer,
		data:     producer[page:],
		mask:     uint64(size - 1),
	}}
}

// write puts bytes at a position in both copies.
func (f *fakeRing) write(pos uint64, b []byte) {
	for i, c := range b {
		at := (pos + uint64(i)) & f.mask
		f.data[at], f.data[at+f.size] = c, c
	}
}

// reserve writes a record that is not submitted yet and returns its position.
func (f *fakeRing) reserve(payload string) uint64 {
	pos := f.head
	f.setHeader(pos, len(payload), recordBusy)
	f.write(pos+recordHeader, []byte(payload))
	f.head += uint64(recordHeader+len(payload)+7) &^ 7
	binary.LittleEndian.PutUint64(f.producer, f.head)
	return pos
}

func (f *fakeRing) setHeader(pos uint64, n int, flags uint32) {
	f.write(pos, binary.LittleEndian.AppendUint32(nil, uint32(n)|flags))
}

// submit writes a record.
func (f *fakeRing) submit(payload string) { f.setHeader(f.reserve(payload), len(payload), 0) }

// read drains all that is there.
func (f *fakeRing) read() (records []string, n int) { return f.readUpTo(1 << 30) }

func (f *fakeRing) readUpTo(limit int) (records []string, n int) {
	n = f.drain(limit, func(b []byte) { records = append(records, string(b)) })
	return records, n
}

// released is how far the kernel may write again.
func (f *fakeRing) released() uint64 { return binary.LittleEndian.Uint64(f.consumer) }

func TestRingReadsRecordsInOrder(t *testing.T) {
	f := newFakeRing(4096)
	if got, n := f.read(); len(got) != 0 || n != 0 {
		t.Errorf("an empty ring has %q in %d bytes", got, n)
	}
	want := []string{"", "a", "12345678", "123456789", strings.Repeat("x", 200)}
	for _, s := range want {
		f.submit(s)
	}
	if f.pending() != int(f.head) || f.pendingNow() != int(f.head) {
		t.Errorf("pending %d and %d, want %d", f.pending(), f.pendingNow(), f.head)
	}
	got, n := f.read()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
	if n != int(f.head) || f.released() != f.head || f.pending() != 0 {
		t.Errorf("read %d bytes, released up to %d, %d pending, want %d, %d, 0", n, f.released(), f.pending(), f.head, f.head)
	}
}

func TestRingRecordThatWrapsIsInOnePiece(t *testing.T) {
	f := newFakeRing(4096)
	for i := range 100 {
		want := strings.Repeat(string(rune('a'+i%26)), 100+i*7)
		f.submit(want)
		got, _ := f.read()
		if !slices.Equal(got, []string{want}) {
			t.Fatalf("record %d at %d: got %q, want %q", i, f.pos&f.mask, got, want)
		}
	}
	if f.pos < 8*f.size {
		t.Fatalf("went round %d times", f.pos/f.size)
	}
}

func TestRingWaitsAtARecordThatIsBeingWritten(t *testing.T) {
	f := newFakeRing(4096)
	f.submit("first")
	busy := f.reserve("second")
	f.submit("third")
	got, _ := f.read()
	if diff := cmp.Diff([]string{"first"}, got); diff != "" {
		t.Errorf("records before the busy one (-want +got):\n%s", diff)
	}
	if f.released() != busy {
		t.Errorf("released up to %d, want %d", f.released(), busy)
	}
	if got, n := f.read(); len(got) != 0 || n != 0 {
		t.Errorf("went past a busy record: %q", got)
	}
	f.setHeader(busy, len("second"), 0)
	got, _ = f.read()
	if diff := cmp.Diff([]string{"second", "third"}, got); diff != "" {
		t.Errorf("records once it is written (-want +got):\n%s", diff)
	}
}

func TestRingPassesOverDiscardedRecords(t *testing.T) {
	f := newFakeRing(4096)
	f.submit("first")
	f.setHeader(f.reserve("second"), len("second"), recordDiscard)
	f.submit("third")
	got, n := f.read()
	if diff := cmp.Diff([]string{"first", "third"}, got); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
	if n != int(f.head) {
		t.Errorf("read %d bytes, want %d", n, f.head)
	}
}

func TestRingStopsAtItsLimit(t *testing.T) {
	f := newFakeRing(4096)
	for range 10 {
		f.submit(strings.Repeat("x", 92)) // 104 bytes each with header and padding
	}
	var sizes []int
	for range 4 {
		got, n := f.readUpTo(300)
		if len(got)*104 != n {
			t.Errorf("%d records in %d bytes", len(got), n)
		}
		sizes = append(sizes, len(got))
	}
	// The record that reaches the limit is the last.
	if diff := cmp.Diff([]int{3, 3, 3, 1}, sizes); diff != "" {
		t.Errorf("records a call (-want +got):\n%s", diff)
	}
}

// What comes while it reads is left for the next call: a busy producer does not
// keep the reader for ever.
func TestRingReadsWhatWasThereWhenItBegan(t *testing.T) {
	f := newFakeRing(4096)
	f.submit("first")
	calls := 0
	f.drain(1<<30, func([]byte) {
		calls++
		f.submit("another")
	})
	if calls != 1 {
		t.Errorf("read %d records, want 1", calls)
	}
}

// The kernel gets space back on the way: not for each record, which would cost a
// shared cache line each, and not only at the end of a large batch.
func TestRingReleasesSpaceOnTheWay(t *testing.T) {
	f := newFakeRing(1 << 20)
	const record = 1024
	for range 900 {
		f.submit(strings.Repeat("x", record-recordHeader))
	}
	changes, last := 0, uint64(0)
	most := uint64(0)
	f.drain(1<<30, func([]byte) {
		if now := f.released(); now != last {
			changes++
			last = now
		}
		most = max(most, f.pos-f.released())
	})
	if changes < 5 || changes > 20 {
		t.Errorf("released %d times on the way of 900 KiB, want about one each 128 KiB", changes)
	}
	if most > 128<<10 {
		t.Errorf("kept %d bytes", most)
	}
	if f.released() != f.head {
		t.Errorf("released up to %d in the end, want %d", f.released(), f.head)
	}
}

func TestRingReadsWithoutAllocating(t *testing.T) {
	f := newFakeRing(1 << 20)
	const runs = 100
	for range runs + 1 {
		f.submit(strings.Repeat("x", 500))
	}
	seen := 0
	handle := func(b []byte) { seen += len(b) }
	if n := testing.AllocsPerRun(runs, func() { f.drain(1, handle) }); n > 0 {
		t.Errorf("%v allocations a record", n)
	}
	if seen != 500*(runs+1) {
		t.Errorf("read %d bytes, want %d", seen, 500*(runs+1))
	}
}
