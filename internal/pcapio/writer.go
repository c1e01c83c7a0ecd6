package pcapio

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"gortap/internal/flow"
	"gortap/internal/pcapio/packet"
)

// Writer writes a capture file, in nanoseconds. It is not safe for concurrent
// use. After an error it stays failed: each call returns the first error.
type Writer struct {
	buf        *bufio.Writer
	compressor io.WriteCloser // or nil
	file       io.Closer      // or nil
	ng         bool
	interfaces map[writtenInterface]uint32 // their numbers in the file
	frame      frame
	packets    uint64
	closed     bool
	err        error
}

// writtenInterface is what gets an interface description of its own.
type writtenInterface struct {
	link packet.LinkType
	from uint64 // Record.Interface
	made bool   // frames are ours, not captured
}

const application = "gortap"

// Create creates, or empties, a file. Its extension says what it becomes:
// .pcap or .pcapng, and .gz or .zst after that.
func Create(path string) (*Writer, error) {
	if _, _, err := formatOf(path); err != nil {
		return nil, err
	}
	// Traffic holds secrets: not for everybody to read.
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o640)
	if err != nil {
		return nil, fmt.Errorf("create capture: %w", err)
	}
	w, err := NewWriter(f, path)
	if err != nil {
		f.Close()
		return nil, err
	}
	w.file = f
	return w, nil
}

// CanCreate reports whether the extension of a path is one that Create knows.
func CanCreate(path string) bool {
	_, _, err := formatOf(path)
	return err == nil
}

// NewWriter writes to out what the extension of name says. Close does not
// close out.
func NewWriter(out io.Writer, name string) (*Writer, error) {
	f, c, err := formatOf(name)
	if err != nil {
		return nil, err
	}
	return newWriter(out, name, f, c, "")
}

func newWriter(out io.Writer, name string, f Format, c *compression, comment string) (*Writer, error) {
	w := &Writer{ng: f == PCAPNG, interfaces: make(map[writtenInterface]uint32)}
	var err error
	if c != nil {
		if w.compressor, err = c.create(out); err != nil {
			return nil, fmt.Errorf("compress %s: %w", name, err)
		}
		out = w.compressor
	}
	w.buf = bufio.NewWriterSize(out, 64<<10)
	if w.ng {
		w.section(comment)
	}
	return w, nil
}

// formatOf goes by the extension; compression is nil for none.
func formatOf(name string) (Format, *compression, error) {
	var c *compression
	for _, known := range compressions() {
		if base, ok := strings.CutSuffix(name, known.suffix); ok {
			name, c = base, &known
			break
		}
	}
	switch f := Format(strings.TrimPrefix(filepath.Ext(name), ".")); f {
	case PCAP, PCAPNG:
		return f, c, nil
	}
	return "", nil, fmt.Errorf("create capture %s: unknown extension (use .pcap or .pcapng, then maybe .gz or .zst)", name)
}

// Packet writes a packet as it was captured. A .pcap file holds packets of one
// link type: others fail with ErrLinkType, and the file stays usable.
func (w *Writer) Packet(r *packet.Record) error {
	in := writtenInterface{link: r.Link}
	if r.Copies { // so that a reader still knows where copies come from
		in.from = r.Interface
	}
	return w.packet(in, r.TsNs, nil, r.Data, max(r.WireLen, len(r.Data)))
}

// Segment writes a segment as one Ethernet frame, or several where it is larger
// than 64 KiB. Frames have right lengths, and checksums where their payload is
// complete. Lost in the file: whether bytes that are not there were skipped on
// purpose, and the network of a tunnelled connection.
func (w *Writer) Segment(s *flow.Segment) error {
	made := writtenInterface{link: packet.Ethernet, made: true}
	for at := 0; ; at += maxPiece {
		p, last := pieceAt(s, at)
		h := w.frame.headers(s, &p)
		if err := w.packet(made, s.TsNs, h, p.data, len(h)+p.wire); err != nil || last {
			return err
		}
	}
}

func (w *Writer) packet(in writtenInterface, tsNs int64, head, body []byte, wire int) error {
	if w.err != nil {
		return w.err
	}
	caplen := len(head) + len(body)
	if caplen > maxPacket {
		return fmt.Errorf("write packet: %d bytes (the limit is %d)", caplen, maxPacket)
	}
	tsNs = max(tsNs, 0)
	w.packets++
	if w.ng {
		w.enhanced(w.number(in), uint64(tsNs), head, body, wire)
		return w.err
	}
	if err := w.only(in.link); err != nil {
		return err
	}
	w.u32(uint32(tsNs/1e9), uint32(tsNs%1e9), uint32(caplen), uint32(wire))
	w.bytes(head)
	w.bytes(body)
	return w.err
}

