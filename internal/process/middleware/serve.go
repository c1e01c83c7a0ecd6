package middleware

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"sync"
	"time"

	"gortap/internal/proto"
	"gortap/internal/record"
)

const (
	// batchBytes is how much is written at once where that much waits.
	batchBytes = 32 << 10
	// maxLine bounds a line of the program: a message of 64 MiB.
	maxLine = 128 << 20
	// maxLogLine bounds what is logged of a line of its standard error.
	maxLogLine = 1 << 10
)

var errEnded = errors.New("exit status 0")

// supervise keeps a child running until everything was handed over.
func (m *Middleware) supervise(ctx context.Context) {
	defer m.abandon(ctx)
	backoff := minBackoff
	for ctx.Err() == nil {
		lines := m.lines.Load()
		c, err := startChild(m.words)
		if err == nil {
			if m.serve(ctx, c) {
				return
			}
			if err = c.err; err == nil {
				err = errEnded
			}
		}
		if m.lines.Load() > lines {
			backoff = minBackoff
		}
		if ctx.Err() != nil {
			return
		}
		m.count.restarts.Add(1)
		m.cfg.Log.Warn("middleware ended", "command", m.words[0], "error", err, "restart_in", backoff)
		timer := time.NewTimer(backoff)
		select {
		case <-timer.C:
		case <-ctx.Done():
		}
		timer.Stop()
		backoff = min(2*backoff, maxBackoff)
	}
}

// abandon counts what no child will get any more.
func (m *Middleware) abandon(ctx context.Context) {
	var left []*record.Record
	left, m.unsent = m.unsent, nil
	for {
		n, _ := m.in.Len()
		if n == 0 {
			break
		}
		r, ok := m.in.Take(ctx)
		if !ok {
			break
		}
		left = append(left, r)
	}
	m.count.deadline.Add(uint64(len(left)))
	for _, r := range left {
		m.flight.unexpect(r.Conn)
	}
	m.releaseIdle(ctx)
}

// serve talks with a child until it has ended. It reports true where everything
// was handed over to it.
func (m *Middleware) serve(ctx context.Context, c *child) bool {
	life, end := context.WithCancel(ctx)
	defer end()
	var work sync.WaitGroup
	var drained, itself bool
	m.written.Store(0)
	work.Go(func() {
		if drained = m.write(life, c); drained {
			itself = m.await(life, c)
		}
		end()
	})
	work.Go(func() {
		m.read(ctx, c)
		end() // a child without an output is of no use
	})
	clock := make(chan struct{})
	var ticks sync.WaitGroup
	ticks.Go(func() { m.keepTime(ctx, c, clock) })
	work.Go(func() { m.logErrors(c) })
	select {
	case <-c.exited:
	case <-life.Done():
	}
	end()
	c.terminate(grace)
	work.Wait()
	close(clock)
	ticks.Wait()
	c.stdout.Close()
	c.stderr.Close()

	lost := m.flight.land()
	if drained && (c.err == nil || !itself) {
		m.count.silent.Add(uint64(len(lost)))
	} else {
		m.count.died.Add(uint64(len(lost)))
	}
	for _, e := range lost {
		m.release(ctx, e.meta.Conn)
	}
	return drained
}

// await gives a child whose input has ended time to end: as long as it answers,
// or a moment where it has nothing more to answer. It reports whether it did.
func (m *Middleware) await(life context.Context, c *child) bool {
	ticker := time.NewTicker(m.tick)
	defer ticker.Stop()
	lines, idle := m.lines.Load(), time.Duration(0)
	for {
		select {
		case <-c.exited:
			return true
		case <-life.Done():
			return false
		case <-ticker.C:
		}
		now := m.lines.Load()
		if idle += m.tick; now != lines || m.blocked.Load() {
			lines, idle = now, 0
		}
		if idle >= max(grace, m.cfg.Timeout) || idle >= grace && m.flight.answered() {
			return false
		}
	}
}

// write hands records over until there are no more, and closes the input then.
// It reports false where the child takes no more.
func (m *Middleware) write(life context.Context, c *child) bool {
	var buf, scratch []byte
	var entries []*entry
	for {
		batch, ok := m.batch(life)
		if !ok {
			if life.Err() != nil {
				return false
			}
			c.stdin.Close()
			return true
		}
		buf, entries = buf[:0], entries[:0]
		for _, r := range batch {
			buf, scratch = appendLine(buf, scratch, r)
			e := m.flight.add(r)
			e.end = m.written.Load() + int64(len(buf))
			entries = append(entries, e)
		}
		n, err := c.stdin.Write(buf)
		through := m.written.Add(int64(n))
		for i, e := range entries {
			if e.end > through {
				m.unsent = append([]*record.Record(nil), batch[i:]...)
				for _, e := range entries[i:] {
					m.flight.remove(e)
				}
				break
			}
			m.flight.wrote(e)
		}
		if err != nil {
			return false
		}
		clear(entries)
	}
}

