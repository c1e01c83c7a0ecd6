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

// newSink makes the parsers' sink. It wants the messages' bytes only where a feed
// does: they cost time.
func newSink(a Account, feeds []Feed) proto.Sink {
	f := fanout{Account: a, feeds: feeds}
	var messages []MessageFeed
	for _, feed := range feeds {
		if m, ok := feed.(MessageFeed); ok {
			messages = append(messages, m)
		}
	}
	if len(messages) == 0 {
		return &f
	}
	return &observing{fanout: f, messages: messages}
}

// observing is a fanout for outputs that want the bytes too.
type observing struct {
	fanout
	messages []MessageFeed
}

var _ proto.Observer = (*observing)(nil)

// Begin implements proto.Sink.
func (f *observing) Begin(x *proto.Exchange) {
	f.Account.Begin(x)
	for _, m := range f.messages {
		m.Begin(x)
	}
}

// Payload implements proto.Observer.
func (f *observing) Payload(x *proto.Exchange, s proto.Side, part proto.Part, b []byte) {
	for _, m := range f.messages {
		m.Payload(x, s, part, b)
	}
}

// Ended implements proto.Observer.
func (f *observing) Ended(x *proto.Exchange, s proto.Side) {
	for _, m := range f.messages {
		m.Ended(x, s)
	}
}

// Closed implements proto.Sink.
func (f *observing) Closed(c *proto.Conn) {
	for _, m := range f.messages {
		m.Closed(c)
	}
	f.Account.Closed(c)
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
