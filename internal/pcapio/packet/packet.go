// Package packet turns captured packets into TCP segments: link layer, VLANs,
// tunnels, IP fragments, TCP. It is what a file reader puts between its records
// and a flow.Handler, so that a capture file means the same as a live capture.
//
// It parses in place and allocates nothing but for IP fragments. It trusts no
// length it reads: any bytes give a segment or a counted reason, never a panic.
package packet

import (
	"time"

	"gortap/internal/flow"
)

// Record is one packet of a capture file. It is borrowed: Data belongs to the
// reader and is valid until the callee returns.
type Record struct {
	Data    []byte // captured prefix
	WireLen int    // length on the wire, at least len(Data)
	TsNs    int64  // capture time, Unix nanoseconds
	Link    LinkType
	// Interface is where the packet was seen. Its low 32 bits are left to
	// link types that tell the interface in each packet.
	Interface uint64
	// Copies says that the capture may hold the same packet again, from
	// another Interface. Only the first copy is delivered.
	Copies bool
}

// Options steer a Decoder. The zero value is usable.
type Options struct {
	// VerifyChecksums drops packets whose IPv4 or TCP checksum is wrong. Leave
	// it off for captures of a sending host: its card fills checksums in later.
	VerifyChecksums bool
	// FragmentBytes bounds the memory for IP fragments that wait for the rest
	// of their datagram. Default 16 MiB.
	FragmentBytes int
	// FragmentTimeout is how long they wait, in capture time. Default 30 s, as Linux.
	FragmentTimeout time.Duration
}

// Decoder decodes packets of one capture, in order. It is not safe for
// concurrent use.
type Decoder struct {
	verify bool
	stats  Stats
	frags  fragments
	seen   seenTable

	// The rest describes the packet in hand.
	out    flow.Handler
	seg    flow.Segment
	copies bool
	iface  uint64
	owed   Count // records the packet stands for: several after reassembly
	depth  int   // headers passed that can nest
	net    network
	flat   bool // net stays 0: the capture sees one host's packets on many interfaces
	ip     ipInfo
}

// ipInfo is what TCP needs of the IP header above it.
type ipInfo struct {
	src, dst [16]byte // IPv4 as ::ffff:a.b.c.d
	v4       bool
	id       uint32 // IPv4 identification, or that of the fragment header
	netBytes int    // layer 3 length; of all fragments together
}

// maxDepth bounds the headers that can nest (VLAN tags, labels, tunnels).
const maxDepth = 16

// NewDecoder returns a Decoder.
func NewDecoder(o Options) *Decoder {
	if o.FragmentBytes <= 0 {
		o.FragmentBytes = 16 << 20
	}
	if o.FragmentTimeout <= 0 {
		o.FragmentTimeout = 30 * time.Second
	}
	return &Decoder{verify: o.VerifyChecksums, frags: newFragments(o.FragmentBytes, o.FragmentTimeout)}
}

// Decode hands the TCP segments of r to h: mostly one or none, more where a
// frame carries several packets.
func (d *Decoder) Decode(r *Record, h flow.Handler) {
	d.out, d.copies, d.iface = h, r.Copies, r.Interface
	d.seg.TsNs = r.TsNs
	wire := max(r.WireLen, len(r.Data))
	d.owed = Count{1, uint64(wire)}
	d.depth, d.net, d.flat = 0, 0, false
	d.settle(d.link(r.Link, r.Data, wire))
	d.out = nil
}

// Expire gives up the fragments that waited too long at nowNs, capture time.
// Call it now and then, and after each pause of the capture.
func (d *Decoder) Expire(nowNs int64) { d.frags.expire(nowNs, &d.stats) }

// Flush gives up all waiting fragments. Call it at the end of the capture, so
// that each record is either delivered or dropped.
func (d *Decoder) Flush() { d.frags.flush(&d.stats) }

// Stats returns the counts so far.
func (d *Decoder) Stats() Stats {
	s := d.stats
	s.Pending = d.frags.pending
	return s
}

// settle counts the records in hand by what became of them.
func (d *Decoder) settle(why Reason) {
	switch why {
	case held: // they wait with their fragment
	case Delivered:
		d.stats.Delivered.add(d.owed)
	default:
		d.stats.Dropped[why].add(d.owed)
	}
	d.owed = Count{}
}

// nest counts one more header of a kind that can nest.
func (d *Decoder) nest() bool {
	d.depth++
	return d.depth <= maxDepth
}

// need tells why a header of n bytes cannot be read from b: the file cut it
// off, or the packet ended before it. wire is what the packet had on the wire.
func need(n, wire int) Reason {
	if wire >= n {
		return Truncated
	}
	return Malformed
}