// only writes the header of a pcap file before its first packet, and refuses
// other link types after that.
func (w *Writer) only(link packet.LinkType) error {
	one := writtenInterface{link: link}
	if _, ok := w.interfaces[one]; ok {
		return nil
	}
	if len(w.interfaces) > 0 {
		return fmt.Errorf("write packet of link type %d: %w", link, ErrLinkType)
	}
	w.interfaces[one] = 0
	w.u32(magicNano, 2|4<<16, 0, 0, usualPacket, uint32(link)) // version 2.4
	return w.err
}

// section writes a section header: of unknown length, by us.
func (w *Writer) section(comment string) {
	const optApplication = 4
	size := 28 + 4 + optionSize(application)
	if comment != "" {
		size += optionSize(comment)
	}
	w.u32(blockSection, size, byteOrderMagic, 1, 1<<32-1, 1<<32-1) // version 1.0
	if comment != "" {
		w.option(optComment, comment)
	}
	w.option(optApplication, application)
	w.u32(optEnd, size)
}

// number returns the number of an interface, which it describes first if that
// is new.
func (w *Writer) number(in writtenInterface) uint32 {
	if n, ok := w.interfaces[in]; ok {
		return n
	}
	n := uint32(len(w.interfaces))
	w.interfaces[in] = n
	const comment = "frames made from TCP segments: below TCP, only addresses and lengths are real"
	size := uint32(20 + 8 + 4)
	if in.made {
		size += optionSize(comment)
	}
	w.u32(blockInterface, size, uint32(in.link), 0) // no snap length
	if in.made {
		w.option(optComment, comment)
	}
	w.option(optTsResol, "\x09")
	w.u32(optEnd, size)
	return n
}

func (w *Writer) enhanced(number uint32, tsNs uint64, head, body []byte, wire int) {
	caplen := len(head) + len(body)
	padding := -caplen & 3
	size := uint32(32 + caplen + padding)
	w.u32(blockEnhanced, size, number, uint32(tsNs>>32), uint32(tsNs), uint32(caplen), uint32(wire))
	w.bytes(head)
	w.bytes(body)
	w.text("\x00\x00\x00"[:padding])
	w.u32(size)
}

// optionSize is what an option takes in a block.
func optionSize(v string) uint32 { return uint32(4 + (len(v)+3)&^3) }

func (w *Writer) option(code uint32, v string) {
	w.u32(code | uint32(len(v))<<16)
	w.text(v)
	w.text("\x00\x00\x00"[:-len(v)&3])
}

// u32 writes numbers in little-endian order.
func (w *Writer) u32(values ...uint32) {
	b := w.buf.AvailableBuffer()
	for _, v := range values {
		b = binary.LittleEndian.AppendUint32(b, v)
	}
	w.bytes(b)
}

func (w *Writer) bytes(b []byte) { w.keep(w.buf.Write(b)) }
func (w *Writer) text(s string)  { w.keep(w.buf.WriteString(s)) }

func (w *Writer) keep(_ int, err error) {
	if w.err == nil && err != nil {
		w.err = fmt.Errorf("write capture: %w", err)
	}
}

// Packets is how many packets were written. A segment may be several.
func (w *Writer) Packets() uint64 { return w.packets }

// Flush hands everything written so far to the file, at a packet's end.
func (w *Writer) Flush() error {
	if w.err != nil {
		return w.err
	}
	w.keep(0, w.buf.Flush())
	if f, ok := w.compressor.(interface{ Flush() error }); ok {
		w.keep(0, f.Flush())
	}
	return w.err
}

// Close flushes, ends the compression and closes what Create opened. A file
// without packets is still valid. Further calls do nothing.
func (w *Writer) Close() error {
	if w.closed {
		return nil
	}
	w.closed = true
	if !w.ng && len(w.interfaces) == 0 {
		w.keep(0, w.only(packet.Ethernet))
	}
	w.keep(0, w.buf.Flush())
	if w.compressor != nil {
		w.keep(0, w.compressor.Close())
	}
	if w.file != nil {
		w.keep(0, w.file.Close())
	}
	if w.err == nil {
		w.err = errClosed
		return nil
	}
	return w.err
}

var errClosed = errors.New("write capture: the writer is closed")
