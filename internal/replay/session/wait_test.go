package session

import (
	"testing"
	"time"
)

func TestWhatAWriteWaitsFor(t *testing.T) {
	start := time.Unix(1000, 0)
	at := func(ms int) time.Time { return start.Add(time.Duration(ms) * time.Millisecond) }
	base := waiting{need: 1000, goal: 300, base: 100, since: start, until: at(50), stall: time.Second}
	by := func(o Order, change func(*waiting)) waiting {
		w := base
		w.order = o
		if change != nil {
			change(&w)
		}
		return w
	}
	leaves := func(w *waiting) { w.leaves = true }
	end := func(w *waiting) { w.end = true }
	for _, c := range []struct {
		name    string
		w       waiting
		now     int
		a       answered
		verdict verdict
		at      time.Time
	}{
		{"by bytes, all is there", by(ByBytes, nil), 10, answered{bytes: 1000, at: at(9)}, full, at(9)},
		{"by bytes, one is missing", by(ByBytes, nil), 500, answered{bytes: 999, at: at(9)}, wait, at(1050)},
		{"by bytes, one is missing for too long", by(ByBytes, nil), 1050, answered{bytes: 999, at: at(9)}, stuck, at(1050)},
		{"by turns, as much as in the turn", by(ByTurns, nil), 10, answered{bytes: 300, at: at(9)}, full, at(9)},
		{"by turns, less, and more may come", by(ByTurns, nil), 50, answered{bytes: 299, at: at(9)}, wait, at(109)},
		{"by turns, less, and silence", by(ByTurns, nil), 109, answered{bytes: 299, at: at(9)}, short, at(9)},
		{"by turns, nothing yet", by(ByTurns, nil), 500, answered{bytes: 100, at: at(-9)}, wait, at(1050)},
		{"by turns, the target was ahead, and silence", by(ByTurns, func(w *waiting) { w.base, w.goal = 1200, 1400 }), 100, answered{bytes: 1200, at: at(-9)}, short, at(0)},
		{"the target is as slow as the server was", by(ByTurns, func(w *waiting) { w.until = at(5000) }), 5999, answered{bytes: 100}, wait, at(6000)},
		{"silence does not end an answer for a client that leaves", by(ByTurns, leaves), 500, answered{bytes: 299, at: at(9)}, wait, at(1050)},
		{"nothing more will come", by(ByBytes, nil), 10, answered{bytes: 5, at: at(7), over: true}, full, at(7)},
		{"all bytes, but not the end", by(ByBytes, end), 500, answered{bytes: 1000, at: at(9)}, wait, at(1050)},
		{"bytes that come put a stall off", by(ByBytes, nil), 1900, answered{bytes: 500, at: at(1000)}, wait, at(2000)},
	} {
		t.Run(c.name, func(t *testing.T) {
			v, when := c.w.look(at(c.now), c.a)
			if v != c.verdict || !when.Equal(c.at) {
				t.Errorf("verdict %d at %v, want %d at %v", v, when.Sub(start), c.verdict, c.at.Sub(start))
			}
		})
	}
}
