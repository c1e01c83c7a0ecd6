package account

import (
	"gortap/internal/flow"
	"gortap/internal/proto"
	"gortap/internal/reassembly"
)

// A ledger holds a flow's two accounts of the same bytes against each other:
// what the capture counted (funds) and what the parsers credited (debts). Both
// only hold what is not settled yet. Settling pays debts out of funds, which
// books the payload to the service that the bytes were credited to, so per
// service gor_tcp_payload_bytes_total equals the sum of gor_bytes_total,
// whichever way a connection's requests are spread over services.
//
//   - Funds that no debt claims are bytes that no parser ever got. They are
//     credited to the residual reason and paid at once.
//   - Debts that no funds cover would mean bytes out of nothing. They are never
//     paid, but counted in gor_reconcile_errors_total.
//
// While the flow lives, its totals run ahead of what has been read from the
// ring. So an Update only takes for unclaimed what the Update before it had
// counted already, less what the assembler and the parser still hold.
type ledger struct {
	key flow.Key
	// funds are by flow.Dir. They are negative where debts were settled in
	// advance.
	funds [2]int64
	debts []debt
	last  [2]flow.DirTotals // as the capture last told; Packets is not used
	// pending is counted and waits for service to be known.
	pending [2]linkBytes

	conn *connState // the open connection, or nil
	// service is that of the latest exchange, else the address's; network
	// bytes and residual payload go to it. Nil until something needs a name.
	service *service
	client  flow.Dir // the direction that the client sends in, as known last
	known   bool     // client comes from a connection

	residual proto.Reason // what unclaimed funds are; Complete stands for Lost
	counting bool         // residual was set: nothing more is handed over
	// earlier is the residual reason of the connection before this one, for the
	// rest of its bytes. It holds for the next earlierFor Updates.
	earlier    proto.Reason
	earlierFor int

	told    int   // Updates of this flow so far
	opened  int64 // Unix nanoseconds, of the latest connection
	touched int64 // when something was last heard, by the shard's clock
	index   int   // in Shard.order
	// blind is set where credits of the flow may have been booked without a
	// ledger. It has no funds and no debts, and only books network bytes.
	blind bool
}

// debt is credited payload that is not settled. It keeps the side that it was
// credited to, because a connection's roles may be turned round later.
type debt struct {
	service *service
	dir     flow.Dir
	side    proto.Side
	n       uint64
}

// linkBytes counts what is no payload: by direction, like everything here.
type linkBytes struct{ network, retransmitted uint64 }

// maxDebts bounds how many services, directions and sides a connection can owe
// between two Updates. With one more, the oldest is settled in advance.
const maxDebts = 64

// owe notes n credited bytes.
func (l *ledger) owe(s *service, dir flow.Dir, side proto.Side, n uint64) {
	for i := len(l.debts) - 1; i >= 0; i-- {
		if d := &l.debts[i]; d.service == s && d.dir == dir && d.side == side {
			d.n += n
			return
		}
	}
	if len(l.debts) >= maxDebts {
		l.pay(&l.debts[0], l.debts[0].n)
		l.debts = append(l.debts[:0], l.debts[1:]...)
	}
	l.debts = append(l.debts, debt{s, dir, side, n})
}

// settle pays debts as far as the funds go, the oldest first.
func (l *ledger) settle() {
	kept := l.debts[:0]
	for _, d := range l.debts {
		l.pay(&d, min(d.n, uint64(max(l.funds[d.dir], 0))))
		if d.n > 0 {
			kept = append(kept, d)
		}
	}
	l.debts = kept
}

func (l *ledger) pay(d *debt, n uint64) {
	d.n -= n
	l.funds[d.dir] -= int64(n)
	d.service.payload[d.side] += n
}

// writeOff forgets what nothing was counted for and returns how much it was.
func (l *ledger) writeOff() (n uint64) {
	for _, d := range l.debts {
		n += d.n
	}
	for dir, funds := range l.funds {
		n += uint64(max(-funds, 0))
		l.funds[dir] = max(funds, 0)
	}
	l.debts = l.debts[:0]
	return n
}

// unclaimed returns how many counted bytes no parser will credit. grown is
// what the latest totals added, c the assembler's counts, nil where it has
// none. final says that all segments have been handed over.
func (l *ledger) unclaimed(dir flow.Dir, grown uint64, c *reassembly.Conn, final bool) uint64 {
	free := l.funds[dir] - int64(l.held(dir, c))
	if !final && !l.counting {
		free -= int64(grown)
	}
	return uint64(max(free, 0))
}

// take adds new totals and returns how much payload they added by direction.
// Totals that went back are those of a new flow whose predecessor's End got
// lost.
func (l *ledger) take(t *flow.Totals) (grown [2]uint64) {
	for dir := range t.Dirs {
		now, before := t.Dirs[dir], l.last[dir]
		if now.Bytes < before.Bytes || now.Payload < before.Payload || now.Retransmitted < before.Retransmitted {
			before = flow.DirTotals{}
		}
		l.last[dir] = now
		l.pending[dir].network += now.Bytes - before.Bytes
		l.pending[dir].retransmitted += now.Retransmitted - before.Retransmitted
		grown[dir] = now.Payload - before.Payload
		if !l.blind {
			l.funds[dir] += int64(grown[dir])
		}
	}
	if !l.known && t.OpenerKnown {
		l.client = t.Opener
	}
	return grown
}

// side returns the role of the end that sends in direction d.
func (l *ledger) side(d flow.Dir) proto.Side {
	client := l.client
	if l.conn != nil {
		client = l.conn.conn.Client
	}
	if d == client {
		return proto.Client
	}
	return proto.Server
}

// why returns what unclaimed bytes are called.
func (l *ledger) why() proto.Reason {
	switch {
	case l.residual != proto.Complete:
		return l.residual
	case l.earlier != proto.Complete:
		return l.earlier
	}
	return proto.Lost
}

// held returns how many bytes of a direction the assembler has got that the
// parsers have not credited yet: buffered for order, or the head of a message.
func (l *ledger) held(dir flow.Dir, c *reassembly.Conn) uint64 {
	if c == nil || l.conn == nil {
		return 0
	}
	d := &c.Dirs[dir]
	got := d.Delivered + d.Skipped + d.Truncated + uint64(d.Buffered)
	return got - min(got, l.conn.credited[dir])
}

// connState is what the shard knows about an open connection.
type connState struct {
	conn     *proto.Conn
	ledger   *ledger // nil where the limit of flows was reached
	credited [2]uint64
	// host and service are those of the latest request.
	host    []byte
	service *service
}
