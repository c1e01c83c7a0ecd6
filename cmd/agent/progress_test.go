package main

import "testing"

func TestProgressBar(t *testing.T) {
	for _, c := range []struct {
		read, total int64
		want        string
	}{
		{0, 2000, "[                                        ]   0 %  0 B of 2.0 kB"},
		{1000, 2000, "[====================                    ]  50 %  1.0 kB of 2.0 kB"},
		{2000, 2000, "[========================================] 100 %  2.0 kB of 2.0 kB"},
		{3000, 2000, "[========================================] 100 %  3.0 kB of 2.0 kB"}, // it grew
		{1500, 0, "1.5 kB read"},
	} {
		if got := progressBar(c.read, c.total); got != c.want {
			t.Errorf("%d of %d:\ngot  %q\nwant %q", c.read, c.total, got, c.want)
		}
	}
}
