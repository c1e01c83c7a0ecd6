package session

import (
	"time"

	"golang.org/x/sys/unix"

	rec "gortap/internal/session"
)

// pause is what a client let pass between an answer and its next act, or between
// connecting and its first act. As captured it is the client's round trip, which the
// capture is at the far end of, and its own time.
func (p *play) pause(e *rec.Event, ns int64) time.Duration {
	if p.out.cfg.RTT < 0 {
		return p.scale(ns)
	}
	return p.scale(ns-e.RTTNs) + p.out.cfg.RTT
}

// first reports whether the client did nothing yet.
func (p *play) first() bool { return p.lastNs == p.session.OpenedNs }

// lead is how much later than its clients a live session is played at least. What is
// captured comes in batches, of some milliseconds: the replay must not be ahead of what
// is known.
const lead = 20 * time.Millisecond

// behind keeps a live session behind the captured one: since its first event was late, so
// are all of them.
func (p *play) behind(e *rec.Event, due time.Time) time.Time {
	if !p.out.cfg.Live {
		return due
	}
	return later(due, p.due.Add(time.Duration(e.TsNs-p.session.OpenedNs)))
}

// turn begins what follows the act e. While the server had said nothing more the turn goes
// on: a target may have answered what came before in it, and that counts for its end.
func (p *play) turn(e *rec.Event) {
	p.reader.change((*pace).settle)
	if e.Need != p.need {
		p.base, p.need = p.reader.forget(), e.Need
	}
	p.line.RTT = time.Duration(e.RTTNs).Seconds()
}

// follow lets the reader take bytes when, and as far as, the client had taken them.
func (p *play) follow(e *rec.Event) {
	t := e.Taking
	s := step{at: p.lastAt.Add(p.stretch(e.TsNs - p.lastNs)), bytes: -1, full: t.Full}
	if t.Bytes >= 0 {
		s.bytes = max(t.Bytes+p.base-p.need, 0)
		p.line.Paced = true
	}
	if t.Capacity > p.buffer {
		p.buffer = t.Capacity
		_ = p.raw.Control(func(fd uintptr) { setBuffer(int(fd), int(t.Capacity)) })
	}
	p.reader.change(func(pc *pace) { pc.add(s) })
}

// stretch is scale without a longest pause: a client that reads makes none.
func (p *play) stretch(ns int64) time.Duration {
	return time.Duration(max(float64(ns)/p.out.cfg.Speed, 0))
}

// setBuffer gives a socket a receive buffer whose window is so large. The kernel takes as
// much again for what it keeps beside the bytes. Without CAP_NET_ADMIN the machine's
// limit (net.core.rmem_max) holds.
func setBuffer(fd, window int) {
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, window) != nil {
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, window)
	}
}
