package account

import (
	"bytes"
	"sync"

	"gortap/internal/flow"
	"gortap/internal/proto"
)

// Shard books what one shard of the capture sees. All methods but Lock and
// Unlock need the lock; the pipeline takes it once for a batch of calls, so
// that a single one costs no atomic operation. It must not wait for anything
// while it holds the lock: scrapes wait for it.
//
// The shard owns Conn.User, Exchange.User, Exchange.Path and Exchange.Service.
// In steady state (known names, a connection open) no call allocates.
type Shard struct {
	mu       sync.Mutex
	limits   Config
	names    *directory
	paths    templater
	naming   namer
	services []*service
	byName   map[string]*service
	methods  map[string]string
	recent   *recent

	ledgers      map[flow.Key]*ledger
	order        []*ledger // the same, for the sweep
	sweepAt      int
	spareLedgers []*ledger
	spareConns   []*connState

	nowNs   int64
	startNs int64 // of the first Tick
	// blindNs is when the latest connection opened whose credits were booked
	// without a ledger: its flow, whose totals may still come, began before.
	blindNs int64
	errors  errorCounts
	live    liveWindows
}

var (
	_ proto.Sink  = (*Shard)(nil)
	_ sync.Locker = (*Shard)(nil)
)

// errorCounts is what went wrong in a shard.
type errorCounts struct {
	excess     uint64 // bytes credited that the capture did not count
	unreported uint64 // bytes credited of flows that the capture never told of
	// Payload of flows without a ledger, as credited and as counted.
	uncheckedCredited, uncheckedCounted uint64
	overflow                            [numLabels]uint64 // requests
}

// The labels that have a limit, by index of errorCounts.overflow.
const (
	serviceLabel = iota
	methodLabel
	pathLabel
	numLabels
)

var labelNames = [numLabels]string{"service", "method", "path"}

func newShard(cfg Config, names *directory, rules []Rule, patterns []pattern) *Shard {
	return &Shard{
		limits:  cfg,
		names:   names,
		paths:   templater{patterns: patterns},
		naming:  namer{rules: rules, resolver: cfg.Resolver},
		byName:  map[string]*service{},
		methods: map[string]string{},
		recent:  newRecent(),
		ledgers: map[flow.Key]*ledger{},
		live:    liveWindows{limit: cfg.LiveEndpoints},
	}
}

// Lock begins a batch of calls.
func (s *Shard) Lock() { s.mu.Lock() }

// Unlock ends a batch of calls.
func (s *Shard) Unlock() { s.mu.Unlock() }

// Tick sets the shard's clock, in Unix nanoseconds, and does a little of the
// regular work. It is for the end of each batch, idle ones included.
func (s *Shard) Tick(nowNs int64) {
	if s.startNs == 0 {
		s.startNs = nowNs
	}
	s.nowNs = max(s.nowNs, nowNs)
	s.sweep()
}

// Begin names the exchange: it sets Service and Path.
func (s *Shard) Begin(x *proto.Exchange) {
	st := x.Conn.User.(*connState)
	svc := s.exchangeService(st, x)
	st.service = svc
	if st.ledger != nil {
		st.ledger.service = svc
	}
	e := s.exchangeEndpoint(svc, x)
	x.Service, x.MethodLabel, x.Path, x.Row, x.User = svc.name, e.method, e.path, e.row, e
}

// exchangeService returns the service of a request. One without a host goes to
// the service of the request before it on the connection.
func (s *Shard) exchangeService(st *connState, x *proto.Exchange) *service {
	if st.service != nil && (len(x.Host) == 0 || bytes.Equal(x.Host, st.host)) {
		return st.service
	}
	st.host = append(st.host[:0], x.Host...)
	return s.service(s.naming.name(x.Conn.ServerAddr(), x.Host))
}

// addressService returns the service of a connection without requests.
func (s *Shard) addressService(k *flow.Key, server flow.Dir) *service {
	return s.service(s.naming.name(k.Source(server), nil))
}

func (s *Shard) service(name []byte, configured bool) *service {
	if svc := s.byName[string(name)]; svc != nil {
		return svc
	}
	granted := s.names.service(name, configured)
	if granted == Other {
		s.errors.overflow[serviceLabel]++
	}
	svc := s.byName[granted]
	if svc == nil {
		svc = newService(granted, s.names)
		s.services = append(s.services, svc)
		s.byName[granted] = svc
	}
	return svc
}

