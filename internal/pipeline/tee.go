package pipeline

import (
	"gortap/internal/flow"
	"gortap/internal/reassembly"
)

// ConnFeed is a SegmentFeed that wants the ordered bytes of connections too, whatever
// they speak.
type ConnFeed interface {
	SegmentFeed
	// Open returns what takes a connection's bytes beside the parsers. It is
	// called under the account's lock, as that is, and must not block.
	Open(c *reassembly.Conn) reassembly.Receiver
}

// tee gives the bytes of a connection to the parsers and to another receiver.
type tee struct{ parsers, other reassembly.Receiver }

var _ reassembly.Receiver = (*tee)(nil)

// Data implements reassembly.Receiver.
func (t *tee) Data(d flow.Dir, b []byte, tsNs int64) {
	t.other.Data(d, b, tsNs)
	t.parsers.Data(d, b, tsNs)
}

// Gap implements reassembly.Receiver.
func (t *tee) Gap(d flow.Dir, n int64, why flow.Gap, tsNs int64) {
	t.other.Gap(d, n, why, tsNs)
	t.parsers.Gap(d, n, why, tsNs)
}

// End implements reassembly.Receiver.
func (t *tee) End(d flow.Dir, tsNs int64) {
	t.other.End(d, tsNs)
	t.parsers.End(d, tsNs)
}

// Close implements reassembly.Receiver.
func (t *tee) Close(why reassembly.CloseReason, tsNs int64) {
	t.other.Close(why, tsNs)
	t.parsers.Close(why, tsNs)
}

// copying passes the parsers' wishes on, but for the one to copy nothing more: they
// have no use for a connection's bytes, outputs of segments have.
type copying struct{ flow.Control }

// SetDepth implements flow.Control.
func (c copying) SetDepth(k flow.Key, d flow.Depth) {
	if d != flow.DepthNone {
		c.Control.SetDepth(k, d)
	}
}
