package httpout

import (
	"gortap/internal/proto"
	"gortap/internal/record"
)

// hand gives q to the session that is to play it.
func (o *Output) hand(q queued, i int) (why reason, ok bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return deadline, false
	}
	if o.cfg.Workers > 0 && q.r.Kind == record.Request && !bound(q.r) {
		return o.handPool(q)
	}
	k := key{q.r.Conn, i}
	s := o.byKey[k]
	if s != nil {
		switch s.push(q) {
		case pushed:
			return 0, true
		case full:
			return queueFull, false
		}
	}
	if s = o.newSession(q.r, &session{first: i == 0}); s == nil {
		return connLimit, false
	}
	s.key, s.keyed = k, true
	o.byKey[k] = s
	s.push(q)
	return 0, true
}

// handPool gives q to a connection that has nothing to do, to a new one, or to the
// next.
func (o *Output) handPool(q queued) (why reason, ok bool) {
	for len(o.free) > 0 {
		s := o.free[len(o.free)-1]
		o.free = o.free[:len(o.free)-1]
		s.isFree = false
		if s.push(q) == pushed {
			return 0, true
		}
	}
	if len(o.pool) < o.cfg.Workers {
		s := o.newSession(q.r, &session{first: true, pooled: true})
		if s == nil {
			return connLimit, false
		}
		o.pool = append(o.pool, s)
		s.push(q)
		return 0, true
	}
	for range o.pool {
		o.next = (o.next + 1) % len(o.pool)
		if o.pool[o.next].push(q) == pushed {
			return 0, true
		}
	}
	return queueFull, false
}

// newSession starts s, or returns nil at the limit where none can be let go.
func (o *Output) newSession(r *record.Record, s *session) *session {
	if len(o.live) >= o.cfg.MaxConns && !o.evict() {
		return nil
	}
	s.o, s.wake = o, make(chan struct{}, 1)
	s.lasting = r.Client.IsValid() && o.cfg.Workers == 0
	o.live[s] = struct{}{}
	o.wg.Go(func() {
		if multiplexed(r) {
			s.runMultiplexed()
		} else {
			s.run()
		}
		o.ended(s)
	})
	return s
}

// bound reports whether a request needs a connection that is its client's alone.
func bound(r *record.Record) bool {
	if multiplexed(r) {
		return true
	}
	req, _ := parseRequest(r.Data)
	return req.upgrades || req.connect
}

// multiplexed reports whether a record came over HTTP/2.
func multiplexed(r *record.Record) bool { return r.Protocol == proto.HTTP2 || r.Protocol == proto.GRPC }

// sample is how many sessions are looked at to let the longest idle of them go: all
// of them would take too long for each new connection.
const sample = 16

// evict lets an idle session go and reports whether it found one.
func (o *Output) evict() bool {
	var oldest *session
	since := int64(0)
	n := 0
	for s := range o.live { // in random order
		if at := s.idleSince.Load(); at != 0 && (oldest == nil || at < since) {
			oldest, since = s, at
		}
		if n++; n == sample {
			break
		}
	}
	if oldest == nil || !oldest.endIdle(since) {
		return false
	}
	delete(o.live, oldest) // it closes its connection now, without waiting
	return true
}
