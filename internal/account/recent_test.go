package account

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// Whatever came before it, a request goes to the row that its own template names.
func TestRememberedRequestsGoToTheirRow(t *testing.T) {
	a := newAccount(t, Config{MaxPaths: 40}, 1)
	s := a.Shard(0)
	f := newSim(s, "10.0.0.9:1", "10.0.0.1:80").open()
	var fresh templater
	random := rand.New(rand.NewPCG(1, 2))
	for i := range 5000 {
		method := []string{"GET", "PUT", "POST"}[random.IntN(3)]
		host := fmt.Sprintf("h%d", random.IntN(2))
		path := random.IntN(20)
		if i%2 == 0 {
			path = random.IntN(3 * recentTargets)
		}
		target := fmt.Sprintf("/%c%c/%d/x?q=%d", 'a'+path%5, 'a'+path%7, path, i)
		if path%10 == 9 {
			target = "/" + strings.Repeat("long/", 20+path%10) + target
		}
		x := f.begin(method, host, target)
		label, _ := fresh.template([]byte(method), []byte(target))
		e := x.User.(*endpoint)
		if x.Service != host || e.service.name != host || e.method != method || x.Path != string(label) && x.Path != Other {
			t.Fatalf("%s %s of %s went to %s %s of %s", method, target, host, e.method, x.Path, e.service.name)
		}
		s.Done(x)
	}
}

// Two targets that have the same places do not drive each other out.
func TestTwoTargetsOfTheSamePlacesAreRemembered(t *testing.T) {
	r, svc, e := newRecent(), &service{}, &endpoint{}
	first := []byte("/0")
	for i := 1; ; i++ {
		second := fmt.Appendf(nil, "/%d", i)
		if r.pair(first) != r.pair(second) {
			continue
		}
		for range 3 {
			for _, path := range [][]byte{first, second} {
				if r.find(svc, []byte("GET"), path) == nil {
					r.remember(svc, []byte("GET"), path, e)
				}
			}
		}
		if r.find(svc, []byte("GET"), first) == nil || r.find(svc, []byte("GET"), second) == nil {
			t.Errorf("%s and %s are not both remembered", first, second)
		}
		return
	}
}

// A request that is refused a row of its own is counted each time.
func TestRefusedRequestsAreNotRemembered(t *testing.T) {
	a := newAccount(t, Config{MaxPaths: 1, MaxMethods: 1}, 1)
	f := newSim(a.Shard(0), "10.0.0.9:1", "10.0.0.1:80").open()
	for range 5 {
		for _, r := range [][2]string{{"GET", "/a"}, {"GET", "/b"}, {"ODD", "/a"}, {"EVEN", "/a"}} {
			f.s.Done(f.begin(r[0], "h", r[1]))
		}
	}
	if got, want := a.Shard(0).errors.overflow, [numLabels]uint64{methodLabel: 5, pathLabel: 5}; got != want {
		t.Errorf("overflows by label %v, want %v", got, want)
	}
}

// Of all shards, exchanges of one row have the same labels.
func TestRowsStandForTheirLabels(t *testing.T) {
	a := newAccount(t, Config{MaxPaths: 5, MaxServices: 3}, 2)
	labels := map[uint32][3]string{}
	for shard := range 2 {
		f := newSim(a.Shard(shard), "10.0.0.9:1", "10.0.0.1:80").open()
		for i := range 300 {
			x := f.begin([]string{"GET", "PUT", ""}[i%3], fmt.Sprintf("h%d", i%5), fmt.Sprintf("/%c", 'a'+i%11))
			got := [3]string{x.Service, x.MethodLabel, x.Path}
			if want, met := labels[x.Row]; x.Row == 0 || met && want != got {
				t.Fatalf("row %d is %q and %q", x.Row, want, got)
			}
			labels[x.Row] = got
			f.s.Done(x)
		}
	}
}
