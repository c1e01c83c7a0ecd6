package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"github.com/dustin/go-humanize"
)

// replayState is how far a replay is, for the line on a terminal.
type replayState struct {
	sent, failed uint64
	rate         float64 // sent a second, since the line before
	lag          time.Duration
	p50, p99     time.Duration // of the targets' responses
	left         time.Duration // until the end, negative where that is not known
}

// replayMeter looks at a replay again and again.
type replayMeter struct {
	records *records
	began   time.Time
	sent    uint64
	at      time.Time
}

func newReplayMeter(r *records) *replayMeter {
	now := time.Now()
	return &replayMeter{records: r, began: now, at: now}
}

// look says how far the replay is, read of total bytes of its files being read.
func (m *replayMeter) look(now time.Time, read, total int64) replayState {
	s := replayState{left: -1}
	all := hdrhistogram.New(1, int64(10*time.Minute/time.Microsecond), 3)
	for _, o := range m.records.outputs {
		st := o.Stats()
		s.sent += st.Done
		s.failed += sum(st.Dropped)
		s.lag = max(s.lag, st.MaxLag)
		if t, ok := o.Output.(reporter); ok {
			all.Merge(t.Report().Latency)
		}
	}
	s.p50 = time.Duration(all.ValueAtQuantile(50)) * time.Microsecond
	s.p99 = time.Duration(all.ValueAtQuantile(99)) * time.Microsecond
	if passed := now.Sub(m.at).Seconds(); passed > 0 {
		s.rate = float64(s.sent-m.sent) / passed
	}
	m.sent, m.at = s.sent, now
	if read > 0 && total > 0 {
		s.left = time.Duration(float64(now.Sub(m.began)) * float64(max(total-read, 0)) / float64(read))
	}
	return s
}

// line is "sent 12,345 (1,000/s)  lag 0.4 ms  failed 3  p50 1.2 ms  p99 8 ms  left 1m23s".
func (s replayState) line() string {
	parts := []string{
		fmt.Sprintf("sent %s (%s/s)", humanize.Comma(int64(s.sent)), humanize.Comma(int64(s.rate))),
		"lag " + s.lag.Round(100*time.Microsecond).String(),
		"failed " + humanize.Comma(int64(s.failed)),
	}
	if s.p99 > 0 {
		parts = append(parts, "p50 "+s.p50.Round(10*time.Microsecond).String(), "p99 "+s.p99.Round(10*time.Microsecond).String())
	}
	if s.left >= 0 {
		parts = append(parts, "left "+s.left.Round(time.Second).String())
	}
	return strings.Join(parts, "  ")
}
