package pcapio

import (
	"encoding/binary"
	"io"

	"gortap/internal/flow"
	"gortap/internal/pcapio/packet"
)

// linkRun begins the comment of sections that an agent's link sends.
const linkRun = "gortap link, run "

// NewLinkWriter writes a pcapng stream for a Link to out. run tells the streams of one
// sender, which all count on, from those of another. Statistics comes first.
func NewLinkWriter(out io.Writer, run string) (*Writer, error) {
	return newWriter(out, "link", PCAPNG, nil, linkRun+run)
}

// Statistics writes how many packets the sender has had so far, and how many of them it
// dropped. The others were written before.
func (w *Writer) Statistics(seen, dropped uint64, tsNs int64) error {
	number := w.number(writtenInterface{link: packet.Ethernet, made: true})
	counter := func(v uint64) string { return string(binary.LittleEndian.AppendUint64(nil, v)) }
	size := uint32(24 + 2*12 + 4)
	w.u32(blockStatistics, size, number, uint32(uint64(tsNs)>>32), uint32(tsNs))
	w.option(optIfRecv, counter(seen))
	w.option(optIfDrop, counter(dropped))
	w.u32(optEnd, size)
	return w.err
}

// Frames is how many packets Writer.Segment makes of a segment.
func Frames(s *flow.Segment) uint64 { return uint64(max(1, (s.Len+maxPiece-1)/maxPiece)) }
