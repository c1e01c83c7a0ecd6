package pcapio

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"gortap/internal/pcapio/packet"
)

// The magics of pcap files (draft-ietf-opsawg-pcap, 4), as the writing machine
// had them in memory.
const (
	magicMicro    = 0xa1b2c3d4
	magicNano     = 0xa1b23c4d
	magicModified = 0xa1b2cd34 // Kuznetzov's, with the interface in each record
)

const (
	pcapFileHeader   = 24
	pcapRecordHeader = 16
	modifiedHeader   = 24
)

// Packets larger than this are damage. Other tools keep to 256 KiB; the larger
// limit is for files that announce larger packets.
const (
	usualPacket = 256 << 10
	maxPacket   = 1 << 20
)

// pcapReader reads records of a pcap file.
type pcapReader struct {
	w         *window
	order     binary.ByteOrder
	big       bool // order, for the hot path
	nsPerUnit int64
	header    int // length of a record's header
	limit     uint32
	minor     uint16
	link      packet.LinkType
	copies    bool
}

func pcapMagic(head []byte) (order binary.ByteOrder, magic uint32) {
	for _, o := range [...]binary.ByteOrder{binary.LittleEndian, binary.BigEndian} {
		switch m := o.Uint32(head); m {
		case magicMicro, magicNano, magicModified:
			return o, m
		}
	}
	return nil, 0
}

func isPCAP(head []byte) bool {
	if len(head) < 4 {
		return false
	}
	order, _ := pcapMagic(head)
	return order != nil
}

func openPCAP(w *window) (recordReader, error) {
	h, err := w.peek(pcapFileHeader)
	if err != nil {
		return nil, cut(err)
	}
	p := &pcapReader{w: w, nsPerUnit: 1000, header: pcapRecordHeader}
	var magic uint32
	p.order, magic = pcapMagic(h)
	p.big = p.order == binary.BigEndian
	switch magic {
	case magicNano:
		p.nsPerUnit = 1
	case magicModified:
		p.header = modifiedHeader
	}
	major := p.order.Uint16(h[4:])
	p.minor = p.order.Uint16(h[6:])
	if major != 2 {
		return nil, fmt.Errorf("pcap version %d.%d (2.x is known)", major, p.minor)
	}
	snaplen := p.order.Uint32(h[16:])
	p.limit = max(usualPacket, min(snaplen, maxPacket))
	p.link = packet.LinkType(p.order.Uint32(h[20:])) // the upper half tells about frame checksums
	p.copies = p.link == packet.SLL2 || p.header == modifiedHeader
	w.start += pcapFileHeader
	return p, nil
}

func (p *pcapReader) next(r *packet.Record) error {
	at := p.w.offset()
	h, err := p.w.peek(p.header)
	if err != nil {
		return ended(at, h, err)
	}
	var sec, frac, caplen, wire uint32
	if p.big {
		sec, frac = binary.BigEndian.Uint32(h), binary.BigEndian.Uint32(h[4:])
		caplen, wire = binary.BigEndian.Uint32(h[8:]), binary.BigEndian.Uint32(h[12:])
	} else {
		sec, frac = binary.LittleEndian.Uint32(h), binary.LittleEndian.Uint32(h[4:])
		caplen, wire = binary.LittleEndian.Uint32(h[8:]), binary.LittleEndian.Uint32(h[12:])
	}
	if p.minor < 3 || (p.minor == 3 && caplen > wire) { // the fields were swapped once
		caplen, wire = wire, caplen
	}
	if caplen > p.limit {
		return &DamageError{Offset: at, Err: fmt.Errorf("a packet of %d bytes (the limit is %d)", caplen, p.limit)}
	}
	r.Link, r.Copies = p.link, p.copies
	if p.header == modifiedHeader {
		r.Interface = r.Interface&^0xffffffff | uint64(p.order.Uint32(h[16:]))
	}
	r.TsNs = int64(sec)*1e9 + int64(frac)*p.nsPerUnit
	b, err := p.w.peek(p.header + int(caplen))
	if err != nil {
		return &DamageError{Offset: at, Err: cut(err)}
	}
	p.w.start += len(b)
	r.Data = b[p.header:]
	r.WireLen = max(int(wire), int(caplen))
	return nil
}

// ended tells the end of the file at offset at from its end inside a header, of
// which only got is there.
func ended(at int64, got []byte, err error) error {
	if len(got) == 0 && errors.Is(err, io.EOF) {
		return io.EOF
	}
	return &DamageError{Offset: at, Err: cut(err)}
}

// cut names the end of a file inside a record. Other errors stay themselves.
func cut(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return ErrCut
	}
	return err
}
