package account

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

const second = int64(time.Second)

func rowNames(s Snapshot) (names []string) {
	for _, r := range s.Rows {
		names = append(names, r.Service+" "+r.Method+" "+r.Path)
	}
	return names
}

func TestLiveViewCoversTheLastTenSeconds(t *testing.T) {
	a := newAccount(t, Config{LiveEndpoints: 10}, 2)
	start := 1000 * second
	for i := range 2 {
		a.Shard(i).Tick(start)
	}
	f := newSim(a.Shard(0), "10.0.0.9:40000", "10.0.0.1:80").open()
	g := newSim(a.Shard(1), "10.0.0.9:40001", "10.0.0.1:80").open()
	x := g.begin("GET", "h", "/big")
	for i := range int64(20) {
		f.s.Tick(start + i*second)
		g.s.Tick(start + i*second)
		f.exchange("GET", "h", "/small", 50, 150, int64(4*time.Millisecond))
		g.exchange("GET", "h", "/small", 50, 150, int64(4*time.Millisecond))
		g.flowing(x, res, 1000) // a long message shows while it goes on
	}
	f.s.Tick(start + 20*second)
	g.s.Tick(start + 20*second)
	over := 9 * time.Second // and nothing of the running second
	want := Snapshot{
		Over: over,
		Total: Row{
			Requests: 18, Bytes: [2]uint64{900, 9*1000 + 2700}, RequestRate: 2, ByteRate: [2]float64{100, 1300}, Share: 1,
			P50: 4 * time.Millisecond, P99: 4 * time.Millisecond,
		},
		Rows: []Row{
			{Service: "h", Method: "GET", Path: "/big", Bytes: [2]uint64{0, 9000}, ByteRate: [2]float64{0, 1000}, Share: 9000.0 / 12600},
			{
				Service: "h", Method: "GET", Path: "/small", Requests: 18, Bytes: [2]uint64{900, 2700}, RequestRate: 2,
				ByteRate: [2]float64{100, 300}, Share: 3600.0 / 12600, P50: 4 * time.Millisecond, P99: 4 * time.Millisecond,
			},
		},
	}
	near := cmp.Comparer(func(x, y time.Duration) bool { return x*8 <= y*9 && y*8 <= x*9 })
	if diff := cmp.Diff(want, a.Live(), near, cmpopts.EquateApprox(1e-9, 0)); diff != "" {
		t.Errorf("live view (-want +got):\n%s", diff)
	}

	f.s.Tick(start + 40*second)
	g.s.Tick(start + 40*second)
	if got := a.Live(); len(got.Rows) != 0 || got.Total.Requests != 0 {
		t.Errorf("after a pause the view has %v", got.Rows)
	}
	if got := a.Whole(40 * time.Second); got.Total.Requests != 40 || got.Total.RequestRate != 1 || len(got.Rows) != 2 {
		t.Errorf("the whole run has %+v and %d rows", got.Total, len(got.Rows))
	}
}

func TestLiveViewAveragesOverTheTimeThereWas(t *testing.T) {
	a := newAccount(t, Config{LiveEndpoints: 10}, 1)
	a.Shard(0).Tick(1000 * second)
	f := newSim(a.Shard(0), "10.0.0.9:40000", "10.0.0.1:80").open()
	f.exchange("GET", "h", "/", 100, 300, 1)
	a.Shard(0).Tick(1002 * second)
	if got := a.Live().Total; got.RequestRate != 0.5 || got.ByteRate != [2]float64{50, 150} {
		t.Errorf("rates are %v and %v", got.RequestRate, got.ByteRate)
	}
}

func TestLiveViewIsBoundedAndMakesRoom(t *testing.T) {
	a := newAccount(t, Config{LiveEndpoints: 2}, 1)
	s := a.Shard(0)
	f := newSim(s, "10.0.0.9:40000", "10.0.0.1:80").open()
	round := func(atSecond int64, names ...string) []string {
		s.Tick(atSecond * second)
		for i, n := range names {
			f.exchange("GET", "h", "/"+n, 0, uint64(100-i), 1)
		}
		return rowNames(a.Live())
	}
	for i, c := range []struct {
		at    int64
		paths []string
		want  []string
	}{
		{1000, []string{"a", "b", "c", "d"}, []string{"(other)  (other)", "h GET /a", "h GET /b"}},
		{1005, []string{"c", "b"}, []string{"(other)  (other)", "h GET /b", "h GET /a"}},
		{1012, []string{"c"}, []string{"(other)  (other)", "h GET /c", "h GET /b"}},
		{1030, []string{"d", "a"}, []string{"h GET /d", "h GET /a"}},
	} {
		if diff := cmp.Diff(c.want, round(c.at, c.paths...)); diff != "" {
			t.Errorf("round %d (-want +got):\n%s", i, diff)
		}
	}
}

func TestNoLiveViewUnlessAskedFor(t *testing.T) {
	a := newAccount(t, Config{}, 1)
	a.Shard(0).Tick(1000 * second)
	f := newSim(a.Shard(0), "10.0.0.9:40000", "10.0.0.1:80").open()
	f.exchange("GET", "h", "/", 1, 1, 1)
	if got := fmt.Sprint(a.Live()); got != fmt.Sprint(Snapshot{}) {
		t.Errorf("live view is %s", got)
	}
}
