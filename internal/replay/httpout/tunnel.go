package httpout

import (
	"time"

	"gortap/internal/record"
)

// openTunnel begins to throw away what the target sends after an upgrade: it has to
// be read, or the target would stop.
func (s *session) openTunnel() {
	c, done := s.conn, make(chan struct{})
	s.tunnel = done
	buf := s.in
	go func() {
		defer close(done)
		for {
			if _, err := c.Read(buf); err != nil {
				return
			}
		}
	}()
}

// lingerTime is how long the target may go on after the client's end.
const lingerTime = time.Second

// linger ends the client's side and reads to the target's end: closing at once, with
// bytes unread, would reset the connection and take from the target what it has not
// read yet.
func (s *session) linger(c *conn) {
	half, ok := c.Conn.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil {
		return
	}
	s.mu.Lock()
	if !s.aborted { // else the deadline is in the past
		_ = c.SetReadDeadline(time.Now().Add(lingerTime))
	}
	s.mu.Unlock()
	<-s.tunnel
}

// stream writes what the client sent after an upgrade.
func (s *session) stream(r *record.Record) {
	if s.tunnel == nil {
		s.drop(r, notUpgraded)
		return
	}
	now := s.o.now()
	if r.DueNs != 0 {
		s.o.stats.late(time.Duration(s.o.begin.UnixNano() + now - r.DueNs))
	}
	s.setDeadline(now + int64(s.o.cfg.Timeout))
	_, err := s.conn.Write(r.Data)
	late := s.deadline.Load() == expired
	s.setDeadline(0)
	if err == nil {
		s.o.stats.wrote(len(r.Data))
		s.o.release(r)
		return
	}
	s.mu.Lock()
	aborted := s.aborted
	s.mu.Unlock()
	switch {
	case aborted:
		s.drop(r, deadline)
	case late:
		s.drop(r, timeout)
	default:
		s.drop(r, reset)
	}
	s.hangUp()
}
