package reassembly

// Advance tells the capture's clock, in Unix nanoseconds: waits that are over
// end, idle connections are closed. The clock never goes back; a lower time
// than the highest seen, in a segment or here, changes nothing.
func (a *Assembler) Advance(nowNs int64) {
	a.clockNs = max(a.clockNs, nowNs)
	for h := a.waiting.front(); h != nil && a.over(h.sinceNs, int64(a.cfg.GapTimeout)); h = a.waiting.front() {
		h.conn.unblock(h, Timeout)
		h.conn.await()
	}
	for c := a.active.front(); c != nil && a.over(c.activeNs, int64(a.cfg.IdleTimeout)); c = a.active.front() {
		a.close(c, Expired, c.LastNs)
	}
	a.lingers.expire(a.clockNs - int64(a.cfg.LingerTimeout))
}

func (a *Assembler) over(sinceNs, timeoutNs int64) bool { return a.clockNs-sinceNs >= timeoutNs }

// relieve keeps MaxTotal: those who waited longest wait no more.
func (a *Assembler) relieve() {
	for h := a.waiting.front(); h != nil && a.pool.used > a.cfg.MaxTotal; h = a.waiting.front() {
		h.conn.unblock(h, BufferLimit)
		h.conn.await()
	}
}

// touch notes that c is active. Its place in the list is renewed only now and
// then: moving it for each segment would touch the memory of its neighbours.
func (a *Assembler) touch(c *conn, tsNs int64) {
	c.FirstNs, c.LastNs = min(c.FirstNs, tsNs), max(c.LastNs, tsNs)
	c.activeNs = a.clockNs
	if a.clockNs-c.touchedNs > a.idleStep {
		c.touchedNs = a.clockNs
		a.active.moveToBack(&c.active)
	}
}
