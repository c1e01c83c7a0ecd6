package http2

import (
	"bytes"
	"encoding/binary"

	"gortap/internal/proto"
	"gortap/internal/proto/http2/hpack"
)

// search looks for the next frame header. Of all offsets, the one wins that is
// certain first; which one that is depends on the bytes alone, so that it is the
// same however they are cut.
type search struct {
	window []byte      // bytes that are not decided on yet
	maybe  []candidate // the places in window where a frame may begin
	why    proto.Reason
}

// candidate is an offset, and how long the window must be to tell more of it.
// A chain of weak evidence is three frames at most, which bounds the window.
type candidate struct{ at, need int }

// find looks for a frame in the bytes at hand, and returns them from there on;
// none if there is no frame yet.
func (h *half) find(b []byte) []byte {
	s := &h.search
	at := len(s.window)
	s.window = append(s.window, b...)
	from := fromClient
	if h.side == proto.Server {
		from = fromServer
	}
	best := candidate{-1, len(s.window) + 1}
	old := s.maybe
	s.maybe = s.maybe[:0]
	for _, c := range old {
		s.weigh(c, from, h.p.streams, &best)
	}
	for ; at < best.need-1; at++ {
		// A plausible length has a leading zero.
		zero := bytes.IndexByte(s.window[at:], 0)
		if zero < 0 {
			break
		}
		at += zero
		s.weigh(candidate{at: at}, from, h.p.streams, &best)
	}
	if best.at < 0 {
		h.passOver()
		return nil
	}
	h.p.unattributed(h.side, int64(best.at), s.why)
	rest := s.window[best.at:]
	// The buffer goes with the bytes: what follows may search again.
	*s, h.state = search{}, atHeader
	return rest
}

// weigh judges a candidate: better than best, still possible, or forgotten.
func (s *search) weigh(c candidate, from origin, open map[uint32]*stream, best *candidate) {
	v := undecided
	if c.need <= len(s.window) {
		var n int
		v, _, n = judge(s.window[c.at:], from, open)
		c.need = c.at + n
	}
	switch {
	case v == undecided:
		s.maybe = append(s.maybe, c)
	case v == accepted && c.need < best.need:
		*best = c
	}
}

// passOver credits what comes before the first candidate.
func (h *half) passOver() {
	s := &h.search
	n := len(s.window)
	if len(s.maybe) > 0 {
		n = s.maybe[0].at
	}
	h.p.unattributed(h.side, int64(n), s.why)
	s.window = append(s.window[:0], s.window[n:]...)
	for i := range s.maybe {
		s.maybe[i].at -= n
		s.maybe[i].need -= n
	}
}

// origin is the set of sides that bytes may come from.
type origin uint8

const (
	fromClient origin = 1 << iota
	fromServer
	fromAny = fromClient | fromServer
)

type judgement uint8

const (
	rejected judgement = iota
	undecided
	accepted
)

// Evidence that bytes are a frame header: certain is enough alone, and weaker
// ones add up along the chain of frames. Other payload has such nine bytes by
// chance, or holds many like them, but not where a frame before them ends.
const (
	none    = 0
	weak    = 1
	strong  = 2
	certain = 3
)

// maxLook is how much of a header block is looked at, at most.
const maxLook = 512

// judge decides whether a frame begins at b[0], and who may have sent it. It
// returns how many bytes that took, or how many it takes to tell more.
func judge(b []byte, from origin, open map[uint32]*stream) (v judgement, by origin, n int) {
	for score := 0; ; {
		rest := b[n:]
		if len(rest) < headerLength {
			if !couldBegin(rest) {
				return rejected, 0, 0
			}
			return undecided, from, n + headerLength
		}
		f := parseFrame(rest)
		n += headerLength
		look := n + f.look()
		if len(b) < look {
			if f.evidence() == none {
				return rejected, 0, 0
			}
			return undecided, from, look
		}
		points, by := f.judge(b[n:look], open)
		from &= by
		if score += points; points == none || from == 0 {
			return rejected, 0, 0
		}
		if score >= certain {
			return accepted, from, look
		}
		if n += f.length; n > len(b) {
			return undecided, from, n + headerLength
		}
	}
}

