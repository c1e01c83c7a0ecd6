package httpout

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"gortap/internal/record"
)

const (
	// readSize is the buffer of a connection that reads small responses.
	readSize = 4 << 10
	// largeSize is the one of a connection that reads a large one.
	largeSize = 64 << 10
	// inline is how many bytes may be under way to the target before a write gets
	// a goroutine of its own. Less fits into any socket buffer, so that the
	// write does not wait for a target that waits for us to read.
	inline = 16 << 10
	// maxPipelined bounds the requests without a response.
	maxPipelined = 64
	// continueWait is how long a request waits for a 100 before it sends its body.
	continueWait = time.Second
)

// session plays the records of one recorded connection, or a part of a pool's, in
// order, in a goroutine of its own.
type session struct {
	o      *Output
	key    key
	keyed  bool // o.byKey may have it
	pooled bool
	first  bool // of several copies
	isFree bool // o.free has it; under o.mu
	// lasting says that the client's end will be told: no rest is too long.
	lasting bool

	wake      chan struct{} // holds a token where there is news
	idleSince atomic.Int64  // 0: busy
	deadline  atomic.Int64  // of what is under way; 0: none, expired: over
	nudge     atomic.Int64  // when to interrupt the read; 0: never

	mu      sync.Mutex
	queue   ring
	bytes   int
	ending  bool // nothing more comes
	waits   bool // for wake
	busy    bool // a response is awaited
	aborted bool
	conn    *conn // written by the session's goroutine with mu held

	// The goroutine's own.
	rested  bool // since the last write
	sent    []inflight
	out     []byte // to be written
	pending int    // bytes of sent
	in      []byte
	r, w    int // of in: read, written
	resp    response
	reply   []byte     // of the response at hand, for OnResponse
	writing chan error // of a write in a goroutine of its own; nil: none
	broken  bool       // a write has failed: nothing more goes over this connection
	tunnel  chan struct{}
	away    bool // the connection is to where a redirect led
}

// expired is the deadline of what has been interrupted for its age.
const expired = -1

// inflight is a request without a whole response.
type inflight struct {
	queued
	data    []byte // what is sent: the record's, or what a redirect made of it
	req     request
	host    string // to name in place of the recorded one; empty: keep that
	startNs int64
	hops    int  // redirects followed
	holding bool // its body waits for a 100
}

var (
	errTimeout = errors.New("no response in time")
	errCut     = errors.New("output is closing")
)

func (s *session) run() {
	for {
		q, ok := s.await()
		if !ok {
			break
		}
		if q.r.Kind == record.Stream {
			s.stream(q.r)
			continue
		}
		s.play(q)
	}
	s.hangUp()
}

// play sends a request, and those that were pipelined behind it, and reads their
// responses.
func (s *session) play(q queued) {
	s.send(q)
	for {
		s.follow()
		if len(s.sent) == 0 {
			return
		}
		if err := s.receive(); err != nil {
			s.fail(err)
		}
	}
}

// follow sends what the client sent without waiting, and what send has gathered.
func (s *session) follow() {
	for len(s.sent) > 0 && len(s.sent) < maxPipelined && s.open() {
		q, ok := s.follower()
		if !ok {
			break
		}
		s.send(q)
	}
	s.flush()
}

// open reports whether another request may be written now.
func (s *session) open() bool {
	if s.conn == nil || s.broken || s.sent[len(s.sent)-1].req.closes || s.sent[len(s.sent)-1].req.upgrades {
		return false
	}
	if s.writing != nil {
		select {
		case err := <-s.writing:
			s.written(err)
		default:
			return false
		}
	}
	return !s.broken && !s.sent[len(s.sent)-1].holding
}

// send begins an exchange. What it gathers in out is written by flush.
func (s *session) send(q queued) {
	req, ok := parseRequest(q.r.Data)
	if !ok {
		s.drop(q.r, incomplete)
		return
	}
	if why, ok := s.ready(); !ok {
		s.drop(q.r, why)
		return
	}
	if !req.safe && !s.o.cfg.AllowUnsafe && s.o.captured(q.r, s.conn.peer) {
		s.drop(q.r, sameServer)
		return
	}
	now := s.o.now()
	if due := q.r.DueNs; due != 0 && !q.retried {
		s.o.stats.late(time.Duration(s.o.begin.UnixNano() + now - due))
	}
	if len(s.sent) == 0 {
		s.await100(0)
		s.setDeadline(now + int64(s.o.cfg.Timeout))
		s.setBusy(true)
		s.reply = s.reply[:0]
		s.resp.begin(&req, s.o.cfg.Redirects > 0)
	}
	f := inflight{queued: q, data: q.r.Data, req: req, host: s.o.target.host, startNs: now}
	if s.o.cfg.OriginalHost {
		f.host = ""
	}
	if req.expects && len(q.r.Data) > req.head {
		f.holding = true
		s.await100(now + int64(continueWait))
	}
	s.sent = append(s.sent, f)
	s.pending += len(f.data)
	s.transmit(&s.sent[len(s.sent)-1])
}

