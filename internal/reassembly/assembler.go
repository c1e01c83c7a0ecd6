package reassembly

import "gortap/internal/flow"

// Assembler reassembles the connections of one shard. One goroutine owns it;
// every call is synchronous, and what it delivers it delivers before it returns.
type Assembler struct {
	cfg  Config
	open func(*Conn) Receiver

	conns    index
	last     *conn // of the last segment: segments come in runs
	lingers  lingering
	active   list[conn] // least recently active first
	waiting  list[half] // longest waiting first
	pool     pool
	spare    []*conn // closed ones, for reuse
	clockNs  int64   // the highest time seen
	nextID   uint64
	idleStep int64 // how stale a connection's place in active may be
	stats    Stats
}

// maxSpare bounds the closed connections that are kept for reuse.
const maxSpare = 1024

// New makes an Assembler. It calls open for each connection that begins, with
// a SYN or with payload; the Receiver must not be nil.
func New(cfg Config, open func(*Conn) Receiver) *Assembler {
	cfg = cfg.withDefaults()
	return &Assembler{
		cfg:      cfg,
		open:     open,
		conns:    newIndex(),
		lingers:  newLingering(cfg.MaxConns),
		nextID:   cfg.FirstID,
		idleStep: int64(cfg.IdleTimeout) / 256,
	}
}

// Segment takes in one segment, which is borrowed until the call returns.
// Bare ACKs are counted as packets and otherwise ignored: a live capture does
// not show them, and a file shall give the same result.
func (a *Assembler) Segment(s *flow.Segment) {
	a.stats.Segments++
	a.stats.Bytes += uint64(s.Len)
	a.clockNs = max(a.clockNs, s.TsNs)
	c := a.lookup(&s.Key)
	if s.Len == 0 && !s.Flags.Has(flow.SYN|flow.FIN|flow.RST) {
		if c != nil {
			c.count(s)
		}
		return
	}
	if c == nil {
		if c = a.admit(s); c == nil {
			return
		}
	}
	if c.parked && c.succeeded(s) {
		c = a.replace(c)
	}
	c.count(s)
	a.touch(c, s.TsNs)
	switch {
	case c.direct(s):
	case s.Flags.Has(flow.RST):
		c.reset(s)
	case s.Flags.Has(flow.SYN):
		c.synchronize(s)
	default:
		c.arrive(s, s.Seq)
	}
}

// CloseConn delivers what is held of a connection and closes it: the capture
// has ended its flow, and what comes later with the same key is another one.
func (a *Assembler) CloseConn(key flow.Key, why CloseReason) {
	a.lingers.forget(key)
	if c := a.lookup(&key); c != nil {
		a.close(c, why, c.LastNs)
		a.lingers.forget(key)
	}
}

// Conn returns the open connection of a key, nil where there is none. It is
// borrowed until the next call.
func (a *Assembler) Conn(key flow.Key) *Conn {
	if c := a.lookup(&key); c != nil {
		return &c.Conn
	}
	return nil
}

// Restart closes all connections, as Close does, and forgets those that ended: what
// comes next may be the same packets once more.
func (a *Assembler) Restart() {
	a.Close()
	a.lingers = newLingering(a.cfg.MaxConns)
}

// Close delivers what is held of every connection and closes all, the least
// recently active first. Nothing but Restart and Stats may be called after it.
func (a *Assembler) Close() {
	for c := a.active.front(); c != nil; c = a.active.front() {
		a.close(c, Stopped, c.LastNs)
	}
}

// Stats returns the counts so far. Like everything else it belongs to the
// goroutine that owns the Assembler.
func (a *Assembler) Stats() Stats {
	s := a.stats
	s.Conns, s.Lingering = a.conns.n, len(a.lingers.past)
	s.Buffered, s.Memory = a.pool.payload, a.pool.used
	return s
}

func (a *Assembler) lookup(key *flow.Key) *conn {
	if a.last != nil && a.last.Key == *key {
		return a.last
	}
	c := a.conns.find(key)
	if c != nil {
		a.last = c
	}
	return c
}

// admit opens the connection of a segment that belongs to none. A lone RST or
// FIN opens nothing, nor does what is late of a connection that ended.
func (a *Assembler) admit(s *flow.Segment) *conn {
	opens := !s.Flags.Has(flow.RST) && (s.Len > 0 || s.Flags.Has(flow.SYN))
	if p, ok := a.lingers.past[s.Key]; ok {
		if !opens || !p.begins(s, int64(a.cfg.MaxBuffered)) {
			a.stats.Dropped[AfterClose].add(int64(s.Len))
			return nil
		}
		a.lingers.forget(s.Key)
	}
	if !opens {
		a.stats.Dropped[Orphan].add(int64(s.Len))
		return nil
	}
	return a.openConn(s.Key, s.TsNs)
}

func (a *Assembler) openConn(key flow.Key, tsNs int64) *conn {
	if a.conns.n >= a.cfg.MaxConns {
		idlest := a.active.front()
		a.close(idlest, Evicted, idlest.LastNs)
	}
	c := a.takeSpare()
	c.Conn = Conn{ID: a.nextID, Key: key, Opened: tsNs, FirstNs: tsNs, LastNs: tsNs}
	c.activeNs, c.touchedNs = a.clockNs, a.clockNs
	for d := range c.halves {
		c.halves[d].init(c, flow.Dir(d), &a.pool)
	}
	a.nextID += a.cfg.IDStride
	a.conns.add(c)
	a.last = c
	a.active.pushBack(&c.active)
	a.stats.Opened++
	c.receiver = a.open(&c.Conn)
	return c
}

func (a *Assembler) takeSpare() *conn {
	n := len(a.spare)
	if n == 0 {
		c := &conn{asm: a}
		c.active.owner = c
		return c
	}
	c := a.spare[n-1]
	a.spare = a.spare[:n-1]
	c.closed, c.parked = false, false
	return c
}

// close delivers what is held and then ends c. Delivering may end it earlier,
// by a FIN or RST that was waiting.
func (a *Assembler) close(c *conn, why CloseReason, tsNs int64) {
	c.flush()
	if c.closed {
		return
	}
	c.closed = true
	a.conns.remove(c)
	if a.last == c {
		a.last = nil
	}
	a.active.remove(&c.active)
	for d := range c.halves {
		a.waiting.remove(&c.halves[d].waiting)
		c.Dirs[d].Buffered = 0
	}
	if why == Finished || why == Reset {
		a.lingers.add(c.Key, c.past())
	}
	a.stats.Closed[why]++
	c.receiver.Close(why, tsNs)
	c.receiver = nil
	if len(a.spare) < maxSpare {
		a.spare = append(a.spare, c)
	}
}
