package record

import (
	"context"
	"sync"
	"testing"
	"time"
)

func TestQueueKeepsOrderAndLosesNothing(t *testing.T) {
	q := NewQueue(4 * (overhead + 10))
	const n = 10000
	var wg sync.WaitGroup
	wg.Go(func() {
		defer q.Close()
		for i := range n {
			if !q.Put(t.Context(), &Record{Seq: uint64(i), Data: make([]byte, 10)}, time.Hour) {
				t.Error("put refused")
				return
			}
		}
	})
	for i := range n {
		r, ok := q.Take(t.Context())
		if !ok || r.Seq != uint64(i) {
			t.Fatalf("record %d: got %+v, %v", i, r, ok)
		}
	}
	if r, ok := q.Take(t.Context()); ok {
		t.Fatalf("after the end: %+v", r)
	}
	wg.Wait()
}

func TestQueueIsBounded(t *testing.T) {
	q := NewQueue(2 * (overhead + 10))
	put := func(size int) bool { return q.Put(t.Context(), &Record{Data: make([]byte, size)}, 0) }
	for i, want := range []bool{true, true, false} {
		if put(10) != want {
			t.Fatalf("put %d: want room for exactly two", i)
		}
	}
	q.Take(t.Context())
	if !put(10) {
		t.Fatal("want room for one again")
	}
	if n, bytes := q.Len(); n != 2 || bytes != 2*(overhead+10) {
		t.Fatalf("holds %d records of %d bytes", n, bytes)
	}
}

func TestQueueTakesARecordLargerThanItself(t *testing.T) {
	q := NewQueue(100)
	if !q.Put(t.Context(), &Record{Data: make([]byte, 1000)}, 0) {
		t.Fatal("refused")
	}
	if q.Put(t.Context(), &Record{}, 0) {
		t.Fatal("took another one")
	}
}

func TestQueueEndsThoseWhoWait(t *testing.T) {
	q := NewQueue(1)
	q.Put(t.Context(), &Record{}, 0)
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		if q.Put(ctx, &Record{}, time.Hour) {
			t.Error("put into a full queue")
		}
	})
	cancel()
	wg.Wait()
	wg.Go(func() {
		if q.Put(t.Context(), &Record{}, time.Hour) {
			t.Error("put into a closed queue")
		}
	})
	q.Close()
	wg.Wait()
	if _, ok := q.Take(t.Context()); !ok {
		t.Error("lost what was put before the close")
	}
	for range 3 {
		wg.Go(func() {
			if _, ok := q.Take(t.Context()); ok {
				t.Error("took from an empty, closed queue")
			}
		})
	}
	wg.Wait()
}