// transmit writes a request, or gathers it where it is small.
func (s *session) transmit(f *inflight) {
	data := f.data
	if f.holding {
		data = data[:f.req.head]
	}
	if len(data) <= inline {
		s.out = f.req.appendTo(s.out, data, f.host)
		return
	}
	s.out = f.req.appendTo(s.out, data[:f.req.head], f.host)
	s.flushWith(data[f.req.head:])
}

func (s *session) flush() {
	if len(s.out) > 0 {
		s.flushWith(nil)
	}
}

// flushWith writes what was gathered, and body.
func (s *session) flushWith(body []byte) {
	switch {
	case s.conn == nil || s.broken:
	case s.pending <= inline && len(body) <= inline:
		_, err := s.conn.Write(s.out)
		if err == nil && len(body) > 0 {
			_, err = s.conn.Write(body)
		}
		s.written(err)
	default:
		s.writeBeside(net.Buffers{bytes.Clone(s.out), body})
	}
	s.out = s.out[:0]
}

// writeBeside writes while the session reads: the target may answer before it has
// read everything.
func (s *session) writeBeside(b net.Buffers) {
	if s.writing != nil {
		s.written(<-s.writing) // one after the other; the deadline ends it
	}
	c, done := s.conn, make(chan error, 1)
	s.writing = done
	go func() {
		_, err := b.WriteTo(c.Conn)
		done <- err
		c.interrupt() // there may be more to send
	}()
}

// written notes how a write ended. Its error is no reason to stop reading: the
// target may have answered before it hung up.
func (s *session) written(err error) {
	s.writing = nil
	if err != nil {
		s.broken = true
	}
}

// ready connects where there is no connection to write to.
func (s *session) ready() (why reason, ok bool) {
	if s.conn != nil && s.rested && len(s.sent) == 0 && s.conn.gone() {
		s.hangUp()
	}
	s.rested = false
	if s.conn != nil {
		return 0, true
	}
	return s.reach(s.o.target.address, s.o.tls)
}

// reach makes the session's connection.
func (s *session) reach(address string, config *tls.Config) (why reason, ok bool) {
	c, err := s.o.dial(address, config)
	switch {
	case errors.Is(err, context.Canceled):
		return deadline, false
	case errors.Is(err, unix.EMFILE):
		return connLimit, false
	case err != nil:
		return connectFail, false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.aborted {
		c.Close()
		return deadline, false
	}
	s.conn = c
	return 0, true
}

// hangUp closes the connection and forgets what came over it. Nobody may be waiting
// for a response.
func (s *session) hangUp() {
	s.setDeadline(0)
	s.await100(0)
	if s.tunnel != nil {
		s.linger(s.conn)
	}
	s.mu.Lock()
	c := s.conn
	s.conn, s.busy = nil, false
	s.mu.Unlock()
	if c == nil {
		return
	}
	c.Close()
	if s.writing != nil {
		s.written(<-s.writing)
	}
	if s.tunnel != nil {
		<-s.tunnel
	}
	s.tunnel, s.broken, s.away = nil, false, false
	s.out, s.r, s.w = s.out[:0], 0, 0
}

func (s *session) setBusy(b bool) {
	s.mu.Lock()
	s.busy = b
	s.mu.Unlock()
}

// setDeadline moves the deadline. Where the old one has passed meanwhile, the
// connection's own deadlines are in the past: they are taken back.
func (s *session) setDeadline(at int64) {
	if s.deadline.Swap(at) == expired {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.conn != nil && !s.aborted {
			_ = s.conn.SetDeadline(time.Time{})
		}
	}
}

// await100 sets when to stop waiting for a 100.
func (s *session) await100(at int64) {
	if at != 0 || s.nudge.Load() != 0 {
		s.nudge.Store(at)
	}
}
