package compare

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"gortap/internal/record"
)

func TestWaitingResponsesAreBoundedAndTheOldestGo(t *testing.T) {
	r := newRig(t, Config{MaxPending: 100 << 10})
	body := strings.Repeat("x", 1000)
	for n := range 1000 {
		r.request(n, "GET /a HTTP/1.1")
		r.c.Original(rec(n, record.Response, answer(body), 0))
		r.c.mu.Lock()
		waiting := r.c.table.bytes
		r.c.mu.Unlock()
		if waiting > 100<<10 {
			t.Fatalf("%d bytes wait", waiting)
		}
	}
	for n := 990; n < 1000; n++ { // the youngest are there
		r.c.Candidate(rec(n, record.Replayed, answer(body), 0))
	}
	got := r.result()
	if got.Compared != 10 || got.Unpaired["evicted"] < 800 {
		t.Errorf("compared %d, unpaired %v", got.Compared, got.Unpaired)
	}
	if sum := got.Compared + got.Unpaired["evicted"] + got.Unpaired["no-replay"]; sum != 1000 {
		t.Errorf("%d of 1000 accounted for", sum)
	}
	if left := r.c.table.bytes; left != 0 || len(r.c.table.entries) != 0 {
		t.Errorf("%d bytes, %d exchanges left", left, len(r.c.table.entries))
	}
}

func TestOneResponseAboveTheLimitIsEvicted(t *testing.T) {
	r := newRig(t, Config{MaxPending: 1000})
	r.exchange(1, "GET /a HTTP/1.1", answer(strings.Repeat("x", 2000)), answer("x"))
	if got := r.result(); got.Unpaired["evicted"] != 1 || got.Compared != 0 {
		t.Errorf("compared %d, unpaired %v", got.Compared, got.Unpaired)
	}
}

func TestBlockingLosesNothingFromManyGoroutines(t *testing.T) {
	r := newRig(t, Config{MaxPending: 64 << 10, Block: true})
	body := strings.Repeat(`{"a":1},`, 100)
	a, b := answer("["+body+"1]", jsonType), answer("["+body+"2]", jsonType)
	var wg sync.WaitGroup
	const each = 500
	for g := range 4 {
		wg.Go(func() {
			for n := range each {
				r.exchange(g*each+n, "GET /a HTTP/1.1", a, b)
			}
		})
	}
	wg.Wait()
	if got := r.result(); got.Compared != 4*each || got.Different != 4*each || got.Unpaired["evicted"] != 0 {
		t.Errorf("compared %d, different %d, unpaired %v", got.Compared, got.Different, got.Unpaired)
	}
}

func TestClosingMayBeCutShortAndIsCounted(t *testing.T) {
	r := newRig(t, Config{})
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	big := answer("["+strings.Repeat("1,", 50_000)+"1]", jsonType)
	for n := range 200 {
		r.exchange(n, "GET /a HTTP/1.1", big, answer("["+strings.Repeat("2,", 50_000)+"1]", jsonType))
	}
	_ = r.c.Close(ctx) // whether it was in time, the machine decides
	got := r.c.Result()
	if got.Compared+got.Unpaired["evicted"] != 200 {
		t.Errorf("compared %d, unpaired %v", got.Compared, got.Unpaired)
	}
	r.c.Original(rec(999, record.Response, big, 0))
	if again := r.c.Result(); again.Unpaired["late"] != got.Unpaired["late"]+1 || r.c.Close(context.Background()) != nil {
		t.Errorf("after Close: unpaired %v", again.Unpaired)
	}
}

func TestEndpointsAndPlacesAreLimitedAndTotalsStay(t *testing.T) {
	r := newRig(t, Config{MaxEndpoints: 3, MaxPlaces: 4})
	n := 0
	for e := range 10 {
		for p := range 10 {
			n++
			key := strings.Repeat(string(rune('a'+p)), 3)
			r.exchange(n, fmt.Sprintf("GET /%s HTTP/1.1", strings.Repeat(string(rune('a'+e)), 3)), answer(`{"`+key+`":1}`, jsonType), answer(`{"`+key+`":2}`, jsonType))
		}
	}
	got := r.result()
	if len(got.Endpoints) != 4 || len(got.Findings) != 4*5 || got.Compared != 100 || got.Different != 100 {
		t.Errorf("%d endpoints, %d findings, compared %d, different %d", len(got.Endpoints), len(got.Findings), got.Compared, got.Different)
	}
	others := 0
	for _, f := range got.Findings {
		if f.Place == other {
			others++
		}
		if len(f.Examples) > 3 {
			t.Errorf("%d examples", len(f.Examples))
		}
	}
	if others != 4 || got.Endpoints[0].Name != other || got.Endpoints[0].Compared != 70 {
		t.Errorf("%d other places, endpoint %+v", others, got.Endpoints[0])
	}
}

// TestMemoryIsBoundedAtEveryLimit brings responses that differ in ever new
// places, with as long names and values as there can be.
func TestMemoryIsBoundedAtEveryLimit(t *testing.T) {
	r := newRig(t, Config{Block: true, MaxPending: 4 << 20})
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	long := strings.Repeat("v", 2000)
	for n := range 3000 {
		name := "" // a word, so that it is taken for no data
		for k := n; len(name) < 12; k /= 20 {
			name += string(rune('a' + k%20))
		}
		var x, y strings.Builder
		for k := range 66 {
			fmt.Fprintf(&x, `"%s%c%c":1,`, name[:4], 'a'+k%20, 'a'+k/20)
			fmt.Fprintf(&y, `"%s%c%c":2,`, name[:4], 'a'+k%20, 'a'+k/20)
		}
		r.exchange(n, "GET /"+name[:3]+" HTTP/1.1", answer("{"+x.String()+`"z":1}`, jsonType, "X-"+name+": "+long), answer("{"+y.String()+`"z":1}`, jsonType, "X-"+name+": w"+long))
	}
	got := r.result()
	runtime.GC()
	runtime.ReadMemStats(&after)
	held := int64(after.HeapAlloc) - int64(before.HeapAlloc)
	t.Logf("%d places of %d endpoints, %d combinations: %d KiB", r.c.books.places, len(got.Endpoints), r.c.books.sets, held>>10)
	if r.c.books.places < maxAllPlaces || len(got.Endpoints) != 301 || got.Different != 3000 {
		t.Errorf("%d places, %d endpoints, %d different: the limits were not reached", r.c.books.places, len(got.Endpoints), got.Different)
	}
	if r.c.books.places > maxAllPlaces+301 || r.c.books.sets > maxSets || held > 40<<20 {
		t.Errorf("%d places, %d combinations, %d KiB", r.c.books.places, r.c.books.sets, held>>10)
	}
	runtime.KeepAlive(r)
}

func TestCombinationsAreLimitedAndNothingIsMiscounted(t *testing.T) {
	c, err := Config{}.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	b := newBooks(&c)
	const exchanges = 3 * maxSets
	for n := range exchanges {
		o := &outcome{entry: &entry{endpoint: "GET /a", timeNs: 1}}
		for bit := range 16 {
			if n>>bit&1 != 0 {
				o.found = append(o.found, difference{place: fmt.Appendf(nil, "header %c", 'a'+bit)})
			}
		}
		b.add(o)
	}
	r := b.result([numReasons]uint64{}, time.Now())
	if b.sets != maxSets || r.Compared != exchanges || r.Different != exchanges-1 { // but the first
		t.Errorf("%d combinations, compared %d, different %d", b.sets, r.Compared, r.Different)
	}
}
