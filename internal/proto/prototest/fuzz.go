package prototest

import (
	"encoding/binary"

	"gortap/internal/flow"
	"gortap/internal/proto"
)

// A fuzzed script is a sequence of events: an op byte (bit 0 the side, the next
// three what happens), two bytes of length, and that many bytes unless they are
// a gap.
const (
	opGap = 1 // 1, 2 and 3 by the kind of gap
	opEnd = 4
)

// Fuzzed writes a script for a fuzz target.
func Fuzzed(sc Script) []byte {
	var b []byte
	for _, e := range sc {
		op := byte(0)
		switch {
		case e.End:
			op = opEnd
		case e.Gap > 0:
			op = opGap + byte(e.Why)
		}
		for first := true; first || len(e.Data) > 0; first = false {
			n := min(len(e.Data), 1<<16-1)
			b = append(b, byte(e.Side)|op<<1)
			b = binary.BigEndian.AppendUint16(b, uint16(max(int64(n), min(e.Gap, 1<<16-1))))
			b = append(b, e.Data[:n]...)
			e.Data = e.Data[n:]
		}
	}
	return b
}

// FromFuzz reads a script from any bytes. A side ends at most once, and sends
// nothing after.
func FromFuzz(b []byte) Script {
	var sc Script
	var ended [2]bool
	for len(b) >= 3 {
		side, op := proto.Side(b[0]&1), b[0]>>1&7
		n := int(binary.BigEndian.Uint16(b[1:]))
		b = b[3:]
		switch {
		case ended[side]:
		case op == opEnd:
			ended[side] = true
			sc = append(sc, Event{Side: side, End: true})
		case op >= opGap && op < opEnd:
			if n > 0 {
				sc = append(sc, Event{Side: side, Gap: int64(n), Why: flow.Gap(op - opGap)})
			}
		default:
			n = min(n, len(b))
			sc = append(sc, Event{Side: side, Data: b[:n]})
			b = b[n:]
		}
	}
	return sc
}
