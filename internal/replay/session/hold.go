package session

import (
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// arrivals is how often it is looked what waits in the socket of a client that does
	// not read now. Where nothing comes it is looked less and less often.
	arrivals, maxArrivals = 5 * time.Millisecond, 100 * time.Millisecond
)

// room returns how much may be taken now.
func (r *reader) room() (n int64, next time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.pace.room(r.taken, time.Now())
}

func (r *reader) starve() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.pace.starved = true
}

// change does something to the pace.
func (r *reader) change(do func(p *pace)) {
	r.mu.Lock()
	do(&r.pace)
	r.mu.Unlock()
	select {
	case r.changed <- struct{}{}:
	default:
	}
}

// arrived notes what waits in the socket, and reports whether that is news.
func (r *reader) arrived(raw syscall.RawConn) bool {
	waits := 0
	err := raw.Control(func(fd uintptr) { waits, _ = unix.IoctlGetInt(int(fd), unix.SIOCINQ) })
	r.mu.Lock()
	defer r.mu.Unlock()
	news := err == nil && r.came(r.taken+int64(waits))
	if news {
		r.wake()
	}
	return news
}

// hold waits until it is time to look again, and reports whether there is any.
func (r *reader) hold(next time.Time, idle time.Duration) bool {
	if !next.IsZero() {
		idle = min(idle, time.Until(next))
	}
	timer := time.NewTimer(idle)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-r.changed:
	case <-r.quit:
		return false
	}
	return true
}
