package intake

import (
	"fmt"
	"math"
	"runtime"
	"sync"
	"testing"
	"time"

	"gortap/internal/flow"
	"gortap/internal/insight"
	"gortap/internal/proto"
	"gortap/internal/proto/prototest"
	"gortap/internal/testutil"
)

// let plays exchanges at a time each and a tick every 3 ms, as a shard does, and returns
// when those came that were let in.
func let(perSecond float64, arrivals func(yield func(ns int64) bool)) (in []int64, all int) {
	l := newLimiter(perSecond, 7)
	ticked := int64(0)
	for ns := range arrivals {
		for ns-ticked >= 3e6 {
			ticked = max(ticked+3e6, ns-3e6*100)
			l.tick(ticked, perSecond)
		}
		all++
		if l.admit() {
			in = append(in, ns)
		}
	}
	return in, all
}

// steadily yields so many a second.
func steadily(perSecond int, d time.Duration) func(func(int64) bool) {
	return func(yield func(int64) bool) {
		for i := range int64(perSecond) * int64(d) / 1e9 {
			if !yield(1e15 + i*1e9/int64(perSecond)) {
				return
			}
		}
	}
}

// bursts come every 200 ms, and all at once.
func bursts(n int, d time.Duration) func(func(int64) bool) {
	return func(yield func(int64) bool) {
		for at := int64(0); at < int64(d); at += 2e8 {
			for i := range n {
				if !yield(1e15 + at + int64(i)*100) {
					return
				}
			}
		}
	}
}

// TestNoTimeHasMoreThanItsRate: what is let in stays below the rate and what may have
// been saved up, in every time of every length.
func TestNoTimeHasMoreThanItsRate(t *testing.T) {
	for name, c := range map[string]struct {
		rate     float64
		arrivals func(func(int64) bool)
	}{
		"five times":  {20_000, steadily(100_000, 4*time.Second)},
		"a bit more":  {20_000, steadily(22_000, 4*time.Second)},
		"bursts":      {20_000, bursts(30_000, 4*time.Second)},
		"a low rate":  {10, steadily(20_000, 4*time.Second)},
		"a high rate": {900_000, steadily(1_000_000, time.Second)},
	} {
		t.Run(name, func(t *testing.T) {
			in, _ := let(c.rate, c.arrivals)
			// A time may begin with all the credit there can be, and end with that of a
			// slice that began before it.
			saved := creditOf(c.rate) + c.rate*(rateSlice.Seconds()+0.003)
			// The largest excess over the rate of any stretch, as of a walk.
			low, worst := 0.0, 0.0
			for i, ns := range in {
				level := float64(i) - c.rate*float64(ns-1e15)/1e9
				low = min(low, level)
				worst = max(worst, level+1-low)
			}
			if worst > saved {
				t.Errorf("%.0f more than the rate, of at most %.0f", worst, saved)
			}
		})
	}
}

// TestTheRateIsMadeUseOf: above it nearly as many are let in, and below it all are.
func TestTheRateIsMadeUseOf(t *testing.T) {
	const rate = 20_000
	for _, perSecond := range []int{1, 1000, 19_000, 21_000, 30_000, 100_000, 500_000} {
		in, all := let(rate, steadily(perSecond, 5*time.Second))
		if perSecond < rate && len(in) != all {
			t.Errorf("%d a second: %d of %d", perSecond, len(in), all)
		}
		if want := float64(min(perSecond, rate) * 5); float64(len(in)) < 0.98*want {
			t.Errorf("%d a second: %d of %d, want about %.0f", perSecond, len(in), all, want)
		}
	}
}

// TestWhatIsLetInIsSpreadEvenly: endpoints that come in turns have about the same, and
// so have parts of a second.
func TestWhatIsLetInIsSpreadEvenly(t *testing.T) {
	const rate, perSecond, endpoints, parts = 20_000, 100_000, 8, 100
	in, all := let(rate, steadily(perSecond, 5*time.Second))
	var of [endpoints]int
	var over [5 * parts]int
	for _, ns := range in {
		i := (ns - 1e15) * perSecond / 1e9 // its number
		of[(i+1)%endpoints]++
		over[(ns-1e15)*parts/1e9]++
	}
	// Five deviations of a count with a chance of a fifth.
	about := func(n int, want float64) bool {
		return math.Abs(float64(n)-want) < 5*math.Sqrt(want*0.8)
	}
	for e, n := range of {
		if !about(n, float64(len(in))/endpoints) {
			t.Errorf("endpoint %d has %d of %d, of %d that came", e, n, len(in), all)
		}
	}
	for p, n := range over[parts:] { // the first second spends what was saved up
		if !about(n, rate/parts) {
			t.Errorf("part %d has %d, want about %d", p, n, rate/parts)
		}
	}
}

