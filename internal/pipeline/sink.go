package pipeline

import (
	"gortap/internal/flow"
	"gortap/internal/proto"
	"gortap/internal/reassembly"
)

// fanout is the parsers' sink: the account first, which names the exchange, then
// the outputs. It is used under the account's lock.
type fanout struct {
	Account
	feeds []Feed
}

var _ proto.Sink = (*fanout)(nil)

// Done implements proto.Sink.
func (f *fanout) Done(x *proto.Exchange) {
	f.Account.Done(x)
	for _, o := range f.feeds {
		o.Exchange(x)
	}
}

// counted tells the account a connection's totals as the reassembler counted
// them, when it closes.
type counted struct {
	reassembly.Receiver
	conn    *reassembly.Conn
	account Account
}

// Close implements reassembly.Receiver.
func (c *counted) Close(why reassembly.CloseReason, tsNs int64) {
	c.Receiver.Close(why, tsNs)
	t := flow.Totals{
		Key:         c.conn.Key,
		Opener:      c.conn.Opener,
		OpenerKnown: c.conn.OpenerKnown,
		FirstNs:     c.conn.FirstNs,
		LastNs:      c.conn.LastNs,
	}
	for i := range c.conn.Dirs {
		d := &c.conn.Dirs[i]
		t.Dirs[i] = flow.DirTotals{
			Packets:       d.Packets,
			Bytes:         d.NetBytes,
			Payload:       d.Delivered + d.Skipped + d.Truncated,
			Retransmitted: d.Retransmitted,
		}
	}
	c.account.End(&t, nil)
}
