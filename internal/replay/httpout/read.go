package httpout

import (
	"errors"
	"io"
	"os"
	"time"
)

// fill reads more. A read that was interrupted looks what there is to do, and
// goes on.
func (s *session) fill() error {
	switch {
	case len(s.in) < largeSize && s.resp.large():
		s.in = make([]byte, largeSize)
	case s.in == nil:
		s.in = make([]byte, readSize)
	}
	s.r, s.w = 0, 0
	for {
		n, err := s.conn.Read(s.in)
		if n > 0 {
			s.w = n
			return nil
		}
		if err == nil || !errors.Is(err, os.ErrDeadlineExceeded) {
			return err
		}
		if err := s.interrupted(); err != nil {
			return err
		}
	}
}

// interrupted looks why a read was ended early.
func (s *session) interrupted() error {
	_ = s.conn.SetReadDeadline(time.Time{})
	if s.writing != nil {
		select {
		case err := <-s.writing:
			s.written(err)
		default:
		}
	}
	// Only now: whoever sets these ends the read afterwards.
	if s.deadline.Load() == expired {
		return errTimeout
	}
	s.mu.Lock()
	aborted := s.aborted
	s.mu.Unlock()
	if aborted {
		return errCut
	}
	if at := s.nudge.Load(); at != 0 && s.o.now() >= at {
		s.releaseBody()
	}
	s.follow()
	return nil
}

// releaseBody sends the body that waited for a 100.
func (s *session) releaseBody() {
	s.await100(0)
	for i := range s.sent {
		if f := &s.sent[i]; f.holding {
			f.holding = false
			if s.conn != nil && !s.broken {
				s.flushWith(f.data[f.req.head:])
			}
		}
	}
}

// receive reads the response to the oldest request.
func (s *session) receive() error {
	for {
		for s.r < s.w {
			n, e, err := s.resp.feed(s.in[s.r:s.w])
			if s.o.cfg.OnResponse != nil {
				s.keep(s.in[s.r : s.r+n])
			}
			s.r += n
			switch {
			case err != nil:
				return err
			case e == final:
				s.complete()
				return nil
			case e == interim:
				s.reply = s.reply[:0]
				s.releaseBody()
			}
		}
		if err := s.fill(); err != nil {
			if errors.Is(err, io.EOF) && s.resp.eof() {
				s.complete()
				return nil
			}
			return err
		}
	}
}

// keep holds response bytes for OnResponse, up to the limit.
func (s *session) keep(b []byte) {
	if s.first {
		room := len(b)
		if s.resp.headSize > 0 { // else it is all head
			room = max(s.o.cfg.ResponseLimit+s.resp.headSize-len(s.reply), 0)
		}
		s.reply = append(s.reply, b[:min(len(b), room)]...)
	}
}
