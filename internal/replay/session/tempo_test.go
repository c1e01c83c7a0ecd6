package session

import (
	"testing"
	"time"

	rec "gortap/internal/session"
)

func TestTheRoundTripBetweenAnAnswerAndTheNextWrite(t *testing.T) {
	const ms = time.Millisecond
	for _, c := range []*struct {
		name  string
		rtt   time.Duration
		speed float64
		event rec.Event
		want  time.Duration // after the answer came
	}{
		{"as captured", -1, 1, rec.Event{Need: 10, NeedNs: 100, TsNs: 100 + int64(50*ms), RTTNs: int64(30 * ms)}, 50 * ms},
		{"as captured, faster", -1, 5, rec.Event{Need: 10, NeedNs: 100, TsNs: 100 + int64(50*ms), RTTNs: int64(30 * ms)}, 10 * ms},
		{"none", 0, 1, rec.Event{Need: 10, NeedNs: 100, TsNs: 100 + int64(50*ms), RTTNs: int64(30 * ms)}, 20 * ms},
		{"none, of which nothing is known", 0, 1, rec.Event{Need: 10, NeedNs: 100, TsNs: 100 + int64(50*ms)}, 50 * ms},
		{"another", 80 * ms, 1, rec.Event{Need: 10, NeedNs: 100, TsNs: 100 + int64(50*ms), RTTNs: int64(30 * ms)}, 100 * ms},
		{"another, at four times the speed", 80 * ms, 4, rec.Event{Need: 10, NeedNs: 100, TsNs: 100 + int64(50*ms), RTTNs: int64(30 * ms)}, 85 * ms},
		{"longer than the pause", 0, 1, rec.Event{Need: 10, NeedNs: 100, TsNs: 100 + int64(20*ms), RTTNs: int64(30 * ms)}, 0},
		{"a write that waited for nothing new", 80 * ms, 1, rec.Event{Need: 4, TsNs: 90 + int64(50*ms), RTTNs: int64(30 * ms)}, 45 * ms},
	} {
		t.Run(c.name, func(t *testing.T) {
			answer := time.Now()
			p := &play{
				out: &Output{cfg: Config{Speed: c.speed, RTT: c.rtt, Stall: time.Hour}}, session: &rec.Session{OpenedNs: 1}, order: ByTurns,
				lastAt: answer.Add(-5 * ms), lastNs: 90, base: 4, need: 4, reader: newReader(func() {}),
			}
			p.reader.now = answered{bytes: 10, at: answer}
			if got := p.await(t.Context(), &c.event).Sub(answer); got != c.want {
				t.Errorf("the write comes %v after the answer, want %v", got, c.want)
			}
		})
	}
}

func TestTheFirstWriteHasTheRoundTripOfTheHandshakeInIt(t *testing.T) {
	began := time.Now()
	p := &play{
		out: &Output{cfg: Config{Speed: 1, RTT: 0}}, session: &rec.Session{OpenedNs: 7}, order: ByTurns,
		lastAt: began, lastNs: 7, reader: newReader(func() {}),
	}
	e := &rec.Event{TsNs: 7 + int64(50*time.Millisecond), RTTNs: int64(30 * time.Millisecond)}
	if got := p.await(t.Context(), e).Sub(began); got != 20*time.Millisecond {
		t.Errorf("it comes %v after connecting, want 20ms", got)
	}
}
