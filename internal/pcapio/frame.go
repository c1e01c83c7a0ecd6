package pcapio

import (
	"bytes"
	"encoding/binary"

	"gortap/internal/flow"
	"gortap/internal/pcapio/packet"
)

// frame makes the headers for a piece of a segment: Ethernet, VLAN tags where
// the segment's network is made of them, IP, TCP. Only what a Segment tells is
// real; addresses of the link layer are made from those of the network layer.
type frame struct {
	buf  [14 + 2*4 + 40 + 60]byte
	ipID uint16
}

const (
	// maxPiece is the most payload of one frame: a frame stays within 64 KiB,
	// although the segment may come from segmentation offload.
	maxPiece = 65280
	maxNOPs  = 40
	tcpHdr   = 20
)

// piece is a part of a segment's payload that fits into a frame.
type piece struct {
	seq   uint32
	flags flow.Flags
	wire  int    // payload bytes
	data  []byte // captured prefix
	nops  int    // bytes of options
}

// pieceAt returns the piece of s that begins at payload byte at, and whether it
// is the last. A segment has at least one.
func pieceAt(s *flow.Segment, at int) (p piece, last bool) {
	p = piece{seq: s.Seq + uint32(at), flags: s.Flags, wire: min(s.Len-at, maxPiece)}
	p.data = s.Data[min(at, len(s.Data)):min(at+p.wire, len(s.Data))]
	if last = at+p.wire >= s.Len; !last {
		p.flags &^= flow.FIN | flow.RST | flow.PSH
	}
	if at == 0 {
		p.nops = optionBytes(s)
	} else if s.Flags.Has(flow.SYN) { // which takes a sequence number of its own
		p.flags, p.seq = p.flags&^flow.SYN, p.seq+1
	}
	return p, last
}

// optionBytes is how many bytes of options the packet had, so that the frame
// has as many at layer 3 as was counted: there as NOPs, but for a SYN's window scale.
func optionBytes(s *flow.Segment) int {
	n := s.NetBytes - s.Len - ipHeader(&s.Key) - tcpHdr
	if n < 0 || n > maxNOPs || n%4 != 0 {
		return 0
	}
	return n
}

func isIPv4(a *[16]byte) bool {
	return bytes.Equal(a[:12], []byte{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff})
}

func ipHeader(k *flow.Key) int {
	if isIPv4(&k.A) && isIPv4(&k.B) {
		return 20
	}
	return 40
}

// headers builds what precedes p.data. It is valid until the next call.
func (f *frame) headers(s *flow.Segment, p *piece) []byte {
	src, dst, sport, dport := &s.Key.A, &s.Key.B, s.Key.APort, s.Key.BPort
	if s.Dir == flow.FromB {
		src, dst, sport, dport = dst, src, dport, sport
	}
	h := append(f.buf[:0], 2, 0)
	h = append(h, dst[12:]...)
	h = append(h, 2, 0)
	h = append(h, src[12:]...)
	h = appendTags(h, s.Key.Net)

	size := tcpHdr + p.nops + p.wire
	if ipHeader(&s.Key) == 20 {
		f.ipID++
		h = appendIPv4(h, f.ipID, src[12:], dst[12:], size)
	} else {
		h = binary.BigEndian.AppendUint16(h, 0x86dd)
		h = append(h, 6<<4, 0, 0, 0)
		h = binary.BigEndian.AppendUint16(h, uint16(size))
		h = append(append(append(h, 6, 64), src[:]...), dst[:]...)
	}

	at := len(h)
	h = binary.BigEndian.AppendUint16(h, sport)
	h = binary.BigEndian.AppendUint16(h, dport)
	h = binary.BigEndian.AppendUint32(h, p.seq)
	h = binary.BigEndian.AppendUint32(h, s.Ack)
	h = append(h, byte((tcpHdr+p.nops)/4)<<4, byte(p.flags))
	h = binary.BigEndian.AppendUint16(h, s.Window)
	h = append(h, 0, 0, 0, 0) // checksum, urgent pointer
	options := p.nops
	if s.Scale > 0 && options >= 4 {
		h = append(h, 1, 3, 3, s.Scale-1)
		options -= 4
	}
	for range options {
		h = append(h, 1)
	}
	if len(p.data) == p.wire { // of a cut packet, nobody can verify it
		sum := packet.Fold(packet.PseudoSum(src, dst, size) + packet.Sum(packet.Sum(0, h[at:]), p.data))
		binary.BigEndian.PutUint16(h[at+16:], sum)
	}
	return h
}

// appendTags writes the VLAN tags that network n is made of, if it is.
func appendTags(h []byte, n uint32) []byte {
	tag := func(tpid, id uint32) {
		h = binary.BigEndian.AppendUint32(h, tpid<<16|id)
	}
	switch {
	case n == 0 || n >= 1<<24:
	case n < 1<<12:
		tag(0x8100, n)
	default:
		tag(0x88a8, n>>12)
		tag(0x8100, n&0xfff)
	}
	return h
}

func appendIPv4(h []byte, id uint16, src, dst []byte, size int) []byte {
	h = binary.BigEndian.AppendUint16(h, 0x0800)
	at := len(h)
	h = append(h, 0x45, 0)
	h = binary.BigEndian.AppendUint16(h, uint16(20+size))
	h = binary.BigEndian.AppendUint16(h, id)
	h = append(h, 0x40, 0, 64, 6, 0, 0) // do not fragment; TTL; TCP; checksum
	h = append(append(h, src...), dst...)
	binary.BigEndian.PutUint16(h[at+10:], packet.Fold(packet.Sum(0, h[at:])))
	return h
}
