package insight

import (
	"strings"
	"testing"
)

// TestWhatNobodyLookedAtIsInTheTotal: and in the rest of every list, and a note says how
// much it was of the time that is asked for.
func TestWhatNobodyLookedAtIsInTheTotal(t *testing.T) {
	b := NewBook(Config{})
	for i := range int64(120) {
		now := day + i*second
		o := observation(now, "shop", "/a", "10.0.0.1", 200, 1000)
		b.Observe(o)
		if i >= 60 {
			m := &Missed{}
			for range 3 {
				m.Add(o)
			}
			b.Missed(m)
		}
		b.Tick(now)
	}
	v := b.View(Query{})
	check(t, &v)
	if v.Unseen != 0.6 || v.Total.Requests != 300 || v.Total.ResponseBytes != 300_000 || len(v.Services) != 2 || v.Services[0].Service != Rest || v.Services[0].Requests != 180 {
		t.Errorf("total %+v\nservices %+v", v.Total, v.Services)
	}
	for _, c := range []struct {
		q    Query
		want string // in the note; empty: there is none
	}{
		{Query{}, "at 40 % of"},
		{Query{FromNs: day + 90*second}, "at 25 % of"},
		{Query{FromNs: day + 90*second}, "in the total"},
		{Query{FromNs: day + 90*second, Service: "shop"}, "not in it"},
		{Query{ToNs: day + 50*second, Points: 60}, ""},
	} {
		v := b.View(c.q)
		if got := strings.Join(v.Notes, "|"); !strings.Contains(got, c.want) || c.want == "" && got != "" {
			t.Errorf("%+v: %q, want %q", c.q, got, c.want)
		}
	}
}

func TestCountingWhatWasMissedAllocatesNothing(t *testing.T) {
	b := NewBook(Config{})
	o := observation(day, "shop", "/a", "10.0.0.1", 200, 1000)
	b.Observe(o)
	if n := testing.AllocsPerRun(1000, func() {
		m := Missed{}
		m.Add(o)
		b.Missed(&m)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
