package reassembly

import (
	"math/rand/v2"
	"testing"

	"gortap/internal/flow"
)

// The index finds what a map with the same contents does, also where many connections
// want the same place.
func TestIndexFindsWhatAMapDoes(t *testing.T) {
	for name, secret := range map[string][6]uint64{"spread": newIndex().secret, "crowded": {}} {
		x, want := newIndex(), map[flow.Key]*conn{}
		x.secret = secret
		r := rand.New(rand.NewPCG(1, 2))
		key := func() flow.Key { return flow.Key{APort: 80, BPort: uint16(r.IntN(700)), Net: uint32(r.IntN(2))} }
		for range 15_000 {
			k := key()
			switch c := want[k]; {
			case c != nil && r.IntN(2) == 0:
				x.remove(c)
				delete(want, k)
			case c == nil && len(want) < 300+r.IntN(400):
				c = &conn{Conn: Conn{Key: k}}
				x.add(c)
				want[k] = c
			}
			if k = key(); x.find(&k) != want[k] || x.n != len(want) {
				t.Fatalf("%s: of %d connections %v is %p, want %p", name, x.n, k, x.find(&k), want[k])
			}
		}
		for k, c := range want {
			if x.find(&k) != c {
				t.Fatalf("%s: %v is not found", name, k)
			}
		}
	}
}

func TestEveryPartOfAKeyCounts(t *testing.T) {
	x := newIndex()
	var k flow.Key
	seen := map[uint32]bool{x.hash(&k): true}
	parts := 0
	other := func(change func(k *flow.Key)) {
		k := k
		change(&k)
		seen[x.hash(&k)] = true
		parts++
	}
	for i := range 16 {
		other(func(k *flow.Key) { k.A[i] = 1 })
		other(func(k *flow.Key) { k.B[i] = 1 })
	}
	other(func(k *flow.Key) { k.APort = 1 })
	other(func(k *flow.Key) { k.BPort = 1 })
	other(func(k *flow.Key) { k.Net = 1 })
	if len(seen) < parts { // two of so few are hardly ever alike
		t.Errorf("%d keys have %d hashes", parts+1, len(seen))
	}
}
