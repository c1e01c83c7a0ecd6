package session

import (
	"testing"
	"time"
)

// takes plays a client that is asked every millisecond, with a target of which so many
// bytes are there, and returns what it has taken at each of the times.
func takes(p *pace, there func(ms int) int64, times ...int) []int64 {
	var taken int64
	var all []int64
	for ms := 0; ms <= times[len(times)-1]; ms++ {
		for {
			room, _ := p.room(taken, at(ms))
			n := min(room, there(ms)-taken)
			if n < room && room > 0 {
				p.starved = true
			}
			if n <= 0 {
				break
			}
			taken += n
		}
		if len(times) > len(all) && ms == times[len(all)] {
			all = append(all, taken)
		}
	}
	return all
}

func at(ms int) time.Time { return time.UnixMilli(int64(1_000_000 + ms)) }

func TestAPaceLetsAClientTakeWhatItTookByThen(t *testing.T) {
	all := func(int) int64 { return 1_000_000 }
	for _, c := range []struct {
		name  string
		pace  pace
		there func(int) int64
		want  map[int]int64
	}{
		{"no pace", pace{}, all, map[int]int64{0: 1_000_000}},
		{"steps", pace{steps: []step{{at(0), 0, true}, {at(100), 300, true}, {at(200), 400, true}}}, all,
			map[int]int64{0: 0, 99: 0, 100: 300, 199: 300, 200: 400, 5000: 400}},
		{"it does not read slowly any more", pace{steps: []step{{at(0), 10, true}, {at(50), -1, false}}}, all,
			map[int]int64{49: 10, 50: 1_000_000}},
		{"its buffer has room, and nothing more is known", pace{steps: []step{{at(0), 10, false}}}, all,
			map[int]int64{99: 10, 100: 1_000_000}},
		{"the target is later than the server was", pace{steps: []step{{at(0), 100, true}, {at(10), 200, true}, {at(20), 300, true}}},
			func(ms int) int64 {
				if ms < 500 {
					return 50
				}
				return 1000
			},
			map[int]int64{30: 50, 500: 100, 509: 100, 510: 200, 519: 200, 520: 300, 900: 300}},
		{"nothing was there before the first step", pace{starved: true, steps: []step{{at(5), 10, true}, {at(9), 11, true}}}, all,
			map[int]int64{5: 1_000_000}},
		{"a client that is slow after a while", pace{starved: true, steps: []step{{at(5), 10, true}, {at(9), 11, true}}}, func(ms int) int64 { return int64(ms) },
			map[int]int64{4: 4, 8: 8, 12: 11, 99: 11}},
		{"a target that was ahead is waited with", pace{on: true, limit: 10, from: step{at(0), 10, true}, steps: []step{{at(5), 5, true}, {at(9), 11, true}}}, all,
			map[int]int64{0: 10, 8: 10, 9: 11}},
	} {
		t.Run(c.name, func(t *testing.T) {
			for ms, want := range c.want {
				p := c.pace
				if got := takes(&p, c.there, ms); got[0] != want {
					t.Errorf("after %d ms %d bytes were taken, want %d", ms, got[0], want)
				}
			}
		})
	}
}

func TestAnActSettlesWhatTheClientTookBefore(t *testing.T) {
	var p pace
	p.add(step{at(0), 10, true})
	p.add(step{at(1000), 500, true})
	p.settle()
	if n, _ := p.room(10, at(1)); n != 490 {
		t.Errorf("room for %d bytes, want 490", n)
	}
	if n, _ := p.room(500, at(1)); n != 0 {
		t.Errorf("room for %d bytes more, want none", n)
	}
}

func TestStepsStayBounded(t *testing.T) {
	var p pace
	for i := range 3 * maxSteps {
		p.add(step{at(i), int64(i), true})
	}
	if n := len(p.steps); n > maxSteps {
		t.Errorf("%d steps are kept", n)
	}
	if n, _ := p.room(0, at(3*maxSteps)); n != 0 {
		_, _ = p.room(n, at(3*maxSteps))
	}
	if want := int64(3*maxSteps - 1); takes(&p, func(int) int64 { return 1 << 40 }, 4*maxSteps)[0] != want {
		t.Errorf("not all was allowed in the end")
	}
}
