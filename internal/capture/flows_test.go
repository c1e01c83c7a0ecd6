package capture

import (
	"encoding/binary"
	"math"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gortap/bpf"
	"gortap/internal/flow"
	"gortap/internal/testutil"
)

// openIdle returns a capture that is attached nowhere.
func openIdle(t *testing.T, opts Options) *Capture {
	t.Helper()
	testutil.RequireRoot(t)
	opts.RingBytes = 1 << 20
	c, err := Open(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// putFlows fills the table.
func putFlows(t testing.TB, c *Capture, n int, f bpf.CaptureFlow) {
	t.Helper()
	keys := make([]bpf.CaptureFlowKey, n)
	values := make([]bpf.CaptureFlow, n)
	for i := range keys {
		binary.BigEndian.PutUint32(keys[i].A[:], uint32(i))
		values[i] = f
	}
	if _, err := c.objs.Flows.BatchUpdate(keys, values, nil); err != nil {
		t.Fatal(err)
	}
}

// The table is read whole, each flow once, whatever the size of a batch: a bucket
// of the hash table that is larger makes the batch grow.
func TestFlowTableIsReadWhole(t *testing.T) {
	c := openIdle(t, Options{})
	const n = 5000
	putFlows(t, c, n, bpf.CaptureFlow{FirstNs: 1})
	for _, batch := range []int{1, 100, sweepBatch, 2 * n} {
		r := newFlowReader(c.objs.Flows)
		r.keys, r.values = r.keys[:0:0], r.values[:0:0]
		r.keys = append(r.keys, make([]bpf.CaptureFlowKey, batch)...)
		r.values = append(r.values, make([]bpf.CaptureFlow, batch)...)
		seen := map[bpf.CaptureFlowKey]int{}
		if err := r.each(func(k *bpf.CaptureFlowKey, f *bpf.CaptureFlow) { seen[*k]++ }); err != nil {
			t.Fatalf("in batches of %d: %v", batch, err)
		}
		if len(seen) != n {
			t.Errorf("in batches of %d: saw %d flows, want %d", batch, len(seen), n)
		}
		for k, times := range seen {
			if times != 1 {
				t.Errorf("in batches of %d: saw flow %v %d times", batch, k.A[:4], times)
			}
		}
	}
}

// A sweep of an idle table costs a few system calls and next to no memory.
func TestReadingFlowsAllocatesByBatch(t *testing.T) {
	c := openIdle(t, Options{})
	const n = 4000
	putFlows(t, c, n, bpf.CaptureFlow{FirstNs: 1})
	r := newFlowReader(c.objs.Flows)
	seen := 0
	visit := func(*bpf.CaptureFlowKey, *bpf.CaptureFlow) { seen++ }
	if err := r.each(visit); err != nil {
		t.Fatal(err)
	}
	allocs := testing.AllocsPerRun(5, func() {
		if err := r.each(visit); err != nil {
			t.Fatal(err)
		}
	})
	if allocs > 100 {
		t.Errorf("%v allocations for %d flows", allocs, n)
	}
	if seen != 7*n {
		t.Errorf("saw %d flows, want %d", seen, 7*n)
	}
}

// quiet is a flow without payload whose last packet was then.
func quiet(last uint64) bpf.CaptureFlow {
	f := bpf.CaptureFlow{FirstNs: 1}
	f.Dirs[flow.FromB].LastNs = last
	return f
}

// What the sweep does with a flow: ends it, tells its totals, or lets it be.
func TestSweepEndsIdleFlowsAndTellsOfBusyOnes(t *testing.T) {
	const now = uint64(time.Hour)
	ago := func(d time.Duration) uint64 { return now - uint64(d) }
	data := func(last uint64) bpf.CaptureFlow {
		f := quiet(last)
		f.Dirs[flow.FromB].Payload = 1
		return f
	}
	halfIdle := func(last uint64) bpf.CaptureFlow {
		f := data(ago(time.Hour / 2))
		f.Dirs[flow.FromA].LastNs = last
		return f
	}
	closed := func(last uint64) bpf.CaptureFlow {
		f := data(last)
		f.Closed = 1
		return f
	}
	for _, tc := range []struct {
		name        string
		flow        bpf.CaptureFlow
		ends, tells bool
	}{
		{"in use", data(ago(time.Second)), false, true},
		{"idle, within the limit", data(ago(4 * time.Minute)), false, true},
		{"idle in one direction", halfIdle(ago(time.Second)), false, true},
		{"idle for too long", data(ago(6 * time.Minute)), true, false},
		{"just closed", closed(ago(900 * time.Millisecond)), false, true},
		{"closed for a while", closed(ago(1100 * time.Millisecond)), true, false},
		{"no payload yet", quiet(ago(14 * time.Second)), false, true},
		{"no payload for long", quiet(ago(16 * time.Second)), true, false},
		{"a packet since the sweep began", data(now + 1000), false, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			opts := Options{FlowIdle: 5 * time.Minute}
			s := &sweeper{
				c: &Capture{opts: opts}, posts: make([][]flow.Totals, 1),
				seen: map[bpf.CaptureFlowKey]uint64{}, next: map[bpf.CaptureFlowKey]uint64{},
			}
			var key bpf.CaptureFlowKey
			s.visit(now, &key, &tc.flow)
			if got := len(s.evicts) > 0; got != tc.ends {
				t.Errorf("ends it: %v, want %v", got, tc.ends)
			}
			if got := len(s.posts[0]) > 0; got != tc.tells {
				t.Errorf("tells its totals: %v, want %v", got, tc.tells)
			}
			s.seen, s.next = s.next, s.seen
			s.evicts, s.posts[0] = nil, nil
			s.visit(now, &key, &tc.flow)
			if len(s.posts[0]) > 0 {
				t.Error("tells totals that have not changed again")
			}
		})
	}
}

// The table is read without locks: the time of the last packet and the counts may be of
// different moments. Whichever has changed, totals are told again.
func TestTotalsAreToldAgainWhereAnyOfThemGrew(t *testing.T) {
	const now = uint64(time.Hour)
	first := quiet(now)
	first.Dirs[flow.FromA].Payload = 500
	for name, grow := range map[string]func(*bpf.CaptureFlow){
		"packets":       func(f *bpf.CaptureFlow) { f.Dirs[flow.FromA].Packets++ },
		"bytes":         func(f *bpf.CaptureFlow) { f.Dirs[flow.FromB].Bytes += 40 },
		"payload":       func(f *bpf.CaptureFlow) { f.Dirs[flow.FromA].Payload += 10 },
		"retransmitted": func(f *bpf.CaptureFlow) { f.Dirs[flow.FromB].Rare.Retrans += 10 },
		"time":          func(f *bpf.CaptureFlow) { f.Dirs[flow.FromA].LastNs = now + 1 },
	} {
		t.Run(name, func(t *testing.T) {
			s := &sweeper{
				c: &Capture{opts: Options{FlowIdle: time.Minute}}, posts: make([][]flow.Totals, 1),
				seen: map[bpf.CaptureFlowKey]uint64{}, next: map[bpf.CaptureFlowKey]uint64{},
			}
			var key bpf.CaptureFlowKey
			f := first
			for i := range 2 {
				s.visit(now, &key, &f)
				if len(s.posts[0]) != 1 {
					t.Errorf("visit %d tells nothing", i)
				}
				s.seen, s.next, s.posts[0] = s.next, s.seen, nil
				grow(&f)
			}
		})
	}
}

// What waits for its record in the kernel is not told, whatever moment the counts
// beside it are of.
func TestWhatIsKeptBackIsNotTold(t *testing.T) {
	s := &sweeper{}
	var key bpf.CaptureFlowKey
	for _, payload := range []uint64{1000, 1700} { // before or after the 700 bytes that wait
		f := bpf.CaptureFlow{Told: 1000, Skip: bpf.CaptureSkip{Len: 700, Dir: uint8(flow.FromB)}}
		f.Dirs[flow.FromA].Payload, f.Dirs[flow.FromB].Payload = 5, payload
		got := s.totals(&key, &f)
		if got.Dirs[flow.FromA].Payload != 5 || got.Dirs[flow.FromB].Payload != 1000 {
			t.Errorf("payload %d and %d, want 5 and 1000", got.Dirs[flow.FromA].Payload, got.Dirs[flow.FromB].Payload)
		}
	}
}

// A flow table that is full of flows that go nowhere is emptied, in rounds that
// fit the rings.
func TestAllFlowsAreEndedThroughASmallRing(t *testing.T) {
	testutil.RequireRoot(t)
	c, err := Open(Options{RingBytes: 4096, Shards: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	const n = 2000
	putFlows(t, c, n, bpf.CaptureFlow{FirstNs: 1})
	k := &keeper{}
	c.shards[0].handler = k
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		c.shards[0].run(stop)
	}()
	if err := c.endAllFlows(); err != nil {
		t.Error(err)
	}
	close(stop)
	<-done
	if len(k.ends) != n {
		t.Errorf("%d flows ended, want %d", len(k.ends), n)
	}
}

func TestManyFlowsAreEvictedInOneGo(t *testing.T) {
	c := openIdle(t, Options{})
	const n = 100
	putFlows(t, c, n, bpf.CaptureFlow{FirstNs: 1})
	keys := make([]bpf.CaptureFlowKey, n)
	for i := range keys {
		binary.BigEndian.PutUint32(keys[i].A[:], uint32(i))
	}
	if done, err := c.shards[0].control.evict(keys, math.MaxUint64); err != nil || done != n {
		t.Errorf("evicted %d flows, %v, want %d", done, err, n)
	}
}

// Counters are read by others than those who close.
func TestCountersOutliveTheCapture(t *testing.T) {
	p := testutil.Pair(t, 1)
	l := start(t, p.Server, Options{})
	talks(t, p.Server, p.Client, "192.0.2.1:80", 1, 1000, 1000)
	want := l.stop()
	if want.Matched.Packets == 0 {
		t.Error("nothing counted")
	}
	var wg sync.WaitGroup
	closed := make(chan struct{})
	wg.Go(func() {
		for open := true; open; {
			select {
			case <-closed:
				open = false
			default:
			}
			if _, err := l.Stats(); err != nil {
				t.Errorf("stats while it closes: %v", err)
			}
			if fill := l.RingFill(); fill != 0 {
				t.Errorf("ring fill %v, want 0", fill)
			}
		}
	})
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	close(closed)
	wg.Wait()
	if diff := cmp.Diff(want, l.stats()); diff != "" {
		t.Errorf("stats (-before +after Close):\n%s", diff)
	}
}

func TestKernelTimeBecomesUnixTime(t *testing.T) {
	var c clock
	before := time.Now()
	now, kernel := c.now()
	mono := monotonicNow()
	after := time.Now()
	for name, got := range map[string]int64{"now": now, "the same in the kernel": c.unix(kernel), "a kernel time": c.unix(mono)} {
		at := time.Unix(0, got)
		if at.Before(before.Add(-time.Millisecond)) || at.After(after.Add(time.Millisecond)) {
			t.Errorf("%s is %v, want it between %v and %v", name, at, before, after)
		}
	}
}

// Depths that are asked for in a batch reach the kernel in few calls, and in order.
func TestDepthsAreSentInBatches(t *testing.T) {
	c := openIdle(t, Options{})
	const n = 100
	putFlows(t, c, n, bpf.CaptureFlow{FirstNs: 1})
	s := c.shards[0]
	key := func(i int) flow.Key {
		var k flow.Key
		binary.BigEndian.PutUint32(k.A[:], uint32(i))
		return k
	}
	for i := range n {
		s.SetDepth(key(i), flow.DepthAll)
	}
	for i := range n / 2 {
		s.SetDepth(key(i), flow.DepthNone)
	}
	s.control.flush()
	got := map[flow.Depth]int{}
	r := newFlowReader(c.objs.Flows)
	if err := r.each(func(_ *bpf.CaptureFlowKey, f *bpf.CaptureFlow) { got[flow.Depth(f.Depth)]++ }); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[flow.Depth]int{flow.DepthAll: n / 2, flow.DepthNone: n / 2}, got); diff != "" {
		t.Errorf("flows a depth (-want +got):\n%s", diff)
	}
	if c.shards[0].control.input.Count != 0 {
		t.Error("depths are still pending")
	}
}

// BenchmarkSweep reads a flow table of which nothing has changed, and one of which
// all has.
func BenchmarkSweep(b *testing.B) {
	testutil.RequireRoot(b)
	const n = 50_000
	for name, busy := range map[string]bool{"idle": false, "busy": true} {
		b.Run(name, func(b *testing.B) {
			c, err := Open(Options{RingBytes: 4096, Shards: 1})
			if err != nil {
				b.Fatal(err)
			}
			defer c.Close()
			c.shards[0].handler = silent{}
			putFlows(b, c, n, quiet(monotonicNow()+uint64(time.Hour)))
			s := newSweeper(c)
			b.ReportAllocs()
			for b.Loop() {
				if busy {
					clear(s.seen)
				}
				if err := s.once(); err != nil {
					b.Fatal(err)
				}
				for !c.shards[0].idle() {
					c.shards[0].batch()
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/flow")
		})
	}
}
