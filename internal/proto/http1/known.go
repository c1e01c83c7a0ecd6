package http1

import (
	"bytes"
	"encoding/binary"

	"gortap/internal/proto"
)

// The field lines of one program are mostly the same, byte for byte, from message to
// message: those of a client's requests, and those of the answers to one target within a
// second. To compare them with what was read before costs a fraction of reading them.

const (
	knownBits = 8   // 256 places for each side
	knownMax  = 488 // bytes of field lines; a place is eight cache lines
)

// known remembers the field lines of the latest heads of a side, and what they say. It is
// of fixed size: what falls into the same place takes it.
type known [1 << knownBits]knownPlace

type knownPlace struct {
	end    bodyEnd
	host   struct{ from, to uint16 } // of a request, within lines; none is no place
	length uint16
	lines  [knownMax]byte // with the empty one, which is the last
}

// place returns where lines that begin with b may be remembered; nil where there are too
// few. hint tells apart those that begin alike. A poor one costs time, no more: what is
// in a place is compared.
func (k *known) place(b []byte, hint uint64) *knownPlace {
	if len(b) < 8 {
		return nil
	}
	return &k[((binary.LittleEndian.Uint64(b)^hint)*0x9e3779b97f4a7c15)>>(64-knownBits)]
}

// begins reports whether b begins with the lines.
func (p *knownPlace) begins(b []byte) bool {
	return p.length > 0 && len(b) >= int(p.length) && bytes.Equal(b[:p.length], p.lines[:p.length])
}

// knownFields reads the lines after a start line, as skimFields does, and remembers them
// where they are all there.
func (h *half) knownFields(b []byte) (n int, last bool) {
	p := h.p.f.known[h.side].place(b, h.hint(b))
	if p == nil || h.side == proto.Client && len(h.x.Host) > 0 { // an absolute target outranks the field
		return h.skimFields(b)
	}
	if p.begins(b) {
		h.head.bodyEnd = p.end
		if p.host.to > 0 {
			h.x.setHost(p.lines[p.host.from:p.host.to])
		}
		return int(p.length), true
	}
	n, last = h.skimFields(b)
	if last && n <= knownMax && len(h.head.upgrade) == 0 {
		p.length = uint16(copy(p.lines[:], b[:n]))
		p.end, p.host.from, p.host.to = h.head.bodyEnd, 0, 0
		if host := h.head.host; len(host) > 0 {
			p.host.from = uint16(cap(b) - cap(host))
			p.host.to = p.host.from + uint16(len(host))
		}
	}
	return n, last
}

// hint tells field lines apart by what is known before they are read: requests by their
// length, for mostly a delivery is one, and responses by what was asked for.
func (h *half) hint(b []byte) uint64 {
	switch {
	case h.side == proto.Client:
		return uint64(len(b))
	case h.p.first != nil:
		return h.p.first.hint
	}
	return 0
}

// hintOf is what responses to a target have in common.
func hintOf(target []byte) uint64 {
	n := len(target)
	if n < 8 {
		return uint64(n)
	}
	return binary.LittleEndian.Uint64(target[n-8:]) ^ binary.LittleEndian.Uint64(target)*31 ^ uint64(n)
}
