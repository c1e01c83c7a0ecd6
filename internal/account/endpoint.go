package account

import "gortap/internal/proto"

const (
	// maxCodes is how many status codes of an endpoint are told apart.
	maxCodes = 32
	// otherCode stands for the codes beyond; 0 is no response.
	otherCode = 0xffff
	// noCode is a gRPC call whose status was not seen: 0 would be OK.
	noCode = 0xfffe
)

// counters is what is counted about one endpoint. Bytes without a message are
// counted as an endpoint too, with an empty method and the reason as path.
type counters struct {
	bytes      [2]uint64 // by proto.Side: wire bytes
	exchanges  uint64    // that are done
	requests   uint64    // exchanges, less those whose request another one counted
	messages   [2]uint64 // messages of those that were seen at least in part
	streamed   [2]stream // gRPC and WebSocket messages
	codes      []codeCount
	incomplete [2][proto.NumReasons]uint64 // messages
	durations  *histogram                  // nil until one is known
}

// stream counts messages within HTTP messages.
type stream struct{ messages, bytes uint64 }

type codeCount struct {
	code uint16
	n    uint64
}

// done books a finished exchange. What an upgrade began is no further request.
func (c *counters) done(x *proto.Exchange) {
	c.exchanges++
	if !x.Upgraded {
		c.requests++
		c.countCode(codeOf(x), 1)
	}
	if x.Request.Seen {
		c.messages[proto.Client]++
	}
	if x.Response.Seen {
		c.messages[proto.Server]++
	}
	if why := x.Request.Incomplete; why != proto.Complete {
		c.incomplete[proto.Client][why]++
	}
	if why := x.Response.Incomplete; why != proto.Complete {
		c.incomplete[proto.Server][why]++
	}
	if ns, ok := duration(x); ok {
		if c.durations == nil {
			c.durations = &histogram{}
		}
		c.durations.counts[bucketOf(ns)]++
		c.durations.sumNs += uint64(ns)
	}
}

// codeOf returns the grpc-status of a gRPC call, else the HTTP status. Of a call
// without grpc-status only a failure in HTTP is one: 200 says nothing yet.
func codeOf(x *proto.Exchange) uint16 {
	switch {
	case x.HasCode:
		return clampCode(x.Code)
	case x.Protocol == proto.GRPC && (x.Status == 0 || x.Status == 200):
		return noCode
	}
	return clampCode(x.Status)
}

func clampCode(status int) uint16 {
	if status < 0 || status > 999 {
		return otherCode
	}
	return uint16(status)
}

func (c *counters) countCode(code uint16, n uint64) {
	for i := range c.codes {
		if c.codes[i].code == code {
			c.codes[i].n += n
			return
		}
	}
	if len(c.codes) >= maxCodes && code != otherCode {
		c.countCode(otherCode, n)
		return
	}
	c.codes = append(c.codes, codeCount{code, n})
}

// duration returns the time from the request's first byte to the response's
// last, where both were seen: not of what was cut short or joined midway, and
// not of the session after an upgrade.
// Bytes that a file or the copy budget left out do not change the times.
func duration(x *proto.Exchange) (ns int64, ok bool) {
	if x.Upgraded || !x.Request.Seen || !x.Response.Seen {
		return 0, false
	}
	switch x.Incomplete() {
	case proto.Complete, proto.Truncated, proto.SkippedBytes:
		return max(x.Response.LastNs-x.Request.FirstNs, 0), true
	}
	return 0, false
}

// add merges o into c.
func (c *counters) add(o *counters) {
	for side := range c.bytes {
		c.bytes[side] += o.bytes[side]
		c.messages[side] += o.messages[side]
		c.streamed[side].messages += o.streamed[side].messages
		c.streamed[side].bytes += o.streamed[side].bytes
		for why := range c.incomplete[side] {
			c.incomplete[side][why] += o.incomplete[side][why]
		}
	}
	c.exchanges += o.exchanges
	c.requests += o.requests
	for _, code := range o.codes {
		c.countCode(code.code, code.n)
	}
	if o.durations != nil {
		if c.durations == nil {
			c.durations = &histogram{}
		}
		c.durations.add(o.durations)
	}
}

// endpoint is a row of a shard's books.
type endpoint struct {
	counters
	service *service
	row     uint32 // its number, in all shards
	endpointKey
	live *window // nil while idle, or where there is no live view
}

// service is a shard's part of a service.
type service struct {
	name  string
	names *directory
	// These three come from the capture's totals, by proto.Side.
	network, retransmitted, payload [2]uint64

	rows      []*endpoint
	endpoints map[endpointKey]*endpoint // rows, some under several keys
	paths     map[string]string         // granted ones
	complete  bool                      // no path will be granted any more
	loose     [proto.NumReasons]*endpoint
}

func newService(name string, d *directory) *service {
	return &service{name: name, names: d, endpoints: map[endpointKey]*endpoint{}, paths: map[string]string{}}
}

// looseEndpoint returns the row of bytes that belong to no message.
func (s *service) looseEndpoint(why proto.Reason) *endpoint {
	if e := s.loose[why]; e != nil {
		return e
	}
	e := s.addRow(endpointKey{path: loosePath(why)})
	s.loose[why] = e
	return e
}

func (s *service) addRow(k endpointKey) *endpoint {
	e := &endpoint{service: s, row: s.names.rows.Add(1), endpointKey: k}
	s.rows = append(s.rows, e)
	s.endpoints[k] = e
	return e
}

// endpoint returns the row of a request. path is a template of the moment;
// configured exempts it from the limit.
func (s *service) endpoint(d *directory, method string, path []byte, configured bool) *endpoint {
	k := endpointKey{method, s.path(d, path, configured)}
	if e := s.endpoints[k]; e != nil {
		return e
	}
	granted := d.endpoint(s.name, k)
	e := s.endpoints[granted]
	if e == nil {
		e = s.addRow(granted)
	}
	s.endpoints[k] = e // a refused key finds the row of the rest from now on
	return e
}

func (s *service) path(d *directory, path []byte, configured bool) string {
	if p, ok := s.paths[string(path)]; ok {
		return p
	}
	if s.complete && !configured {
		return Other
	}
	granted, known := d.path(s.name, path, configured)
	if known != nil {
		s.complete = true
		for k, v := range known {
			s.paths[k] = v
		}
	}
	if granted != Other {
		s.paths[granted] = granted
	}
	return granted
}
