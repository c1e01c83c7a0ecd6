package output

import (
	"os"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"gortap/internal/account"
)

func testSnapshot() account.Snapshot {
	return account.Snapshot{
		Over:  9500 * time.Millisecond,
		Total: account.Row{Requests: 12345, Bytes: [2]uint64{1e6, 2.5e9}, RequestRate: 1299.5, ByteRate: [2]float64{105e3, 263e6}, Share: 1, P50: 850 * time.Microsecond, P99: 75 * time.Second},
		Rows: []account.Row{
			{Service: "shop.example", Method: "GET", Path: "/users/{id}", Requests: 12000, Bytes: [2]uint64{9e5, 2.4e9}, RequestRate: 1263.2, ByteRate: [2]float64{94.7e3, 252e6}, Share: 0.96, P50: 850 * time.Microsecond, P99: 12400 * time.Microsecond},
			{Service: "10.0.0.1:5432", Path: "(not-http)", Bytes: [2]uint64{1e5, 1e8}, ByteRate: [2]float64{10.5e3, 10.5e6}, Share: 0.04},
			{Service: "shop.example", Path: "(lost)", Bytes: [2]uint64{0, 512}, ByteRate: [2]float64{0, 53.9}},
			{Service: "shop.example", Method: "POST", Path: "/checkout/{id}/payments/{id}/confirm", Requests: 345, Bytes: [2]uint64{1, 2}, RequestRate: 36.3, P50: 2 * time.Second, P99: 75 * time.Second},
		},
	}
}

func TestTableOfRates(t *testing.T) {
	want := `
1.30k requests/s, 263 MB/s over the last 9.5s
endpoint                                                   req/s      request     response    share      p50      p99
shop.example GET /users/{id}                               1.26k    94.7 kB/s     252 MB/s   96.0 %    850us   12.4ms
10.0.0.1:5432 (not-http)                                       0    10.5 kB/s    10.5 MB/s    4.0 %        -        -
shop.example (lost)                                            0        0 B/s     53.9 B/s    0.0 %        -        -
shop.example POST /checkout/{id}/payments/{id}/confirm      36.3        0 B/s        0 B/s    0.0 %       2s      75s
total                                                      1.30k     105 kB/s     263 MB/s  100.0 %    850us      75s
`
	if diff := cmp.Diff(want, "\n"+Table{}.Text(testSnapshot())); diff != "" {
		t.Errorf("table (-want +got):\n%s", diff)
	}
}

func TestTableOfSums(t *testing.T) {
	s := testSnapshot()
	s.Rows = s.Rows[:1]
	want := `
12.3k requests and 2.50 GB in 9.5s
endpoint                      requests      request     response    share      p50      p99
shop.example GET /users/{id}     12.0k       900 kB      2.40 GB   96.0 %    850us   12.4ms
total                            12.3k      1.00 MB      2.50 GB  100.0 %    850us      75s
`
	if diff := cmp.Diff(want, "\n"+Table{Sums: true}.Text(s)); diff != "" {
		t.Errorf("table (-want +got):\n%s", diff)
	}
}

func TestTableGivesUpColumnsThenShortensEndpoints(t *testing.T) {
	want := `
1.30k requests/s, 263 MB/s over the last 9.5s
endpoint                            req/s     response    share
shop.example GET /users/{id}        1.26k     252 MB/s   96.0 %
10.0.0.1:5432 (not-http)                0    10.5 MB/s    4.0 %
shop.example (lost)                     0     53.9 B/s    0.0 %
shop.example PO…ts/{id}/confirm      36.3        0 B/s    0.0 %
total                               1.30k     263 MB/s  100.0 %
`
	if diff := cmp.Diff(want, "\n"+Table{Width: 63}.Text(testSnapshot())); diff != "" {
		t.Errorf("table (-want +got):\n%s", diff)
	}
}

