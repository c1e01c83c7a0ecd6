package detect

import (
	"gortap/internal/insight"
)

// endpoint is a service's method and path, with what every finding on it needs. Sums
// are of the present window.
type endpoint struct {
	slot                  int
	service, method, path string
	requests, bytes       int64
	responseBytes         int64
	firstNs, lastNs       int64
	clients               leaders
	contentType           string // the latest, and what it is
	isData                bool
}

type endpointKey struct{ service, method, path string }

func (e *endpoint) add(x *exchange) {
	if e.requests == 0 {
		e.firstNs = x.nowNs
	}
	e.requests++
	e.bytes += x.bytes
	e.responseBytes += x.ResponseBytes
	e.lastNs = max(e.lastNs, x.nowNs)
	e.clients.add(x.client, x.Client.Addr(), x.bytes)
}

// table holds endpoints in slots.
type table struct {
	max    int
	index  map[endpointKey]*endpoint
	slots  []*endpoint
	hand   int
	forget func(slot int)
	rows   []*endpoint // by Observation.Row, as far as they were met
}

func newTable(most int, forget func(slot int)) *table {
	return &table{max: most, index: make(map[endpointKey]*endpoint), forget: forget}
}

// of returns the endpoint of an exchange.
func (t *table) of(o *insight.Observation) *endpoint {
	row := int(o.Row)
	if row < len(t.rows) {
		// Its names may have changed, and another account has other rows.
		if e := t.rows[row]; e != nil && e.path == o.Path && e.service == o.Service && e.method == o.Method {
			return e
		}
	}
	key := endpointKey{o.Service, o.Method, o.Path}
	e := t.index[key]
	if e == nil {
		e = t.room()
		slot := e.slot
		*e = endpoint{slot: slot, service: o.Service, method: o.Method, path: o.Path}
		t.index[key] = e
	}
	for row >= len(t.rows) {
		t.rows = append(t.rows, nil)
	}
	t.rows[row] = e
	return e
}

// evictionLooks is how many endpoints are compared to find a small one.
const evictionLooks = 8

// room returns an endpoint to be overwritten: a new one, or the smallest of the next few.
func (t *table) room() *endpoint {
	if len(t.slots) < t.max {
		e := &endpoint{slot: len(t.slots)}
		t.slots = append(t.slots, e)
		return e
	}
	var least *endpoint
	for range min(evictionLooks, t.max) {
		t.hand = (t.hand + 1) % t.max
		if e := t.slots[t.hand]; least == nil || e.bytes < least.bytes {
			least = e
		}
	}
	delete(t.index, endpointKey{least.service, least.method, least.path})
	t.forget(least.slot)
	return least
}

// reset begins another window; endpoints keep their slots, because history does.
func (t *table) reset() {
	for _, e := range t.slots {
		*e = endpoint{slot: e.slot, service: e.service, method: e.method, path: e.path}
	}
}
