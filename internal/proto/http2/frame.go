package http2

import "encoding/binary"

// preface is what a client sends first (RFC 9113, 3.4).
const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

// Frame types (RFC 9113, 6; RFC 7838; RFC 8336; RFC 9218).
const (
	typeData           = 0x0
	typeHeaders        = 0x1
	typePriority       = 0x2
	typeReset          = 0x3
	typeSettings       = 0x4
	typePush           = 0x5
	typePing           = 0x6
	typeGoAway         = 0x7
	typeWindow         = 0x8
	typeContinuation   = 0x9
	typeAltSvc         = 0xa
	typeOrigin         = 0xc
	typePriorityUpdate = 0x10
)

// Flags; what each means depends on the type.
const (
	flagEndStream  = 0x1
	flagAck        = 0x1
	flagEndHeaders = 0x4
	flagPadded     = 0x8
	flagPriority   = 0x20
)

const (
	headerLength = 9
	// defaultMaxFrame is SETTINGS_MAX_FRAME_SIZE until changed, maxFrameLength
	// what the length field can say.
	defaultMaxFrame = 1 << 14
	maxFrameLength  = 1<<24 - 1
)

// frame is a frame header (RFC 9113, 4.1).
type frame struct {
	length   int
	typ      uint8
	flags    uint8
	reserved bool
	stream   uint32
}

func parseFrame(b []byte) frame {
	id := binary.BigEndian.Uint32(b[5:])
	return frame{
		length:   int(b[0])<<16 | int(b[1])<<8 | int(b[2]),
		typ:      b[3],
		flags:    b[4],
		reserved: id>>31 != 0,
		stream:   id &^ (1 << 31),
	}
}

func (f frame) has(flag uint8) bool { return f.flags&flag != 0 }

// wellFormed tells whether an endpoint could take the frame: that its length
// and its stream are right for its type.
func (f frame) wellFormed() bool {
	switch f.typ {
	case typeData, typeHeaders, typePush, typeContinuation:
		return f.stream != 0 && f.length >= f.prefix()
	case typePriority:
		return f.stream != 0 && f.length == 5
	case typeReset:
		return f.stream != 0 && f.length == 4
	case typeSettings:
		return f.stream == 0 && f.length%6 == 0 && (f.length == 0 || !f.has(flagAck))
	case typePing:
		return f.stream == 0 && f.length == 8
	case typeGoAway:
		return f.stream == 0 && f.length >= 8
	case typeWindow:
		return f.length == 4
	}
	// Unknown types are to be ignored (5.5); large ones are more likely not
	// frames at all.
	return f.length <= defaultMaxFrame
}

// prefix returns how many payload bytes come before the content.
func (f frame) prefix() int {
	n := 0
	if f.typ != typeContinuation && f.has(flagPadded) {
		n++
	}
	if f.typ == typeHeaders && f.has(flagPriority) {
		n += 5
	}
	if f.typ == typePush {
		n += 4
	}
	return n
}

// content returns the payload's content without prefix and padding, and false
// if the padding is longer than the frame.
func (f frame) content(payload []byte) ([]byte, bool) {
	pad := 0
	if f.typ != typeContinuation && f.has(flagPadded) {
		pad = int(payload[0])
	}
	n := f.prefix()
	if n+pad > len(payload) {
		return nil, false
	}
	return payload[n : len(payload)-pad], true
}

// promised returns the stream that a PUSH_PROMISE announces.
func (f frame) promised(payload []byte) uint32 {
	return binary.BigEndian.Uint32(payload[f.prefix()-4:]) &^ (1 << 31)
}
