package session

import (
	"context"
	"errors"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/cespare/xxhash/v2"

	rec "gortap/internal/session"
)

// maxStalls is how often a target may be waited for in vain before its session goes on
// by time alone.
const maxStalls = 3

// drift is how late a timer may be.
const drift = 5 * time.Millisecond

// play is one session on its way to the target: its events, which come while it runs,
// and the goroutine that carries them out.
type play struct {
	out     *Output
	session *rec.Session
	copy    int
	due     time.Time // when to begin
	wakeup  chan struct{}
	cancel  context.CancelFunc

	mu     sync.Mutex
	queue  []*rec.Event
	size   int
	cut    reason // no more events: they found no room
	ended  bool   // the goroutine has ended
	over   bool   // the last event has come
	why    reason
	booked bool

	line Line // of the goroutine while it runs; original_* are of whoever adds

	// The rest is the goroutine's.
	conn   *net.TCPConn
	raw    syscall.RawConn
	buffer int64 // the receive buffer that was asked for, where it was
	reader *reader
	order  Order
	lastAt time.Time // of the last act
	lastNs int64     // the same, as captured
	base   int64     // what the target had answered by then
	need   int64     // and the server
	gone   bool      // aborted, as the client did
	tls    bool      // the client began a TLS handshake

	comparing comparing
}

// add appends an event. It never waits.
func (p *play) add(e *rec.Event) {
	p.mu.Lock()
	switch e.Kind {
	case rec.Write:
		p.line.OriginalSent += int64(len(e.Data))
	case rec.Over:
		p.over = true
		p.line.OriginalReceived = e.Received
		p.line.OriginalDuration = time.Duration(e.TsNs - p.session.OpenedNs).Seconds()
	}
	room := p.size+e.Size() <= p.out.cfg.MaxQueue || p.size == 0 || e.Kind == rec.Over
	if !room && p.cut == none {
		p.cut = queueFull
	}
	taken := !p.ended && p.cut == none
	if taken {
		p.queue = append(p.queue, e)
		p.size += e.Size()
	}
	p.bookLocked()
	p.mu.Unlock()
	if !taken {
		p.out.release(e)
	}
	p.wake()
}

// stop ends the session where its events found no room.
func (p *play) stop(why reason) {
	p.mu.Lock()
	if p.cut == none {
		p.cut = why
	}
	p.mu.Unlock()
	p.wake()
}

func (p *play) wake() {
	select {
	case p.wakeup <- struct{}{}:
	default:
	}
}

// take returns the next event, nil where there is none now; why is set where there
// will be none.
func (p *play) take() (e *rec.Event, why reason) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.queue) == 0 {
		return nil, p.cut
	}
	e = p.queue[0]
	p.queue[0] = nil
	p.queue = p.queue[1:]
	p.size -= e.Size()
	return e, none
}

// run plays the session.
func (p *play) run(ctx context.Context) {
	why := p.perform(ctx)
	p.mu.Lock()
	p.ended, p.why = true, why
	rest := p.queue
	p.queue = nil
	p.bookLocked()
	p.mu.Unlock()
	for _, e := range rest {
		p.out.release(e)
	}
}

// bookLocked tells the outcome once it and all of the original are known.
func (p *play) bookLocked() {
	if !p.ended || !p.over || p.booked {
		return
	}
	p.booked = true
	p.out.book(&p.line, p.session, p.copy, p.why)
}

func (p *play) perform(ctx context.Context) reason {
	if !p.sleep(ctx, p.due) {
		return stopped
	}
	began := time.Now()
	if !p.due.IsZero() {
		p.line.lag = began.Sub(p.due)
	}
	conn, otherPort, err := p.out.dial(ctx, p.session, p.copy)
	if err != nil {
		why := whyNot(ctx, err)
		p.out.explain(why, err)
		return why
	}
	p.conn = conn
	p.line.OtherPort, p.line.Local = otherPort, conn.LocalAddr().String()
	p.line.Connect = time.Since(began).Seconds()
	// Whatever waits for the target ends with ctx.
	defer context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })()
	raw, err := conn.SyscallConn()
	if err != nil {
		conn.Close()
		return connectFail
	}
	p.raw, p.reader = raw, newReader(p.wake)
	if p.comparing.how = p.out.cfg.Compare; p.comparing.how == CompareHashes {
		p.reader.sum, p.reader.buffers = xxhash.New(), &p.out.buffers
	}
	var reading sync.WaitGroup
	reading.Go(func() { p.reader.run(raw) })
	p.lastAt, p.lastNs = began, p.session.OpenedNs
	why := p.sealed(p.script(ctx))
	p.line.Duration = time.Since(began).Seconds()
	p.line.Received = p.reader.look().bytes
	close(p.reader.quit)
	conn.Close()
	reading.Wait()
	return why
}

// script carries the events out, one after the other.
func (p *play) script(ctx context.Context) reason {
	if v := p.out.cfg.Proxy; v > 0 {
		if why := p.write(ctx, proxyHeader(v, p.session.Client, p.session.Server)); why != none {
			return why
		}
	}
	for {
		e, why := p.next(ctx)
		if why != none {
			return why
		}
		why = p.act(ctx, e)
		over := e.Kind == rec.Over
		p.out.release(e)
		if over || why != none {
			return why
		}
	}
}

