package capture

import (
	"math"
	"testing"
	"time"
	"unsafe"

	"gortap/internal/flow"
	"gortap/internal/testutil"
)

// long is a sleep that a test never sees the end of.
const long = time.Hour

// smallest is a ring of the smallest chunks, and few.
const smallest = 4096

// drop reads what is in the first ring.
func drop(c *Capture) { c.rings[0].Drain(math.MaxInt, math.MaxUint64, func([]byte) {}) }

// asleep sleeps in a goroutine until something ends it.
func asleep(s *sleeper, fill int) (woken chan struct{}) {
	woken = make(chan struct{})
	go func() {
		s.sleep(long, fill)
		close(woken)
	}()
	return woken
}

func await(t *testing.T, what string, woken chan struct{}) {
	t.Helper()
	select {
	case <-woken:
	case <-time.After(10 * time.Second):
		t.Fatalf("still asleep after %s", what)
	}
}

// A sleeping shard costs nothing until there is something to do.
func TestSleepEndsWhenThereIsSomethingToDo(t *testing.T) {
	c := openIdle(t, Options{Shards: 1, RingBytes: smallest})
	s := c.shards[0].sleeper
	packet := func(seq uint32) { show(t, c, testFrame(40000, false, flow.PSH|flow.ACK, seq, 1, make([]byte, 200))) }

	woken := asleep(s, 1)
	packet(1)
	await(t, "a record", woken)
	if left := *s.wakeAt; left != 0 {
		t.Errorf("asks to be woken at %d bytes while it is awake", left)
	}

	await(t, "what was there already", asleep(s, 1))

	woken = asleep(s, 2*s.chunk)
	for i := range uint32(2 * s.chunk / 200) {
		packet(1000 + 200*i)
	}
	await(t, "the fill that was asked for", woken)

	drop(c)
	woken = asleep(s, 1)
	s.wake()
	await(t, "wake", woken)

	s.wake() // before it sleeps
	await(t, "an earlier wake", asleep(s, 1))

	began := time.Now()
	s.sleep(time.Millisecond, 1)
	if time.Since(began) < time.Millisecond {
		t.Error("woken by nothing")
	}
}

// A nap ends at the fill that was asked for too. It may last as long as it likes here.
func TestNapEndsWhenThereIsSomethingToDo(t *testing.T) {
	c := openIdle(t, Options{Shards: 1, RingBytes: smallest, Nap: true})
	s := c.shards[0].sleeper
	napping := func(fill int) chan struct{} {
		woken := make(chan struct{})
		go func() {
			s.ask(fill)
			s.nap(long)
			close(woken)
		}()
		return woken
	}
	packet := func(seq uint32) { show(t, c, testFrame(40000, false, flow.PSH|flow.ACK, seq, 1, make([]byte, 200))) }
	woken := napping(2 * s.chunk)
	for i := range uint32(2 * s.chunk / 200) {
		packet(1 + 200*i)
	}
	await(t, "the fill that was asked for", woken)
	await(t, "what was there already", napping(1))

	s.wake()
	drop(c)
	await(t, "an earlier wake", napping(1))
	s.roused.Store(false)

	began := time.Now()
	s.sleep(time.Millisecond, 1)
	if time.Since(began) < time.Millisecond {
		t.Error("woken by nothing")
	}
	if left := *s.wakeAt; left != 0 {
		t.Errorf("asks to be woken at %d bytes while it is awake", left)
	}
}

// The kernel may read that nobody wants to be woken, and write a record that is not
// seen yet by who looks after saying so. Nobody is woken then.
func TestRecordThatIsSeenLateDoesNotWaitForTheNext(t *testing.T) {
	c := openIdle(t, Options{Shards: 1})
	wish, looks := uint64(0), 0
	s, err := newSleeper(c.bells[0], &wish, 4096, func() int {
		if looks++; looks == 1 {
			return 0
		}
		return 100
	})
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	await(t, "a record that was seen late", asleep(s, 1))
}

// where notes in which memory the handler found the bytes.
type where struct {
	silent
	at []uintptr
}

func (w *where) Segment(s *flow.Segment) {
	if len(s.Data) > 0 {
		w.at = append(w.at, uintptr(unsafe.Pointer(&s.Data[0])))
	}
}

// What the handler reads is the ring itself.
func TestSegmentsLieInTheRing(t *testing.T) {
	testutil.RequireRoot(t)
	c := openIdle(t, Options{Shards: 1})
	h := &where{}
	s := c.shards[0]
	s.handler = h
	for i := range uint32(3) {
		show(t, c, testFrame(40000, false, flow.PSH|flow.ACK, 1+200*i, 1, make([]byte, 200)))
	}
	s.batch()
	first := uintptr(unsafe.Pointer(&c.memory.Chunks[0]))
	for _, at := range h.at {
		if at < first || at >= first+uintptr(len(c.memory.Chunks)) {
			t.Errorf("bytes at %#x, the ring is at %#x", at, first)
		}
	}
	if len(h.at) != 3 {
		t.Errorf("%d segments, want 3", len(h.at))
	}
}
