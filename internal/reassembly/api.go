// Package reassembly puts the segments of TCP connections back in order and
// delivers each direction's bytes once, with gaps told honestly.
package reassembly

import "gortap/internal/flow"

// CloseReason says how a connection ended.
type CloseReason uint8

// How a connection ends.
const (
	Finished CloseReason = iota // FIN in both directions
	Reset                       // RST
	Replaced                    // a SYN began a new connection on the same four-tuple
	Expired                     // idle for too long; its end was not seen
	Evicted                     // closed to stay inside a limit
	Stopped                     // the assembler was closed
)

// Receiver takes the ordered bytes of one connection. Calls are in causal
// order: a byte is delivered only after the bytes of the other direction that
// its sender had acknowledged (or after those were declared a gap).
type Receiver interface {
	Data(d flow.Dir, b []byte, tsNs int64)             // b is borrowed
	Gap(d flow.Dir, n int64, why flow.Gap, tsNs int64) // n > 0
	End(d flow.Dir, tsNs int64)                        // FIN, in order; once a direction
	Close(why CloseReason, tsNs int64)                 // last call
}

// Conn describes a connection to the Opener and counts what became of it.
type Conn struct {
	ID              uint64
	Key             flow.Key
	Opened          int64    // Unix ns of the first segment
	Opener          flow.Dir // who sent the SYN; meaningful where OpenerKnown
	OpenerKnown     bool
	Dirs            [2]DirCount
	FirstNs, LastNs int64
}

// DirCount counts one direction in payload bytes, and packets as given.
// Delivered + Skipped + Truncated are each byte seen once; Lost bytes were never seen.
type DirCount struct {
	Packets, NetBytes                   uint64
	Delivered, Skipped, Truncated, Lost uint64
	Retransmitted, Conflicts            uint64 // bytes seen again; of those, bytes that differed
	Buffered                            int    // bytes held for order now
}
