package pcapio

import (
	"encoding/binary"
	"errors"
	"fmt"

	"gortap/internal/pcapio/packet"
)

// Block types of pcapng files (draft-ietf-opsawg-pcapng, 4 and 11.3). The
// others are skipped.
const (
	blockSection      = 0x0a0d0d0a // the same in both byte orders
	blockInterface    = 1
	blockPacket       = 2 // obsolete
	blockSimplePacket = 3
	blockStatistics   = 5
	blockEnhanced     = 6
)

// Options of a statistics block (4.6).
const (
	optIfRecv = 4
	optIfDrop = 5
)

const (
	byteOrderMagic = 0x1a2b3c4d
	minBlock       = 12 // type, length, length again
	maxInterfaces  = 1 << 16
	maxPacketBlock = maxPacket + 64<<10 // options and headers included
	maxSmallBlock  = 64 << 10           // section and interface blocks: names and comments
)

// pcapngReader reads the packets of a pcapng file.
type pcapngReader struct {
	w          *window
	order      binary.ByteOrder
	interfaces []ngInterface // of the current section
	lastNs     int64         // for packets that carry no time

	// What a Link has from its sender; nil elsewhere.
	onSection    func(comment string)
	onStatistics func(seen, dropped uint64)
}

func isPCAPNG(head []byte) bool {
	if len(head) < 12 || binary.LittleEndian.Uint32(head) != blockSection {
		return false
	}
	m := binary.LittleEndian.Uint32(head[8:])
	return m == byteOrderMagic || m == 0x4d3c2b1a
}

func openPCAPNG(w *window) (recordReader, error) {
	return &pcapngReader{w: w, order: binary.LittleEndian}, nil
}

func (p *pcapngReader) next(r *packet.Record) error {
	for {
		at := p.w.offset()
		h, err := p.w.peek(8)
		if err != nil {
			return ended(at, h, err)
		}
		typ, size := p.order.Uint32(h), p.order.Uint32(h[4:])
		switch typ {
		case blockSection:
			err = p.section()
		case blockInterface:
			err = p.withBlock(size, maxSmallBlock, p.addInterface)
		case blockEnhanced, blockPacket, blockSimplePacket:
			if err = p.packetBlock(r, typ, size); err == nil {
				return nil
			}
		case blockStatistics:
			if p.onStatistics == nil {
				err = p.skipBlock(size)
				break
			}
			err = p.withBlock(size, maxSmallBlock, p.statistics)
		default:
			err = p.skipBlock(size)
		}
		if err != nil {
			return &DamageError{Offset: at, Err: err}
		}
	}
}

// body returns the next block's body, which stays unread.
func (p *pcapngReader) body(size uint32, limit int) ([]byte, error) {
	if size < minBlock || size%4 != 0 || size > uint32(limit) {
		return nil, fmt.Errorf("a block of %d bytes", size)
	}
	b, err := p.w.peek(int(size))
	if err != nil {
		return nil, cut(err)
	}
	if again := p.order.Uint32(b[size-4:]); again != size {
		return nil, fmt.Errorf("a block whose two lengths differ: %d and %d", size, again)
	}
	return b[8 : size-4], nil
}

func (p *pcapngReader) withBlock(size uint32, limit int, use func([]byte) error) error {
	b, err := p.body(size, limit)
	if err == nil {
		err = use(b)
	}
	if err == nil {
		p.w.start += int(size)
	}
	return err
}

// skipBlock passes a block of any length, without keeping it in memory.
func (p *pcapngReader) skipBlock(size uint32) error {
	if size < minBlock || size%4 != 0 {
		return fmt.Errorf("a block of %d bytes", size)
	}
	if err := p.w.discard(int64(size) - 4); err != nil {
		return cut(err)
	}
	t, err := p.w.next(4)
	if err != nil {
		return cut(err)
	}
	if again := p.order.Uint32(t); again != size {
		return fmt.Errorf("a block whose two lengths differ: %d and %d", size, again)
	}
	return nil
}

