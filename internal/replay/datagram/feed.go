package datagram

import (
	"gortap/internal/flow"
	"gortap/internal/proto"
)

// maxPending bounds the bytes of datagrams that wait for a tick.
const maxPending = 16 << 20

// Feed takes the datagrams of a capture to the outputs. One goroutine calls it.
type Feed struct {
	outputs []*Output
	pending []request
	bytes   int
}

// request is a datagram that owns its bytes.
type request struct {
	flow.Datagram
	lost bool // its bytes found no room
}

// NewFeed makes a Feed.
func NewFeed(outputs []*Output) *Feed { return &Feed{outputs: outputs} }

// Datagram takes one that an output wants, borrowed until it returns.
func (f *Feed) Datagram(d *flow.Datagram) {
	for _, o := range f.outputs {
		if !o.concerns(&d.Key) {
			continue
		}
		r := request{Datagram: *d}
		if r.Data = nil; f.bytes+len(d.Data) <= maxPending {
			r.Data = append([]byte(nil), d.Data...)
			f.bytes += len(d.Data)
		} else {
			r.lost = true
		}
		f.pending = append(f.pending, r)
		return
	}
}

// Exchange is not for datagrams.
func (f *Feed) Exchange(*proto.Exchange) {}

// Tick sends what came. Of files it waits until each is due.
func (f *Feed) Tick(nowNs int64) {
	for _, o := range f.outputs {
		o.tick(nowNs)
	}
	for i := range f.pending {
		for _, o := range f.outputs {
			o.put(&f.pending[i])
		}
		f.pending[i] = request{}
	}
	f.pending, f.bytes = f.pending[:0], 0
}

// Close sends the rest.
func (f *Feed) Close() { f.Tick(0) }
