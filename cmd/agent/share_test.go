package main

import "testing"

func TestShareIsWrittenInPercentOrAsAPart(t *testing.T) {
	for text, want := range map[string]Share{"10%": 0.1, "0.1": 0.1, "100%": 1, "1": 1, " 2.5% ": 0.025} {
		var s Share
		if err := s.Set(text); err != nil || s != want {
			t.Errorf("%q: %v, %v, want %v", text, float64(s), err, float64(want))
		}
	}
	for _, text := range []string{"", "0", "0%", "-1%", "101%", "10", "x", "NaN", "10 %%"} {
		s := Share(0.5)
		if err := s.Set(text); err == nil || s != 0.5 {
			t.Errorf("%q is taken as %v", text, float64(s))
		}
	}
	if s := Share(0.1); s.String() != "10%" {
		t.Errorf("written as %s", s.String())
	}
}
