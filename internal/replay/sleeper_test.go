package replay

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"gortap/internal/record"
	"gortap/internal/testutil"
)

func TestSleeperNeverWakesEarly(t *testing.T) {
	testutil.CheckLeaks(t)
	s, err := NewSleeper()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for _, d := range []time.Duration{-time.Hour, 0, 1, 100 * time.Microsecond, 3 * time.Millisecond} {
		at := time.Now().Add(d)
		if err := s.Until(t.Context(), at); err != nil {
			t.Fatal(err)
		}
		if early := time.Until(at); early > 0 {
			t.Errorf("%v early after a wait of %v", early, d)
		}
	}
}

func TestSleeperEndsWithItsContext(t *testing.T) {
	testutil.CheckLeaks(t)
	s, err := NewSleeper()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for _, after := range []time.Duration{-1, time.Millisecond} {
		ctx, cancel := context.WithTimeout(t.Context(), after)
		defer cancel()
		if err := s.Until(ctx, time.Now().Add(time.Hour)); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("got %v", err)
		}
	}
}

// What ends a cancelled wait may come late, into the next one.
func TestSleeperSleepsOnWhereItIsWokenEarly(t *testing.T) {
	testutil.CheckLeaks(t)
	s, err := NewSleeper()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				_ = s.set(1)
			}
		}
	})
	at := time.Now().Add(10 * time.Millisecond)
	err = s.Until(t.Context(), at)
	early := time.Until(at)
	close(stop)
	wg.Wait()
	if err != nil || early > 0 {
		t.Fatalf("woke %v early, %v", early, err)
	}
}

func TestPacerNotesWhenARecordIsDue(t *testing.T) {
	testutil.CheckLeaks(t)
	p, err := NewPacer(Timing{Speed: 100})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	var first int64
	for i, ts := range recording(10, 10*time.Millisecond) {
		r := &record.Record{TimeNs: ts}
		if err := p.Wait(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			first = r.DueNs
		}
		if want := first + int64(i)*100_000; r.DueNs != want {
			t.Fatalf("record %d is due at %d, want %d", i, r.DueNs, want)
		}
	}
}

// BenchmarkPacer plays recordings of 0.1 to 10 ms gaps and reports how late waits end.
func BenchmarkPacer(b *testing.B) {
	for _, gap := range []time.Duration{100 * time.Microsecond, 500 * time.Microsecond, 10 * time.Millisecond} {
		b.Run(gap.String(), func(b *testing.B) {
			const total = 2 * time.Second
			p, err := NewPacer(Timing{Speed: 1})
			if err != nil {
				b.Fatal(err)
			}
			defer p.Close()
			ts := recording(int(total/gap)+1, gap)
			for b.Loop() {
				late := make([]int64, 0, len(ts))
				start := time.Now()
				for _, at := range ts {
					r := &record.Record{TimeNs: at}
					if err := p.Wait(b.Context(), r); err != nil {
						b.Fatal(err)
					}
					late = append(late, time.Now().UnixNano()-r.DueNs)
				}
				took := time.Since(start)
				p.Again()
				slices.Sort(late)
				b.ReportMetric(float64(late[len(late)*99/100])/1e3, "p99-late-us")
				b.ReportMetric(float64(late[len(late)-1])/1e3, "max-late-us")
				b.ReportMetric(100*took.Seconds()/total.Seconds()-100, "%-over")
			}
		})
	}
}
