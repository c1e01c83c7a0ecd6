package account

import (
	"time"

	"gortap/internal/flow"
	"gortap/internal/proto"
	"gortap/internal/reassembly"
)

const (
	// unreportedAfter is how long a flow that the capture never told of is
	// waited for after its last connection.
	unreportedAfter = 10 * time.Minute
	// sweepStep is how many ledgers a Tick looks at.
	sweepStep = 16
)

// Opened begins the books of a connection.
func (s *Shard) Opened(c *proto.Conn) {
	st := s.newConnState(c)
	c.User = st
	l := s.ledgers[c.Key]
	if l == nil {
		if l = s.newLedger(c.Key); l == nil {
			s.blindNs = max(s.blindNs, c.Opened)
			return
		}
	}
	st.ledger = l
	if l.counting {
		l.earlier, l.earlierFor = l.residual, 2
	}
	l.residual, l.counting = proto.Complete, false
	l.conn, l.known, l.opened, l.touched = st, true, c.Opened, s.nowNs
}

// Closed ends the books of a connection. Its flow stays under reconciliation
// until End.
func (s *Shard) Closed(c *proto.Conn) {
	st := c.User.(*connState)
	if l := st.ledger; l != nil && l.conn == st {
		l.conn, l.client, l.touched = nil, c.Client, s.nowNs
	}
	c.User = nil
	s.spareConns = append(s.spareConns, st)
}

func (s *Shard) newConnState(c *proto.Conn) *connState {
	last := len(s.spareConns) - 1
	if last < 0 {
		return &connState{conn: c}
	}
	st := s.spareConns[last]
	s.spareConns = s.spareConns[:last]
	*st = connState{conn: c, host: st.host[:0]}
	return st
}

// Residual names the bytes of a connection that are counted and not handed
// over from now on. Lost and Complete restore the default.
func (s *Shard) Residual(c *proto.Conn, why proto.Reason) {
	if st := c.User.(*connState); st.ledger != nil {
		st.ledger.setResidual(why)
		s.connService(st)
	}
}

// SetResidual does the same for a flow that has no connection, because the
// capture was told to hand over nothing of it (sampling). A connection that
// opens later starts from the default.
func (s *Shard) SetResidual(k flow.Key, why proto.Reason) {
	l := s.ledgers[k]
	if l == nil {
		l = s.newLedger(k)
	}
	if l != nil {
		l.setResidual(why)
	}
}

func (l *ledger) setResidual(why proto.Reason) {
	if why == proto.Lost {
		why = proto.Complete
	}
	l.residual, l.counting = why, why != proto.Complete
}

// Update books the totals of a live flow so far. c is what the assembler
// counted of the flow's open connection, nil where none is open.
func (s *Shard) Update(t *flow.Totals, c *reassembly.Conn) {
	l := s.ledgerOf(t)
	if l == nil {
		return // End books it all
	}
	l.told++
	s.book(l, t, c, false)
	if l.earlierFor--; l.earlierFor <= 0 {
		l.earlier, l.earlierFor = proto.Complete, 0
	}
}

// End books the final totals of a flow. Its connection should be Closed by
// then; where it is not, c is what the assembler counted of it, and what it
// holds counts as the beginning of the next flow with that key.
func (s *Shard) End(t *flow.Totals, c *reassembly.Conn) {
	l := s.ledgerOf(t)
	if l == nil {
		s.bookUnledgered(t)
		return
	}
	s.book(l, t, c, true)
	if l.conn != nil {
		l.last, l.told = [2]flow.DirTotals{}, 0
		return
	}
	s.errors.excess += l.writeOff()
	s.remove(l)
}

