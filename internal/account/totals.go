package account

import "gortap/internal/proto"

// Totals is the whole account in a few numbers, for the summary of a run. The
// arrays are by proto.Reason.
type Totals struct {
	NetworkBytes, PayloadBytes, RetransmittedBytes uint64

	Exchanges, Messages uint64
	Incomplete          [proto.NumReasons]uint64 // messages
	// MessageBytes and Unattributed add up to PayloadBytes once every flow has
	// ended.
	MessageBytes uint64
	Unattributed [proto.NumReasons]uint64
	// ReconcileErrors is bytes credited that the capture did not count: 0,
	// unless there is a bug. Unreconciled is payload of flows beyond the limit.
	ReconcileErrors, Unreconciled uint64
}

// Totals adds up all shards, locking one at a time.
func (a *Account) Totals() (t Totals) {
	b := a.merge()
	t.ReconcileErrors = b.errors.excess + b.errors.unreported
	t.Unreconciled = max(b.errors.uncheckedCredited, b.errors.uncheckedCounted)
	for _, s := range b.services {
		t.NetworkBytes += s.network[0] + s.network[1]
		t.PayloadBytes += s.payload[0] + s.payload[1]
		t.RetransmittedBytes += s.retransmitted[0] + s.retransmitted[1]
		for k, c := range s.endpoints {
			t.add(k, c)
		}
	}
	return t
}

func (t *Totals) add(k endpointKey, c *counters) {
	t.Exchanges += c.exchanges
	t.Messages += c.messages[0] + c.messages[1]
	for why := range t.Incomplete {
		t.Incomplete[why] += c.incomplete[0][why] + c.incomplete[1][why]
	}
	n := c.bytes[0] + c.bytes[1]
	// A response without request is a message, though its method is empty.
	for why := range t.Unattributed {
		if k.method == "" && k.path == loosePath(proto.Reason(why)) && proto.Reason(why) != proto.NoRequest {
			t.Unattributed[why] += n
			return
		}
	}
	t.MessageBytes += n
}

// loosePath is the path of bytes that belong to no message.
func loosePath(why proto.Reason) string { return "(" + why.String() + ")" }
