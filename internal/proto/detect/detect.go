// Package detect stands between the reassembler and the parsers: it tells from
// the bytes of a connection, not from its ports, which protocol it speaks and
// who its client is, and lets a parser hand the connection to another. What no
// protocol knows is only counted from then on.
//
// One Detector serves one shard; nothing here may be used concurrently.
package detect

import (
	"math"
	"sync/atomic"

	"gortap/internal/flow"
	"gortap/internal/proto"
	"gortap/internal/reassembly"
)

// Protocol is a row of the table of protocols.
type Protocol struct {
	// Name is what an Upgrade field calls it, in lower case.
	Name string
	// Detect tells what the first bytes of a connection, sent by one side,
	// are, and whether it is sure who sent them. It is nil for a protocol that
	// only an upgrade leads to.
	Detect func(b []byte) (v proto.Verdict, sure bool)
	// DetectMid is the same for bytes from the middle of a connection, where a
	// message may begin: where a capture starts, after a gap, where the other
	// side spoke in between, and with Lines also after a line end. It is nil
	// where Detect is.
	DetectMid func(b []byte) (v proto.Verdict, sure bool)
	Lines     bool
	// New makes the factory of a shard's parsers.
	New func() proto.Factory
}

// Bounds of an undecided connection.
const (
	// maxHeld is how many bytes of a side are held back to tell what they are.
	maxHeld = 8 << 10
	// A connection that begins in the middle is given up after so many turns,
	// or so many bytes in a few turns, or so many bytes at all: a message has to
	// begin with each turn, but a body may go on for long.
	maxTurns     = 8
	minTurns     = 2
	maxTurnBytes = 64 << 10
	maxBytes     = 1 << 20
)

// poolMax bounds the pool of connections.
const poolMax = 4096

// keepCap is the largest buffer, in bytes, that a pooled connection keeps.
const keepCap = 4 << 10

// Detector makes the receivers of a shard's connections.
type Detector struct {
	table     []Protocol
	factories []proto.Factory
	free      []*conn
	sample    *atomic.Uint32 // nil: all
}

// New returns a Detector for the given protocols. Where several take the same
// bytes for theirs, the earlier row wins.
func New(table []Protocol) *Detector {
	d := &Detector{table: table}
	for _, p := range table {
		d.factories = append(d.factories, p.New())
	}
	return d
}

// Follow lets connections go whose flow.Key.Hash is not below sample, those that
// are open too: their bytes are counted as Unsampled until they end, and the capture
// is told to copy no more of them. math.MaxUint32 lets none go. Any goroutine may
// change sample; Follow itself comes before the first Open.
func (d *Detector) Follow(sample *atomic.Uint32) { d.sample = sample }

// keeps reports whether a connection with this hash is in the sample.
func (d *Detector) keeps(hash uint32) bool {
	if d.sample == nil {
		return true
	}
	limit := d.sample.Load()
	return limit == math.MaxUint32 || hash < limit
}

// Open returns the receiver of a new connection and tells sink of it. control
// may be nil. The receiver reads rc until it is closed.
func (d *Detector) Open(rc *reassembly.Conn, sink proto.Sink, control flow.Control) reassembly.Receiver {
	var c *conn
	if n := len(d.free); n > 0 {
		c, d.free = d.free[n-1], d.free[:n-1]
	} else {
		c = new(conn)
	}
	held := [2][]byte{c.side[0].held[:0], c.side[1].held[:0]}
	*c = conn{detector: d, source: rc, sink: sink, hash: rc.Key.Hash()}
	c.side[0].held, c.side[1].held = held[0], held[1]
	// The endpoint with the lower port is more often the server: that is A.
	c.conn = proto.Conn{ID: rc.ID, Key: rc.Key, Opened: rc.Opened, Client: flow.FromB, Control: control}
	c.believeOpener()
	sink.Opened(&c.conn)
	return c
}

func (d *Detector) recycle(c *conn) {
	for i := range c.side {
		if cap(c.side[i].held) > keepCap {
			c.side[i].held = nil
		}
	}
	c.conn, c.source, c.sink, c.parser, c.next = proto.Conn{}, nil, nil, nil, nil
	if len(d.free) < poolMax {
		d.free = append(d.free, c)
	}
}
