package account

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"gortap/internal/proto"
)

// traffic drives a flow at random: bytes are captured, then lost or handed
// over, then credited, each with a delay. It obeys what the stages promise:
// what was captured before one Update is handed over before the next.
type traffic struct {
	*sim
	rng      *rand.Rand
	ring     []packet
	uncred   [2]uint64 // handed over, not credited
	x        *proto.Exchange
	counting bool
	lost     float64 // bytes lost while not counting
}

type packet struct {
	side proto.Side
	n    uint64
	age  int // Updates since
}

func (f *traffic) step() {
	switch f.rng.IntN(12) {
	case 0, 1, 2, 3:
		p := packet{side: proto.Side(f.rng.IntN(2)), n: uint64(f.rng.IntN(2000))}
		f.seen(p.side, p.n)
		f.ring = append(f.ring, p)
	case 4, 5, 6:
		f.read(0)
	case 7, 8:
		f.credit()
	case 9:
		if f.x != nil {
			f.s.Done(f.x)
			f.x = nil
		} else if !f.counting {
			f.x = f.begin("GET", fmt.Sprintf("h%d", f.rng.IntN(3)), "/")
		}
	case 10:
		f.read(1)
		for i := range f.ring {
			f.ring[i].age++
		}
		f.update()
	case 11:
		f.rare()
	}
}

// read takes packets of an age and more from the ring; some were lost.
func (f *traffic) read(age int) {
	kept := f.ring[:0]
	for _, p := range f.ring {
		switch {
		case p.age < age:
			kept = append(kept, p)
		case f.rng.IntN(5) == 0:
			f.lost += float64(p.n)
		default:
			f.handed(p.side, p.n)
			f.uncred[p.side] += p.n
		}
	}
	f.ring = kept
}

func (f *traffic) credit() {
	for side := range f.uncred {
		n := f.uncred[side]
		if n == 0 {
			continue
		}
		f.uncred[side] = 0
		if f.x != nil {
			f.s.Bytes(f.x, proto.Side(side), int64(n))
		} else {
			f.s.Unattributed(f.conn, proto.Side(side), int64(n), proto.MidStream)
		}
	}
}

func (f *traffic) rare() {
	switch f.rng.IntN(4) {
	case 0: // the port is used again
		f.finish()
		f.open()
		f.counting = false
	case 1:
		f.credit()
		if f.x != nil {
			f.s.Done(f.x)
			f.x = nil
		}
		f.s.Residual(f.conn, proto.Tunnel)
		f.counting = true
	}
}

func (f *traffic) finish() {
	f.read(0)
	f.credit()
	if f.x != nil {
		f.s.Done(f.x)
		f.x = nil
	}
	f.close()
}

func TestBytesBalanceWhateverHappens(t *testing.T) {
	for seed := range uint64(200) {
		rng := rand.New(rand.NewPCG(seed, 1))
		a := newAccount(t, Config{}, 1)
		var flows []*traffic
		var want, lost, counted float64
		for i := range 4 {
			f := newSim(a.Shard(0), fmt.Sprintf("10.0.0.9:%d", 40000+i), "10.0.0.1:80").open()
			flows = append(flows, &traffic{sim: f, rng: rng})
		}
		for range 300 {
			flows[rng.IntN(len(flows))].step()
		}
		anyCounting := false
		for _, f := range flows {
			anyCounting = anyCounting || f.counting
			f.finish()
			f.end()
			want += float64(f.totals.Dirs[0].Payload + f.totals.Dirs[1].Payload)
			lost += f.lost
		}
		m := flatten(t, a)
		checkBalance(t, m)
		counted = sum(m, "gor_tcp_payload_bytes_total")
		if counted != want {
			t.Errorf("seed %d: payload is %v, the capture counted %v", seed, counted, want)
		}
		if got := pathBytes(m, "(lost)") + pathBytes(m, "(tunnel)"); got < lost {
			t.Errorf("seed %d: %v bytes are booked as lost or uncounted, %v were lost", seed, got, lost)
		}
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}
