package insight

import (
	"net/netip"
	"time"
)

// Book keeps sums of exchanges over time: of each service, endpoint, client, and
// client at an endpoint, apart by status. An exchange counts in the step in which it
// ended. The total is exact whatever happens, and so is each row, but for those that
// are marked Partial; what has no row of its own is in a row named (rest), so that
// every list adds up to the total of its View. One goroutine at a time may use it; see
// Store.
type Book struct {
	cfg  Config
	line *timeline

	total     series
	missed    series // of total: what nobody looked at
	spread    distributions
	services  map[string]*service
	endpoints map[endpointName]*endpoint
	clients   map[netip.Addr]*client
	combos    map[comboKey]*row
	lastID    uint32

	newServices  candidates[string]
	newEndpoints candidates[endpointName]
	newClients   candidates[netip.Addr]
	newCombos    candidates[comboKey]

	// The way to what was looked up last; emptied whenever something may be dropped.
	places      []place // by Observation.Row
	sameClients latest[netip.Addr, client]
	sameCombos  latest[comboKey, row]

	recent    recent
	startNs   int64 // of the first exchange
	nowNs     int64
	sinceTick int // observations since rows were last exchanged
	tickedNs  int64
	fadedNs   int64
	late      uint64
	observed  uint64
}

type endpointName struct{ service, method, path string }

// comboKey names a client at an endpoint with a status, by their IDs.
type comboKey struct{ client, row uint32 }

// row is what is kept of a name: a status of a service or of an endpoint, or a
// client at one.
type row struct {
	series
	id       uint32
	status   int
	endpoint *endpoint // nil: of a service
	client   *client   // nil: of all
	key      comboKey  // where there is a client
	weight   uint64
}

type service struct {
	name     string
	statuses []*row
	weight   uint64
}

type endpoint struct {
	endpointName
	statuses []*row
	spread   distributions
	weight   uint64
}

type client struct {
	series
	id     uint32
	addr   netip.Addr
	weight uint64
}

// maxStatuses is how many statuses of an endpoint are told apart.
const maxStatuses = 32

// otherStatus stands for those beyond, resentStatus for what was sent again, of which
// no status is known.
const (
	otherStatus  = -1
	resentStatus = -2
)

// NewBook makes an empty Book.
func NewBook(c Config) *Book {
	c = c.withDefaults()
	b := &Book{
		cfg: c, line: newTimeline(&c),
		services: map[string]*service{}, endpoints: map[endpointName]*endpoint{},
		clients: map[netip.Addr]*client{}, combos: map[comboKey]*row{},
		newServices: newCandidates[string](), newEndpoints: newCandidates[endpointName](),
		newClients: newCandidates[netip.Addr](), newCombos: newCandidates[comboKey](),
		recent: recent{limit: c.Exchanges},
	}
	b.total.whole, b.missed.whole = true, true
	return b
}

// Observe counts an exchange. It allocates only for names that are new.
func (b *Book) Observe(o *Observation) {
	endNs := o.EndNs
	b.observed++
	if b.startNs == 0 || endNs < b.startNs {
		b.startNs = endNs
	}
	if endNs > b.nowNs {
		b.nowNs = endNs
		b.line.advance(endNs)
	} else if step := endNs / b.line.everyNs[numTiers-1]; step < b.line.oldest(numTiers-1) {
		b.late++ // too long ago for any step: in the newest, rather than nowhere
		endNs = b.nowNs
	}
	c := cellOf(o)
	now := b.line.step(endNs)
	b.total.count(b, now, o, &c)
	size, duration := int64(-1), int64(-1)
	if o.Status != 0 || o.ResponseBytes > 0 {
		size = o.ResponseSize
	}
	if o.Duration >= 0 {
		duration = int64(o.Duration)
	}
	b.spread.add(endNs, size, duration)
	weight := c.requestBytes + c.responseBytes + requestWeight

	// A name is only kept as long as those above it are, so that none has more than
	// they have: a combination's endpoint and client, an endpoint's service.
	s, e := b.place(o, weight)
	cl := b.client(o.Client.Addr(), weight)
	if s != nil {
		s.weight += weight
		b.status(&s.statuses, o.Status, nil).count(b, now, o, &c)
		if e != nil {
			e.weight += weight
			e.spread.add(endNs, size, duration)
			r := b.status(&e.statuses, o.Status, e)
			r.count(b, now, o, &c)
			b.observeCombo(cl, r, now, o, &c, weight)
		}
	}
	if cl != nil {
		cl.weight += weight
		cl.count(b, now, o, &c)
	}
	b.recent.add(o)
	b.sinceTick++
}

func (b *Book) observeCombo(cl *client, r *row, step int64, o *Observation, c *cell, weight uint64) {
	if cl == nil {
		return
	}
	if combo := b.combo(cl, r, weight); combo != nil {
		combo.weight += weight
		combo.count(b, step, o, c)
	}
}

