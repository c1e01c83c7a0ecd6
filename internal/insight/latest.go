package insight

import (
	"encoding/binary"
	"net/netip"
)

// latest finds again what was looked up last, without the map that has it all: most of
// it comes again soon. It is of fixed size: what falls into the same place takes it.
type latest[K comparable, T any] struct {
	of [latestPlaces]struct {
		key   K
		value *T
	}
}

const latestPlaces = 256 // a power of two

// get returns what was put for a key, nil where it is gone. The hash decides by its
// highest bits.
func (l *latest[K, T]) get(hash uint32, key K) *T {
	if at := &l.of[hash/(1<<32/latestPlaces)]; at.key == key {
		return at.value
	}
	return nil
}

func (l *latest[K, T]) put(hash uint32, key K, value *T) {
	at := &l.of[hash/(1<<32/latestPlaces)]
	at.key, at.value = key, value
}

// forget empties it.
func (l *latest[K, T]) forget() { clear(l.of[:]) }

func hashAddr(a netip.Addr) uint32 {
	b := a.As16()
	h := binary.LittleEndian.Uint64(b[:8])*0x9e3779b97f4a7c15 ^ binary.LittleEndian.Uint64(b[8:])
	return uint32((h * 0xbf58476d1ce4e5b9) >> 32)
}

// place is what has a row's sums.
type place struct {
	service  *service
	endpoint *endpoint
}

// place returns what has the sums of an exchange's service and endpoint, nil where they
// are not kept by name.
func (b *Book) place(o *Observation, weight uint64) (*service, *endpoint) {
	row := int(o.Row)
	if row < len(b.places) {
		p := &b.places[row]
		if e := p.endpoint; e != nil && e.path == o.Path && e.method == o.Method && e.service == o.Service {
			return p.service, e
		}
	}
	s := b.service(o.Service, weight)
	if s == nil {
		return nil, nil
	}
	e := b.endpoint(o, weight)
	if e != nil && row > 0 {
		for row >= len(b.places) {
			b.places = append(b.places, place{})
		}
		b.places[row] = place{s, e}
	}
	return s, e
}
