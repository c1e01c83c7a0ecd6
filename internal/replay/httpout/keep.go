package httpout

import "time"

// keep looks after the sessions' deadlines: one goroutine with a coarse tick instead
// of a timer for each request.
func (o *Output) keep() {
	tick := time.NewTicker(min(max(o.cfg.Timeout/50, 5*time.Millisecond), 100*time.Millisecond))
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-o.quit:
			return
		}
		now := o.now()
		for _, s := range o.due(now) {
			s.check(now)
		}
	}
}

// due returns the sessions whose deadline, nudge or rest is over.
func (o *Output) due(now int64) []*session {
	o.mu.Lock()
	defer o.mu.Unlock()
	var due []*session
	for s := range o.live {
		if s.isDue(now) {
			due = append(due, s)
		}
	}
	return due
}

func (s *session) isDue(now int64) bool {
	if at := s.deadline.Load(); at > 0 && now >= at {
		return true
	}
	if at := s.nudge.Load(); at != 0 && now >= at {
		return true
	}
	at := s.idleSince.Load()
	return at != 0 && !s.lasting && now-at >= int64(s.o.cfg.IdleTimeout)
}

func (s *session) check(now int64) {
	if at := s.idleSince.Load(); at != 0 && !s.lasting && now-at >= int64(s.o.cfg.IdleTimeout) {
		s.endIdle(at)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	// With mu held the connection is the one that the deadline is for.
	if at := s.deadline.Load(); at > 0 && now >= at && s.deadline.CompareAndSwap(at, expired) {
		if s.conn != nil {
			_ = s.conn.SetDeadline(past)
		}
		return
	}
	if at := s.nudge.Load(); at != 0 && now >= at && s.conn != nil {
		s.conn.interrupt()
	}
}
