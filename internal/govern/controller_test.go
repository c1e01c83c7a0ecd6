package govern

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// levels feeds readings and returns the level after each.
func levels(c *Controller, readings ...Reading) (all []Level) {
	for _, r := range readings {
		l, _, _ := c.Next(r)
		all = append(all, l)
	}
	return all
}

func repeat(n int, r Reading) []Reading { return slices.Repeat([]Reading{r}, n) }

func cpu(x float64) Reading { return Reading{CPU: x} }

func TestLevelFollowsTheLoad(t *testing.T) {
	limits := Limits{CPU: 0.10, Memory: 100}
	for _, tc := range []struct {
		name     string
		limits   Limits
		readings []Reading
		want     []Level
	}{
		{"within its limits it does all", limits, []Reading{cpu(0.09), cpu(0.1), {Memory: 100}, {RingFill: 0.75}}, []Level{0, 0, 0, 0}},
		{"a little over: a step each", limits, []Reading{cpu(0.11), cpu(0.12), cpu(0.11)}, []Level{1, 2, 3}},
		{"far over: at once as far as it takes", limits, []Reading{cpu(0.35), cpu(0.9)}, []Level{2, 6}},
		{"never beyond counting", limits, []Reading{cpu(100), cpu(100)}, []Level{8, 8}},
		{"memory", limits, []Reading{{Memory: 101}, {Memory: 99}}, []Level{1, 1}},
		{"a ring that fills", limits, []Reading{{RingFill: 0.8}}, []Level{1}},
		{"records lost", limits, []Reading{{RingLost: 1}}, []Level{1}},
		{"no limit: the ring alone", Limits{}, []Reading{{CPU: 2, Memory: 1 << 40}, {RingLost: 1}}, []Level{0, 1}},
		{"whole messages are wanted: fewer connections instead", Limits{CPU: 0.1, KeepBudget: true}, []Reading{cpu(0.11)}, []Level{2}},
	} {
		if diff := cmp.Diff(tc.want, levels(New(tc.limits), tc.readings...)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tc.name, diff)
		}
	}
}

func TestReasonIsTheTightestLimit(t *testing.T) {
	limits := Limits{CPU: 0.10, Memory: 100}
	for want, r := range map[Reason]Reading{
		OverCPU:    {CPU: 0.3, Memory: 101},
		OverMemory: {CPU: 0.1, Memory: 150},
		OverRing:   {CPU: 0.11, RingLost: 5},
	} {
		if _, why, changed := New(limits).Next(r); why != want || !changed {
			t.Errorf("%+v: changed %v because of %v, want %v", r, changed, why, want)
		}
	}
}

// Back to more goes a step after a calm time, and not at a load that the step
// would make too much again.
func TestReturnIsSlow(t *testing.T) {
	c := New(Limits{CPU: 0.10})
	levels(c, cpu(0.25)) // sample-1/2
	for name, r := range map[string]Reading{"just below": cpu(0.09), "half of it": cpu(0.05)} {
		if got := levels(c, repeat(1000, r)...); got[999] != 2 {
			t.Errorf("%s the limit: level %v, want no change", name, got[999])
		}
	}
	got := levels(c, repeat(2*calmReadings, cpu(0.01))...)
	var want []Level
	for i := range 2 * calmReadings {
		want = append(want, Level(2-(i+1)/calmReadings))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("levels (-want +got):\n%s", diff)
	}
	levels(c, cpu(0.11))
	levels(c, repeat(calmReadings-1, cpu(0.01))...)
	levels(c, cpu(0.09)) // the calm begins anew
	if got := levels(c, repeat(calmReadings-1, cpu(0.01))...); got[len(got)-1] != Short {
		t.Errorf("a busy second did not end the calm: %v", got)
	}
}

func TestReturnToLessOfABudgetThatIsKeptPassesShort(t *testing.T) {
	c := New(Limits{CPU: 0.1, KeepBudget: true})
	levels(c, cpu(0.11))
	if got := levels(c, repeat(calmReadings, cpu(0.01))...); got[len(got)-1] != Full {
		t.Errorf("levels %v, want full at the end", got)
	}
}

// A load that comes back with each step back to more is tried less and less often.
func TestReturnThatFailsIsTriedLessOften(t *testing.T) {
	c := New(Limits{CPU: 0.10})
	levels(c, cpu(0.11))
	steps, last := []int{}, 0
	for i := range 3000 {
		r := cpu(0.01)
		if c.Level() == Full {
			r = cpu(0.2)
			steps, last = append(steps, i-last), i
		}
		c.Next(r)
	}
	want := []int{10, 21, 41, 81, 161, 321, 321, 321}
	if diff := cmp.Diff(want, steps[:len(want)]); diff != "" {
		t.Errorf("readings between two attempts (-want +got):\n%s", diff)
	}
}

func TestLevelsHalveTheSample(t *testing.T) {
	var names []string
	for l := Full; l <= Count; l++ {
		names = append(names, l.String())
		if l > Short && l < Count && l.Sample() != (l-1).Sample()/2 {
			t.Errorf("%v takes %v of the connections, the level before it %v", l, l.Sample(), (l - 1).Sample())
		}
	}
	want := []string{"full", "short", "sample-1/2", "sample-1/4", "sample-1/8", "sample-1/16", "sample-1/32", "sample-1/64", "count"}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
	if Full.Sample() != 1 || Short.Sample() != 1 || Count.Sample() != 0 {
		t.Error("samples of the ends are wrong")
	}
}

// A step back to more that lasts makes up for those that did not.
func TestReturnThatLastsIsForgiven(t *testing.T) {
	c := New(Limits{CPU: 0.10})
	levels(c, cpu(0.11), cpu(0.11), cpu(0.11))
	levels(c, repeat(calmReadings, cpu(0.01))...) // to sample-1/2
	levels(c, cpu(0.11))                          // which was too much
	levels(c, repeat(2*calmReadings, cpu(0.01))...)
	levels(c, repeat(trial, cpu(0.08))...) // this time it lasts
	if got := levels(c, repeat(calmReadings, cpu(0.01))...); got[len(got)-1] != Short {
		t.Errorf("levels %v, want short at the end", got)
	}
}

// A load that would cost up to fifteen times the limit is within it after three
// readings and stays so, but for one reading at each step back to more.
func TestTheLimitHolds(t *testing.T) {
	const limit, idle = 0.05, 0.005
	for _, full := range []float64{0.06, 0.1, 0.14, 0.3, 0.75} {
		c, over := New(Limits{CPU: limit}), 0
		used := full
		for i := range 600 {
			level, _, _ := c.Next(cpu(used))
			// What is only counted costs nothing here; a shorter turn as much as a whole one.
			used = idle + (full-idle)*level.Sample()
			if i >= 3 && used > limit {
				over++
			}
		}
		if over > 0 {
			t.Errorf("a load of %v: %d of 600 readings are over the limit, level %v in the end", full, over, c.Level())
		}
		if c.Level() == Count {
			t.Errorf("a load of %v: nothing is copied any more", full)
		}
	}
}