// batch returns what waits, or waits for it.
func (m *Middleware) batch(life context.Context) ([]*record.Record, bool) {
	if len(m.unsent) > 0 {
		batch := m.unsent
		m.unsent = nil
		return batch, true
	}
	r, ok := m.in.Take(life)
	if !ok {
		return nil, false
	}
	batch, size := []*record.Record{r}, 2*len(r.Data)
	for size < batchBytes {
		if n, _ := m.in.Len(); n == 0 {
			break
		}
		if r, ok = m.in.Take(life); !ok {
			break
		}
		batch, size = append(batch, r), size+2*len(r.Data)
	}
	return batch, true
}

// read takes what the child makes of the messages.
func (m *Middleware) read(ctx context.Context, c *child) {
	lines := bufio.NewReaderSize(c.stdout, 64<<10)
	var long []byte
	for {
		part, err := lines.ReadSlice('\n')
		if len(long) > 0 || err != nil {
			if len(long) <= maxLine {
				long = append(long, part...)
			}
			part = long
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		if len(part) > 0 {
			m.answer(ctx, bytes.TrimSpace(part))
		}
		if err != nil {
			return
		}
		long = long[:0]
	}
}

// answer passes on what came back in a line.
func (m *Middleware) answer(ctx context.Context, line []byte) {
	if len(line) == 0 {
		return
	}
	m.lines.Add(1)
	r, ok := parseLine(line)
	if !ok || len(line) > maxLine {
		if m.count.garbled.Add(1) == 1 {
			// Not the line: it may be a message, with its secrets.
			m.cfg.Log.Warn("middleware wrote a line that is no message in hexadecimal (its standard output is for messages only)",
				"command", m.words[0], "length", len(line))
		}
		return
	}
	e, late := m.flight.find(key{r.Kind, r.ID})
	if e == nil || late {
		m.count.added.Add(1)
	}
	r.Protocol = proto.HTTP11
	if e != nil {
		sent := &e.meta
		r.Conn, r.Seq, r.Protocol, r.Pipelined = sent.Conn, sent.Seq, sent.Protocol, sent.Pipelined
		r.Client, r.Server = sent.Client, sent.Server
		if r.Kind != record.Replayed {
			r.LatencyNs = sent.LatencyNs
		}
	}
	m.trim(r)
	m.blocked.Store(true)
	m.handOut(ctx, r)
	m.blocked.Store(false)
	if e != nil && m.flight.close(e) {
		m.release(ctx, e.meta.Conn)
	}
}

// trim takes off a line end that is no part of the message: shell scripts add it,
// GoReplay's own example too, and it would stand before the next request.
func (m *Middleware) trim(r *record.Record) {
	if last := r.Data[len(r.Data)-1]; last != '\n' || !m.view.Parse(r.Data) {
		return
	}
	if excess := m.view.Excess(); len(bytes.Trim(excess, "\r\n")) == 0 {
		r.Data = r.Data[:len(r.Data)-len(excess)]
	}
}

// keepTime gives up on messages that are not answered in time.
func (m *Middleware) keepTime(ctx context.Context, c *child, stop <-chan struct{}) {
	ticker := time.NewTicker(m.tick)
	defer ticker.Stop()
	for {
		select {
		case <-stop:
			return
		case <-ticker.C:
		}
		if m.blocked.Load() {
			continue
		}
		written := m.written.Load() // before unread, so that consumed is never too much
		over := m.flight.tick(written - c.unread())
		m.count.silent.Add(uint64(len(over)))
		for _, e := range over {
			m.release(ctx, e.meta.Conn)
		}
		m.releaseIdle(ctx)
	}
}

func (m *Middleware) releaseIdle(ctx context.Context) {
	for _, conn := range m.flight.takeIdle() {
		m.release(ctx, conn)
	}
}

func (m *Middleware) release(ctx context.Context, conn uint64) {
	m.flight.release(conn, func(r *record.Record) { m.handOut(ctx, r) })
}

// logErrors passes on what the child writes to its standard error.
func (m *Middleware) logErrors(c *child) {
	lines := bufio.NewReaderSize(c.stderr, maxLogLine)
	for {
		line, err := lines.ReadSlice('\n')
		if line = bytes.TrimSpace(line); len(line) > 0 {
			m.cfg.Log.Info("middleware says", "command", m.words[0], "line", string(line))
		}
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return
		}
	}
}