// TestEveryExchangeIsAccountedFor: those that were looked at, left out and dropped are
// all, in the counters and in what is shown.
func TestEveryExchangeIsAccountedFor(t *testing.T) {
	testutil.CheckLeaks(t)
	book := insight.NewBook(insight.Config{})
	store := insight.NewStore(book, nil)
	in := New(Config{Store: store, Rate: 2000})
	feeds := []*Feed{in.Feed(nil), in.Feed(nil)}
	conn := (&prototest.Connection{Client: flow.FromB}).Conn()
	const n = 2 * queueLength * batchEntries
	var closing sync.WaitGroup
	ns := int64(1e15)
	play := func() {
		for i := range n {
			ns += 1e9 / 20_000
			f := feeds[i%2]
			x := &proto.Exchange{Conn: &proto.Conn{ID: 1, Key: conn.Key}, Protocol: proto.HTTP11, Service: fmt.Sprint("s", i%3), Path: "/", Status: 200 + i%2*300, Seq: uint64(i % 4)}
			x.Request.Wire, x.Response.Wire, x.Request.LastNs, x.Response.LastNs = 100, int64(i), ns, ns
			f.Begin(x)
			f.Payload(x, proto.Client, proto.Head, []byte("GET / HTTP/1.1\r\n\r\n"))
			f.Exchange(x)
			f.Tick(ns)
		}
	}
	play()
	store.Batch(0, func(func(*insight.Observation)) { // nobody takes anything meanwhile
		for range 4 {
			play()
		}
		for _, f := range feeds { // what they still have waits for room
			closing.Go(f.Close)
		}
		for in.Stats().Taken < 5*n {
			runtime.Gosched()
		}
	})
	closing.Wait()
	in.Close()

	st, seen := in.Stats(), store.Stats().Observed
	if st.Taken != 5*n || st.Missing[OverRate] == 0 || st.Missing[QueueFull] == 0 || seen+st.Missing[OverRate]+st.Missing[QueueFull] != 5*n {
		t.Errorf("%d exchanges: %+v, %d observed", 5*n, st, seen)
	}
	v, err := store.View(insight.Query{})
	if err != nil {
		t.Fatal(err)
	}
	if w := v.Total; w.Requests != 5*n || w.RequestBytes != 5*n*100 || w.ResponseBytes != 5*n*(n-1)/2 || w.Errors != 5*n/2 || w.Connections != 5*n/4 {
		t.Errorf("total %+v", w)
	}
	var rest insight.Row
	for _, r := range v.Services {
		if r.Service == insight.Rest {
			rest = r
		}
	}
	if rest.Requests != 5*n-seen || len(v.Notes) != 1 {
		t.Errorf("rest %+v of %d, notes %q", rest, 5*n-seen, v.Notes)
	}
}

func TestNothingIsAllocatedForAnExchangeThatIsLeftOut(t *testing.T) {
	one := leftOut(t)
	if got := testing.AllocsPerRun(10000, one); got != 0 && !raceDetector {
		t.Errorf("%v allocations", got)
	}
}

func BenchmarkLeftOut(b *testing.B) {
	one := leftOut(b)
	b.ReportAllocs()
	for b.Loop() {
		one()
	}
}

// leftOut returns what feeds one more exchange that is left out.
func leftOut(t testing.TB) func() {
	in := New(Config{Store: insight.NewStore(insight.NewBook(insight.Config{}), nil), Rate: 1})
	f := in.Feed(nil)
	t.Cleanup(func() { f.Close(); in.Close() })
	conn := (&prototest.Connection{Client: flow.FromB}).Conn()
	x := &proto.Exchange{Conn: &proto.Conn{ID: 1, Key: conn.Key}, Protocol: proto.HTTP11, Service: "shop", Path: "/", Status: 200}
	head, body := make([]byte, 200), make([]byte, 1300)
	one := func() {
		f.Begin(x)
		f.Payload(x, proto.Client, proto.Head, head)
		f.Payload(x, proto.Server, proto.Head, head)
		f.Payload(x, proto.Server, proto.Body, body)
		f.Exchange(x)
	}
	for range 10 * leastCredit { // the credit is spent
		one()
	}
	return one
}
