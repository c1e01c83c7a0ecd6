package reassembly

// DropReason says why bytes that were seen are not delivered.
type DropReason uint8

// Why segments, or parts of them, are dropped.
const (
	Orphan         DropReason = iota // RST or FIN of a connection that is not known
	AfterClose                       // belated segment of a connection that was finished or reset
	AfterEnd                         // bytes beyond the sender's FIN or RST
	BeforeStart                      // bytes before the place where the direction was joined
	Late                             // bytes of a hole that had been declared lost
	Implausible                      // far from everything known of the connection
	InReset                          // payload of a RST, which is a diagnostic at most (RFC 9293, 3.5.3)
	NumDropReasons = iota
)

var dropReasonNames = [NumDropReasons]string{
	"orphan", "after-close", "after-end", "before-start", "late", "implausible", "in-reset",
}

// String returns the metric label, for example "after-close".
func (r DropReason) String() string { return dropReasonNames[r] }

// LossCause says what made the assembler give up bytes as lost.
type LossCause uint8

// What ends the wait for missing bytes.
const (
	Timeout       LossCause = iota // GapTimeout
	BufferLimit                    // MaxBuffered or MaxTotal
	AtClose                        // the connection ended
	Jump                           // the sender is so far ahead that they cannot be on their way
	OneSided                       // acknowledged bytes of a direction of which nothing was ever seen
	NumLossCauses = iota
)

var lossCauseNames = [NumLossCauses]string{"timeout", "buffer-limit", "close", "jump", "one-sided"}

// String returns the metric label, for example "timeout".
func (c LossCause) String() string { return lossCauseNames[c] }

// Count counts events and the payload bytes they were about.
type Count struct{ N, Bytes uint64 }

func (c *Count) add(bytes int64) {
	c.N++
	c.Bytes += uint64(bytes)
}

// Stats is what an Assembler has seen and done so far. In payload bytes,
// Bytes = Delivered + Skipped + Truncated + Retransmitted + Buffered + the sum
// over Dropped.
type Stats struct {
	Segments, Bytes               uint64 // given to the assembler
	Delivered, Skipped, Truncated uint64
	Retransmitted, Conflicts      uint64
	Lost                          [NumLossCauses]Count
	Dropped                       [NumDropReasons]Count // N: segments, or parts of one
	Opened                        uint64
	Closed                        [NumCloseReasons]uint64
	Conns, Lingering              int // open now; ended and remembered
	Buffered                      int // bytes held for order now
	Memory                        int // bytes of memory that Config's limits count
}
