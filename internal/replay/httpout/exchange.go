package httpout

import (
	"bytes"
	"errors"
	"time"

	"gortap/internal/record"
)

// complete ends the exchange of the oldest request.
func (s *session) complete() {
	now := s.o.now()
	f := s.sent[0]
	if next, ok := s.redirect(&f); ok {
		s.goOn(next)
		return
	}
	s.o.stats.answer(s.resp.status, len(f.r.Data), time.Duration(now-f.startNs))
	s.tell(&f, s.reply, now)
	s.conn.served++
	s.pop1()
	if s.resp.upgraded {
		s.o.release(f.r)
		s.setDeadline(0)
		s.setBusy(false)
		s.openTunnel()
		return
	}
	if s.endsConnection(&f) {
		s.resend(false, reset)
		s.hangUp()
	} else if s.settle(); len(s.sent) > 0 {
		s.setDeadline(s.sent[0].startNs + int64(s.o.cfg.Timeout))
		s.reply = s.reply[:0]
		s.resp.begin(&s.sent[0].req, s.o.cfg.Redirects > 0)
	} else {
		s.setDeadline(0)
		s.setBusy(false)
	}
	s.o.release(f.r)
}

// pop1 forgets the oldest request.
func (s *session) pop1() {
	s.pending -= len(s.sent[0].data)
	n := copy(s.sent, s.sent[1:])
	s.sent[n] = inflight{}
	s.sent = s.sent[:n]
}

// endsConnection reports whether nothing more can go over the connection after f.
func (s *session) endsConnection(f *inflight) bool {
	return !s.resp.keepAlive || f.req.closes || f.holding || s.broken || s.away
}

// settle waits for the rest of the upload that was answered early, if no other
// request waits for its answer.
func (s *session) settle() {
	if s.writing == nil || len(s.sent) > 0 {
		return
	}
	s.written(<-s.writing) // until the deadline at the latest
	if s.broken {
		s.hangUp()
	}
}

// tell hands the response to whoever compares.
func (s *session) tell(f *inflight, reply []byte, now int64) {
	if s.o.cfg.OnResponse == nil || !s.first {
		return
	}
	start := s.o.begin.UnixNano() + f.startNs
	s.o.cfg.OnResponse(&record.Record{
		Kind: record.Replayed, ID: f.r.ID, Conn: f.r.Conn, Seq: f.r.Seq,
		TimeNs: start, EndNs: start + now - f.startNs, LatencyNs: now - f.startNs,
		Protocol: f.r.Protocol, Client: f.r.Client, Server: f.r.Server, Data: bytes.Clone(reply),
	})
}

// fail ends the connection, and with it the exchanges under way.
func (s *session) fail(err error) {
	if len(s.sent) == 0 {
		s.hangUp()
		return
	}
	why := reset
	switch {
	case errors.Is(err, errCut):
		why = deadline
	case errors.Is(err, errTimeout):
		why = timeout
	case errors.Is(err, errProtocol):
		why = protocol
	}
	s.resend(true, why)
	s.hangUp()
}

// resend puts the requests without a response back into the queue, in their order,
// or drops those that may not be sent twice. Where the connection failed, the oldest
// is only sent again if the target had just closed a connection that was in use
// before, and nothing of a response has come.
func (s *session) resend(failed bool, why reason) {
	for i := len(s.sent) - 1; i >= 0; i-- {
		f := &s.sent[i]
		again := f.req.repeats || f.holding
		if failed {
			again = again && !f.retried && why == reset && (i > 0 || s.conn.served > 0 && !s.resp.started)
		}
		if !again {
			s.drop(f.r, why)
		} else {
			s.o.stats.add(&s.o.stats.retried)
			s.putBack(queued{r: f.r, retried: f.retried || failed && i == 0})
		}
		*f = inflight{}
	}
	s.sent, s.pending = s.sent[:0], 0
}

// drop counts a record that the session will not finish.
func (s *session) drop(r *record.Record, why reason) {
	if s.first && s.o.cfg.OnFailure != nil && r.Kind == record.Request && why.ofTarget() {
		s.o.cfg.OnFailure(r.ID, reasonNames[why])
	}
	s.o.drop(r, why)
}
