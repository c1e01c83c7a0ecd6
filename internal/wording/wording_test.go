package wording

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestFiguresHaveThreeDigitsAndTheirUnit(t *testing.T) {
	for _, c := range []struct{ got, want string }{
		{Bytes(0), "0 B"},
		{Bytes(999), "999 B"},
		{Bytes(999.6), "1.00 kB"},
		{Bytes(1234), "1.23 kB"},
		{Bytes(999_500), "1.00 MB"},
		{Bytes(34.56e9), "34.6 GB"},
		{Bytes(-1500), "-1.50 kB"},
		{Rate(1.2e6), "1.20 MB/s"},
		{Count(12), "12"},
		{Count(123456), "123k"},
		{PerSecond(0), "0"},
		{PerSecond(0.001), "<0.01"},
		{PerSecond(0.25), "0.25"},
		{PerSecond(3.14), "3.1"},
		{PerSecond(512), "512"},
		{Grouped(1234567), "1\u202f234\u202f567"},
		{Grouped(999), "999"},
		{Percent(0), "0 %"},
		{Percent(1), "100 %"},
		{Percent(0.781), "78 %"},
		{Percent(0.034), "3.4 %"},
		{Percent(0.0001), "<0.1 %"},
		{Percent(0.999), ">99 %"},
		{Latency(-1), "-"},
		{Latency(850e3), "850us"},
		{Latency(999.7e3), "1.00ms"},
		{Latency(75e9), "75.0s"},
		{Latency(5000e9), "5000s"},
		{Span(45 * time.Second), "45 s"},
		{Span(1500 * time.Millisecond), "1.5 s"},
		{Span(12 * time.Minute), "12 min"},
		{Span(200 * time.Minute), "3 h 20 min"},
		{Span(120 * time.Hour), "5 days"},
		{List([]string{"a", "b", "c"}, 3), "a, b and c"},
		{List([]string{"a", "b", "c", "d"}, 2), "a, b and 2 more"},
		{List(nil, 2), ""},
		{Plural(1, "client", "clients"), "1 client"},
		{Shorten("abcdefghij", 5), "ab…ij"},
		{Shorten("abc", 0), ""},
	} {
		if c.got != c.want {
			t.Errorf("%q, want %q", c.got, c.want)
		}
	}
}

func TestPrintableDisarmsEscapeSequences(t *testing.T) {
	if got := Printable("a\x1b[2Jb\n\u202e"); got != `a\x1b[2Jb\n\u202e` {
		t.Errorf("%q", got)
	}
	if got := Printable(`GET /ü"`); got != `GET /ü"` {
		t.Errorf("%q", got)
	}
}

func TestWrapKeepsEveryWordWithinTheWidth(t *testing.T) {
	got := Wrap("one two  three averyverylongword four 12 %, five\u202f6", 9)
	want := []string{"one two", "three", "averyverylongword", "four", "12 %,", "five\u202f6"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if got := strings.Join(Wrap("", 5), "|"); got != "" {
		t.Errorf("%q", got)
	}
}

func TestSparkShowsTheHighestAndTheLeast(t *testing.T) {
	for _, c := range []struct {
		values []float64
		width  int
		want   string
	}{
		{[]float64{0, 0.001, 50, 100}, 10, " ▁▄█"},
		{[]float64{0, 9, 0, 0, 1, 0}, 3, "█ ▁"},
		{[]float64{0, 0}, 5, "  "},
		{nil, 5, ""},
	} {
		if got := Spark(c.values, c.width); got != c.want {
			t.Errorf("%v: %q, want %q", c.values, got, c.want)
		}
	}
}