// next waits for an event.
func (p *play) next(ctx context.Context) (*rec.Event, reason) {
	for {
		e, why := p.take()
		if e != nil || why != none {
			return e, why
		}
		select {
		case <-p.wakeup:
		case <-ctx.Done():
			return nil, stopped
		}
	}
}

// act does what the client did.
func (p *play) act(ctx context.Context, e *rec.Event) reason {
	switch e.Kind {
	case rec.Over:
		return p.leave(ctx, e)
	case rec.Window:
		p.follow(e)
		return none
	}
	due := p.behind(e, p.await(ctx, e))
	if !p.sleep(ctx, due) {
		return stopped
	}
	// What the timer is late by must not add up; what the session is late by is so.
	p.lastAt, p.lastNs = due, e.TsNs
	if now := time.Now(); now.Sub(due) > drift {
		p.lastAt = now
	}
	p.compareAct(e)
	p.turn(e)
	switch e.Kind {
	case rec.Write:
		p.tls = p.tls || isClientHello(e.Data)
		if why := p.write(ctx, e.Data); why != none {
			if why == targetGone && e.NeedEnd {
				return none // nor had the server listened to it any more
			}
			return why
		}
		p.line.Writes++
		p.line.Sent += int64(len(e.Data))
	case rec.Shutdown:
		_ = p.conn.CloseWrite() // the target may have gone: so be it
	case rec.Abort:
		p.line.Received = p.reader.look().bytes
		_ = p.conn.SetLinger(0)
		p.conn.Close()
		p.gone = true
	}
	return none
}

// write sends one write of the client. The target has Timeout to take it.
func (p *play) write(ctx context.Context, b []byte) reason {
	_ = p.conn.SetWriteDeadline(time.Now().Add(p.out.cfg.Timeout))
	if ctx.Err() != nil {
		return stopped
	}
	_, err := p.conn.Write(b)
	switch {
	case err == nil:
		return none
	case ctx.Err() != nil:
		return stopped
	case errors.Is(err, os.ErrDeadlineExceeded):
		return writeTime
	}
	return targetGone
}

// await waits until the client would act, as far as the target has to do with it, and
// returns when that is.
func (p *play) await(ctx context.Context, e *rec.Event) time.Time {
	for p.order != ByTime && (e.Need > p.need || e.NeedEnd) {
		w := waiting{
			order: p.order, need: e.Need, goal: p.base + e.Need - p.need, base: p.base, end: e.NeedEnd, leaves: e.Kind != rec.Write,
			since: p.lastAt, until: p.lastAt.Add(p.scale(e.NeedNs - p.lastNs)), stall: p.patience(e),
		}
		v, at := p.watch(ctx, &w)
		if v == full && !e.NeedEnd {
			goal := w.goal
			if p.order == ByBytes {
				goal = w.need
			}
			at = p.reader.when(goal)
		}
		if v != stuck {
			return at.Add(p.pause(e, e.TsNs-e.NeedNs))
		}
		p.line.Stalls++
		if p.order == ByBytes {
			p.order = ByTurns // the numbers will not meet any more
			continue
		}
		if p.line.Stalls >= maxStalls {
			p.order = ByTime
		}
		break
	}
	if e.Need == p.need && !e.NeedEnd && !p.first() {
		return p.lastAt.Add(p.scale(e.TsNs - p.lastNs))
	}
	return p.lastAt.Add(p.pause(e, e.TsNs-p.lastNs))
}

// patience is how long the target may be silent. A client that ended its side early would
// lose the answer of a target that is only slow: the first time, there is more.
func (p *play) patience(e *rec.Event) time.Duration {
	if e.Kind != rec.Write && p.line.Stalls == 0 {
		return max(p.out.cfg.Stall, p.out.cfg.Timeout)
	}
	return p.out.cfg.Stall
}

// watch looks at the target's answer until there is a verdict.
func (p *play) watch(ctx context.Context, w *waiting) (verdict, time.Time) {
	for {
		v, at := w.look(time.Now(), p.reader.look())
		if v != wait {
			return v, at
		}
		timer := time.NewTimer(time.Until(at))
		select {
		case <-p.wakeup:
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return full, time.Now()
		}
		timer.Stop()
	}
}

// scale turns a recorded span into the one that is waited.
func (p *play) scale(ns int64) time.Duration {
	d := time.Duration(max(float64(ns)/p.out.cfg.Speed, 0))
	if m := p.out.cfg.MaxWait; m > 0 {
		d = min(d, m)
	}
	return d
}

func (p *play) sleep(ctx context.Context, until time.Time) bool {
	left := time.Until(until)
	if left <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(left)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// leave ends the connection. A target that still answers is heard out, for a reset
// could take from it what it has not read yet.
func (p *play) leave(ctx context.Context, e *rec.Event) reason {
	if !p.gone {
		p.reader.change((*pace).free)
		if !e.End.Whole() {
			_ = p.conn.CloseWrite()
		}
		until := p.lastAt.Add(p.scale(e.TsNs - p.lastNs)) // the server took its time too
		w := waiting{order: ByBytes, end: true, since: time.Now(), until: until, stall: p.out.cfg.Stall}
		p.watch(ctx, &w)
	}
	why := p.left(ctx, e)
	p.compareEnd(e, why)
	return why
}

func (p *play) left(ctx context.Context, e *rec.Event) reason {
	switch {
	case p.gone:
	case ctx.Err() != nil:
		return stopped
	case e.End == rec.Finished && p.reader.look().reset:
		return targetGone
	}
	return reasonOf(e.End)
}
