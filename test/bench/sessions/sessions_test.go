package main

import (
	"net"
	"testing"
	"time"

	"gortap/internal/flow"
	"gortap/internal/pcapio"
)

// tally counts what a recording holds.
type tally struct {
	clients    map[string]int
	opened     []int64
	bytes, fin int
	last       int64
	backwards  int
}

func (c *tally) Segment(s *flow.Segment) {
	if s.TsNs < c.last {
		c.backwards++
	}
	c.last = s.TsNs
	if s.Flags.Has(flow.SYN) && !s.Flags.Has(flow.ACK) {
		c.clients[s.Key.Source(s.Dir).String()]++
		c.opened = append(c.opened, s.TsNs-start)
	}
	if s.Flags.Has(flow.FIN) {
		c.fin++
	}
	c.bytes += s.Len
}
func (*tally) Update(*flow.Totals) {}
func (*tally) End(*flow.Totals)    {}
func (*tally) Tick(int64)          {}

func TestARecordingHoldsItsSessionsInTheOrderOfTime(t *testing.T) {
	path := t.TempDir() + "/a.pcap"
	if err := (recording{sessions: 3000, gap: 100 * time.Microsecond, hold: time.Millisecond}).write(path); err != nil {
		t.Fatal(err)
	}
	r, err := pcapio.Open([]string{path}, pcapio.Options{})
	if err != nil {
		t.Fatal(err)
	}
	c := &tally{clients: map[string]int{}}
	if err := r.Run(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	if len(c.clients) != 3000 || c.fin != 2*3000 || c.bytes != 3000*(len(request)+len(respond)) || c.backwards > 0 {
		t.Errorf("%d clients, %d ends, %d bytes, %d times back", len(c.clients), c.fin, c.bytes, c.backwards)
	}
	for i, at := range c.opened {
		if at != int64(i)*int64(100*time.Microsecond) {
			t.Fatalf("session %d opens at %v", i, time.Duration(at))
		}
	}
}

func TestClientsOfARecordingDiffer(t *testing.T) {
	r := recording{sessions: 200_000}
	seen := map[flow.Key]bool{}
	for i := range 20 {
		for _, n := range []int{i, 49_990 + i, 100_000 + i} {
			seen[r.session(n)[0].Key] = true
		}
	}
	if len(seen) != 60 {
		t.Errorf("%d connections of 60", len(seen))
	}
}

func TestTheLoadIsMadeToTheEnd(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &patient{listener: l}
	p.wg.Go(p.accept)
	defer p.close()
	if err := load([]string{"10000", "200", l.Addr().String()}); err != nil {
		t.Error(err)
	}
	if p.most() < 1 {
		t.Error("nobody came")
	}
}

func TestRatesAreRead(t *testing.T) {
	if got, err := parseRates("2000,8000"); err != nil || len(got) != 2 || got[1] != 8000 {
		t.Errorf("%v, %v", got, err)
	}
	for _, bad := range []string{"", "x", "0", "5,,6"} {
		if _, err := parseRates(bad); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}

func TestARowTellsWhatWasNotReplayed(t *testing.T) {
	p := played{took: time.Second, idle: time.Second, cpu: time.Second}
	p.Sessions.Sessions, p.Replayed, p.Partial = 10, 8, map[string]uint64{"lost": 2}
	row := rateRowOf(5, []played{p, p})
	if row.Others != "lost:4" || row.CPU.Text("%.0f") != "100000" {
		t.Errorf("%+v", row)
	}
}