// book takes new totals, pays what is owed and credits what nobody claims.
func (s *Shard) book(l *ledger, t *flow.Totals, c *reassembly.Conn, final bool) {
	l.touched = s.nowNs
	if t.Unsampled && l.conn == nil {
		l.setResidual(proto.Unsampled)
	}
	grown := l.take(t)
	if l.blind {
		s.errors.uncheckedCounted += grown[0] + grown[1]
	}
	l.settle()
	for dir := range l.funds {
		if n := l.unclaimed(flow.Dir(dir), grown[dir], c, final); n > 0 {
			s.creditResidual(l, flow.Dir(dir), n)
		}
	}
	// Without a request yet, a flow's service would be its address; so the
	// few bytes of a handshake wait for the request.
	if l.service != nil || final || (l.conn == nil && l.told > 1) {
		s.bookLink(l)
	}
}

func (s *Shard) ledgerService(l *ledger) *service {
	if l.service == nil {
		server := l.client.Other()
		if l.conn != nil {
			server = l.conn.conn.Client.Other()
		}
		l.service = s.addressService(&l.key, server)
	}
	return l.service
}

func (s *Shard) creditResidual(l *ledger, dir flow.Dir, n uint64) {
	svc, side := s.ledgerService(l), l.side(dir)
	s.credit(svc.looseEndpoint(l.why()), side, n)
	l.funds[dir] -= int64(n)
	svc.payload[side] += n
}

func (s *Shard) bookLink(l *ledger) {
	svc := s.ledgerService(l)
	for dir := range l.pending {
		side := l.side(flow.Dir(dir))
		svc.network[side] += l.pending[dir].network
		svc.retransmitted[side] += l.pending[dir].retransmitted
		l.pending[dir] = linkBytes{}
	}
}

// bookUnledgered books a flow that found no room. Whatever was credited of its
// payload is booked already.
func (s *Shard) bookUnledgered(t *flow.Totals) {
	l := &ledger{key: t.Key, client: flow.FromB, blind: true}
	s.book(l, t, nil, true)
}

// ledgerOf returns the ledger of a flow that the capture tells of, nil where
// there is no room for another.
func (s *Shard) ledgerOf(t *flow.Totals) *ledger {
	l := s.ledgers[t.Key]
	if l == nil {
		l = s.newLedger(t.Key)
		if l != nil {
			l.blind = s.blindNs != 0 && t.FirstNs <= s.blindNs
		}
	}
	return l
}

func (s *Shard) newLedger(k flow.Key) *ledger {
	if len(s.order) >= s.limits.MaxFlows {
		return nil
	}
	var l *ledger
	if last := len(s.spareLedgers) - 1; last >= 0 {
		l = s.spareLedgers[last]
		s.spareLedgers = s.spareLedgers[:last]
	} else {
		l = &ledger{}
	}
	// A is the lower port, so the server more often than not.
	*l = ledger{key: k, debts: l.debts[:0], client: flow.FromB, index: len(s.order), touched: s.nowNs}
	s.ledgers[k] = l
	s.order = append(s.order, l)
	return l
}

func (s *Shard) remove(l *ledger) {
	last := s.order[len(s.order)-1]
	s.order[l.index] = last
	last.index = l.index
	s.order = s.order[:len(s.order)-1]
	delete(s.ledgers, l.key)
	s.spareLedgers = append(s.spareLedgers, l)
}

// sweep looks for flows that the capture never told of. What was credited of
// them is booked as it is, and counted as an error.
func (s *Shard) sweep() {
	for range min(sweepStep, len(s.order)) {
		if s.sweepAt >= len(s.order) {
			s.sweepAt = 0
		}
		l := s.order[s.sweepAt]
		if l.told > 0 || l.conn != nil || s.nowNs-l.touched < int64(unreportedAfter) {
			s.sweepAt++
			continue
		}
		for i := range l.debts {
			s.errors.unreported += l.debts[i].n
			l.pay(&l.debts[i], l.debts[i].n)
		}
		s.blindNs = max(s.blindNs, l.opened)
		s.remove(l)
		if len(s.order) == 0 {
			return
		}
	}
}
