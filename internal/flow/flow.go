// Package flow is the vocabulary that every stage shares: which connection a
// segment belongs to, which way it went, and what was captured of it. It uses
// the standard library only and knows neither the kernel nor any file format.
package flow

import (
	"bytes"
	"encoding/binary"
	"net/netip"
)

// Dir is the direction of a segment relative to its Key.
type Dir uint8

// The two directions. The zero value is FromA.
const (
	FromA Dir = iota // A sent it, to B
	FromB            // B sent it, to A
)

// Other returns the opposite direction.
func (d Dir) Other() Dir { return d ^ 1 }

// Key names a TCP connection's four-tuple independent of direction. A is the
// endpoint with the lower port; with equal ports, the lower address. So A is
// more often the server, but nothing may rely on it. Key is comparable and
// is laid out like struct flow_key in bpf/include/event.h.
type Key struct {
	A, B         [16]byte // IPv4 as ::ffff:a.b.c.d
	APort, BPort uint16   // host byte order
	// Net separates equal addresses of different networks. Live capture
	// leaves it 0 (one packet is seen on many interfaces), and so do files of
	// such captures; other file readers put the VLAN ids there, or a hash of
	// the ids of virtual networks.
	Net uint32
}

// NewKey orders two endpoints into a Key and tells which direction src -> dst is.
func NewKey(src, dst netip.AddrPort, net uint32) (Key, Dir) {
	k := Key{A: src.Addr().As16(), B: dst.Addr().As16(), APort: src.Port(), BPort: dst.Port(), Net: net}
	if k.APort < k.BPort || (k.APort == k.BPort && bytes.Compare(k.A[:], k.B[:]) <= 0) {
		return k, FromA
	}
	k.A, k.B, k.APort, k.BPort = k.B, k.A, k.BPort, k.APort
	return k, FromB
}

// Source returns the endpoint that sends in direction d.
func (k *Key) Source(d Dir) netip.AddrPort {
	if d == FromA {
		return netip.AddrPortFrom(netip.AddrFrom16(k.A).Unmap(), k.APort)
	}
	return netip.AddrPortFrom(netip.AddrFrom16(k.B).Unmap(), k.BPort)
}

// Hash spreads connections evenly, and always alike: it is hash_key in
// bpf/include/account.h, by which the kernel takes samples of connections.
func (k *Key) Hash() uint32 {
	le := binary.LittleEndian
	words := [...]uint64{
		le.Uint64(k.A[:8]), le.Uint64(k.A[8:]), le.Uint64(k.B[:8]), le.Uint64(k.B[8:]),
		uint64(k.APort) | uint64(k.BPort)<<16 | uint64(k.Net)<<32,
	}
	h := uint64(0x9e3779b97f4a7c15)
	for _, w := range words {
		h ^= w
		h *= 0xff51afd7ed558ccd
		h ^= h >> 32
	}
	return uint32(h)
}

// Flags are the TCP control bits of a segment, as on the wire (RFC 9293, 3.1).
type Flags uint8

// The control bits that matter here.
const (
	FIN Flags = 1 << iota
	SYN
	RST
	PSH
	ACK
)

// Has reports whether any bit of f is set.
func (s Flags) Has(f Flags) bool { return s&f != 0 }

// Gap says why bytes are not there.
type Gap uint8

const (
	// Skipped: the capture saw the bytes and left them out on purpose (copy
	// budget); nothing was lost. They count as bytes of the message they fall
	// in, and do not make it incomplete as long as its framing is known.
	Skipped Gap = iota
	// Truncated: the bytes were on the wire, but a file kept only a prefix of
	// the packet (snap length). They count as bytes of the message and make it
	// incomplete.
	Truncated
	// Lost bytes never reached us. They are credited to no message (the
	// account finds them against the kernel's totals) and make it incomplete.
	Lost
)

// Segment is one captured TCP segment, or a piece of one. It is borrowed: the
// callee must not keep it or Data after it returns.
type Segment struct {
	Key   Key
	Dir   Dir
	Flags Flags
	Cut   Gap    // why len(Data) < Len: Skipped or Truncated
	Seq   uint32 // sequence number of the first payload byte; of the SYN where SYN is set
	Ack   uint32 // valid where Flags has ACK
	// Window is the advertised window as on the wire, not scaled.
	Window uint16
	// WindowMax is the largest window of the sender so far, of which not all are told;
	// 0: unknown.
	WindowMax uint16
	// Scale is, of a SYN, its window scale option plus 1; 0: it has none (RFC 7323).
	Scale uint8
	Len   int    // payload bytes on the wire
	Data  []byte // captured prefix of the payload, len(Data) <= Len
	// NetBytes is the length of the packet from the IP header on (layer 3). A
	// packet cut in pieces carries it on its first piece; the others have 0.
	NetBytes int
	TsNs     int64 // capture time, Unix nanoseconds
}

// Datagram is one captured UDP datagram, put together of its fragments. It is borrowed,
// as a Segment is.
type Datagram struct {
	Key  Key
	Dir  Dir
	Len  int    // payload bytes on the wire
	Data []byte // captured prefix of the payload
	TsNs int64  // capture time, Unix nanoseconds
}

// DatagramHandler is a Handler that wants UDP too. Those that do not are told nothing of it.
type DatagramHandler interface {
	Handler
	Datagram(d *Datagram)
}

// DirTotals counts one direction of a flow, as the capture saw it.
type DirTotals struct {
	Packets uint64
	Bytes   uint64 // layer 3: from the IP header on, each packet as often as it was sent
	// Payload counts each TCP payload byte once, however often it was sent.
	Payload       uint64
	Retransmitted uint64 // payload bytes seen again
}

// Totals is what the capture counted of one four-tuple since it first saw it.
// Port reuse does not reset it.
type Totals struct {
	Key         Key
	Dirs        [2]DirTotals // by Dir
	Opener      Dir          // the direction of the first SYN; meaningful where OpenerKnown
	OpenerKnown bool
	FirstNs     int64 // Unix nanoseconds
	LastNs      int64
	// Stopped says that the flow ends here because the capture does.
	Stopped bool
	// Unsampled says that nothing of the flow is handed over but these counts.
	Unsampled bool
}

// ReplayMark is the SO_MARK of the sockets that a replay sends from ("grpl"). A
// live capture ignores connections whose first packet carries it, so that an agent
// never captures its own replay. The mark does not leave the machine, nor a
// network namespace.
const ReplayMark = 0x6772706c

// Depth is how much of a flow the capture copies.
type Depth uint8

// The depths, from the cheapest up.
const (
	DepthDefault Depth = iota // what the capture was configured with
	DepthAll                  // every payload byte
	DepthNone                 // count only: no more segments but SYN, FIN and RST
)

// Handler receives what one shard of a capture sees, in order. All calls of a
// shard come from one goroutine; shards are independent of each other.
type Handler interface {
	// Segment hands over one segment, borrowed until it returns.
	Segment(s *Segment)
	// Update tells the totals of a live flow so far. What the Update before it
	// counted has been handed over by then, or was lost.
	Update(t *Totals)
	// End tells the final totals of a flow. It comes after the flow's last
	// segment; a later segment with the same key starts a new flow.
	End(t *Totals)
	// Tick ends a batch: nowNs is the capture's clock, in Unix nanoseconds.
	Tick(nowNs int64)
}

// Control steers the capture from the handler's side. Calls are cheap and take
// effect soon, not at once; a flow that is gone is ignored.
type Control interface {
	SetDepth(k Key, d Depth)
}
