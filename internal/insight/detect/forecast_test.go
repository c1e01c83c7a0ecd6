package detect

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"gortap/internal/insight"
)

func eventsOf(s *Set, measure string) (of []insight.Event) {
	for _, e := range s.Events() {
		if e.Measure == measure {
			of = append(of, e)
		}
	}
	return of
}

// varying is a rate with the noise of counts.
func varying(mean float64) func(int) int {
	r := rand.New(rand.NewPCG(1, 2))
	return func(int) int { return max(0, int(mean+math.Sqrt(mean)*r.NormFloat64())) }
}

func TestForecastIsSilentOnWhatVariesAsUsual(t *testing.T) {
	wave := varying(100)
	for name, rate := range map[string]func(int) int{
		"noise":  varying(60),
		"sparse": varying(2),
		"waves":  func(s int) int { return int(float64(wave(s)) * (1.5 + math.Sin(float64(s)/600))) },
		"ramp":   func(s int) int { return 20 + s/10 },
	} {
		s := New(Config{})
		paced(s, 0, 20*time.Minute, rate, small)
		if all := s.Events(); len(all) > 0 {
			t.Errorf("%s: %d events, the last one %+v", name, len(all), all[0])
		}
	}
}

func TestForecastEvents(t *testing.T) {
	noisy := varying(60)
	change := func(s int) bool { return s >= 300 && s < 400 }
	for _, tc := range []struct {
		name, measure string
		rate          func(int) int
		o             func(i int, when time.Duration) insight.Observation
		want          string
	}{
		{"a surge", "requests", func(s int) int {
			if change(s) {
				return 400
			}
			return noisy(s)
		}, small, "400 requests a second, more than"},
		{"silence", "requests", func(s int) int {
			if change(s) {
				return 0
			}
			return noisy(s)
		}, small, "0 requests a second, less than"},
		{"larger answers", "size", noisy, func(i int, when time.Duration) insight.Observation {
			o := small(i, when)
			if change(int(when / second)) {
				o.ResponseSize *= 8
			}
			return o
		}, "24 kB an answer"},
		{"slower answers", "duration", noisy, func(i int, when time.Duration) insight.Observation {
			o := small(i, when)
			if change(int(when / second)) {
				o.Duration = 400 * time.Millisecond
			}
			return o
		}, "400ms an answer"},
		{"failures", "errors", noisy, func(i int, when time.Duration) insight.Observation {
			o := small(i, when)
			if change(int(when/second)) && i%2 == 0 {
				o.Status = 500
			}
			return o
		}, "failures a second"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := New(Config{})
			paced(s, 0, 10*time.Minute, tc.rate, tc.o)
			all := eventsOf(s, tc.measure)
			if len(all) != 1 {
				t.Fatalf("%d events of %s, want 1: %+v", len(all), tc.measure, s.Events())
			}
			e := all[0]
			if from := e.Time.Sub(epoch); from < 295*second || from > 305*second {
				t.Errorf("it began after %v, want 5m", from)
			}
			if to := e.End.Sub(epoch); to < 400*second || to > 430*second {
				t.Errorf("it ended after %v, want 400 s and three steps", to)
			}
			if !strings.Contains(e.Reason, tc.want) || e.Value >= e.Low && e.Value <= e.High || e.Path != "/x" {
				t.Errorf("%+v, want %q", e, tc.want)
			}
		})
	}
}

func TestForecastKnowsTheMinuteOfTheHour(t *testing.T) {
	s := New(Config{Warmup: time.Minute})
	paced(s, 0, 7*time.Hour, func(s int) int {
		if s/60%60 == 30 {
			return 40 // a job at half past
		}
		return 2
	}, func(i int, when time.Duration) insight.Observation { return unique(get("/x", when, 30000), i) })
	var hours []int
	for _, e := range eventsOf(s, "requests") {
		hours = append(hours, int(e.Time.Sub(epoch)/time.Hour))
	}
	// The first two are news, from then on it is usual.
	if len(hours) < 1 || hours[0] > 3 {
		t.Errorf("events in hours %v, want the first ones only", hours)
	}
}

func TestALastingChangeBecomesWhatIsUsual(t *testing.T) {
	s := New(Config{})
	paced(s, 0, 80*time.Minute, func(s int) int { return 5 + 25*min(1, s/600) }, small)
	all := eventsOf(s, "requests")
	if len(all) != 1 || all[0].End.IsZero() || all[0].End.Sub(all[0].Time) > 35*time.Minute {
		t.Errorf("%+v, want one that ended after half an hour", all)
	}
}

func TestEventsAreBounded(t *testing.T) {
	s := New(Config{})
	for i := range 3 * maxEvents {
		s.history.events.open(&endpoint{path: "/x"}, "requests", epoch.Add(time.Duration(i)), 9, 1, 2)
	}
	if all := s.Events(); len(all) != maxEvents || all[0].Time != epoch.Add(3*maxEvents-1) {
		t.Errorf("%d events, the last at %v", len(all), all[0].Time)
	}
}

// TestForecastTellsRatesFromASample: where another endpoint's surge leaves less of this
// one to be looked at, it did not become less; and the surge is as large as it was.
func TestForecastTellsRatesFromASample(t *testing.T) {
	s := New(Config{})
	r := rand.New(rand.NewPCG(3, 4))
	const most = 200 // a second are looked at
	for second := range 500 {
		flood := 50
		if second >= 300 {
			flood = 1950
		}
		all := 50 + flood
		var m insight.Missed
		for i := range all {
			o := get("/steady", time.Duration(second)*time.Second+time.Duration(i)*time.Second/time.Duration(all), 1000)
			if i >= 50 {
				o.Path = "/flood"
			}
			if r.IntN(all) >= most {
				m.Add(&o)
				continue
			}
			s.Observe(&o)
		}
		if m.Requests > 0 {
			s.Missed(&m)
		}
	}
	surge := false
	for _, e := range s.Events() {
		if e.Path == "/steady" {
			t.Errorf("an event of what did not change: %+v", e)
		}
		surge = surge || e.Measure == "requests" && e.Value > 1500 && e.Value < 2500
	}
	if !surge {
		t.Errorf("no surge to about 1950 in %+v", s.Events())
	}
	if f := one(t, s, insight.RateJump); !strings.Contains(f.Title, "/flood") {
		t.Errorf("got %s", f.Title)
	}
}
