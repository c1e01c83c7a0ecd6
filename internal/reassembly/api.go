// Package reassembly puts the segments of TCP connections back in order and
// delivers each direction's bytes once, with gaps told honestly.
package reassembly

import (
	"gortap/internal/flow"
	"gortap/internal/proto"
)

// Receiver takes the ordered bytes of one connection. Calls are in causal
// order: a byte is delivered only after the bytes of the other direction that
// its sender had acknowledged (or after those were declared a gap).
type Receiver interface {
	Data(d flow.Dir, b []byte, tsNs int64)              // b is borrowed
	Gap(d flow.Dir, n int64, why proto.Gap, tsNs int64) // n > 0
	End(d flow.Dir, tsNs int64)                         // FIN, in order; once a direction
	Close(why proto.Reason, tsNs int64)                 // last call; see proto.Parser.Close
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
