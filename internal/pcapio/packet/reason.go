package packet

// Reason says what became of a packet. The set is fixed: reasons are metric labels.
type Reason uint8

// The reasons why a packet gives no segment. Delivered is the zero value.
const (
	Delivered       Reason = iota
	NotIP                  // ARP, spanning tree, 802.11 management, ...
	NotTCP                 // another transport over IP
	Duplicate              // the same packet was delivered from another interface
	Unsupported            // a link type, or a form of one, that is not decoded
	Encrypted              // WPA, MACsec, IPsec ESP
	Truncated              // the file's snap length cut a header off
	Malformed              // a header contradicts itself or the packet's length
	Nesting                // more tunnels and tags than any sane packet has
	BadChecksum            // only where checksums are verified
	FragmentTimeout        // the rest of the datagram did not come
	FragmentLimit          // given up for newer fragments: memory limit
	FragmentOverlap        // overlapping fragments: receivers drop such datagrams (RFC 5722)
	NumReasons
	held Reason = 0xff // a fragment waits for the rest; it is counted later
)

var reasonNames = [NumReasons]string{
	"delivered", "not-ip", "not-tcp", "duplicate", "unsupported", "encrypted", "truncated", "malformed",
	"nesting", "bad-checksum", "fragment-timeout", "fragment-limit", "fragment-overlap",
}

// String returns the label, for example "not-tcp".
func (r Reason) String() string { return reasonNames[r] }

// Loss reports whether a packet dropped for r may have held bytes of a
// connection. The others are no TCP, or were delivered already.
func (r Reason) Loss() bool { return r >= Unsupported && r < NumReasons }

// Count is a number of packets and their bytes on the wire, link layer included.
type Count struct{ Packets, Bytes uint64 }

func (c *Count) add(o Count) {
	c.Packets += o.Packets
	c.Bytes += o.Bytes
}

func (c *Count) sub(o Count) {
	c.Packets -= o.Packets
	c.Bytes -= o.Bytes
}

// Plus returns the sum of both.
func (c Count) Plus(o Count) Count {
	c.add(o)
	return c
}

// Stats counts the records given to a Decoder. At any time they are
// Delivered + Pending + the sum of Dropped.
type Stats struct {
	Delivered Count
	Pending   Count // fragments that wait for the rest of their datagram
	Dropped   [NumReasons]Count
}
