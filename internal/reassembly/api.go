// Package reassembly puts the segments of TCP connections back in order and
// delivers each direction's bytes once, with gaps told honestly.
//
// Use it between a capture, live or from a file, and the parsers: New makes an
// Assembler, Segment feeds it, and a Receiver per connection gets the result.
// It is passive: it never knows what the end points really accepted, so where
// two copies of a byte differ it keeps the first and counts the conflict.
package reassembly

import "gortap/internal/flow"

// CloseReason says how a connection ended.
type CloseReason uint8

// How a connection ends.
const (
	Finished        CloseReason = iota // FIN in both directions
	Reset                              // RST
	Replaced                           // a SYN began a new connection on the same four-tuple
	Expired                            // idle for too long; its end was not seen
	Evicted                            // closed to stay inside a limit
	Stopped                            // the assembler was closed
	NumCloseReasons = iota
)

var closeReasonNames = [NumCloseReasons]string{"finished", "reset", "replaced", "expired", "evicted", "stopped"}

// String returns the metric label, for example "finished".
func (r CloseReason) String() string { return closeReasonNames[r] }

// Receiver takes the ordered bytes of one connection. Calls are in causal
// order: a byte is delivered only after the bytes of the other direction that
// its sender had acknowledged (or after those were declared a gap). Per
// direction, Data and Gap follow each other without overlap or hole. A
// Receiver must not call the Assembler.
type Receiver interface {
	Data(d flow.Dir, b []byte, tsNs int64)             // b is borrowed
	Gap(d flow.Dir, n int64, why flow.Gap, tsNs int64) // n > 0
	End(d flow.Dir, tsNs int64)                        // FIN, in order; once a direction
	Close(why CloseReason, tsNs int64)                 // last call
}

// Conn describes a connection to the Opener and counts what became of it. It
// belongs to the Assembler, which reuses it once Receiver.Close has returned.
type Conn struct {
	ID              uint64
	Key             flow.Key
	Opened          int64    // Unix ns of the first segment
	Opener          flow.Dir // who sent the SYN; meaningful where OpenerKnown
	OpenerKnown     bool     // may become true later than the first Data
	Dirs            [2]DirCount
	FirstNs, LastNs int64 // lowest and highest time of a segment that was more than an ACK
}

// DirCount counts one direction in payload bytes, and packets as given. Each
// payload byte of each segment is in exactly one of Delivered, Skipped,
// Truncated, Retransmitted, Dropped and Buffered. Lost bytes never came, or
// came and were dropped.
type DirCount struct {
	Packets, NetBytes                   uint64 // of segments with NetBytes > 0: pieces of a packet count once
	Delivered, Skipped, Truncated, Lost uint64
	// Retransmitted bytes were seen before; Conflicts of them differed from
	// the first copy, as far as that was still held for comparison.
	Retransmitted, Conflicts uint64
	Dropped                  uint64 // bytes seen, but not delivered: Stats tells why
	Buffered                 int    // bytes held for order now
}
