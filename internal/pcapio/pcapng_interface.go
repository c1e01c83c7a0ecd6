package pcapio

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/bits"

	"gortap/internal/pcapio/packet"
)

// ngInterface is what an interface description says about its packets.
type ngInterface struct {
	link     packet.LinkType
	snaplen  uint32 // no limit is the largest value
	units    uint64 // timestamps count them: so many a second
	nsPer    uint64 // ns a unit; 0 where that is not whole
	offsetNs int64
}

// Options of all blocks, and of an interface description (draft-ietf-opsawg-pcapng, 3.5
// and 4.2).
const (
	optEnd      = 0
	optComment  = 1
	optTsResol  = 9
	optTsOffset = 14
)

func parseInterface(b []byte, order binary.ByteOrder) (ngInterface, error) {
	i := ngInterface{units: 1e6}
	if len(b) < 8 {
		return i, errors.New("an interface block without its fields")
	}
	i.link = packet.LinkType(order.Uint16(b))
	if i.snaplen = order.Uint32(b[4:]); i.snaplen == 0 {
		i.snaplen = math.MaxUint32
	}
	err := eachOption(b[8:], order, func(code uint16, v []byte) error {
		switch {
		case code == optTsResol && len(v) >= 1:
			var ok bool
			if i.units, ok = unitsPerSecond(v[0]); !ok {
				return fmt.Errorf("a timestamp resolution of %#x", v[0])
			}
		case code == optTsOffset && len(v) >= 8:
			i.offsetNs = saturatingSeconds(int64(order.Uint64(v)))
		}
		return nil
	})
	if 1e9%i.units == 0 {
		i.nsPer = 1e9 / i.units
	}
	return i, err
}

// eachOption calls use with each option of a list.
func eachOption(b []byte, order binary.ByteOrder, use func(code uint16, value []byte) error) error {
	for len(b) >= 4 {
		code, size := order.Uint16(b), int(order.Uint16(b[2:]))
		padded := (size + 3) &^ 3
		if code == optEnd {
			return nil
		}
		if len(b) < 4+padded {
			return errors.New("an option longer than its block")
		}
		if err := use(code, b[4:4+size]); err != nil {
			return err
		}
		b = b[4+padded:]
	}
	return nil
}

// unitsPerSecond decodes if_tsresol: a negative power of ten, or of two where
// the top bit is set.
func unitsPerSecond(v byte) (uint64, bool) {
	if v&0x80 != 0 {
		return 1 << (v & 0x3f), v&0x7f < 64
	}
	if v > 19 {
		return 1, false
	}
	u := uint64(1)
	for range v {
		u *= 10
	}
	return u, true
}

// toNs turns a timestamp into Unix nanoseconds, up to the year 2262.
func (i *ngInterface) toNs(ts uint64) int64 {
	var hi, ns uint64
	if i.nsPer != 0 {
		hi, ns = bits.Mul64(ts, i.nsPer)
	} else {
		var lo uint64
		if hi, lo = bits.Mul64(ts, 1e9); hi < i.units {
			ns, _ = bits.Div64(hi, lo, i.units)
			hi = 0
		}
	}
	if hi != 0 || ns > math.MaxInt64 {
		ns = math.MaxInt64
	}
	return saturatingAdd(int64(ns), i.offsetNs)
}

func saturatingAdd(a, b int64) int64 {
	switch {
	case b > 0 && a > math.MaxInt64-b:
		return math.MaxInt64
	case b < 0 && a < math.MinInt64-b:
		return math.MinInt64
	}
	return a + b
}

func saturatingSeconds(s int64) int64 {
	const most = math.MaxInt64 / 1_000_000_000
	return max(-most, min(most, s)) * 1e9
}
