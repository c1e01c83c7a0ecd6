package packet

import (
	"encoding/binary"

	"gortap/internal/flow"
)

// datagram emits the UDP datagram in b, of which wire bytes were sent (RFC 768), to
// those who want it. It stays a packet without TCP in the counts.
func (d *Decoder) datagram(b []byte, wire int) {
	h, ok := d.out.(flow.DatagramHandler)
	if !ok || len(b) < 8 {
		return
	}
	n := int(binary.BigEndian.Uint16(b[4:]))
	if n < 8 || n > wire {
		return
	}
	d.setKey(binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:]))
	h.Datagram(&flow.Datagram{Key: d.seg.Key, Dir: d.seg.Dir, Len: n - 8, Data: b[8:min(n, len(b))], TsNs: d.seg.TsNs})
}