func (s *Shard) exchangeEndpoint(svc *service, x *proto.Exchange) *endpoint {
	if len(x.Method) == 0 {
		return svc.looseEndpoint(proto.NoRequest)
	}
	path := withoutQuery(x.Target)
	if e := s.recent.find(svc, x.Method, path); e != nil {
		return e
	}
	method := s.method(x.Method)
	label, configured := s.paths.template(x.Method, x.Target)
	e := svc.endpoint(s.names, method, label, configured)
	if e.path == Other {
		s.errors.overflow[pathLabel]++
	} else if method != Other { // each refusal counts
		s.recent.remember(svc, x.Method, path, e)
	}
	return e
}

func (s *Shard) method(m []byte) string {
	name, ok := s.methods[string(m)]
	if !ok {
		name = s.names.method(m)
		if name != Other {
			s.methods[name] = name
		}
	}
	if name == Other {
		s.errors.overflow[methodLabel]++
	}
	return name
}

// Bytes credits wire bytes to an exchange.
func (s *Shard) Bytes(x *proto.Exchange, side proto.Side, n int64) {
	e := x.User.(*endpoint)
	s.credit(e, side, uint64(n))
	s.creditConn(x.Conn, e.service, side, uint64(n))
}

// Resent tells, by service, the payload bytes that were sent again so far, both
// directions. It needs the lock, as all.
func (s *Shard) Resent(tell func(service string, bytes uint64)) {
	for _, svc := range s.services {
		if n := svc.retransmitted[proto.Client] + svc.retransmitted[proto.Server]; n > 0 {
			tell(svc.name, n)
		}
	}
}

// Messages counts gRPC and WebSocket messages.
func (s *Shard) Messages(x *proto.Exchange, side proto.Side, n, size int64) {
	st := &x.User.(*endpoint).streamed[side]
	st.messages += uint64(n)
	st.bytes += uint64(size)
}

// Unattributed credits bytes to no message: to the service of the latest
// request of the connection, or else of its address.
func (s *Shard) Unattributed(c *proto.Conn, side proto.Side, n int64, why proto.Reason) {
	st := c.User.(*connState)
	if l := st.ledger; l != nil && l.counting && !l.blind {
		// The totals cover these bytes, and it is not known whether the last
		// ones did already; so all of them are left to the next ones.
		st.credited[dirOf(c, side)] += uint64(n)
		return
	}
	svc := s.connService(st)
	s.credit(svc.looseEndpoint(why), side, uint64(n))
	s.creditConn(c, svc, side, uint64(n))
}

func (s *Shard) connService(st *connState) *service {
	switch {
	case st.service != nil:
		return st.service
	case st.ledger == nil:
		return s.addressService(&st.conn.Key, st.conn.Client.Other())
	case st.ledger.service == nil:
		st.ledger.service = s.addressService(&st.conn.Key, st.conn.Client.Other())
	}
	return st.ledger.service
}

// credit adds bytes to a row.
func (s *Shard) credit(e *endpoint, side proto.Side, n uint64) {
	e.bytes[side] += n
	if w := s.live.window(e, s.nowNs); w != nil {
		w.slot(s.nowNs).bytes[side] += n
	}
}

func dirOf(c *proto.Conn, side proto.Side) flow.Dir {
	if side == proto.Client {
		return c.Client
	}
	return c.Client.Other()
}

// creditConn notes the credit in the flow's ledger. Without one, the payload
// is taken for counted.
func (s *Shard) creditConn(c *proto.Conn, svc *service, side proto.Side, n uint64) {
	st := c.User.(*connState)
	dir := dirOf(c, side)
	st.credited[dir] += n
	l := st.ledger
	if l == nil || l.blind {
		svc.payload[side] += n
		s.errors.uncheckedCredited += n
		return
	}
	l.owe(svc, dir, side, n)
}

// Done ends an exchange.
func (s *Shard) Done(x *proto.Exchange) {
	e := x.User.(*endpoint)
	e.done(x)
	if w := s.live.window(e, s.nowNs); w != nil {
		slot := w.slot(s.nowNs)
		if !x.Upgraded {
			slot.requests++
		}
		if ns, ok := duration(x); ok {
			slot.durations[bucketOf(ns)]++
		}
	}
	x.User = nil
}