// couldBegin is judge for less than a frame header.
func couldBegin(b []byte) bool {
	switch {
	case len(b) > 0 && b[0] != 0, len(b) > 1 && b[1] > defaultMaxFrame>>8:
		return false
	case len(b) > 3:
		_, known := knownFlags(b[3])
		return known
	}
	return true
}

// look is how much of the payload judge wants to see.
func (f frame) look() int {
	switch f.typ {
	case typeHeaders:
		return min(f.length, maxLook)
	case typeReset, typeSettings, typeGoAway, typeWindow:
		return min(f.length, 64*6)
	}
	return 0
}

// evidence weighs the frame header alone. Frames above the default maximum are
// not considered: they would have to be waited for, and smaller ones follow.
func (f frame) evidence() int {
	flags, known := knownFlags(f.typ)
	if !known || f.reserved || f.length > defaultMaxFrame || f.flags&^flags != 0 || f.stream >= 1<<28 || !f.wellFormed() {
		return none
	}
	switch f.typ {
	case typeData:
		if f.length == 0 && !f.has(flagEndStream) {
			return none
		}
		return weak
	case typeHeaders, typePush, typeContinuation, typeAltSvc, typeOrigin, typePriorityUpdate:
		return weak
	}
	return certain
}

// judge weighs a frame header and the payload that look asked for, and says
// who may have sent it.
func (f frame) judge(payload []byte, open map[uint32]*stream) (int, origin) {
	points, by := f.evidence(), fromAny
	if points == none {
		return none, 0
	}
	if f.stream%2 == 0 && (f.typ == typeData || f.typ == typeHeaders) {
		by = fromServer // a push
	}
	ok := true
	switch f.typ {
	case typeData:
		if open[f.stream] != nil {
			points = strong
		}
	case typeHeaders:
		shape, side := f.shape(payload)
		return shape, by & side
	case typePush:
		by = fromServer
	case typeReset:
		ok = binary.BigEndian.Uint32(payload) <= 0xff
	case typeGoAway:
		ok = payload[0]&0x80 == 0 && binary.BigEndian.Uint32(payload[4:]) <= 0xff
	case typeWindow:
		increment := binary.BigEndian.Uint32(payload)
		ok = increment != 0 && increment>>31 == 0
	case typeSettings:
		for ; ok && len(payload) >= 6; payload = payload[6:] {
			ok = payload[0] == 0 && payload[1] != 0
		}
	}
	if !ok {
		return none, 0
	}
	return points, by
}

// shape weighs a HEADERS frame by its block, of which payload is the beginning.
func (f frame) shape(payload []byte) (int, origin) {
	whole := len(payload) == f.length
	block, ok := payload[f.prefix():], true
	if whole {
		block, ok = f.content(payload)
	}
	if !ok || len(block) == 0 {
		return none, 0
	}
	switch hpack.ShapeOf(block, whole && f.has(flagEndHeaders)) {
	case hpack.Request:
		return certain, fromClient
	case hpack.Response:
		return certain, fromServer
	case hpack.Fields:
		return weak, fromAny
	}
	return none, 0
}

// knownFlags returns the flags that are defined for a type.
func knownFlags(typ uint8) (flags uint8, known bool) {
	switch typ {
	case typeData:
		return flagEndStream | flagPadded, true
	case typeHeaders:
		return flagEndStream | flagEndHeaders | flagPadded | flagPriority, true
	case typePush:
		return flagEndHeaders | flagPadded, true
	case typeSettings, typePing:
		return flagAck, true
	case typeContinuation:
		return flagEndHeaders, true
	case typePriority, typeReset, typeGoAway, typeWindow, typeAltSvc, typeOrigin, typePriorityUpdate:
		return 0, true
	}
	return 0, false
}
