package http1

import (
	"bytes"

	"gortap/internal/proto"
)

// exchange is a proto.Exchange with what the parser needs to know of it.
type exchange struct {
	proto.Exchange
	next    *exchange // in the queue of those that wait for a response
	buf     []byte    // backs Method, Host, Target and upgrade
	hint    uint64    // see hintOf
	upgrade []byte    // first protocol of the request's Upgrade field, lower case

	head, connect         bool // by method
	begun                 bool // the sink knows it
	orphan                bool // a response without a request
	requestDone, respDone bool
}

// setRequest copies the request line into the exchange.
func (x *exchange) setRequest(c *proto.Conn, r requestLine) {
	x.Conn, x.Protocol = c, r.version.protocol()
	at := cap(r.method) - cap(r.target) // the method begins the line, the target is further on
	line := x.copy(r.method[:at+len(r.target)])
	x.Method, x.Target = line[:len(r.method):len(r.method)], line[at:]
	x.hint = hintOf(x.Target)
	x.head = string(r.method) == "HEAD"
	x.connect = string(r.method) == "CONNECT"
	if host := absoluteHost(x.Target); len(host) > 0 {
		x.Host = host
	}
}

// setHost takes the Host field's value. In absolute form the target outranks
// it (RFC 9112, 3.2.2), and of several fields the first counts.
func (x *exchange) setHost(v []byte) { x.Host = x.copy(v) }

// copy returns a copy of b that lives as long as the exchange. When buf moves
// on to a larger array, what was handed out stays in the old one.
func (x *exchange) copy(b []byte) []byte {
	n := len(x.buf)
	x.buf = append(x.buf, b...)
	return x.buf[n:len(x.buf):len(x.buf)]
}

// absoluteHost returns host and port of a target in absolute form, nil for the
// other forms. Credentials are no part of it.
func absoluteHost(target []byte) []byte {
	if len(target) == 0 || target[0] == '/' {
		return nil
	}
	scheme, rest, ok := bytes.Cut(target, []byte("://"))
	if !ok || bytes.ContainsAny(scheme, "/?#") {
		return nil
	}
	if i := bytes.IndexAny(rest, "/?#"); i >= 0 {
		rest = rest[:i]
	}
	return rest[bytes.LastIndexByte(rest, '@')+1:]
}
