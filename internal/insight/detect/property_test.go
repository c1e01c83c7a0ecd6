package detect

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"slices"
	"testing"
	"time"

	"gortap/internal/insight"
)

// mixed is a busy minute with several kinds of waste, two hundred exchanges a second.
func mixed() []insight.Observation {
	body := jsonRows(1, 20000)
	var all []insight.Observation
	for i := range 12000 {
		when := time.Duration(i) * second / 200
		var o insight.Observation
		switch i % 4 {
		case 0:
			o = from(i%3, page("page=%d", func(int, *insight.Observation) {})(i, when))
			o.ResponseHash = 7
		case 1:
			o = unique(get("/items", when, 20000), i)
			o.Sample, o.Head.ContentEncoding = body, ""
		case 2:
			o = unique(get("/rates", when, 9000), 0)
		default:
			o = from(i%40, unique(get("/pay", when, 500), i))
			if i%8 == 3 {
				o.Status = 503
			}
		}
		all = append(all, o)
	}
	return all
}

func ids(s *Set) []string {
	var ids []string
	for _, f := range s.Findings() {
		ids = append(ids, f.ID)
	}
	slices.Sort(ids)
	return ids
}

func TestOrderWithinASecondDoesNotMatter(t *testing.T) {
	all := mixed()
	straight := New(Config{Warmup: 10 * second})
	feed(straight, all...)
	want := ids(straight)
	if len(want) < 4 {
		t.Fatalf("found %v", want)
	}
	r := rand.New(rand.NewPCG(3, 4))
	for range 5 {
		shuffled := slices.Clone(all)
		for i := 0; i < len(shuffled); i += 200 {
			r.Shuffle(200, func(a, b int) { shuffled[i+a], shuffled[i+b] = shuffled[i+b], shuffled[i+a] })
		}
		s := New(Config{Warmup: 10 * second})
		feed(s, shuffled...)
		if got := ids(s); !slices.Equal(got, want) {
			t.Errorf("found %v, want %v", got, want)
		}
		before, after := savings(straight), savings(s)
		for id, saves := range before {
			if d := float64(after[id]-saves) / float64(max(1, saves)); d > 0.05 || d < -0.05 {
				t.Errorf("%s saves %d, in order %d", id, after[id], saves)
			}
		}
	}
}

func savings(s *Set) map[string]int64 {
	of := make(map[string]int64)
	for _, f := range s.Findings() {
		of[f.ID] = f.Saves
	}
	return of
}

// TestMemoryIsBounded has more of everything than there is room for.
func TestMemoryIsBounded(t *testing.T) {
	s := New(Config{Warmup: 5 * second})
	body := jsonRows(1, 4000)
	before := heap()
	n := 1000000
	if testing.Short() || raceDetector {
		n = 50000
	}
	for i := range n {
		o := get(fmt.Sprintf("/p%d", i), time.Duration(i)*time.Millisecond/4, 4000)
		o.Service = fmt.Sprintf("s%d", i/100)
		o.Target = fmt.Sprintf("/p%d?page=%d", i, i)
		o.Client = netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), 1)
		o.Server = netip.AddrPortFrom(netip.AddrFrom4([4]byte{11, byte(i >> 16), byte(i >> 8), byte(i)}), 1)
		o.Conn, o.Status = uint64(i), 200+i%2*303
		o.Sample, o.Head.ContentEncoding = body, ""
		o.Head.ETag, o.Head.IfNoneMatch = `"a"`, `"a"`
		s.Observe(&o)
	}
	used := heap() - before
	t.Logf("%d KB for %d endpoints", used>>10, len(s.table.slots))
	if used > 64<<20 {
		t.Errorf("%d MB after %d endpoints", used>>20, n)
	}
	if len(s.table.slots) != s.cfg.MaxEndpoints || len(s.table.index) != s.cfg.MaxEndpoints || len(s.services.order) != s.cfg.MaxServices {
		t.Errorf("%d endpoints, %d in the index, %d services", len(s.table.slots), len(s.table.index), len(s.services.order))
	}
	if len(s.Findings()) > maxFindings || len(s.State()) > MaxState {
		t.Errorf("%d findings, %d bytes of state", len(s.Findings()), len(s.State()))
	}
	runtime.KeepAlive(s)
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func TestAHeavyEndpointStaysAmongMany(t *testing.T) {
	s := New(Config{MaxEndpoints: 50})
	heavy := plain(func(*insight.Observation) {})
	for i := range 5000 {
		when := time.Duration(i) * 10 * time.Millisecond
		feed(s, unique(get(fmt.Sprintf("/p%d", i), when, 300), i))
		if i%10 == 0 {
			feed(s, heavy(i, when))
		}
	}
	if f := one(t, s, insight.Uncompressed); f.Path != "/items" || f.Saves < 400*20000 {
		t.Errorf("%+v", f)
	}
}

func TestTimesThatMakeNoSense(t *testing.T) {
	s := New(Config{})
	for _, ns := range []int64{at(0), 0, -5, at(time.Hour), at(-time.Hour), 1<<62 + 1, 1} {
		o := get("/x", 0, 3000)
		o.StartNs, o.EndNs, o.Duration = ns, ns, -1
		s.Observe(&o)
		s.Tick(ns)
	}
	s.Findings()
	s.Events()
}

func BenchmarkObserve(b *testing.B) {
	s := New(Config{})
	var all []insight.Observation
	for i := range 4096 {
		o := from(i%50, unique(get(fmt.Sprintf("/p%d", i%100), 0, int64(1000+i%500)), i))
		o.Conn = uint64(i % 200)
		if i%10 == 0 {
			o.Target = fmt.Sprintf("/p%d?page=%d&limit=10", i%100, i)
		}
		all = append(all, o)
	}
	b.ReportAllocs()
	b.ResetTimer()
	for i := range b.N {
		o := &all[i%len(all)]
		o.StartNs = at(time.Duration(i) * 100 * time.Microsecond)
		o.EndNs = o.StartNs + 1e6
		s.Observe(o)
	}
}
