package account

import (
	"cmp"
	"maps"
	"slices"
)

// books is the sum of all shards.
type books struct {
	services map[string]*serviceBook
	flows    int
	errors   errorCounts
}

type serviceBook struct {
	name                            string
	network, retransmitted, payload [2]uint64
	endpoints                       map[endpointKey]*counters
}

// merge adds up the shards, locking one at a time.
func (a *Account) merge() *books {
	b := &books{services: map[string]*serviceBook{}}
	for _, s := range a.shards {
		s.addTo(b)
	}
	return b
}

func (s *Shard) addTo(b *books) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b.flows += len(s.ledgers)
	b.errors.add(&s.errors)
	for _, svc := range s.services {
		sum := b.services[svc.name]
		if sum == nil {
			sum = &serviceBook{name: svc.name, endpoints: make(map[endpointKey]*counters, len(svc.rows))}
			b.services[svc.name] = sum
		}
		for side := range sum.network {
			sum.network[side] += svc.network[side]
			sum.retransmitted[side] += svc.retransmitted[side]
			sum.payload[side] += svc.payload[side]
		}
		for _, e := range svc.rows {
			c := sum.endpoints[e.endpointKey]
			if c == nil {
				c = &counters{}
				sum.endpoints[e.endpointKey] = c
			}
			c.add(&e.counters)
		}
	}
}

func (e *errorCounts) add(o *errorCounts) {
	e.excess += o.excess
	e.unreported += o.unreported
	e.uncheckedCredited += o.uncheckedCredited
	e.uncheckedCounted += o.uncheckedCounted
	for i, n := range o.overflow {
		e.overflow[i] += n
	}
}

// sorted returns the services by name.
func (b *books) sorted() []*serviceBook {
	return slices.SortedFunc(maps.Values(b.services), func(x, y *serviceBook) int { return cmp.Compare(x.name, y.name) })
}

// sortedKeys returns the endpoints by path, then method.
func (s *serviceBook) sortedKeys() []endpointKey {
	return slices.SortedFunc(maps.Keys(s.endpoints), func(x, y endpointKey) int {
		return cmp.Or(cmp.Compare(x.path, y.path), cmp.Compare(x.method, y.method))
	})
}