// Resent counts payload bytes that a service's connections sent again, at the present
// time. What is known of them is by service alone.
func (b *Book) Resent(name string, bytes uint64) {
	c, now := cell{retransmitted: bytes}, b.line.step(b.nowNs)
	b.total.add(b.line, now, &c)
	if s := b.services[name]; s != nil {
		b.status(&s.statuses, resentStatus, nil).add(b.line, now, &c)
	}
}

// requestWeight is what a request counts beside its bytes, where it is decided who
// is kept by name.
const requestWeight = 512

func (s *series) count(b *Book, step int64, o *Observation, c *cell) {
	if s.firstNs == 0 || o.StartNs < s.firstNs {
		s.firstNs = o.StartNs
	}
	s.lastNs = max(s.lastNs, o.EndNs)
	s.add(b.line, step, c)
}

func cellOf(o *Observation) cell {
	c := cell{requestBytes: uint64(max(o.RequestBytes, 0)), responseBytes: uint64(max(o.ResponseBytes, 0))}
	if !o.Upgraded {
		c.requests = 1
		if o.Failed() {
			c.errors = 1
		}
	}
	if o.First {
		c.connections = 1
	}
	return c
}

func (b *Book) nextID() uint32 {
	b.lastID++
	return b.lastID
}

func (b *Book) service(name string, weight uint64) *service {
	s := b.services[name]
	if s == nil {
		if len(b.services) >= b.cfg.Services {
			b.newServices.add(name, weight)
			return nil
		}
		s = &service{name: name}
		b.services[name] = s
	}
	return s
}

func (b *Book) endpoint(o *Observation, weight uint64) *endpoint {
	name := endpointName{o.Service, o.Method, o.Path}
	e := b.endpoints[name]
	if e == nil {
		if len(b.endpoints) >= b.cfg.Endpoints {
			b.newEndpoints.add(name, weight)
			return nil
		}
		e = &endpoint{endpointName: name}
		b.endpoints[name] = e
	}
	return e
}

func (b *Book) client(addr netip.Addr, weight uint64) *client {
	hash := hashAddr(addr)
	if c := b.sameClients.get(hash, addr); c != nil {
		return c
	}
	c := b.clients[addr]
	if c == nil {
		if len(b.clients) >= b.cfg.Clients {
			b.newClients.add(addr, weight)
			return nil
		}
		c = &client{addr: addr, id: b.nextID()}
		c.partial = b.newClients.used
		b.clients[addr] = c
	}
	b.sameClients.put(hash, addr, c)
	return c
}

func (b *Book) combo(c *client, r *row, weight uint64) *row {
	key := comboKey{c.id, r.id}
	hash := (c.id*0x9e3779b1 + r.id) * 0x85ebca6b
	if combo := b.sameCombos.get(hash, key); combo != nil {
		return combo
	}
	combo := b.combos[key]
	if combo == nil {
		if len(b.combos) >= b.cfg.Combinations {
			b.newCombos.add(key, weight)
			return nil
		}
		combo = &row{status: r.status, endpoint: r.endpoint, client: c, key: key}
		combo.partial = b.newCombos.used
		b.combos[key] = combo
	}
	b.sameCombos.put(hash, key, combo)
	return combo
}

// status returns the row of a status, the latest one first: mostly it comes again.
func (b *Book) status(rows *[]*row, status int, e *endpoint) *row {
	for i, r := range *rows {
		if r.status == status {
			if i > 0 {
				(*rows)[0], (*rows)[i] = r, (*rows)[0]
			}
			return r
		}
	}
	if len(*rows) >= maxStatuses && status >= 0 {
		return b.status(rows, otherStatus, e)
	}
	r := &row{status: status, endpoint: e, id: b.nextID()}
	r.partial = e != nil && b.newEndpoints.used || e == nil && b.newServices.used
	*rows = append(*rows, r)
	return r
}

// Tick sets the clock: it goes on where nothing is observed, too.
func (b *Book) Tick(nowNs int64) {
	if nowNs > b.nowNs {
		b.nowNs = nowNs
		b.line.advance(nowNs)
	}
	if b.nowNs-b.tickedNs >= int64(time.Second) && (b.sinceTick >= exchangeEvery || b.nowNs-b.tickedNs >= int64(time.Minute)) {
		b.sinceTick, b.tickedNs = 0, b.nowNs
		b.rearrange()
	}
}

// exchangeEvery bounds what rearrange costs where a file's time passes quickly.
const exchangeEvery = 2048

// Stats says how full a Book is.
type Stats struct {
	Observed uint64 // exchanges
	// Late ended longer ago than anything is kept; they count in the step in
	// which they were told of.
	Late                                       uint64
	Services, Endpoints, Clients, Combinations int
	MemoryBytes                                int // of sums over time
}

// Stats returns them.
func (b *Book) Stats() Stats {
	return Stats{
		Observed: b.observed, Late: b.late,
		Services: len(b.services), Endpoints: len(b.endpoints), Clients: len(b.clients), Combinations: len(b.combos),
		MemoryBytes: (b.line.made - len(b.line.free)) * chunkBytes,
	}
}
