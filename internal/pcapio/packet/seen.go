package packet

import (
	"encoding/binary"
	"hash/maphash"
)

// seenTable finds packets that were delivered from another interface a moment
// ago: a packet from a pod passes its veth, the bridge and the card, and a
// capture on all of them holds it three times.
//
// Only exact copies count: same addresses, IP id, TCP header with its options,
// and length; the TTL and the checksum may differ. A retransmission comes from
// the same interface again, so it is no duplicate. Nothing that was not
// delivered is ever dropped, at the price that packets which one interface
// segmented in another way than the next count on both. So do those of the first
// version of Linux' cooked header, which does not tell the interface.
type seenTable struct {
	seed maphash.Seed
	sets [][seenWays]seenPacket
}

type seenPacket struct {
	hash  uint64
	tsNs  int64
	iface uint64
}

const (
	seenSets     = 1 << 13 // 768 KiB: 32768 packets
	seenWays     = 4
	seenWindowNs = 1e9
)

// duplicate reports whether the TCP header hdr, with n payload bytes, of the
// packet in hand was seen elsewhere; if not, it remembers it.
func (t *seenTable) duplicate(hdr []byte, n int, d *Decoder) bool {
	if t.sets == nil {
		t.seed, t.sets = maphash.MakeSeed(), make([][seenWays]seenPacket, seenSets)
	}
	now, h := d.seg.TsNs, t.hash(hdr, n, d)
	set := &t.sets[h%seenSets]
	oldest := &set[0]
	for i := range set {
		p := &set[i]
		if p.hash == h {
			age := now - p.tsNs
			if p.iface != d.iface && age > -seenWindowNs && age < seenWindowNs {
				return true
			}
			oldest = p
			break
		}
		if p.tsNs < oldest.tsNs {
			oldest = p
		}
	}
	*oldest = seenPacket{hash: h, tsNs: now, iface: d.iface}
	return false
}

func (t *seenTable) hash(hdr []byte, n int, d *Decoder) uint64 {
	var b [36 + 4 + 4 + 60]byte
	k := append(append(b[:0], d.ip.src[:]...), d.ip.dst[:]...)
	k = binary.NativeEndian.AppendUint32(k, d.ip.id)
	k = binary.NativeEndian.AppendUint32(k, uint32(d.net))
	k = binary.NativeEndian.AppendUint32(k, uint32(n))
	k = append(k, hdr[:16]...)
	if len(hdr) > 18 {
		k = append(k, hdr[18:]...)
	}
	return maphash.Bytes(t.seed, k)
}
