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

// rowsAtATime is how many endpoints are copied under a shard's lock, some
// hundred microseconds' worth: the capture waits for it.
const rowsAtATime = 256

// merge adds up the shards. A service's numbers are of one moment in each
// shard; those of different services may lie milliseconds apart.
func (a *Account) merge() *books {
	b := &books{services: map[string]*serviceBook{}}
	for _, s := range a.shards {
		s.addCounts(b)
		for from := 0; from >= 0; {
			from = s.addServices(b, from)
		}
	}
	return b
}

func (s *Shard) addCounts(b *books) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b.flows += len(s.ledgers)
	b.errors.add(&s.errors)
}

// addServices adds services from an index on and returns the index to go on
// from, -1 after the last.
func (s *Shard) addServices(b *books, from int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	rows := 0
	for i := from; i < len(s.services); i++ {
		if rows >= rowsAtATime {
			return i
		}
		b.add(s.services[i])
		rows += len(s.services[i].rows)
	}
	return -1
}

func (b *books) add(svc *service) {
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