func TestTableFitsAnyTerminal(t *testing.T) {
	for width := 1; width < 200; width++ {
		for height := 1; height < 12; height++ {
			lines := strings.Split(Table{Width: width, Height: height}.Frame(testSnapshot()), "\n")
			if len(lines) > max(height, 4) {
				t.Fatalf("%d lines on a terminal of %d", len(lines), height)
			}
			for _, l := range lines {
				for _, sequence := range []string{toTop, toLineEnd, toEnd} {
					l = strings.ReplaceAll(l, sequence, "")
				}
				if n := utf8.RuneCountInString(l); n > width {
					t.Fatalf("%d columns on a terminal of %d: %q", n, width, l)
				}
			}
		}
	}
}

func TestTableTellsHowManyEndpointsItHides(t *testing.T) {
	got := Table{Height: 6}.Text(testSnapshot())
	if lines := strings.Split(strings.TrimSpace(got), "\n"); len(lines) != 5 || !strings.HasPrefix(lines[4], "total, with 2 more endpoints") {
		t.Errorf("table is\n%s", got)
	}
}

func TestFrameDrawsOverTheOneBefore(t *testing.T) {
	s := testSnapshot()
	s.Rows = s.Rows[1:3]
	lines := strings.Split(Table{Colour: true}.Frame(s), "\n")
	for i, prefix := range []string{toTop + boldText, boldText + "endpoint", dimText + "10.0.0.1", yellowText + "shop", boldText + "total"} {
		if !strings.HasPrefix(lines[i], prefix) || !strings.Contains(lines[i], plainText+toLineEnd) {
			t.Errorf("line %d is %q, want prefix %q", i, lines[i], prefix)
		}
	}
	if !strings.HasSuffix(lines[4], toEnd) {
		t.Errorf("the frame ends in %q", lines[4])
	}
}

func TestUnits(t *testing.T) {
	for v, want := range map[float64]string{
		0: "0 B", 1: "1 B", 0.25: "0.25 B", 53.9: "53.9 B", 999: "999 B", 999.6: "1.00 kB", 1240: "1.24 kB",
		12_400: "12.4 kB", 999_400: "999 kB", 999_600: "1.00 MB", 2.5e9: "2.50 GB", 1e18: "1000 PB",
	} {
		if got := bytesText(v); got != want {
			t.Errorf("%v bytes is %s, want %s", v, got, want)
		}
	}
	for d, want := range map[time.Duration]string{
		0: "-", 500: "0.50us", time.Microsecond: "1us", 1500 * time.Microsecond: "1.50ms", 999 * time.Millisecond: "999ms",
		time.Second: "1s", 90 * time.Second: "90s", 2500 * time.Millisecond: "2.50s",
	} {
		if got := durationText(d); got != want {
			t.Errorf("%d ns is %s, want %s", d, got, want)
		}
	}
}

func TestTableForFindsTerminals(t *testing.T) {
	env := func(pairs ...string) func(string) string {
		return func(name string) string {
			for _, p := range pairs {
				if k, v, _ := strings.Cut(p, "="); k == name {
					return v
				}
			}
			return ""
		}
	}
	file, err := os.Create(t.TempDir() + "/x")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if table, live := TableFor(file, env("TERM=xterm")); live || table != (Table{}) {
		t.Errorf("a file is a terminal: %+v", table)
	}
	terminal, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("no pseudo terminals here: %v", err)
	}
	defer terminal.Close()
	if err := unix.IoctlSetWinsize(int(terminal.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: 80}); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		env  []string
		want Table
		live bool
	}{
		{[]string{"TERM=xterm"}, Table{Width: 80, Height: 24, Colour: true}, true},
		{[]string{"TERM=xterm", "NO_COLOR=1"}, Table{Width: 80, Height: 24}, true},
		{[]string{"TERM=dumb"}, Table{Width: 80, Height: 24}, false},
		{nil, Table{Width: 80, Height: 24}, false},
	} {
		if got, live := TableFor(terminal, env(c.env...)); got != c.want || live != c.live {
			t.Errorf("with %v: %+v live %v, want %+v live %v", c.env, got, live, c.want, c.live)
		}
	}
}