// section begins a section: its own byte order, its own interfaces.
func (p *pcapngReader) section() error {
	h, err := p.w.peek(16)
	if err != nil {
		return cut(err)
	}
	switch uint32(byteOrderMagic) {
	case binary.LittleEndian.Uint32(h[8:]):
		p.order = binary.LittleEndian
	case binary.BigEndian.Uint32(h[8:]):
		p.order = binary.BigEndian
	default:
		return errors.New("a section without the byte-order magic")
	}
	if major := p.order.Uint16(h[12:]); major != 1 {
		return fmt.Errorf("pcapng version %d (1.x is known)", major)
	}
	p.interfaces = p.interfaces[:0]
	return p.withBlock(p.order.Uint32(h[4:]), maxSmallBlock, p.comment)
}

// comment hands over what a section says of itself.
func (p *pcapngReader) comment(b []byte) error {
	if p.onSection == nil || len(b) < 16 {
		return nil
	}
	text := ""
	err := eachOption(b[16:], p.order, func(code uint16, v []byte) error {
		if code == optComment {
			text = string(v)
		}
		return nil
	})
	p.onSection(text)
	return err
}

// statistics reads how many packets an interface saw, and dropped.
func (p *pcapngReader) statistics(b []byte) error {
	if len(b) < 12 {
		return fmt.Errorf("a statistics block of %d bytes", len(b))
	}
	var seen, dropped uint64
	err := eachOption(b[12:], p.order, func(code uint16, v []byte) error {
		switch {
		case len(v) != 8:
		case code == optIfRecv:
			seen = p.order.Uint64(v)
		case code == optIfDrop:
			dropped = p.order.Uint64(v)
		}
		return nil
	})
	p.onStatistics(seen, dropped)
	return err
}

func (p *pcapngReader) addInterface(b []byte) error {
	if len(p.interfaces) >= maxInterfaces {
		return fmt.Errorf("more than %d interfaces", maxInterfaces)
	}
	i, err := parseInterface(b, p.order)
	p.interfaces = append(p.interfaces, i)
	return err
}

// packetBlock reads one of the three kinds of packets. Their options are not
// needed.
func (p *pcapngReader) packetBlock(r *packet.Record, typ, size uint32) error {
	b, err := p.body(size, maxPacketBlock)
	if err != nil {
		return err
	}
	fixed := 20
	if typ == blockSimplePacket {
		fixed = 4
	}
	if len(b) < fixed {
		return fmt.Errorf("a packet block of %d bytes", size)
	}
	var id, caplen, wire uint32
	switch typ {
	case blockEnhanced:
		id, caplen, wire = p.order.Uint32(b), p.order.Uint32(b[12:]), p.order.Uint32(b[16:])
	case blockPacket: // a shorter interface id, and a count of drops
		id, caplen, wire = uint32(p.order.Uint16(b)), p.order.Uint32(b[12:]), p.order.Uint32(b[16:])
	}
	if int64(id) >= int64(len(p.interfaces)) {
		return fmt.Errorf("a packet of interface %d, of %d known", id, len(p.interfaces))
	}
	in := &p.interfaces[id]
	if typ == blockSimplePacket { // cut to the interface's snap length, and no word about that
		wire = p.order.Uint32(b)
		caplen = min(wire, in.snaplen, uint32(len(b)-fixed))
	} else {
		p.lastNs = in.toNs(uint64(p.order.Uint32(b[4:]))<<32 | uint64(p.order.Uint32(b[8:])))
	}
	if int64(caplen) > int64(len(b)-fixed) {
		return fmt.Errorf("a packet of %d bytes in a block of %d", caplen, size)
	}
	p.w.start += int(size)
	r.Data = b[fixed : fixed+int(caplen)]
	r.WireLen = max(int(wire), int(caplen))
	r.TsNs, r.Link = p.lastNs, in.link
	r.Copies = len(p.interfaces) > 1 || in.link == packet.SLL2
	r.Interface = r.Interface&^(0xffff<<32) | uint64(id)<<32
	return nil
}
