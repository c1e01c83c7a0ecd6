package http1

import "gortap/internal/proto"

// pairing ties responses to requests. Responses come in the order of the
// requests (RFC 9112, 9.3), so a queue does it as long as every message was
// seen.
//
// A gap may hide whole messages. If at most one request waits, the next
// response is its own or nobody's, whatever the gap hid, because deliveries
// are in causal order. With more, or after a gap between requests, pairing is
// in doubt: requests end without a response, and responses that no certain
// request waits for get exchanges of their own. The doubt ends with a request
// that its client sent when everything was answered, which a client that does
// not keep several requests going shows by sending after the server spoke.
type pairing struct {
	first, tail *exchange // requests that wait for a response, oldest first
	waiting     int

	answers uint64       // turns of the server
	asked   uint64       // answers when the last request began
	doubts  proto.Reason // why pairing is in doubt, Complete if it is not
	doubtAt uint64       // a request after more answers than these ends the doubt
	// overlaps: the client was seen to send a request after the server spoke
	// but before all was answered. From its turns nothing follows.
	overlaps bool

	serverEnded bool
	askedAll    bool
}

// doubt puts pairing in doubt, because of what s sent. Requests that the client
// may have sent are answered when the server has spoken again; answers that
// the server may have sent are over when the client speaks again.
func (p *parser) doubt(s proto.Side, why proto.Reason) {
	p.doubts, p.doubtAt = why, p.answers
	if s == proto.Server {
		p.doubtAt--
	}
}

// beginRequest makes x known to the sink and lets it wait for its response.
func (p *parser) beginRequest(x *exchange) {
	p.settleBefore()
	if p.first != nil && p.answers > p.asked {
		p.overlaps = true
	}
	if p.doubts != proto.Complete && p.first == nil && p.answers > p.doubtAt && !p.overlaps && p.half[proto.Server].x == nil {
		p.doubts = proto.Complete
	}
	p.asked = p.answers
	p.begin(x)
	switch {
	case p.serverEnded:
		p.unanswered(x, proto.NoResponse)
	case p.doubts != proto.Complete:
		p.unanswered(x, p.doubts)
	case p.waiting >= p.f.limits.Outstanding:
		p.doubt(proto.Client, proto.NoResponse)
		p.unanswered(x, proto.NoResponse)
	default:
		p.enqueue(x)
	}
}

func (p *parser) begin(x *exchange) {
	x.begun = true
	x.Seq = p.conn.Exchanges
	p.conn.Exchanges++
	p.conn.ClientKnown = true
	p.sink.Begin(&x.Exchange)
}

func (p *parser) unanswered(x *exchange, why proto.Reason) {
	mark(&x.Response, why)
	x.respDone = true
}

func (p *parser) enqueue(x *exchange) {
	if p.tail == nil {
		p.first = x
	} else {
		p.tail.next = x
	}
	p.tail = x
	if p.waiting++; p.waiting == 2 {
		p.copyAll()
	}
}

func (p *parser) dequeue() {
	x := p.first
	if p.first = x.next; p.first == nil {
		p.tail = nil
	}
	x.next = nil
	p.waiting--
}

// settleBefore ends responses that a new request, even one in a gap, proves
// over, though their own bytes did not say so.
func (p *parser) settleBefore() {
	server := &p.half[proto.Server]
	switch {
	case server.state != seeking:
		// The request of this response was never seen. If it was HEAD, the
		// body that its head announces does not come.
		if x := server.x; x != nil && x.orphan && (x.Response.Body == 0 || server.state == untilClose) {
			server.end()
		}
	case p.answers == p.asked:
	case server.x != nil && server.x.orphan:
		server.shedPending()
		server.release()
	case p.first == nil:
	case server.x != nil && p.waiting == 1 && !p.overlaps:
		server.shedPending()
		server.release()
	default:
		why := server.noResponse()
		if p.overlaps {
			p.doubt(proto.Client, why)
		}
		p.endAll(why)
	}
}

// noResponse is the reason why requests that wait get no response from a
// server that stopped answering: what it said since may have been one.
func (h *half) noResponse() proto.Reason {
	if h.state == seeking && h.seekWhy != proto.AfterMessage && h.p.answers > h.p.asked {
		return h.seekWhy
	}
	return proto.NoResponse
}

// ambiguous reports whether the next response found after a gap could be
// another's than the first's of n requests that wait.
func (p *parser) ambiguous(n int) bool {
	return n > 1 || n == 1 && p.doubts != proto.Complete
}

// others counts the responses that are to come after x's.
func (p *parser) others(x *exchange) int {
	if x == p.first {
		return p.waiting - 1
	}
	return p.waiting
}

// respondent returns whose response begins now.
func (p *parser) respondent() *exchange {
	client := &p.half[proto.Client]
	if p.first == nil && client.state == inFields && !client.x.begun {
		// The server answers before the request's head is complete, for
		// example because it is too large.
		client.openRequest()
	}
	if p.first != nil {
		return p.first
	}
	x := p.f.exchange()
	x.Conn, x.orphan = p.conn, true
	x.Protocol = p.half[proto.Server].head.version.protocol()
	x.Request.Incomplete, x.requestDone = proto.NoRequest, true
	return x
}

// requestEnded ends a request. After one that asks for another protocol its
// client's bytes have to wait.
func (p *parser) requestEnded(x *exchange) {
	if !x.respDone && (x.connect || len(x.upgrade) > 0) {
		p.hold = x
		p.half[proto.Client].state = onHold
	}
	p.requestOver(x)
}

func (p *parser) requestOver(x *exchange) {
	x.requestDone = true
	p.tellEnd(x, proto.Client)
	p.settle(x)
}

// responseEnded ends a response, and with it a request whose own end is
// hidden.
func (p *parser) responseEnded(x *exchange) {
	if x == p.first {
		p.dequeue()
	}
	x.respDone = true
	p.tellEnd(x, proto.Server)
	held := p.hold == x
	if client := &p.half[proto.Client]; client.state == seeking && client.x == x {
		client.shedPending()
		client.release()
	} else {
		p.settle(x)
	}
	if held {
		p.unhold()
	}
}

func (p *parser) tellEnd(x *exchange, s proto.Side) {
	if p.obs != nil {
		p.obs.Ended(&x.Exchange, s)
	}
}

func (p *parser) settle(x *exchange) {
	if x.requestDone && x.respDone {
		p.sink.Done(&x.Exchange)
		p.f.recycleExchange(x)
	}
}

// endAll ends every wait for a response.
func (p *parser) endAll(why proto.Reason) {
	server := &p.half[proto.Server]
	for p.first != nil {
		x := p.first
		mark(&x.Response, why)
		if server.x == x {
			server.shedPending()
			server.release()
		} else {
			p.responseEnded(x)
		}
	}
}
