package websocket

import "encoding/binary"

// Opcodes (RFC 6455, 5.2).
const (
	opContinuation = 0x0
	opText         = 0x1
	opBinary       = 0x2
	opClose        = 0x8
	opPing         = 0x9
	opPong         = 0xa
)

// Close codes that are never sent (RFC 6455, 7.4.1).
const (
	closedWithoutCode = 1005
	closedAbnormally  = 1006
)

const (
	maxHeader  = 14
	maxControl = 125
)

// frame is a frame header (RFC 6455, 5.2).
type frame struct {
	fin        bool
	compressed bool  // RSV1, as permessage-deflate uses it
	reserved   uint8 // RSV2 and RSV3
	opcode     uint8
	masked     bool
	minimal    bool // the length has its shortest form
	length     uint64
	key        [4]byte
}

// headerLength returns how long the header is that begins with b0, b1.
func headerLength(b1 byte) int {
	n := 2
	switch b1 & 0x7f {
	case 126:
		n += 2
	case 127:
		n += 8
	}
	if b1&0x80 != 0 {
		n += 4
	}
	return n
}

// parseFrame reads a header, which b holds all of.
func parseFrame(b []byte) frame {
	f := frame{
		fin:        b[0]&0x80 != 0,
		compressed: b[0]&0x40 != 0,
		reserved:   b[0] >> 4 & 3,
		opcode:     b[0] & 0xf,
		masked:     b[1]&0x80 != 0,
		minimal:    true,
		length:     uint64(b[1] & 0x7f),
	}
	switch f.length {
	case 126:
		f.length = uint64(binary.BigEndian.Uint16(b[2:]))
		f.minimal = f.length > 125
	case 127:
		f.length = binary.BigEndian.Uint64(b[2:])
		f.minimal = f.length > 1<<16-1
	}
	if f.masked {
		copy(f.key[:], b[headerLength(b[1])-4:])
	}
	return f
}

// couldBegin is wellFormed for the first two bytes, roughly: it rejects most of
// what is no header at little cost.
func couldBegin(b0, b1 byte, fromClient bool) bool {
	return b0&0x30 == 0 && b0&7 <= 2 && b1&0x80 != 0 == fromClient
}

func (f *frame) control() bool { return f.opcode >= opClose }

// wellFormed tells whether an endpoint could take the frame from a client or a
// server. Whether compression was agreed on is not known here: RSV1 is allowed
// where permessage-deflate has it, in the first frame of a message (RFC 7692, 6).
func (f *frame) wellFormed(fromClient bool) bool {
	switch {
	case f.reserved != 0, !f.minimal, f.length>>63 != 0, f.masked != fromClient:
		return false
	}
	switch f.opcode {
	case opText, opBinary:
		return true
	case opContinuation:
		return !f.compressed
	case opClose, opPing, opPong:
		return f.fin && !f.compressed && f.length <= maxControl
	}
	return false
}
