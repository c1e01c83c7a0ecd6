package detect

import (
	"strings"
	"testing"
	"time"

	"gortap/internal/insight"
)

// paced feeds so many requests a second for a while.
func paced(s *Set, from, to time.Duration, rate func(second int) int, o func(i int, when time.Duration) insight.Observation) {
	n := 0
	for at := from; at < to; at += second {
		k := rate(int(at / second))
		for j := range k {
			n++
			feed(s, o(n, at+time.Duration(j)*second/time.Duration(k)))
		}
		s.Tick(epoch.Add(at).UnixNano())
	}
}

func small(i int, when time.Duration) insight.Observation { return unique(get("/x", when, 3000), i) }

func TestRateJump(t *testing.T) {
	for _, tc := range []struct {
		name string
		rate func(second int) int
		want string
	}{
		{"50 to 500", func(s int) int { return 50 + 450*(s/120) }, "jumped from 50 to 500 a second"},
		{"steady", func(s int) int { return 50 + s%7 }, ""},
		{"twice as many", func(s int) int { return 50 + 50*(s/120) }, ""},
		{"small rates", func(s int) int { return 1 + 14*(s/120) }, ""},
		{"bursts every half minute, as always", func(s int) int {
			if s%30 < 6 {
				return 200
			}
			return 5
		}, ""},
		{"a ramp of the morning", func(s int) int { return 10 + s }, ""},
		{"full from the start", func(s int) int { return 500 }, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := New(Config{})
			paced(s, 0, 150*second, tc.rate, small)
			if tc.want == "" {
				wantNone(t, s)
				return
			}
			f := one(t, s, insight.RateJump)
			if !strings.Contains(f.Title, tc.want) || f.Saves < 25*450*3000 || f.Saves > 30*500*3450 {
				t.Errorf("saves %d, title %q, want %q", f.Saves, f.Title, tc.want)
			}
			if from := f.First.Sub(epoch); from < 115*second || from > 125*second {
				t.Errorf("since %v, want 2m", from)
			}
		})
	}
}

func TestAJumpEndsAndIsNotWhatIsUsual(t *testing.T) {
	s := New(Config{})
	rate := func(s int) int {
		if s/60%3 == 2 {
			return 500
		}
		return 50
	}
	paced(s, 0, 8*time.Minute, rate, small)
	f := one(t, s, insight.RateJump)
	// Minutes 2 and 5 are jumps.
	if want := int64(2 * 60 * 450 * 3450); f.Saves < want*9/10 || f.Saves > want {
		t.Errorf("saves %d, want about %d", f.Saves, want)
	}
}

func TestSizeJump(t *testing.T) {
	for _, tc := range []struct {
		name string
		size func(i int) int64
		want string
	}{
		{"five times as large", func(i int) int64 { return int64(10000+i%100*10) * int64(1+4*(i/1800)) }, "were below about 1"},
		{"steady", func(i int) int64 { return int64(10000 + i%5000) }, ""},
		{"half as much again", func(i int) int64 { return int64(10000 + 5000*(i/1800)) }, ""},
		{"three large ones", func(i int) int64 {
			if i > 1800 && i%200 == 0 {
				return 900000
			}
			return 10000
		}, ""},
		{"always mixed", func(i int) int64 { return int64(1000 << (i % 8)) }, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := New(Config{})
			paced(s, 0, 240*second, func(int) int { return 10 }, func(i int, when time.Duration) insight.Observation { return unique(get("/x", when, tc.size(i)), i) })
			if tc.want == "" {
				wantNone(t, s)
				return
			}
			if f := one(t, s, insight.SizeJump); !strings.Contains(f.Title, tc.want) || f.Saves < 500*40000 || f.Saves > 600*45000 {
				t.Errorf("saves %d, title %q, want %q", f.Saves, f.Title, tc.want)
			}
		})
	}
}

func TestTheBaselineOutlivesARestart(t *testing.T) {
	before := New(Config{})
	paced(before, 0, 150*second, func(int) int { return 50 }, small)
	wantNone(t, before)

	after := New(Config{})
	if err := after.Restore(before.State()); err != nil {
		t.Fatal(err)
	}
	large := func(i int, when time.Duration) insight.Observation { return unique(get("/x", when, 9000), i) }
	paced(after, 200*second, 210*second, func(int) int { return 500 }, large)
	// Nine of ten bytes are the jump's; of the rest, two thirds are the size's.
	if f := one(t, after, insight.SizeJump); f.Saves < 4e6 || f.Saves > 10*500*6000 {
		t.Errorf("sizes: saves %d: %s", f.Saves, f.Title)
	}
	if f := one(t, after, insight.RateJump); !strings.Contains(f.Title, "from 50 to 500 a second") {
		t.Errorf("rate: %s", f.Title)
	}

	unaware := New(Config{})
	paced(unaware, 200*second, 210*second, func(int) int { return 500 }, large)
	wantNone(t, unaware)
}

func TestFindingsAreOfTheWindowAndGoWhenTheirCauseIsGone(t *testing.T) {
	s := New(Config{Window: 10 * time.Minute})
	paced(s, 0, 15*time.Minute, func(int) int { return 1 }, plain(func(*insight.Observation) {}))
	f := one(t, s, insight.Uncompressed)
	if n := f.Last.Sub(f.First); n < 14*time.Minute {
		t.Errorf("it lasted %v, want 15 min", n)
	}
	if saved := f.Saves; saved < 800*20000 || saved > 900*40000 {
		t.Errorf("saves %d", saved)
	}
	paced(s, 15*time.Minute, 45*time.Minute, func(int) int { return 1 }, small)
	wantNone(t, s)
}

func TestOverlappingSavingsAreCountedOnce(t *testing.T) {
	s := New(Config{})
	body := jsonRows(1, 60000)
	many(200, second/10, func(i int, when time.Duration) insight.Observation {
		o := page("page=%d", func(int, *insight.Observation) {})(i/20, when) // ignored, repeated and not compressed
		o.Sample, o.Head.ContentEncoding, o.ResponseHash = body, "", 9
		return o
	})(s)
	var sum int64
	kinds := ""
	for _, f := range s.Findings() {
		sum += f.Saves
		kinds += string(f.Kind) + " "
	}
	if !strings.Contains(kinds, "repeated-request") || !strings.Contains(kinds, "uncompressed") || sum > s.runBytes {
		t.Errorf("%s save %d of %d bytes", kinds, sum, s.runBytes)
	}
}
